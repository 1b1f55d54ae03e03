"""When points lapse, and letting them. Removes only what is left of a lot; running twice removes nothing twice."""

import calendar
from datetime import date, datetime, time, timedelta

from loyalty.ledger import postings
from loyalty.ledger.models import ExpiryNotice, PointAccount, PointLot, Posting
from members.models import Program
from pms.clock import HONG_KONG

WARN_DAYS_AHEAD = (30, 7, 1)
# A transaction judged after its points would have lapsed (long parked) still gives its member a month.
LATE_DAYS = 30
DECEMBER = 12


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


def expire(*, now: datetime, limit: int = 10_000) -> int:
    """Let lapse what is over at `now`; returns how many lots. Each lot under its account's lock, in its own block."""
    due = PointLot.objects.filter(expires_at__lt=now, remaining__gt=0, is_held=False).order_by(
        "expires_at", "pk"
    )
    return sum(_expire_lot(lot_id, now=now) for lot_id in list(due.values_list("pk", flat=True)[:limit]))


def _expire_lot(lot_id: int, *, now: datetime) -> bool:
    with postings.locked_lot(lot_id) as lot:
        if not lot.remaining or lot.is_held or lot.expires_at is None or lot.expires_at >= now:
            return False
        postings.move(
            account=lot.account,
            kind=Posting.Kind.EXPIRE,
            source=f"lot/{lot.pk}/{lot.expires_at.astimezone(HONG_KONG):%Y-%m-%d}",
            points=-lot.remaining,
            against=PointAccount.Kind.EXPIRED,
            now=now,
        )
        lot.remaining = 0
        lot.save(update_fields=["remaining"])
    return True


def warn(*, now: datetime) -> int:
    """Write the warnings due at `now`, once per lot and step; a later delivery sends them. Returns how many."""
    return sum(_warn(days, now=now) for days in WARN_DAYS_AHEAD)


def _warn(days: int, *, now: datetime) -> int:
    lots = PointLot.objects.filter(
        expires_at__gte=now, expires_at__lt=now + timedelta(days=days), remaining__gt=0, is_held=False
    ).exclude(notices__days_ahead__lte=days)
    notices = [
        ExpiryNotice(lot=lot, days_ahead=days, points=lot.remaining, noticed_at=now)
        for lot in lots.iterator()
    ]
    return len(ExpiryNotice.objects.bulk_create(notices, ignore_conflicts=True, batch_size=1000))


def release(*, now: datetime, limit: int = 10_000) -> int:
    """Make usable what was on hold until `now`; returns how many lots."""
    due = PointLot.objects.filter(is_held=True, held_until_at__lte=now).order_by("held_until_at", "pk")
    return sum(release_lot(lot_id, now=now) for lot_id in list(due.values_list("pk", flat=True)[:limit]))


def release_lot(lot_id: int, *, now: datetime) -> bool:
    """Make one lot usable, whether its time has come or somebody confirmed it; a deficit is settled first."""
    with postings.locked_lot(lot_id) as lot:
        if not lot.is_held:
            return False
        if lot.remaining:
            posted = postings.move(
                account=lot.account,
                kind=Posting.Kind.RELEASE,
                source=f"lot/{lot.pk}/release",
                points=lot.remaining,
                against=PointAccount.Kind.PENDING,
                now=now,
            )
            lot.remaining = max(0, min(lot.remaining, posted.balance))
        lot.is_held, lot.held_until_at = False, None
        lot.save(update_fields=["is_held", "held_until_at", "remaining"])
    return True
