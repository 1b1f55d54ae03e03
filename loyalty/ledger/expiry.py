"""When points lapse, and letting them. Removes only what is left of a lot; running twice removes nothing twice."""

import calendar
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.db.models import QuerySet, Sum
from django.db.transaction import atomic

from loyalty.ledger import endings
from loyalty.ledger.models import PointAccount, PointLot
from members.models import Program
from pms.clock import HONG_KONG

WARN_DAYS_AHEAD = (30, 7, 1)
# A transaction judged after its points would have lapsed (long parked) still gives its member a month.
LATE_DAYS = 30
DECEMBER = 12
# Lots looked for at once; all that is due of their members is posted in one block. Measured on a busy machine: 400
# lots take 80 ms and as long again to commit, and payments wait 300 ms for a lock.
BATCH = 50

WARN = """
INSERT INTO ledger_expirynotice (lot_id, days_ahead, points, noticed_at)
SELECT lot.id, %(days)s, lot.remaining, %(now)s FROM ledger_pointlot lot
WHERE lot.remaining > 0 AND NOT lot.is_held AND lot.expires_at >= %(as_of)s AND lot.expires_at <= %(until)s
    AND NOT EXISTS (SELECT FROM ledger_expirynotice notice
                    WHERE notice.lot_id = lot.id AND notice.days_ahead <= %(days)s)
ON CONFLICT (lot_id, days_ahead) DO NOTHING
"""


def expires_at(*, expiry: str, count: int, paid_at: datetime, now: datetime) -> datetime | None:
    """The last second in Hong Kong at which points paid for then can be used; None if they never lapse."""
    day = last_day(expiry=expiry, count=count, paid=paid_at.astimezone(HONG_KONG).date())
    if day is None:
        return None
    today = now.astimezone(HONG_KONG).date()
    return _end_of(day if day >= today else today + timedelta(days=LATE_DAYS))


def last_day(*, expiry: str, count: int, paid: date) -> date | None:
    if expiry == Program.Expiry.DAYS:
        return paid + timedelta(days=count)
    if expiry == Program.Expiry.MONTH_END:
        return _month_end(paid.year, paid.month + count)
    if expiry == Program.Expiry.YEAR_END:
        return _month_end(paid.year + 1, 2) if paid.month == DECEMBER else date(paid.year, DECEMBER, 31)
    return None


def _month_end(year: int, month: int) -> date:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), tzinfo=HONG_KONG)


def expire(*, now: datetime, as_of: datetime | None = None) -> int:
    """Let lapse what is over at `as_of` (default `now`); returns how many lots. A few members in each block."""
    moment = as_of or now
    due = PointLot.objects.filter(expires_at__lt=moment, remaining__gt=0, is_held=False).order_by(
        "expires_at"
    )
    return _in_batches(due, endings.lapse, as_of=moment, now=now)


def expire_account(*, account: PointAccount, now: datetime) -> int:
    """The same for one member, whose lock the caller holds: what lapsed is not to be spent before the job runs."""
    return endings.lapse(account_ids=[account.pk], as_of=now, now=now)


def release(*, now: datetime, as_of: datetime | None = None) -> int:
    """Make usable what was on hold until `as_of` (default `now`); returns how many lots."""
    moment = as_of or now
    due = PointLot.objects.filter(is_held=True, held_until_at__lte=moment).order_by("held_until_at")
    return _in_batches(due, endings.free, as_of=moment, now=now)


def _in_batches(due: QuerySet[PointLot], post: Callable[..., int], *, as_of: datetime, now: datetime) -> int:
    """Each block is short, since payments of its members wait for it; what a block has done is no longer due."""
    count, done = 0, 1
    while done and (account_ids := sorted(set(due.values_list("account_id", flat=True)[:BATCH]))):
        with atomic():
            done = post(account_ids=account_ids, as_of=as_of, now=now)
        count += done
    return count


def lapsing(*, account: PointAccount, now: datetime) -> list[tuple[datetime, int]]:
    """When points that can be spent will lapse within the longest warning, and how many; soonest first."""
    last = now.astimezone(HONG_KONG).date() + timedelta(days=max(WARN_DAYS_AHEAD))
    left = account.lots.filter(
        remaining__gt=0, is_held=False, expires_at__gte=now, expires_at__lte=_end_of(last)
    )
    days = left.values_list("expires_at").annotate(points=Sum("remaining")).order_by("expires_at")
    return [(at, points) for at, points in days if at]


def warn(*, now: datetime, as_of: datetime | None = None) -> int:
    """Write the warnings due on the day of `as_of` (default `now`), for a later delivery; returns how many.

    Once per lot and step. A lot first seen late gets the nearest warning only.
    """
    return sum(_warn(days, as_of=as_of or now, now=now) for days in sorted(WARN_DAYS_AHEAD))


def _warn(days: int, *, as_of: datetime, now: datetime) -> int:
    last = as_of.astimezone(HONG_KONG).date() + timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute(WARN, {"days": days, "as_of": as_of, "until": _end_of(last), "now": now})
        return int(cursor.rowcount)
