"""Counts per address and minute, in this process only: refusing a flood must not wait for another service."""

import time
from collections import Counter
from threading import Lock

MOST_ADDRESSES = 10_000
_lock = Lock()
_counts: Counter[tuple[str, str, int]] = Counter()


def count(what: str, address: str) -> None:
    with _lock:
        if len(_counts) > MOST_ADDRESSES:
            _counts.clear()
        _counts[what, address, _minute()] += 1


def is_spent(what: str, address: str, *, limit: int) -> bool:
    """Whether the address has used up its `limit` for this minute; 0 means no limit."""
    return 0 < limit <= _counts.get((what, address, _minute()), 0)


def _minute() -> int:
    return int(time.monotonic() // 60)
