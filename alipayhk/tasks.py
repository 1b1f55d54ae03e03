"""What Celery runs: each task is one call into the domain, carries no fact, and may run any number of times at once."""

import threading
import time
from datetime import timedelta

from celery import shared_task

from alipayhk import passes, waiting
from pms import clock

# Cards due so soon are waited for, so that the quick attempts do not have to wait for the next turn.
LINGER_SECONDS = 2.2
# Nudges come ten a second; the webhooks have said what is wanted, so comparing need not be as frequent, nor look
# far back: the sweep does.
COMPARE_EVERY_SECONDS = 1.0
COMPARED_EACH_TIME = timedelta(minutes=1)
MOST_JUDGED = 500

_comparing = threading.Lock()
_compared_at = float("-inf")


@shared_task(name="alipayhk.tasks.push_passes")  # type: ignore[untyped-decorator]  # Celery has no types
def push_passes() -> None:
    """Find cards that are behind and bring them up to date."""
    if _is_time_to_compare():
        passes.notice_changes(within=COMPARED_EACH_TIME)
    else:
        passes.notice_new()
    passes.drain(linger=LINGER_SECONDS)


@shared_task(name="alipayhk.tasks.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Judge what waits or was lost, then the cards that follow from it."""
    waiting.sweep(now=clock.now(), limit=MOST_JUDGED)
    passes.notice_changes()
    passes.drain()


@shared_task(name="alipayhk.tasks.notice_all_changes")  # type: ignore[untyped-decorator]
def notice_all_changes() -> None:
    """Compare every card with its balance: what nobody said and no recent change shows."""
    passes.notice_changes(everything=True)
    passes.drain()


def _is_time_to_compare() -> bool:
    global _compared_at
    with _comparing:
        now = time.monotonic()
        if now - _compared_at < COMPARE_EVERY_SECONDS:
            return False
        _compared_at = now
        return True
