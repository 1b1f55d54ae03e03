"""Which stores a mall has on a day: those that are in it then, neither merged into others nor closed.

A move is recorded long before its day; until then the store is the old mall's. One text for the queue and the models.
"""

from collections.abc import Collection
from datetime import date, datetime

from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from pms.clock import HONG_KONG
from pms.models import Mall, Store

# Merged stores are their survivors', closed ones nobody's.
_LIVE = "({store}.merged_into_id IS NULL AND ({store}.closed_date IS NULL OR {store}.closed_date >= {day}))"
_MALL = """CASE WHEN {store}.moved_date > {day}
    THEN (SELECT move.from_mall_id FROM pms_storemove move
          WHERE move.store_id = {store}.id AND move.moved_date > {day} ORDER BY move.moved_date LIMIT 1)
    ELSE {store}.mall_id END"""

# For statements that call the store `s` and are given `today`.
LIVE = _LIVE.format(store="s", day="%(today)s")
MALL = _MALL.format(store="s", day="%(today)s")


def day_of(now: datetime) -> date:
    return now.astimezone(HONG_KONG).date()


def placed(malls: Collection[Mall | int], *, now: datetime) -> QuerySet[Store]:
    """Stores that are in these malls today, closed ones too."""
    today, ids = day_of(now), [mall.pk if isinstance(mall, Mall) else mall for mall in malls]
    return Store.objects.filter(_holds(f"({_MALL}) = ANY(%s::bigint[])", today, today, ids))


def elsewhere(mall: Mall, *, now: datetime) -> QuerySet[Store]:
    """Stores of the group that are in its other malls today."""
    today, stores = day_of(now), Store.objects.filter(group_id=mall.group_id)
    return stores.filter(_holds(f"({_MALL}) <> %s", today, today, mall.pk))


def live(malls: Collection[Mall | int], *, now: datetime) -> QuerySet[Store]:
    """Stores that these malls have today."""
    return placed(malls, now=now).filter(_holds(_LIVE, day_of(now)))


def _holds(text: str, *values: object) -> RawSQL:
    condition = text.format(store="pms_store", day="%s")
    return RawSQL(condition, values, output_field=BooleanField())  # noqa: S611 - of constants only
