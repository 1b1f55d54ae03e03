"""Lets only a few threads of this process wait for AlipayHK for its mini-apps: the others are for payment notices.

Nobody queues here. A thread that waits for a place is taken from the notices as well as one that waits for AlipayHK.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings

_places = BoundedSemaphore(settings.MINIAPP_WAITING_THREADS)


class Full(Exception):
    """As many threads as may wait for AlipayHK already; nothing was asked, and nothing changed."""


@contextmanager
def place() -> Iterator[None]:
    """One of the places, for as long as the block lasts; raises Full at once if there is none."""
    if not _places.acquire(blocking=False):
        raise Full
    try:
        yield
    finally:
        _places.release()
