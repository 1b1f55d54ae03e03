"""What stores were before: the mall of a day, and every field at a moment. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pms.clock import HONG_KONG
from pms.models import Mall, Store, StoreChange, StoreMove

# What a store is by its own words; its mall has its own record.
FIELDS = (
    "pms_label", "partner_id", "merchant_id", "merchant_name", "store_id", "code", "name_en", "name_zh", "category",
    "floor", "unit", "is_excluded", "excluded_tenders", "opened_date", "closed_date", "state",
)  # fmt: skip
DATES = ("opened_date", "closed_date")


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A store at a moment. `mall` is that of the moment's day in Hong Kong, whenever the move was recorded."""

    fields: dict[str, Any]
    mall: Mall

    def differing(self, store: Store) -> list[str]:
        """The fields that are something else now."""
        return [name for name, value in self.fields.items() if value != getattr(store, name)]


def as_of(store: Store, at: datetime) -> Past | None:
    """None for a moment before the store was entered, where that is known."""
    later = store.changes.filter(changed_at__gt=at).order_by("-changed_at", "-pk")
    values = _before(store, later)
    if values is None:
        return None
    return Past(fields=values, mall=mall_on(store, at.astimezone(HONG_KONG).date()))


def _before(store: Store, later: Iterable[StoreChange]) -> dict[str, Any] | None:
    """The store's fields before these changes, which come latest first."""
    values = {name: getattr(store, name) for name in FIELDS}
    for change in later:
        values |= {name: before for name, (before, _after) in change.fields.items() if name in values}
    if values["pms_label"] is None:
        return None
    for name in DATES:
        if isinstance(values[name], str):
            values[name] = date.fromisoformat(values[name])
    return values


def mall_on(store: Store, day: date) -> Mall:
    """Where the store was on this day in Hong Kong: the mall it left at its first move after it, else where it is."""
    if not store.moved_date or day >= store.moved_date:
        return store.mall
    later = store.moves.filter(moved_date__gt=day).order_by("moved_date").select_related("from_mall").first()
    return later.from_mall if later else store.mall


class Moves:
    """The moves of these stores, read once, to place many purchases."""

    def __init__(self, stores: Iterable[Store]) -> None:
        store_ids = [store.pk for store in stores if store.moved_date]
        self.known: dict[int, list[tuple[date, int]]] = {}
        moves = StoreMove.objects.filter(store__in=store_ids).order_by("moved_date") if store_ids else ()
        for move in moves:
            self.known.setdefault(move.store_id, []).append((move.moved_date, move.from_mall_id))

    def mall_id_on(self, store: Store, day: date | None) -> int:
        """As `mall_on`; without a day, where the store is."""
        later = (mall_id for moved, mall_id in self.known.get(store.pk, ()) if day and moved > day)
        return next(later, store.mall_id)


class Changes:
    """What changed in these stores since a moment, read once, to tell many purchases' stores."""

    def __init__(self, stores: Iterable[Store], *, since: datetime) -> None:
        self.known: dict[int, list[StoreChange]] = {}
        later = StoreChange.objects.filter(store__in={store.pk for store in stores}, changed_at__gt=since)
        for change in later.order_by("-changed_at", "-pk"):
            self.known.setdefault(change.store_id, []).append(change)

    def store_at(self, store: Store, at: datetime) -> Store | None:
        """The store by the fields of `as_of`; `at` is none before `since`."""
        values = _before(store, (one for one in self.known.get(store.pk, ()) if one.changed_at > at))
        return Store(pk=store.pk, **values) if values else None
