"""Tiers by net spend: reached at once, kept to the end of the following period, undone by a refund of what reached it.

A member without a row has the lowest tier. Runs under the account's lock, in the block of what changed the spend.
"""

from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce
from django.db.transaction import atomic

from loyalty.earning.models import Refund, Transaction
from loyalty.ledger import postings
from members.models import Member, MemberTier, Program, Tier
from pms.clock import HONG_KONG

COUNTING = (Transaction.State.EARNED, Transaction.State.NOTHING, Transaction.State.FLAGGED)
YEAR = timedelta(days=365)


def review(*, member_id: int, now: datetime) -> Tier | None:
    """Compare what the member's net spend deserves with the tier held, and change it if need be."""
    member = Member.objects.select_related("program").get(pk=member_id)
    ladder = list(Tier.objects.filter(program=member.program).order_by("-min_spend_cents"))
    if len(ladder) < 2:
        return None
    held = MemberTier.objects.select_related("tier").filter(member=member, ended_at=None).first()
    deserved = _deserved(member, ladder, now=now)
    if held and deserved.min_spend_cents <= held.tier.min_spend_cents and _is_kept(member, held, now=now):
        return held.tier
    if deserved.pk != (held.tier_id if held else ladder[-1].pk):
        _change(member, held, deserved, now=now)
    return deserved


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


def _deserved(member: Member, ladder: list[Tier], *, now: datetime) -> Tier:
    spend = spend_in_window(member=member, now=now)
    return next((tier for tier in ladder if spend >= tier.min_spend_cents), ladder[-1])


def spend_in_window(*, member: Member, now: datetime) -> int:
    """What counts towards the member's tier at this moment."""
    return net_spend(member=member, since=_window_start(member.program, now), until=now)


def net_spend(*, member: Member, since: datetime, until: datetime) -> int:
    """HKD cents paid in the interval and not refunded since, of transactions that were judged."""
    spent, refunded = _spend(member=member, since=since, until=until)
    return spent - refunded


def _spend(*, member: Member, since: datetime, until: datetime) -> tuple[int, int]:
    paid: QuerySet[Transaction] = Transaction.objects.filter(
        member=member, currency="HKD", state__in=COUNTING, paid_at__gt=since, paid_at__lte=until
    )
    spent = paid.aggregate(total=Coalesce(Sum("amount_cents"), 0))["total"]
    refunds = Refund.objects.filter(transaction__in=paid)
    return int(spent), int(refunds.aggregate(total=Coalesce(Sum("amount_cents"), 0))["total"])


def _is_kept(member: Member, held: MemberTier, *, now: datetime) -> bool:
    """Kept through the following period, unless refunds have taken away the spend that reached it.

    A tier that no spend had reached was given by hand, and is kept like any other.
    """
    if now > held.keeps_until_at:
        return False
    spent, refunded = _spend(
        member=member, since=_window_start(member.program, held.began_at), until=held.began_at
    )
    return spent < held.tier.min_spend_cents or spent - refunded >= held.tier.min_spend_cents


def _change(member: Member, held: MemberTier | None, tier: Tier, *, now: datetime) -> None:
    if held:
        MemberTier.objects.filter(pk=held.pk).update(ended_at=max(now, held.began_at))
    if tier.min_spend_cents:
        MemberTier.objects.create(
            member=member, tier=tier, began_at=now, keeps_until_at=_keeps_until(member.program, now)
        )


def _window_start(program: Program, now: datetime) -> datetime:
    if program.tier_window == Program.TierWindow.CALENDAR_YEAR:
        local = now.astimezone(HONG_KONG)
        return local.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return now - YEAR


def _keeps_until(program: Program, now: datetime) -> datetime:
    """The end of the following period."""
    if program.tier_window == Program.TierWindow.CALENDAR_YEAR:
        local = now.astimezone(HONG_KONG)
        return local.replace(year=local.year + 2, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return now + YEAR
