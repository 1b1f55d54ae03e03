"""What Celery runs: each task is one call into the domain, carries no fact, and may run any number of times at once."""

import logging
import threading
import time
from datetime import timedelta

from celery import shared_task

from alipayhk import (
    certificate,
    confirmations,
    mappings,
    miniapp_sessions,
    passes,
    stores,
    waiting,
    wallet_tokens,
)
from alipayhk.models import CollectionSetup
from pms import clock
from pms.models import Mall

# Cards due so soon are waited for, so that the quick attempts do not have to wait for the next turn.
LINGER_SECONDS = 2.2
# Nudges come ten a second; the webhooks have said what is wanted, so comparing need not be as frequent, nor look
# far back: the sweep does.
COMPARE_EVERY_SECONDS = 1.0
COMPARED_EACH_TIME = timedelta(minutes=1)
MOST_JUDGED = 500

# One that waits for what is due soon, and one that works: more would only ask the same table at once.
MOST_PUSHES = 2
LONGEST_PUSH_SECONDS = 20.0


class _Pushes:
    """The pushes of this process. One too many leaves word, so that one of the others looks once more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._is_wanted_again = False
        self._compared_at = float("-inf")

    def begin(self) -> bool:
        with self._lock:
            if self._running >= MOST_PUSHES:
                self._is_wanted_again = True
                return False
            self._running += 1
            return True

    def end(self, *, is_late: bool = False) -> bool:
        """Whether this one is over: not if word was left meanwhile and there is time."""
        with self._lock:
            if self._is_wanted_again and not is_late:
                self._is_wanted_again = False
                return False
            self._running -= 1
            return True

    def give_up(self) -> None:
        with self._lock:
            self._running -= 1

    def may_compare(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._compared_at < COMPARE_EVERY_SECONDS:
                return False
            self._compared_at = now
            return True


_pushes = _Pushes()
# One drain of stores in each process: it has all the calls in flight that there may be.
_collecting = threading.Lock()

alarm = logging.getLogger("loyalty.alarm")


@shared_task(name="alipayhk.tasks.push_passes")  # type: ignore[untyped-decorator]  # Celery has no types
def push_passes() -> None:
    """Find cards that are behind and bring them up to date."""
    if not _pushes.begin():
        return
    # Not for ever: a message that is not acknowledged in time is delivered again.
    ends_at = time.monotonic() + LONGEST_PUSH_SECONDS
    try:
        _push()
        while not _pushes.end(is_late=time.monotonic() > ends_at):
            _push()
    except BaseException:
        _pushes.give_up()
        raise


def _push() -> None:
    if _pushes.may_compare():
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


@shared_task(name="alipayhk.tasks.map_store")  # type: ignore[untyped-decorator]
def map_store(*, job_id: int) -> None:
    """Judge what a mapping wakes, or take back what an ended one gave."""
    mappings.work(job_id=job_id, clock=clock.now)


@shared_task(name="alipayhk.tasks.take_up_mappings")  # type: ignore[untyped-decorator]
def take_up_mappings() -> None:
    """Go on with mappings whose worker died, or that no worker was told of."""
    for job_id in mappings.lost(now=clock.now()):
        mappings.work(job_id=job_id, clock=clock.now)


@shared_task(name="alipayhk.tasks.prove")  # type: ignore[untyped-decorator]
def prove() -> None:
    """The proof of the night; its certificate is on the staff's front page."""
    run = certificate.prove(clock=clock.now, tell=alarm.error)
    if not run.is_green:
        alarm.error("promises are broken: %s", run.counts)


@shared_task(name="alipayhk.tasks.remove_old_sessions")  # type: ignore[untyped-decorator]
def remove_old_sessions() -> None:
    """Remove sessions of mini-apps whose time is over."""
    miniapp_sessions.remove_old(now=clock.now())


@shared_task(name="alipayhk.tasks.collect_stores")  # type: ignore[untyped-decorator]
def collect_stores() -> None:
    """Have AlipayHK collect the stores that are due."""
    if not _collecting.acquire(blocking=False):
        return
    try:
        stores.notice_changes(now=clock.now())
        stores.drain(clock=clock.now)
    finally:
        _collecting.release()


@shared_task(name="alipayhk.tasks.confirm_stores")  # type: ignore[untyped-decorator]
def confirm_stores() -> None:
    """Read AlipayHK's lists that somebody asked for, or whose reader died."""
    for run_id in confirmations.waiting(now=clock.now()):
        confirmations.work(run_id=run_id, clock=clock.now)


@shared_task(name="alipayhk.tasks.confirm_every_mall")  # type: ignore[untyped-decorator]
def confirm_every_mall() -> None:
    """Ask for the reading of the night of every mall that collects; `confirm_stores` reads."""
    malls = Mall.objects.filter(
        credentials__in=CollectionSetup.objects.filter(is_on=True).values("credential")
    )
    for mall in malls.distinct().order_by("pk"):
        confirmations.ask_of_the_night(mall=mall, now=clock.now())


@shared_task(name="alipayhk.tasks.renew_authorizations")  # type: ignore[untyped-decorator]
def renew_authorizations() -> None:
    """Keep the authorizations of mini-apps from lapsing, and learn which were taken back."""
    wallet_tokens.renew_ending(clock=clock.now)
