"""Enters, changes, closes, moves and merges stores. Every change is kept beside the store, with who made it and when.

Nothing here touches a purchase: what was recorded keeps the store and the mall that it was recorded with.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pms.models import Mall, MallGroup, Store, StoreChange, StoreMove, User
from pms.store_history import FIELDS

Source = StoreChange.Source
# A move is known some months before the day.
FARTHEST = timedelta(days=366)

REFUSALS: dict[str, Promise] = {
    "MERGED": _("This store was merged into another one; nothing of it is changed any more."),
    "OTHER_GROUP": _("The two belong to different groups."),
    "SAME_MALL": _("The store is in this mall already."),
    "MOVED_SINCE": _("The store has moved on this day or after it already."),
    "TOO_FAR": _("The day is more than a year ahead."),
    "ITSELF": _("A store cannot be merged into itself."),
    "INTO_MERGED": _("That store was itself merged into another one; choose that."),
    "DAYS_REVERSED": _("The last day is before the first day."),
}


class StoreRefused(Exception):
    """The store cannot be changed like that, and nothing was; `code` is in REFUSALS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@atomic
def create(*, mall: Mall, fields: Mapping[str, Any], source: str, by: User | None, now: datetime) -> Store:
    """Raises IntegrityError where the label or the PMS triple is another store's."""
    store = Store(group_id=mall.group_id, mall=mall, **fields)
    store.save()
    record(store=store, before={}, source=source, by=by, now=now)
    return store


@atomic
def change(
    *, store: Store, fields: Mapping[str, Any], source: str, by: User | None, now: datetime
) -> StoreChange | None:
    """Renaming, suspending and all else but its mall; None if nothing differs."""
    if "pms_label" in fields:
        # Before the row, as files have it: the guard of labels would ask for it after.
        lock_group(store.group)
    locked = _locked(store)
    before = written(locked)
    for name, value in fields.items():
        setattr(locked, name, value)
    if locked.opened_date and locked.closed_date and locked.closed_date < locked.opened_date:
        raise StoreRefused("DAYS_REVERSED")
    made = record(store=locked, before=before, source=source, by=by, now=now)
    if made:
        locked.save(update_fields=list(made.fields))
        store.refresh_from_db()
    return made


def close(
    *, store: Store, last_date: date | None, source: str, by: User | None, now: datetime
) -> StoreChange | None:
    """It earns until the end of this day in Hong Kong; without a day it is open again."""
    return change(store=store, fields={"closed_date": last_date}, source=source, by=by, now=now)


@atomic
def move(*, store: Store, to_mall: Mall, moved_date: date, by: User | None, now: datetime) -> StoreMove:
    """To another mall of the group, from this day on; what is paid earlier stays the old mall's."""
    locked = _locked(store)
    if to_mall.group_id != locked.group_id:
        raise StoreRefused("OTHER_GROUP")
    if to_mall.pk == locked.mall_id:
        raise StoreRefused("SAME_MALL")
    if locked.moved_date and moved_date <= locked.moved_date:
        raise StoreRefused("MOVED_SINCE")
    if moved_date > (now + FARTHEST).date():
        raise StoreRefused("TOO_FAR")
    made = StoreMove.objects.create(
        store=locked,
        from_mall_id=locked.mall_id,
        to_mall=to_mall,
        moved_date=moved_date,
        moved_by=by,
        recorded_at=now,
    )
    _keep(locked, {"mall": [locked.mall_id, to_mall.pk]}, source=Source.MOVE, by=by, now=now)
    locked.mall, locked.moved_date = to_mall, moved_date
    locked.save(update_fields=["mall", "moved_date"])
    store.refresh_from_db()
    return made


@atomic
def merge(*, store: Store, into: Store, by: User | None, now: datetime) -> StoreChange:
    """The two are one shop: labels of the first lead to the other from now on. Its row and its purchases stay.

    What is paid before the survivor's own first day, and was told late, was paid at the first: it is open from theirs.
    """
    locked = {one.pk: one for one in lock(Store.objects.filter(pk__in={store.pk, into.pk}))}
    old, survivor = locked[store.pk], locked[into.pk]
    _check_merger(old, survivor)
    for earlier in lock(Store.objects.filter(merged_into=old)):
        _lead(earlier, survivor, by=by, now=now)
    made = _lead(old, survivor, by=by, now=now)
    _open_as_early(survivor, old, by=by, now=now)
    store.refresh_from_db()
    return made


def _check_merger(old: Store, survivor: Store) -> None:
    if old.pk == survivor.pk:
        raise StoreRefused("ITSELF")
    if old.group_id != survivor.group_id:
        raise StoreRefused("OTHER_GROUP")
    if old.merged_into_id:
        raise StoreRefused("MERGED")
    if survivor.merged_into_id:
        raise StoreRefused("INTO_MERGED")


def _open_as_early(survivor: Store, old: Store, *, by: User | None, now: datetime) -> None:
    before, first = written(survivor), survivor.opened_date
    if first and (old.opened_date is None or old.opened_date < first):
        survivor.opened_date = old.opened_date
        survivor.save(update_fields=["opened_date"])
        record(store=survivor, before=before, source=Source.MERGE, by=by, now=now)


def _lead(store: Store, into: Store, *, by: User | None, now: datetime) -> StoreChange:
    made = _keep(store, {"merged_into": [store.merged_into_id, into.pk]}, source=Source.MERGE, by=by, now=now)
    store.merged_into = into
    store.save(update_fields=["merged_into"])
    return made


@atomic
def save_many(
    *, new: Sequence[Store], changed: Sequence[Store], source: str, by: User | None, now: datetime
) -> int:
    """Many of one group at once; returns how many were written. Labels of known stores stay as they are."""
    before = {one.pk: written(one) for one in Store.objects.filter(pk__in=[store.pk for store in changed])}
    _insert(new)
    if changed:
        _update(changed)
    pairs = [(store, _differences(before.get(store.pk, {}), store)) for store in (*new, *changed)]
    rows = [{"store_id": store.pk, "fields": fields} for store, fields in pairs if fields]
    with connection.cursor() as cursor:
        cursor.execute(RECORDED, [source, now, by.pk if by else None, _json(rows)])
    return len(rows)


# One statement each: model by model, or as Django's arrays, 5,000 take many seconds.
COLUMNS = {name: "text" for name in FIELDS} | {
    "is_excluded": "boolean", "excluded_tenders": "jsonb", "opened_date": "date", "closed_date": "date",
}  # fmt: skip
TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
INSERTED = f"""
INSERT INTO pms_store (group_id, mall_id, {", ".join(FIELDS)})
SELECT group_id, mall_id, {", ".join(FIELDS)}
FROM jsonb_to_recordset(%s::jsonb) AS row (group_id bigint, mall_id bigint, {TYPED}) RETURNING pms_label, id
"""  # noqa: S608  (put together from constants alone)
UPDATED = f"""
UPDATE pms_store saved SET {", ".join(f"{name} = row.{name}" for name in FIELDS if name != "pms_label")}
FROM jsonb_to_recordset(%s::jsonb) AS row (id bigint, {TYPED}) WHERE saved.id = row.id
"""  # noqa: S608  (put together from constants alone)
RECORDED = """
INSERT INTO pms_storechange (source, changed_at, changed_by_id, store_id, fields)
SELECT %s, %s, %s::bigint, store_id, fields FROM jsonb_to_recordset(%s::jsonb) AS row (store_id bigint, fields jsonb)
"""


def _insert(new: Sequence[Store]) -> None:
    rows = [{"group_id": store.group_id, "mall_id": store.mall_id} | written(store) for store in new]
    with connection.cursor() as cursor:
        cursor.execute(INSERTED, [_json(rows)])
        ids = dict(cursor.fetchall())
    for store in new:
        store.pk = ids[store.pms_label]


def _update(changed: Sequence[Store]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(UPDATED, [_json([{"id": store.pk} | written(store) for store in changed])])


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False)


def lock_group(group: MallGroup) -> None:
    """Nobody else enters or maps a label of the group until the block ends: what the guard of labels takes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(4103, (%s %% 2147483647)::int)", [group.pk])


def lock(stores: QuerySet[Store]) -> list[Store]:
    """For whoever writes them, in one order for everybody; purchases at these stores go on."""
    return list(stores.select_for_update(of=("self",), no_key=True).order_by("pk"))


def written(store: Store) -> dict[str, Any]:
    """The store's fields as JSON says them."""
    return {name: _plain(getattr(store, name)) for name in FIELDS}


def record(
    *, store: Store, before: Mapping[str, Any], source: str, by: User | None, now: datetime
) -> StoreChange | None:
    """Keep what differs from `written` before; nothing before means that it was entered just now."""
    fields = _differences(before, store)
    return _keep(store, fields, source=source, by=by, now=now) if fields else None


def _differences(before: Mapping[str, Any], store: Store) -> dict[str, list[Any]]:
    after = written(store)
    return {name: [before.get(name), after[name]] for name in FIELDS if before.get(name) != after[name]}


def _keep(
    store: Store, fields: dict[str, list[Any]], *, source: str, by: User | None, now: datetime
) -> StoreChange:
    return StoreChange.objects.create(
        store=store, source=source, fields=fields, changed_by=by, changed_at=now
    )


def _locked(store: Store) -> Store:
    [locked] = lock(Store.objects.filter(pk=store.pk))
    if locked.merged_into_id:
        raise StoreRefused("MERGED")
    return locked


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
