"""Whoever can write to the broker still commands nothing: forged messages are dropped, the worker goes on (B222)."""

import pickle
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from tests import live

PATIENCE = 20.0


class Trap:
    """Unpickled anywhere, it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def until(look: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not look() and time.monotonic() < end:
        time.sleep(0.1)
    return look()


@pytest.fixture
def broker(live_installation: live.Installation) -> Celery:
    """An attacker's own Celery on our broker."""
    return Celery(
        "forger", broker=live_installation.running()["environment"]["REDIS_URL"], set_as_current=False
    )


def send_pickle(broker: Celery, marker: Path) -> None:
    with broker.connection_for_write() as connection, connection.Producer() as producer:
        producer.publish(
            pickle.dumps(((Trap(marker),), {}, {})),
            routing_key="celery",
            content_type="application/x-python-serialize",
            content_encoding="binary",
            headers={"task": "alipayhk.tasks.sweep", "id": str(uuid.uuid4()), "lang": "py"},
        )


def test_b222_forged_messages_are_dropped_and_said(
    live_installation: live.Installation, broker: Celery, tmp_path: Path
) -> None:
    worker, before = live_installation.pid("worker"), live_installation.state()["notifications"]
    marker = tmp_path / "unpickled"

    broker.send_task("os.system", args=[f"touch {marker}"])
    send_pickle(broker, marker)
    broker.send_task("alipayhk.tasks.sweep", args=[1, 2], kwargs={"limit": "; DROP TABLE"})

    assert until(lambda: "os.system" in live_installation.serve.output()), live_installation.serve.output()[
        -3000:
    ]
    assert until(lambda: "x-python-serialize" in live_installation.serve.output())
    assert until(lambda: "TypeError" in live_installation.serve.output())
    assert not marker.exists()
    assert live_installation.pid("worker") == worker
    assert live_installation.state()["notifications"] == before


def test_the_worker_still_works_after_them(live_installation: live.Installation, broker: Celery) -> None:
    life = Path(live_installation.running()["sockets"]["postgres"]).with_name("worker.life")
    seen = life.stat().st_mtime

    broker.send_task("no.such.task")
    broker.send_task("loyalty.celery.show_life")

    assert until(lambda: life.stat().st_mtime > seen)
