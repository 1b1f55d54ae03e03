"""Sends stores that are due: claims them, calls AlipayHK about many at once, writes down what came of it.

A store whose last outcome is unknown is looked for in AlipayHK's list before it is sent again. All database work stays
on the thread that drains; no call is made inside an atomic block of its own.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import datetime
from functools import lru_cache, partial

from alipayhk import (
    collection_calls,
    collection_queue,
    collection_results,
    store_comparison,
    store_days,
    store_list,
    store_payloads,
)
from alipayhk.collection_calls import Called, Line
from alipayhk.collection_queue import Claimed, Ready
from alipayhk.crew import Crew
from alipayhk.models import CollectionSetup
from alipayhk.store_list import Reading, ReadingBroke, Source

MOST_IN_FLIGHT = 64
CLAIMED_AT_ONCE = 16
# Shorter than the broker waits before it hands the message to somebody else.
LONGEST_DRAIN_SECONDS = 45.0
LOOK_AGAIN_SECONDS = 0.05
READY_AGAIN_SECONDS = 0.5


@lru_cache(maxsize=1)
def _crew(process_id: int) -> Crew[Called]:
    """Of this process: threads do not survive a fork."""
    return Crew(most=MOST_IN_FLIGHT, most_of_one=MOST_IN_FLIGHT, name="alipayhk-collect")


class _Drain:
    """One run: its own calls in flight, and the malls that may collect as it read them last."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._crew, self._clock = _crew(os.getpid()), clock
        self._lines: dict[int, Line] = {}
        self._ready: list[Ready] = []
        self._asked_at = self._looked_at = float("-inf")
        self._pending: set[Future[Called]] = set()

    @property
    def is_idle(self) -> bool:
        return not self._pending

    def start(self) -> None:
        """Claim and send while stores are due and there is room."""
        self._look_around()
        is_fresh = time.monotonic() - self._looked_at < LOOK_AGAIN_SECONDS
        if self._pending and is_fresh and self._crew.room() < CLAIMED_AT_ONCE:
            return
        self._looked_at = time.monotonic()
        well = [one for one in self._ready if not one.is_probe]
        while (room := min(self._crew.room(), CLAIMED_AT_ONCE)) > 0:
            claimed = self._claim(well, room)
            if claimed < room:
                break

    def finish(self) -> int:
        """Write down what is over; waits a moment for it. Returns how many calls."""
        done, self._pending = wait(self._pending, timeout=LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
        if done:
            collection_results.record([future.result() for future in done])
        return len(done)

    def look(self) -> int:
        """Look for what is uncertain, now that no call waits to be written down; returns how many stores."""
        looked = 0
        for one in self._ready:
            claimed = collection_queue.claim_uncertain(
                credential_id=one.credential_id, today=store_days.day_of(self._clock())
            )
            if claimed:
                look(claimed, self._line(one.credential_id), self._clock)
            looked += len(claimed)
        self._asked_at = float("-inf")
        return looked

    def _look_around(self) -> None:
        """Now and then: who may collect; of those that are being spared, one call a minute."""
        if time.monotonic() - self._asked_at < READY_AGAIN_SECONDS:
            return
        self._ready = collection_queue.ready()
        self._asked_at = time.monotonic()
        for one in self._ready:
            if one.is_probe and collection_queue.take_probe(one.credential_id):
                self._claim([one], 1)

    def _claim(self, ready: list[Ready], limit: int) -> int:
        claimed = collection_queue.claim(
            limit=limit,
            by_pms=[one.credential_id for one in ready if one.by_pms],
            by_number=[one.credential_id for one in ready if one.by_number],
            today=store_days.day_of(self._clock()),
        )
        for one in claimed:
            call = partial(collection_calls.call, one, self._line(one.credential_id))
            self._pending.add(self._crew.send(one.credential_id, call))
        return len(claimed)

    def _line(self, credential_id: int) -> Line:
        if credential_id not in self._lines:
            setup = CollectionSetup.objects.select_related("credential").get(credential=credential_id)
            self._lines[credential_id] = collection_calls.open_line(setup)
        return self._lines[credential_id]


def drain(*, clock: Callable[[], datetime]) -> int:
    """Send until nothing is due, for 45 s at most; returns how many stores were sent or looked for."""
    run, ends_at, handled = _Drain(clock), time.monotonic() + LONGEST_DRAIN_SECONDS, 0
    while True:
        is_late = time.monotonic() >= ends_at
        if not is_late:
            run.start()
        if not run.is_idle:
            handled += run.finish()
            continue
        looked = 0 if is_late else run.look()
        handled += looked
        if not looked:
            return handled


def look(claimed: list[Claimed], line: Line, clock: Callable[[], datetime]) -> None:
    """Read AlipayHK's lists until every one of these stores is found as it would be sent, or the lists end."""
    began, found, fault = time.monotonic(), set[int](), ""
    by_list: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
    for one in claimed:
        by_list[one.group_label, one.mall_label].append(one)
    for ours in by_list.values():
        try:
            found |= _found(ours, claimed, line, clock)
        except ReadingBroke as error:
            fault = error.code
    collection_results.looked(
        found=[one for one in claimed if one.collection_id in found],
        missing=[one for one in claimed if one.collection_id not in found],
        fault=fault,
        duration_ms=round((time.monotonic() - began) * 1000),
    )


def _found(
    ours: list[Claimed], claimed: list[Claimed], line: Line, clock: Callable[[], datetime]
) -> set[int]:
    if line.caller is None:
        raise ReadingBroke(line.fault)
    labels = {"group_label": ours[0].group_label, "mall_label": ours[0].mall_label}
    source = Source(caller=line.caller, setup=line.setup, clock=clock, **labels)
    found: set[int] = set()
    reading = Reading()
    for lines in store_list.pages(source, reading):
        collection_queue.renew(claimed)
        found |= {one.collection_id for one in ours if _is_among(one, lines)}
        if len(found) == len(ours):
            return found
    if not reading.is_whole:
        raise ReadingBroke(reading.fault)
    return found


def _is_among(one: Claimed, lines: list[store_payloads.Line]) -> bool:
    """By its PMS; a store that is sent by number and has none yet, by its name."""
    name = store_comparison.plain(one.name)
    if not (one.triple.merchant_id and one.triple.store_id):
        return any(store_comparison.plain(line.store_name) == name for line in lines)
    return any(_is_as_sent(one, line, name) for line in lines)


def _is_as_sent(one: Claimed, line: store_payloads.Line, name: str) -> bool:
    ours, theirs = one.triple, line.triple
    if (ours.merchant_id, ours.store_id) != (theirs.merchant_id, theirs.store_id):
        return False
    pairs = [(ours.partner_id, theirs.partner_id), (one.mall_label, line.mall_label)]
    if not one.trade_number:
        pairs.append((name, store_comparison.plain(line.store_name)))
    return all(mine == other or not (mine and other) for mine, other in pairs)
