"""Tiers by net spend: reached at once, kept to the end of the following period, undone by a refund of what reached it.

A member without a row has the lowest tier. Runs under the account's lock, in the block of what changed the spend.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.transaction import atomic

from loyalty.ledger import postings
from members.models import Member, MemberTier, Program
from pms import columns
from pms.clock import HONG_KONG

YEAR = timedelta(days=365)

WINDOW_START = """CASE program.tier_window WHEN 'CALENDAR_YEAR'
    THEN date_trunc('year', {until} AT TIME ZONE 'Asia/Hong_Kong') AT TIME ZONE 'Asia/Hong_Kong'
    ELSE {until} - interval '365 days' END"""

# HKD cents of judged transactions paid in the window that ends at {until}, and what of them was refunded since.
SPEND = """
    SELECT coalesce(sum(purchase.amount_cents), 0)::bigint AS spent, coalesce(sum(back.cents), 0)::bigint AS refunded
    FROM earning_transaction purchase
    LEFT JOIN LATERAL (SELECT sum(refund.amount_cents) AS cents FROM earning_refund refund
                       WHERE refund.transaction_id = purchase.id) back ON true
    WHERE purchase.member_id = member.id AND purchase.currency = 'HKD'
        AND purchase.state IN ('EARNED', 'NOTHING', 'FLAGGED')
        AND purchase.paid_at > {start} AND purchase.paid_at <= {until}"""


def _spend(until: str) -> str:
    return SPEND.format(until=until, start=WINDOW_START.format(until=until))


# One statement for one member or many, as it follows every payment. What reached the tier is summed only where the
# spend is below it now.
_STANDING = """
SELECT member.id, program.tier_window, held.id, held.began_at, held.keeps_until_at, held_tier.id,
    held_tier.min_spend_cents,
    (SELECT id FROM members_tier WHERE program_id = program.id ORDER BY min_spend_cents LIMIT 1),
    deserved.id, deserved.min_spend_cents, recent.spent - recent.refunded, reached.spent, reached.refunded
FROM members_member member
JOIN members_program program ON program.id = member.program_id
LEFT JOIN members_membertier held ON held.member_id = member.id AND held.ended_at IS NULL
LEFT JOIN members_tier held_tier ON held_tier.id = held.tier_id
CROSS JOIN LATERAL ({recent}) recent
LEFT JOIN LATERAL (
    SELECT id, min_spend_cents FROM members_tier
    WHERE program_id = program.id AND min_spend_cents <= recent.spent - recent.refunded
    ORDER BY min_spend_cents DESC LIMIT 1
) deserved ON true
LEFT JOIN LATERAL ({reached}
        AND deserved.min_spend_cents < held_tier.min_spend_cents) reached ON true
WHERE member.id = ANY(%(member_ids)s::bigint[])
ORDER BY member.id
"""
STANDING = _STANDING.format(recent=_spend("%(now)s::timestamptz"), reached=_spend("held.began_at"))


class Standing(NamedTuple):
    """One row of `STANDING`, in its order: the tier held, the one deserved, and the spend that decides; cents."""

    member_id: int
    window: str
    held_id: int | None
    began_at: datetime | None
    keeps_until_at: datetime | None
    held_tier_id: int | None
    held_cents: int | None
    lowest_tier_id: int | None
    deserved_tier_id: int | None
    deserved_cents: int | None
    net_cents: int
    reached_cents: int
    reached_refunded_cents: int


def review(*, member_id: int, now: datetime) -> None:
    review_each({member_id}, now=now)


def review_each(member_ids: Collection[int], *, now: datetime) -> None:
    """Compare what each member's net spend deserves with the tier held, and change it if need be."""
    for standing in _standings(member_ids, now=now):
        _review(standing, now=now)


def _review(standing: Standing, *, now: datetime) -> None:
    deserved = standing.deserved_tier_id or standing.lowest_tier_id
    if deserved == (standing.held_tier_id or standing.lowest_tier_id) or _is_kept(standing, now=now):
        return
    if standing.held_id:
        assert standing.began_at is not None  # as the row has
        MemberTier.objects.filter(pk=standing.held_id).update(ended_at=max(now, standing.began_at))
    if deserved and standing.deserved_cents:
        MemberTier.objects.create(
            member_id=standing.member_id,
            tier_id=deserved,
            began_at=now,
            keeps_until_at=_keeps_until(standing.window, now),
        )


def review_all(*, program: Program, now: datetime) -> int:
    """Let tiers lapse whose keeping is over; returns how many members were looked at. A block for each."""
    due = Member.objects.filter(
        program=program, tiers__ended_at=None, tiers__keeps_until_at__lt=now, account__isnull=False
    )
    members = list(due.values_list("pk", flat=True))
    for member_id in members:
        with atomic():
            postings.lock(member_id=member_id)
            review(member_id=member_id, now=now)
    return len(members)


def standing_of(*, member_id: int, now: datetime) -> Standing:
    return _standings({member_id}, now=now)[0]


def _standings(member_ids: Collection[int], *, now: datetime) -> list[Standing]:
    if not member_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(STANDING, {"member_ids": columns.numbers(member_ids), "now": now})
        return [Standing(*row) for row in cursor.fetchall()]


def _is_kept(standing: Standing, *, now: datetime) -> bool:
    """A tier above what is deserved: kept through the following period, unless refunds took away what reached it.

    A tier that no spend had reached was given by hand, and is kept like any other.
    """
    held, until = standing.held_cents, standing.keeps_until_at
    if held is None or until is None or (standing.deserved_cents or 0) > held or now > until:
        return False
    reached = standing.reached_cents
    return reached < held or reached - standing.reached_refunded_cents >= held


def _keeps_until(window: str, now: datetime) -> datetime:
    """The end of the following period."""
    if window == Program.TierWindow.CALENDAR_YEAR:
        local = now.astimezone(HONG_KONG)
        return local.replace(year=local.year + 2, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return now + YEAR
