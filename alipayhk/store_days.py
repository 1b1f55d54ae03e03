"""Which stores a mall has on a day: those that are in it then, neither merged into others nor closed.

A move is recorded long before its day; until then the store is the old mall's. One text for the queue and the models.
"""

from collections.abc import Collection
from datetime import date, datetime

from django.db.models import BigIntegerField, BooleanField, QuerySet
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
    ids = [mall.pk if isinstance(mall, Mall) else mall for mall in malls]
    return _with_mall(now).filter(mall_today__in=ids)  # type: ignore[misc]  # annotated


def elsewhere(mall: Mall, *, now: datetime) -> QuerySet[Store]:
    """Stores of the group that are in its other malls today."""
    return _with_mall(now).filter(group_id=mall.group_id).exclude(mall_today=mall.pk)  # type: ignore[misc]  # annotated


def live(malls: Collection[Mall | int], *, now: datetime) -> QuerySet[Store]:
    """Stores that these malls have today."""
    is_live = RawSQL(_named(_LIVE), [day_of(now)], output_field=BooleanField())  # noqa: S611 - constants only
    return placed(malls, now=now).filter(is_live)


def _with_mall(now: datetime) -> QuerySet[Store]:
    today = day_of(now)
    mall = RawSQL(_named(_MALL), [today, today], output_field=BigIntegerField())  # noqa: S611 - constants only
    return Store.objects.alias(mall_today=mall)


def _named(text: str) -> str:
    return text.format(store="pms_store", day="%s")
