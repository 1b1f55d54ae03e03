"""The Celery app: what is promised about messages, and a timetable whose tasks exist."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.schedules import crontab
from django.conf import settings

from loyalty.celery import TIMETABLE, WORKER_TRANSPORT, app
from loyalty.earning import tasks

DAY = 24 * 3600


def test_every_task_of_the_timetable_is_registered() -> None:
    app.loader.import_default_modules()

    missing = {task for task, _ in TIMETABLE.values()} - set(app.tasks)

    assert missing == set()


@pytest.mark.parametrize("name", list(TIMETABLE))
def test_a_periodic_message_expires_before_its_next_turn(name: str) -> None:
    entry = app.conf.beat_schedule[name]

    every = DAY if isinstance(entry["schedule"], crontab) else entry["schedule"]
    assert 0 < entry["options"]["expires"] <= every


def test_what_runs_once_a_day_runs_at_night_in_hong_kong() -> None:
    nightly = {task: when for task, when in TIMETABLE.values() if isinstance(when, crontab)}

    assert {task: (when.hour, when.minute) for task, when in nightly.items()} == {
        "loyalty.ledger.tasks.expire_and_warn": ({0}, {1}),
        "loyalty.earning.tasks.review_tiers": ({0}, {11}),
        "alipayhk.tasks.confirm_every_mall": ({2}, {11}),
        "alipayhk.tasks.prove": ({3}, {31}),
        "alipayhk.tasks.remove_old_sessions": ({4}, {1}),
    }
    assert app.conf.timezone == "Asia/Hong_Kong"


def test_a_killed_worker_loses_no_message_and_hoards_none() -> None:
    assert app.conf.task_acks_late is True
    assert app.conf.task_reject_on_worker_lost is True
    assert app.conf.worker_prefetch_multiplier == 1


def test_messages_are_json_and_answers_are_not_kept() -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend is None
    assert app.conf.task_ignore_result is True


def test_lost_messages_come_back_within_about_a_minute() -> None:
    assert WORKER_TRANSPORT["visibility_timeout"] == 60
    assert WORKER_TRANSPORT["unacked_restore_interval"] * WORKER_TRANSPORT["unacked_restore_throttle"] <= 10


def test_the_broker_is_the_one_of_the_settings() -> None:
    assert app.conf.broker_url == settings.CELERY_BROKER_URL


def test_every_thread_of_the_web_publishes_through_this_app() -> None:
    """Celery keeps its current app in each thread, and a request is answered in a thread of its own."""
    with ThreadPoolExecutor(1) as other_thread:
        found = other_thread.submit(lambda: tasks.backtest.app.main).result()

    assert found == app.main


def test_the_web_knows_the_app() -> None:
    """In a process of its own, since this one has imported it long ago."""
    asked = "import loyalty.wsgi, celery; print(celery.current_app.main)"

    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout

    assert said.strip() == app.main
