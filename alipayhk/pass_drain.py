"""Sends what is due: claims cards, calls AlipayHK about many at once, writes down what came of it.

All database work stays on the thread that drains; the calls go to one pool of threads for the whole process.
No call is made inside an atomic block of its own.
"""

import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import lru_cache, partial

from alipayhk import circuit, pass_calls, pass_queue, pass_results
from alipayhk.crew import Crew
from alipayhk.models import Credential
from alipayhk.pass_calls import Called, Line
from alipayhk.pass_queue import Claimed

MOST_IN_FLIGHT = 32
# A slow gateway must leave room for the cards of other malls.
MOST_OF_ONE_CREDENTIAL = 24
CLAIMED_AT_ONCE = 8
LONGEST_DRAIN_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 0.05
REST_SECONDS = 0.1

# One drain of a process may wait for what is due soon; the others end.
_lingering = threading.Lock()


@lru_cache(maxsize=1)
def _crew(process_id: int) -> Crew[Called]:
    """Of this process: threads do not survive a fork."""
    return Crew(most=MOST_IN_FLIGHT, most_of_one=MOST_OF_ONE_CREDENTIAL, name="alipayhk-call")


class _Drain:
    """One run: its own calls in flight, and its credentials as read at its start."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._crew = _crew(os.getpid())
        self._lines: dict[int, Line] = {}
        self._pending: set[Future[Called]] = set()
        self._looked_at = 0.0

    @property
    def is_idle(self) -> bool:
        return not self._pending

    def start(self) -> None:
        """Claim and send while cards are due and there is room."""
        if (
            self._pending
            and time.monotonic() - self._looked_at < LOOK_AGAIN_SECONDS
            and self._room() < CLAIMED_AT_ONCE
        ):
            return
        self._looked_at = time.monotonic()
        self._send(circuit.claim_probes())
        while (room := min(self._room(), CLAIMED_AT_ONCE)) > 0:
            claimed = pass_queue.claim(limit=room, busy=self._crew.busy())
            self._send(claimed)
            if len(claimed) < room:
                break

    def finish(self) -> int:
        """Write down what is over; waits a moment for it. Returns how many calls."""
        done, self._pending = wait(self._pending, timeout=LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
        if done:
            pass_results.record([future.result() for future in done])
        return len(done)

    def _room(self) -> int:
        return min(self._batch - len(self._pending), self._crew.room())

    def _send(self, claimed: list[Claimed]) -> None:
        missing = {one.credential_id for one in claimed} - self._lines.keys()
        for credential in (
            Credential.objects.select_related("card_template").filter(pk__in=missing) if missing else ()
        ):
            self._lines[credential.pk] = pass_calls.open_line(credential)
        for one in claimed:
            call = partial(pass_calls.call, one, self._lines[one.credential_id])
            self._pending.add(self._crew.send(one.credential_id, call))


def drain(*, batch: int, linger: float) -> int:
    """Send until nothing is due, for 20 s at most; see `passes.drain`."""
    run, ends_at, calls = _Drain(batch), time.monotonic() + LONGEST_DRAIN_SECONDS, 0
    may_linger = linger > 0 and _lingering.acquire(blocking=False)
    try:
        while True:
            if time.monotonic() < ends_at:
                run.start()
            if not run.is_idle:
                calls += run.finish()
            elif not (may_linger and time.monotonic() < ends_at and _rest(linger)):
                return calls
    finally:
        if may_linger:
            _lingering.release()


def _rest(linger: float) -> bool:
    """Wait a little if something is due soon, so that the quick attempts keep their time."""
    seconds = pass_queue.seconds_to_next()
    if seconds is None or seconds > linger:
        return False
    time.sleep(min(max(seconds, 0.005), REST_SECONDS))
    return True
