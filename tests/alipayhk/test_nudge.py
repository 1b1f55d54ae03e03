"""A nudge never makes a request wait, whether the broker is well, dead or silent."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings as configured

from alipayhk import nudge
from tests.alipayhk import mini_app

QUEUE = "celery"


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """The real one, its queue emptied."""
    client = redis.Redis.from_url(configured.REDIS_URL)
    client.delete(QUEUE)
    yield client
    client.delete(QUEUE)
    client.close()


@pytest.fixture
def fresh_nudger() -> Iterator[None]:
    """A nudger that no earlier test has put off; its thread sleeps on when the test ends."""
    nudge._forget()
    yield
    nudge._forget()


def waited_for(broker: redis.Redis, messages: int) -> int:
    """How many messages there are, once there are that many or two seconds have passed."""
    ends_at = time.monotonic() + 2
    while broker.llen(QUEUE) < messages and time.monotonic() < ends_at:
        time.sleep(0.02)
    return int(broker.llen(QUEUE))


def seconds_of_many_wishes() -> float:
    began = time.monotonic()
    for _ in range(100):
        nudge.soon()
    return time.monotonic() - began


def test_many_wishes_make_few_messages(broker: redis.Redis, fresh_nudger: None) -> None:
    seconds = seconds_of_many_wishes()

    messages = waited_for(broker, 1)
    time.sleep(0.3)
    assert seconds < 0.1
    assert messages == 1
    assert 1 <= broker.llen(QUEUE) <= 2


@pytest.mark.django_db
def test_what_a_mini_app_changes_about_a_card_is_told_to_the_workers(
    broker: redis.Redis, fresh_nudger: None
) -> None:
    app = mini_app.signed_in()

    answer = app.post("register", {"name": "Chan Mei", "phone": "61234567"})

    assert answer.status_code == 200
    assert waited_for(broker, 1) == 1


def test_a_message_names_the_task_and_carries_nothing(broker: redis.Redis, fresh_nudger: None) -> None:
    nudge.soon()

    assert waited_for(broker, 1) == 1
    message = broker.lindex(QUEUE, 0)
    assert message is not None
    assert b'"task": "alipayhk.tasks.push_passes"' in message
    assert b'"argsrepr": "()"' in message


def test_a_dead_broker_is_not_waited_for_and_left_alone_a_while(
    fresh_nudger: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    first = seconds_of_many_wishes()
    time.sleep(0.5)
    second = seconds_of_many_wishes()

    time.sleep(0.5)
    assert max(first, second) < 0.1
    assert sum("no nudge for 5 s" in record.getMessage() for record in caplog.records) == 1


def test_a_silent_broker_is_not_waited_for(
    fresh_nudger: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"

        seconds = seconds_of_many_wishes()

        time.sleep(1)
    assert seconds < 0.1
    assert "no nudge for 5 s" in caplog.text
