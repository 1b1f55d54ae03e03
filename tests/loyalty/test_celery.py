"""The Celery app: what is promised about messages, and a timetable whose tasks exist."""

import pytest
from django.conf import settings

from loyalty.celery import TIMETABLE, WORKER_TRANSPORT, app


def test_every_task_of_the_timetable_is_registered() -> None:
    app.loader.import_default_modules()

    missing = {task for task, _ in TIMETABLE.values()} - set(app.tasks)

    assert missing == set()


@pytest.mark.parametrize("name", list(TIMETABLE))
def test_a_periodic_message_expires_before_its_next_turn(name: str) -> None:
    entry = app.conf.beat_schedule[name]

    assert 0 < entry["options"]["expires"] <= entry["schedule"]


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
