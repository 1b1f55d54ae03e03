"""Alarms about calls that fail: once an hour for each kind, since an outage must not fill the log."""

import logging
import time

alarm = logging.getLogger("loyalty.alarm")

AGAIN_SECONDS = 3600

_told: dict[tuple[object, ...], float] = {}


def tell(key: tuple[object, ...], message: str, *values: object) -> None:
    """Log an error, unless this process told of the same `key` within the last hour."""
    now = time.monotonic()
    if now - _told.get(key, -AGAIN_SECONDS) >= AGAIN_SECONDS:
        _told[key] = now
        alarm.error(message, *values)
