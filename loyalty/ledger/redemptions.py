"""Spending points: set aside by a code of short life, then confirmed, released, or returned after a refund.

Takes the lot that expires soonest first and never goes below what is there. Never decides who may ask.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.db.transaction import atomic
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.ledger import expiry, postings
from loyalty.ledger.models import PointAccount, PointLot, Posting, Redemption, RedemptionPart
from loyalty.ledger.postings import Posted
from members.models import Member, Program
from pms.models import Mall, User

# Read out at a counter, so without letters and digits that look alike.
CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH = 8
SOONEST_FIRST = (F("expires_at").asc(nulls_last=True), "pk")

REFUSALS: dict[str, Promise | str] = {
    "INSUFFICIENT_POINTS": _("Not enough points."),
    "BELOW_MIN_REDEMPTION": _("Redeem at least %(minimum)s points at a time."),
    "REDEMPTION_STEP": _("Redeem points in steps of %(step)s."),
    "REDEMPTION_CODE_EXPIRED": _("The code has expired; please make a new one."),
    "REDEMPTION_CODE_UNKNOWN": _("No redemption has this code."),
    "REDEMPTION_ENDED": _("This redemption was already confirmed or released."),
    "REQUEST_KEY_USED": _("This request was already used for another redemption."),
    "MEMBER_UNKNOWN": _("No member here has this card number or wallet user ID."),
    "MEMBER_CLOSED": _("The membership is closed or suspended."),
}


class RedemptionRefused(Exception):
    """Nothing was changed. `code` says why, and the sentence of the code is the message."""

    def __init__(self, code: str, **values: int) -> None:
        super().__init__(code)
        self.code = code
        self.values = values

    def __str__(self) -> str:
        return str(REFUSALS[self.code]) % self.values


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a member asks for at a mall. Requests with one `request_key` are one request, however often it comes."""

    member: Member
    mall: Mall
    points: int
    payment_number: str = ""
    request_key: str = ""


@atomic
def reserve(*, wish: Wish, by: User | None, now: datetime) -> Redemption:
    """Set points aside under a code; raises RedemptionRefused."""
    postings.open_account(member=wish.member, now=now)
    account = postings.lock(member_id=wish.member.pk)
    known = _known(account, wish)
    if known:
        return known
    _check_terms(wish, account.program)
    expiry.expire_account(account=account, now=now)
    shares = _taken(account, wish.points)
    redemption = _new(wish, account.program, by=by, now=now)
    posted = postings.move(
        account=account,
        kind=Posting.Kind.RESERVE,
        source=f"redemption/{redemption.code}",
        points=-wish.points,
        against=PointAccount.Kind.RESERVED,
        now=now,
    )
    redemption.account, redemption.reserve_posting_id = account, posted.posting_id
    redemption.save()
    RedemptionPart.objects.bulk_create(
        [RedemptionPart(redemption=redemption, lot=lot, points=points) for lot, points in shares]
    )
    return redemption


@atomic
def confirm(*, redemption: Redemption, by: User | None, now: datetime) -> Redemption:
    """The points are spent; raises RedemptionRefused after the time limit or when it has ended."""
    found = _open(redemption)
    if found.expires_at < now:
        raise RedemptionRefused("REDEMPTION_CODE_EXPIRED")
    posting = postings.shift(
        program=found.account.program,
        kind=Posting.Kind.REDEEM,
        source=f"redemption/{found.code}",
        points=found.points,
        given_by=PointAccount.Kind.RESERVED,
        given_to=PointAccount.Kind.REDEEMED,
        now=now,
    )
    return _end(found, Redemption.State.CONFIRMED, posting_id=posting.pk, by=by, now=now)


@atomic
def release(*, redemption: Redemption, by: User | None, now: datetime) -> Redemption:
    """The points go back to the lots they came from; raises RedemptionRefused when it has ended."""
    found = _open(redemption)
    posted = _give_back(found, kind=Posting.Kind.UNRESERVE, given_by=PointAccount.Kind.RESERVED, now=now)
    return _end(found, Redemption.State.RELEASED, posting_id=posted.posting_id, by=by, now=now)


def release_overdue(*, now: datetime) -> int:
    """Release what nobody confirmed in time; returns how many. Each in its own block; may run beside itself."""
    due = Redemption.objects.filter(state=Redemption.State.RESERVED, expires_at__lt=now).order_by(
        "expires_at"
    )
    return sum(_release_if_open(redemption, now=now) for redemption in list(due))


def _release_if_open(redemption: Redemption, *, now: datetime) -> bool:
    try:
        release(redemption=redemption, by=None, now=now)
    except RedemptionRefused:
        return False  # confirmed or released since it was listed
    return True


def give_back(*, account: PointAccount, payment_number: str, now: datetime) -> list[Redemption]:
    """The purchase these points helped to pay was refunded in full: what was spent on it goes back, once.

    Joins its caller's block, which holds the account's lock and has asked the program whether points go back.
    """
    spent = account.redemptions.filter(
        state=Redemption.State.CONFIRMED, payment_number__iexact=payment_number
    )
    returned = list(spent.exclude(payment_number="").order_by("pk"))
    for redemption in returned:
        redemption.account = account
        posted = _give_back(
            redemption, kind=Posting.Kind.RETURN, given_by=PointAccount.Kind.REDEEMED, now=now
        )
        redemption.state, redemption.return_posting_id = Redemption.State.RETURNED, posted.posting_id
        redemption.save(update_fields=["state", "return_posting"])
    return returned


def by_code(*, code: str, malls: QuerySet[Mall]) -> Redemption:
    """The redemption of these malls with this code, as typed; raises RedemptionRefused."""
    typed = code.strip().upper()
    found = Redemption.objects.filter(code=typed, mall__in=malls).first() if typed.isalnum() else None
    if found is None:
        raise RedemptionRefused("REDEMPTION_CODE_UNKNOWN")
    return found


def _known(account: PointAccount, wish: Wish) -> Redemption | None:
    if not wish.request_key:
        return None
    known = account.redemptions.filter(request_key=wish.request_key).first()
    if known and (known.points, known.mall_id, known.payment_number) != (
        wish.points, wish.mall.pk, wish.payment_number,
    ):  # fmt: skip
        raise RedemptionRefused("REQUEST_KEY_USED")
    return known


def _check_terms(wish: Wish, program: Program) -> None:
    if wish.member.state != Member.State.ACTIVE:
        raise RedemptionRefused("MEMBER_CLOSED")
    if wish.points < max(1, program.redemption_min_points):
        raise RedemptionRefused("BELOW_MIN_REDEMPTION", minimum=program.redemption_min_points)
    if wish.points % program.redemption_points_per_hkd:
        raise RedemptionRefused("REDEMPTION_STEP", step=program.redemption_points_per_hkd)


def _taken(account: PointAccount, points: int) -> list[tuple[PointLot, int]]:
    """Take the points out of the lots, soonest-expiring first; the caller holds the account's lock."""
    lots = list(account.lots.filter(remaining__gt=0, is_held=False).order_by(*SOONEST_FIRST))
    if sum(lot.remaining for lot in lots) < points:
        raise RedemptionRefused("INSUFFICIENT_POINTS")
    shares = list(_shares(lots, points))
    for lot, share in shares:
        lot.remaining -= share
    PointLot.objects.bulk_update([lot for lot, _share in shares], ["remaining"])
    return shares


def _shares(lots: list[PointLot], points: int) -> Iterator[tuple[PointLot, int]]:
    for lot in lots:
        share = min(lot.remaining, points)
        if share:
            yield lot, share
        points -= share


def _new(wish: Wish, program: Program, *, by: User | None, now: datetime) -> Redemption:
    return Redemption(
        code="".join(secrets.choice(CODE_LETTERS) for _letter in range(CODE_LENGTH)),
        mall=wish.mall,
        points=wish.points,
        value_cents=wish.points * 100 // program.redemption_points_per_hkd,
        payment_number=wish.payment_number,
        request_key=wish.request_key,
        reserved_by=by,
        reserved_at=now,
        expires_at=now + timedelta(seconds=program.redemption_seconds),
    )


def _open(redemption: Redemption) -> Redemption:
    """The redemption as it is under its account's lock, if it has not ended."""
    account = postings.lock_account(account_id=redemption.account_id)
    found = Redemption.objects.get(pk=redemption.pk)
    if found.state != Redemption.State.RESERVED:
        raise RedemptionRefused("REDEMPTION_ENDED")
    found.account = account
    return found


def _end(
    redemption: Redemption, state: Redemption.State, *, posting_id: int, by: User | None, now: datetime
) -> Redemption:
    redemption.state, redemption.end_posting_id = state, posting_id
    redemption.ended_by, redemption.ended_at = by, now
    redemption.save(update_fields=["state", "end_posting", "ended_by", "ended_at"])
    return redemption


def _give_back(redemption: Redemption, *, kind: str, given_by: str, now: datetime) -> Posted:
    """Points to the balance and to their lots, lapsed ones too: the next expiry takes what is too late.

    A balance that fell below zero meanwhile is settled first, by the parts that expire soonest.
    """
    before = redemption.account.balance or 0
    posted = postings.move(
        account=redemption.account,
        kind=kind,
        source=f"redemption/{redemption.code}",
        points=redemption.points,
        against=given_by,
        now=now,
    )
    settled = redemption.points - (max(0, posted.balance) - max(0, before))
    lots = []
    for part in redemption.parts.select_related("lot").order_by(
        F("lot__expires_at").asc(nulls_last=True), "lot"
    ):
        kept = min(settled, part.points)
        settled -= kept
        part.lot.remaining += part.points - kept
        lots.append(part.lot)
    PointLot.objects.bulk_update(lots, ["remaining"])
    return posted
