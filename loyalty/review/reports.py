"""What duplicates came to: by mall, pair of channels, store and day, counted by the database in one pass.

A case belongs to the day it was opened. False positives are counted among what people decided; what the rules decided
at once nobody has checked. Reads only the malls it is told; writes nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Count, Min, Q, QuerySet, Sum

from loyalty.earning.models import DuplicateCase
from pms.clock import HONG_KONG
from pms.today import Day

Pair = tuple[str, str]
Key = TypeVar("Key")

# GROUPING tells which columns a row is not grouped by, one bit each, the first column's the highest.
TOTAL, BY_MALL, BY_STORE, BY_DAY, BY_PAIR = 0b1111, 0b0111, 0b1011, 0b1101, 0b1110
DUPLICATES = """
WITH found AS (
    SELECT told.mall_id, later.store_id, (told.opened_at AT TIME ZONE 'Asia/Hong_Kong')::date AS day,
        earlier.channel AS earlier_channel, later.channel, told.state, told.decided_by_id, told.points_saved,
        told.cents_saved, told.opened_at
    FROM earning_duplicatecase AS told
    JOIN earning_transaction AS later ON later.id = told.transaction_id
    JOIN earning_transaction AS earlier ON earlier.id = told.earlier_id
    WHERE told.mall_id = ANY(%(mall_ids)s::bigint[])
        AND told.opened_at >= %(since)s AND told.opened_at < %(until)s
        AND (%(channel)s::text = '' OR %(channel)s::text IN (later.channel, earlier.channel))
)
SELECT GROUPING(mall_id, store_id, day, channel), mall_id, store_id, day, earlier_channel, channel,
    count(*),
    count(*) FILTER (WHERE state = 'SAME'),
    count(*) FILTER (WHERE state IN ('OPEN', 'ASKED')),
    count(*) FILTER (WHERE state IN ('SAME', 'DIFFERENT') AND decided_by_id IS NOT NULL),
    count(*) FILTER (WHERE state = 'DIFFERENT'),
    coalesce(sum(points_saved), 0)::bigint,
    coalesce(sum(cents_saved), 0)::bigint,
    min(opened_at) FILTER (WHERE state IN ('OPEN', 'ASKED'))
FROM found
GROUP BY GROUPING SETS ((), (mall_id), (store_id), (day), (earlier_channel, channel))
ORDER BY 1, 7 DESC, 2, 3, 4, 5, 6
"""
AGES = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Which malls, from when until just before when; `channel` is that of either record, or empty for all."""

    mall_ids: Collection[int]
    since: datetime
    until: datetime
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """`stopped` were the same purchase, `checked` decided by people, `different` wrongly suspected."""

    cases: int = 0
    stopped: int = 0
    waiting: int = 0
    checked: int = 0
    different: int = 0
    points_saved: int = 0
    cents_saved: int = 0
    oldest_at: datetime | None = None

    def __add__(self, other: "Sums") -> "Sums":
        known = [at for at in (self.oldest_at, other.oldest_at) if at]
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTED}
        return Sums(**counts, oldest_at=min(known, default=None))

    @property
    def false_positives(self) -> float | None:
        """Share of what people found to be two purchases; None while they have decided nothing."""
        return self.different / self.checked if self.checked else None


COUNTED = ("cases", "stopped", "waiting", "checked", "different", "points_saved", "cents_saved")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Most cases first; days in order. A pair is the earlier record's channel and the later one's."""

    total: Sums
    by_mall: dict[int, Sums]
    by_pair: dict[Pair, Sums]
    by_store: dict[int | None, Sums]
    by_day: dict[date, Sums]


@dataclass(frozen=True, kw_only=True, slots=True)
class Age:
    """Open cases no older than `below`, and older than the age before it; None is any age."""

    below: timedelta | None
    cases: int
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    cases: int
    cents: int


def duplicates(question: Question) -> Report:
    asked: dict[str, list[int] | datetime | str] = {
        "mall_ids": sorted(question.mall_ids), "since": question.since, "until": question.until,
        "channel": question.channel,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(DUPLICATES, asked)
        rows = cursor.fetchall()
    days = {row[3]: Sums(*row[6:]) for row in _of(BY_DAY, rows)}
    return Report(
        total=Sums(*_of(TOTAL, rows)[0][6:]),
        by_mall={row[1]: Sums(*row[6:]) for row in _of(BY_MALL, rows)},
        by_pair={(row[4], row[5]): Sums(*row[6:]) for row in _of(BY_PAIR, rows)},
        by_store={row[2]: Sums(*row[6:]) for row in _of(BY_STORE, rows)},
        by_day={day: days[day] for day in sorted(days)},
    )


def merged(parts: Sequence[Report]) -> Report:
    """The report of a period from those of its parts, which share no day."""
    return Report(
        total=sum((part.total for part in parts), Sums()),
        by_mall=_added([part.by_mall for part in parts]),
        by_pair=_added([part.by_pair for part in parts]),
        by_store=_added([part.by_store for part in parts]),
        by_day={day: sums for part in parts for day, sums in part.by_day.items()},
    )


def first_day(*, mall_ids: Collection[int]) -> date | None:
    """The day of the first case of these malls."""
    first = DuplicateCase.objects.filter(mall__in=mall_ids).aggregate(at=Min("opened_at"))["at"]
    return first.astimezone(HONG_KONG).date() if first else None


def open_ages(*, mall_ids: Collection[int], channel: str, now: datetime) -> list[Age]:
    """How long all that is open now has waited, whenever it came."""
    rows = DuplicateCase.objects.filter(mall__in=mall_ids, state__in=DuplicateCase.WAITING)
    if channel:
        rows = rows.filter(Q(transaction__channel=channel) | Q(earlier__channel=channel))
    newest: datetime | None = None
    ages = []
    for below in AGES:
        oldest = now - below if below else None
        ages.append(_age(rows, below=below, newest=newest, oldest=oldest))
        newest = oldest
    return ages


def stopped(*, mall_ids: Collection[int], day: Day) -> Stopped:
    """Duplicates of the day that were known for such by its end."""
    rows = DuplicateCase.objects.filter(
        mall__in=mall_ids, opened_at__gte=day.start, opened_at__lte=day.now,
        state=DuplicateCase.State.SAME, decided_at__lte=day.now,
    )  # fmt: skip
    return Stopped(**rows.aggregate(cases=Count("pk"), cents=Sum("cents_saved", default=0)))


def _added(parts: Sequence[dict[Key, Sums]]) -> dict[Key, Sums]:
    """Most cases first."""
    found: dict[Key, Sums] = {}
    for part in parts:
        for key, sums in part.items():
            found[key] = found.get(key, Sums()) + sums
    return dict(sorted(found.items(), key=lambda item: -item[1].cases))


def _age(
    rows: QuerySet[DuplicateCase],
    *,
    below: timedelta | None,
    newest: datetime | None,
    oldest: datetime | None,
) -> Age:
    within = rows.filter(opened_at__gte=oldest) if oldest else rows
    within = within.filter(opened_at__lt=newest) if newest else within
    return Age(below=below, **within.aggregate(cases=Count("pk"), points=Sum("points_at_stake", default=0)))


def _of(kind: int, rows: Sequence[Any]) -> list[Any]:
    return [row for row in rows if row[0] == kind]
