"""Looks for cycles less often: judging makes much garbage and no cycles, and looking took a tenth of its time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects before Python looks among them.
SWEPT_AFTER = 1_000_000


def sweep_rarely() -> None:
    """For a whole process, which ends with its work."""
    gc.freeze()
    gc.set_threshold(SWEPT_AFTER)


@contextmanager
def rarely_swept() -> Iterator[None]:
    """For one piece of work of a process that goes on."""
    usual = gc.get_threshold()
    gc.set_threshold(SWEPT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
