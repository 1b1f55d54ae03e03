"""Confirmation: reads what AlipayHK lists for a mall, keeps it, and says of each store where it stands.

A reading is asked for, taken by one worker, and over in one block. One that breaks off has kept what it saw and says
nothing of what it did not see.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.db.transaction import atomic

from alipayhk import client, collection_setup, store_comparison, store_days, store_list
from alipayhk.collection_setup import CannotCollect
from alipayhk.models import ConfirmationRun, ListedStore, StoreCollection
from alipayhk.store_comparison import Difference, Match, Ours, Theirs
from alipayhk.store_list import Reading, ReadingBroke, Source
from alipayhk.store_payloads import Line, Triple
from pms.clock import HONG_KONG
from pms.models import Mall, Store, User

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

# Longer than a page ever takes with all its tries: a run without progress for so long has lost its worker.
LOST_AFTER = timedelta(seconds=60)
# In Hong Kong; as the timetable has it.
NIGHTLY = time(2, 11)
State = ConfirmationRun.State
Standing = StoreCollection.State

TELL_LISTED = """
UPDATE alipayhk_listedstore SET ours_id = r.ours, state = r.state
FROM unnest(%(ids)s::bigint[], %(ours)s::bigint[], %(states)s::text[]) AS r (id, ours, state)
WHERE alipayhk_listedstore.id = r.id
"""


def ask(*, mall: Mall, by: User | None, now: datetime) -> ConfirmationRun:
    """Note that the mall's list is to be read; a reading that is under way is the one asked for."""
    moving = ConfirmationRun.objects.filter(mall=mall, state__in=(State.WAITING, State.RUNNING))
    try:
        with atomic():
            return moving.first() or ConfirmationRun.objects.create(
                mall=mall, asked_by=by, asked_at=now, moved_at=now
            )
    except IntegrityError:
        return moving.get()


def ask_of_the_night(*, mall: Mall, now: datetime) -> None:
    """Once a night, however often the message of the night is delivered; a reading asked for since then will do."""
    local = now.astimezone(HONG_KONG)
    night = datetime.combine(local.date(), NIGHTLY, tzinfo=HONG_KONG)
    since = night if local >= night else night - timedelta(days=1)
    if not ConfirmationRun.objects.filter(mall=mall, asked_at__gte=since).exists():
        ask(mall=mall, by=None, now=now)


def waiting(*, now: datetime) -> list[int]:
    """Readings that nobody began, or whose worker died."""
    lost = Q(state=State.WAITING) | Q(state=State.RUNNING, moved_at__lt=now - LOST_AFTER)
    return list(ConfirmationRun.objects.filter(lost).order_by("pk").values_list("pk", flat=True))


def work(*, run_id: int, clock: Callable[[], datetime]) -> None:
    """Do the reading, unless another worker does, or did."""
    run = _take(run_id, now=clock())
    if run is None:
        return
    reading = Reading()
    try:
        source = _source(run.mall, clock)
        for lines in store_list.pages(source, reading):
            _keep(run, lines, now=clock())
            _move(run, reading, now=clock())
        _doubt(run, reading)
        _conclude(run, reading, now=clock())
    except (ReadingBroke, CannotCollect) as error:
        _break(run, reading, error.code, now=clock())
    except Exception:
        log.exception("confirmation %d failed", run_id)
        _break(run, reading, "UNEXPECTED", now=clock())


def _take(run_id: int, *, now: datetime) -> ConfirmationRun | None:
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, moved_at__lt=now - LOST_AFTER)
    taken = ConfirmationRun.objects.filter(free, pk=run_id).update(
        state=State.RUNNING, started_at=Now(), moved_at=now, pages=0, found_rows=0
    )
    return ConfirmationRun.objects.select_related("mall__group").get(pk=run_id) if taken else None


def _source(mall: Mall, clock: Callable[[], datetime]) -> Source:
    setup = collection_setup.of(mall)
    collection_setup.check(setup)
    try:
        caller = client.caller(setup.credential)
    except client.CredentialUnusable as error:
        raise CannotCollect(error.code) from error
    return Source(
        caller=caller, setup=setup, group_label=mall.group.label, mall_label=mall.label, clock=clock
    )


def _keep(run: ConfirmationRun, lines: Iterable[Line], *, now: datetime) -> None:
    ListedStore.objects.bulk_create(
        [
            ListedStore(
                mall_id=run.mall_id, partner_id=line.triple.partner_id, merchant_id=line.triple.merchant_id,
                store_id=line.triple.store_id, merchant_name=line.merchant_name, store_name=line.store_name,
                mall_label=line.mall_label, raw=line.raw, seen_run=run, first_seen_at=now, seen_at=now,
            )
            for line in lines
        ],
        update_conflicts=True,
        unique_fields=["mall", "partner_id", "merchant_id", "store_id"],
        update_fields=["merchant_name", "store_name", "mall_label", "raw", "seen_run", "seen_at"],
    )  # fmt: skip


def _move(run: ConfirmationRun, reading: Reading, *, now: datetime) -> None:
    ConfirmationRun.objects.filter(pk=run.pk).update(moved_at=now, **_figures(reading))


def _break(run: ConfirmationRun, reading: Reading, code: str, *, now: datetime) -> None:
    alarm.warning("the list of stores of %s was not read: %s", run.mall.tag, code)
    _end(run, reading, State.BROKEN, code, now=now)


def _doubt(run: ConfirmationRun, reading: Reading) -> None:
    """An answer without a list looks like an empty list: a mall does not lose all its stores in a night."""
    known = ListedStore.objects.filter(mall=run.mall).exclude(state=ListedStore.State.GONE)
    if reading.is_whole and not reading.found_rows and known.exists():
        reading.is_whole, reading.fault = False, "EMPTY_NOW"


@atomic
def _conclude(run: ConfirmationRun, reading: Reading, *, now: datetime) -> None:
    """Compare the registry with the list; what a reading did not see counts only if it saw the whole."""
    listed = list(ListedStore.objects.select_for_update().filter(mall=run.mall, seen_run=run).order_by("pk"))
    stores = list(store_days.placed([run.mall], now=now).filter(merged_into=None).order_by("pk"))
    pairs = store_comparison.match(
        [_ours(store, run.mall) for store in stores], [_theirs(one) for one in listed]
    )
    _judge_listed(run, listed, pairs, is_whole=reading.is_whole, now=now)
    _judge_stores(run, [store.pk for store in stores], pairs, is_whole=reading.is_whole, now=now)
    if reading.fault:
        alarm.warning("the list of stores of %s is odd: %s", run.mall.tag, reading.fault)
    _end(run, reading, State.DONE, reading.fault, now=now)


def _judge_listed(
    run: ConfirmationRun, listed: list[ListedStore], pairs: list[Match], *, is_whole: bool, now: datetime
) -> None:
    ours = {pair.theirs.key: pair.ours.key for pair in pairs} | _elsewhere(run.mall, listed, now=now)
    values: dict[str, Any] = {
        "ids": [one.pk for one in listed],
        "ours": [ours.get(one.pk) for one in listed],
        "states": [_listed_state(one, is_ours=one.pk in ours) for one in listed],
    }
    with connection.cursor() as cursor:
        cursor.execute(TELL_LISTED, values)
    if is_whole:
        unseen = ListedStore.objects.filter(mall=run.mall).exclude(seen_run=run)
        unseen.update(state=ListedStore.State.GONE, ours=None)


def _elsewhere(mall: Mall, listed: list[ListedStore], *, now: datetime) -> dict[int, int]:
    """Stores that the registry has in another mall of the group: known, and that mall's own list speaks for them."""
    others = store_days.elsewhere(mall, now=now).filter(merged_into=None)
    known = {
        (partner, merchant, store): pk
        for pk, partner, merchant, store in others.values_list("pk", "partner_id", "merchant_id", "store_id")
        if merchant and store
    }
    found = {one.pk: known.get((one.partner_id, one.merchant_id, one.store_id)) for one in listed}
    return {pk: ours for pk, ours in found.items() if ours is not None}


def _listed_state(one: ListedStore, *, is_ours: bool) -> str:
    if is_ours:
        return ListedStore.State.KNOWN
    is_ignored = one.state == ListedStore.State.IGNORED
    return ListedStore.State.IGNORED if is_ignored else ListedStore.State.ONLY_AT_ALIPAYHK


def _judge_stores(
    run: ConfirmationRun, store_ids: list[int], pairs: list[Match], *, is_whole: bool, now: datetime
) -> None:
    StoreCollection.objects.bulk_create(
        [StoreCollection(store_id=pk) for pk in store_ids], ignore_conflicts=True
    )
    rows = StoreCollection.objects.filter(store__in=store_ids)
    held = list(rows.select_for_update().order_by("pk"))
    found = {pair.ours.key: pair.differences for pair in pairs}
    # Taken by AlipayHK while its list was read: only the next reading can tell what became of them.
    newer = {row.pk for row in held if _is_newer_than(row, run) and found.get(row.store_id, True)}
    judged = [row for row in held if row.pk not in newer]
    _confirm(rows, [row.pk for row in judged if found.get(row.store_id) == []], now=now)
    _tell_apart([row for row in judged if found.get(row.store_id)], found, now=now)
    if is_whole:
        _miss(rows, [row.pk for row in judged if row.store_id not in found], now=now)


def _confirm(rows: QuerySet[StoreCollection], ids: list[int], *, now: datetime) -> None:
    confirmed = rows.filter(pk__in=ids)
    confirmed.update(state=Standing.CONFIRMED, differences=[], vanished_at=None, compared_at=now)
    # What AlipayHK lists as we would send it needs no sending.
    confirmed.filter(lease=None).update(due_at=None, dead_at=None, attempts=0, is_uncertain=False)


def _tell_apart(
    differing: list[StoreCollection], found: dict[int, list[Difference]], *, now: datetime
) -> None:
    for row in differing:
        row.state, row.differences = Standing.DIFFERS, found[row.store_id]
        row.vanished_at, row.compared_at = None, now
    changed = ("state", "differences", "vanished_at", "compared_at")
    StoreCollection.objects.bulk_update(differing, changed, batch_size=1000)


def _miss(rows: QuerySet[StoreCollection], ids: list[int], *, now: datetime) -> None:
    missing = rows.filter(pk__in=ids)
    missing.update(compared_at=now)
    vanished = missing.filter(state__in=(Standing.CONFIRMED, Standing.DIFFERS))
    vanished.filter(acknowledged_at=None).update(state=Standing.NOT_SENT, differences=[], vanished_at=now)
    vanished.update(state=Standing.SENT, differences=[], vanished_at=now)


def _is_newer_than(row: StoreCollection, run: ConfirmationRun) -> bool:
    return bool(row.acknowledged_at and run.started_at and row.acknowledged_at > run.started_at)


def _end(run: ConfirmationRun, reading: Reading, state: str, fault: str, *, now: datetime) -> None:
    is_whole = reading.is_whole and state == State.DONE
    ConfirmationRun.objects.filter(pk=run.pk).update(
        state=state, fault=fault, is_whole=is_whole, ended_at=now, moved_at=now, **_figures(reading)
    )


def _figures(reading: Reading) -> dict[str, int]:
    names = ("pages", "claimed_pages", "claimed_rows", "found_rows")
    return {name: getattr(reading, name) for name in names}


def _ours(store: Store, mall: Mall) -> Ours:
    return Ours(
        key=store.pk,
        triple=Triple(partner_id=store.partner_id, merchant_id=store.merchant_id, store_id=store.store_id),
        name_en=store.name_en,
        name_zh=store.name_zh,
        mall_label=mall.label,
    )


def _theirs(one: ListedStore) -> Theirs:
    triple = Triple(partner_id=one.partner_id, merchant_id=one.merchant_id, store_id=one.store_id)
    return Theirs(key=one.pk, triple=triple, name=one.store_name, mall_label=one.mall_label)
