"""Stores and AlipayHK: ask that it collects them, where each stands, and the cures of what differs.

Asking only writes the wish down; `drain` is the only way out, `confirmations` the only reader of AlipayHK's list.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import Count, Q, QuerySet
from django.db.transaction import atomic
from django.utils.translation import gettext_lazy as _

from alipayhk import collection_drain, collection_queue, collection_setup, store_days, unknown_stores
from alipayhk.models import ListedStore, StoreCollection
from pms import registry, store_rows
from pms.models import Mall, Store, StoreChange, User
from pms.store_history import Moves
from pms.table_files import Line

log = logging.getLogger(__name__)

State = StoreCollection.State
Source = StoreChange.Source
ONLY_AT_ALIPAYHK = ListedStore.State.ONLY_AT_ALIPAYHK
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
# The columns of a store file that say the same: what may not be in a file is not taken from AlipayHK either.
COLUMNS = {"partner_id": "partner_id", "merchant_id": "merchant_id", "store_id": "store_id"} | {
    "name_en": "store_name", "name_zh": "store_name_zh",
}  # fmt: skip

WAITS_ELSEWHERE = _(
    "Payments under this label wait in a mall that you do not see; ask somebody who sees the whole group."
)


class NumberRefused(Exception):
    """A trade number is letters, digits, _ or -, at most 128, and names one store."""


class NothingToTake(Exception):
    """AlipayHK lists nothing about this store that could be taken over."""


class LabelTaken(Exception):
    """Another store of the group has this PMS label, or these IDs."""


class NotTaken(Exception):
    """The registry cannot hold what AlipayHK lists; the message says which part, and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What became of a wish: how many stores go out, and why others do not (CLOSED, NO_TRIPLE)."""

    count: int
    left_out: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """How many of a mall's stores AlipayHK is known to have; `waiting` are still to be called about, `leaving` of them
    for the first time."""

    total: int
    confirmed: int
    sent: int
    differs: int
    only_there: int
    waiting: int
    leaving: int
    dead: int

    @property
    def not_sent(self) -> int:
        return self.total - self.confirmed - self.sent - self.differs

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means all."""
        return self.confirmed * 100 // self.total if self.total else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where one store stands, or one that only AlipayHK has."""

    store: Store | None
    listed: ListedStore | None
    state: str
    collection: StoreCollection | None = None


@atomic
def ask(*, stores: Iterable[Store], trade_number: str = "", by: User | None, now: datetime) -> Asked:
    """Have AlipayHK collect these stores of one mall, at once and from the first attempt.

    With a trade number it finds the one store by a payment made in it; else by the store's PMS. Raises CannotCollect
    with what the mall's setup lacks, or NumberRefused, and then nothing is written.
    """
    chosen = list(stores)
    moves, today = Moves(chosen), store_days.day_of(now)
    for mall in Mall.objects.filter(pk__in={moves.mall_id_on(store, today) for store in chosen}):
        setup = collection_setup.of(mall)
        collection_setup.check(setup, by_pms=not trade_number, by_number=bool(trade_number))
    if trade_number and (len(chosen) != 1 or not _NUMBER.fullmatch(trade_number)):
        raise NumberRefused(NumberRefused.__doc__)
    left_out = {store.pms_label: code for store in chosen if (code := _unfit(store, trade_number, now))}
    fit = [store.pk for store in chosen if store.pms_label not in left_out]
    StoreCollection.objects.bulk_create(
        [StoreCollection(store_id=pk) for pk in sorted(fit)], ignore_conflicts=True
    )
    count = collection_queue.ask(
        store_ids=fit, trade_number=trade_number, by_id=by.pk if by else None, today=today
    )
    log.info("%d stores are to be collected, asked by %s", count, by or "the command line")
    return Asked(count=count, left_out=left_out)


def unsent(mall: Mall, *, now: datetime) -> QuerySet[Store]:
    """Stores of the mall that AlipayHK has not taken, and that are not on their way."""
    found = store_days.live([mall], now=now)
    is_known = Q(collection__state__in=(State.SENT, State.CONFIRMED, State.DIFFERS))
    return found.exclude(is_known & Q(collection__vanished_at=None)).exclude(collection__due_at__isnull=False)


def notice_changes(*, now: datetime) -> int:
    """Give new stores their place, and send again what was sent and has changed; returns how many changed."""
    return collection_queue.notice(today=store_days.day_of(now))


def drain(*, clock: Callable[[], datetime]) -> int:
    """Call AlipayHK about every store that is due; returns how many were sent or looked for."""
    return collection_drain.drain(clock=clock)


def coverage(malls: Iterable[Mall | int], *, now: datetime) -> Coverage:
    """Over these malls; closed and merged stores count for nothing."""
    ids = [mall.pk if isinstance(mall, Mall) else mall for mall in malls]
    stores = store_days.live(ids, now=now)
    of_state = {state: Count("pk", filter=Q(collection__state=state)) for state in State.values}
    found = stores.aggregate(
        total=Count("pk"),
        waiting=Count("pk", filter=Q(collection__due_at__isnull=False)),
        leaving=Count("pk", filter=Q(collection__due_at__isnull=False, collection__state=State.NOT_SENT)),
        dead=Count("pk", filter=Q(collection__dead_at__isnull=False)),
        **of_state,
    )
    return Coverage(
        total=found["total"],
        confirmed=found[State.CONFIRMED],
        sent=found[State.SENT],
        differs=found[State.DIFFERS],
        only_there=ListedStore.objects.filter(mall__in=ids, state=ONLY_AT_ALIPAYHK).count(),
        waiting=found["waiting"],
        leaving=found["leaving"],
        dead=found["dead"],
    )


def standings(mall: Mall, *, now: datetime) -> Sequence[Standing]:
    """Every store of the mall by its label, then those that only AlipayHK lists."""
    stores = store_days.live([mall], now=now).select_related("collection").order_by("pms_label")
    only_there = ListedStore.objects.filter(mall=mall, state=ONLY_AT_ALIPAYHK).order_by("store_name", "pk")
    ours = [_standing(store) for store in stores]
    theirs = [Standing(store=None, listed=one, state=ONLY_AT_ALIPAYHK.value) for one in only_there]
    return [*ours, *theirs]


@atomic
def take_theirs(*, collection: StoreCollection, by: User | None, now: datetime) -> Store:
    """Write what AlipayHK lists into the registry: name and IDs. Raises NothingToTake, NotTaken, LabelTaken."""
    row = StoreCollection.objects.select_for_update().get(pk=collection.pk)
    store = Store.objects.select_for_update().get(pk=row.store_id)
    changes = _theirs(store, row.differences)
    if not changes:
        raise NothingToTake(NothingToTake.__doc__)
    try:
        with atomic():
            registry.change(store=store, fields=changes, source=Source.WALLET, by=by, now=now)
    except IntegrityError as error:
        raise LabelTaken(LabelTaken.__doc__) from error
    except registry.StoreRefused as error:
        raise NotTaken(str(registry.REFUSALS[error.code])) from error
    collection_queue.settle(collection_id=row.pk, today=store_days.day_of(now))
    store.refresh_from_db()
    return store


@atomic
def add(
    *,
    listed: ListedStore,
    pms_label: str,
    seen_malls: Collection[int] | None = None,
    by: User | None,
    now: datetime,
) -> Store:
    """Take a store that only AlipayHK has into the registry, under the label its notices use.

    Payments that wait under the label are awarded there, so they must be of malls that `by` sees, where those are
    given. Raises LabelTaken, or NotTaken.
    """
    row = ListedStore.objects.select_for_update().select_related("mall").get(pk=listed.pk)
    if row.state not in (ONLY_AT_ALIPAYHK, ListedStore.State.IGNORED):
        raise LabelTaken(LabelTaken.__doc__)
    name = row.store_name or row.merchant_name or pms_label
    cells = {"pms_label": pms_label, "store_name": name, "store_name_zh": name}
    fields = _read(
        cells | {field: getattr(row, field) for field in ("partner_id", "merchant_id", "store_id")}
    )
    waiting = unknown_stores.waiting(group_id=row.mall.group_id, name=fields["pms_label"])
    if seen_malls is not None and waiting.exclude(mall__in=seen_malls).exists():
        raise NotTaken(str(WAITS_ELSEWHERE))
    try:
        with atomic():
            store = registry.create(mall=row.mall, fields=fields, source=Source.WALLET, by=by, now=now)
    except IntegrityError as error:
        raise LabelTaken(LabelTaken.__doc__) from error
    ListedStore.objects.filter(pk=row.pk).update(state=ListedStore.State.KNOWN, ours=store)
    StoreCollection.objects.create(store=store, state=State.CONFIRMED, compared_at=now)
    return store


def ignore(*, listed: ListedStore) -> bool:
    """It is not ours to care about; False when it is not only AlipayHK's any longer."""
    rows = ListedStore.objects.filter(pk=listed.pk, state=ONLY_AT_ALIPAYHK)
    return bool(rows.update(state=ListedStore.State.IGNORED))


def _standing(store: Store) -> Standing:
    collection: StoreCollection | None = getattr(store, "collection", None)
    state = collection.state if collection else State.NOT_SENT.value
    return Standing(store=store, listed=None, state=state, collection=collection)


def _unfit(store: Store, trade_number: str, now: datetime) -> str:
    if store.merged_into_id or (store.closed_date and store.closed_date < store_days.day_of(now)):
        return "CLOSED"
    return "" if trade_number or (store.merchant_id and store.store_id) else "NO_TRIPLE"


def _theirs(store: Store, differences: Iterable[dict[str, str]]) -> dict[str, str]:
    """All differences, if the registry has a place for each. A name goes where its script belongs."""
    found: dict[str, str] = {}
    for one in differences:
        field, value = one["field"], one["theirs"]
        if field == "mall_label":
            return {}
        if field == "store_name":
            field = "name_zh" if _CHINESE.search(value) else "name_en"
        if field in COLUMNS and value and getattr(store, field) != value:
            found |= _read({COLUMNS[field]: value})
    return found


def _read(cells: dict[str, str]) -> dict[str, str]:
    """The store's fields. Nothing is cut: a shortened ID is another store's."""
    row = store_rows.read(Line(number=1, cells=cells))
    if row.faults:
        raise NotTaken("; ".join(f"{_named(fault.column)}: {fault}" for fault in row.faults))
    return row.fields


def _named(column: str) -> str:
    field: Any = Store._meta.get_field(store_rows.COLUMNS[column])
    return str(field.verbose_name)
