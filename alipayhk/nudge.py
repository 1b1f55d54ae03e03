"""Tells the workers that cards are due, without ever making a request wait: the broker may be dead or silent.

A nudge is a courtesy. One that is lost costs a moment, since the timetable looks at the same table.
"""

import logging
import os
import threading
import time
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.connection import Connection

from alipayhk import tasks

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.1
AFTER_FAILURE_SECONDS = 5.0
# A message that nobody took within this time is no longer news.
EXPIRES_SECONDS = 5
# kombu's own would hold a publisher 6 s on a dead broker.
TRANSPORT: dict[str, Any] = {
    "visibility_timeout": 60,
    "socket_timeout": 0.2,
    "socket_connect_timeout": 0.2,
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}


class _Nudger:
    """The thread of this process that publishes; any number of wishes within 100 ms make one message."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._connection: Connection | None = None
        threading.Thread(target=self._run, name="alipayhk-nudge", daemon=True).start()

    def wish(self) -> None:
        self._wished.set()

    def _run(self) -> None:
        while True:
            self._wished.wait()
            self._wished.clear()
            time.sleep(EVERY_SECONDS if self._publish() else AFTER_FAILURE_SECONDS)

    def _publish(self) -> bool:
        try:
            if self._connection is None:
                self._connection = Connection(  # type: ignore[no-untyped-call]
                    settings.CELERY_BROKER_URL, connect_timeout=0.2, transport_options=TRANSPORT
                )
            producer = current_app.amqp.Producer(self._connection.default_channel, auto_declare=False)
            tasks.push_passes.apply_async(producer=producer, retry=False, expires=EXPIRES_SECONDS)
        except Exception as error:
            # Whatever the broker or its client comes up with, the request that wished for this is long answered.
            log.warning("no nudge for %d s: %s", AFTER_FAILURE_SECONDS, type(error).__name__)
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.release()  # type: ignore[no-untyped-call]
        except Exception:
            log.debug("the broker's connection did not close")


_lock = threading.Lock()
_nudger: _Nudger | None = None


def soon() -> None:
    """Ask the workers to push cards, within a moment. Returns at once, whatever the broker does."""
    global _nudger
    if _nudger is None:
        with _lock:
            _nudger = _nudger or _Nudger()
    _nudger.wish()


def _forget() -> None:
    """Threads do not survive a fork."""
    global _nudger, _lock
    _nudger, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
