"""What a member may read of their own account: points, tier, what lapses soon, and every payment with its reasons.

Only what is for members: no reason that is for staff alone, and nobody else's rows. Reads in a few queries, however
many the payments.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from django.core import signing
from django.db.models import Q, QuerySet

from loyalty.earning import reasons, standing, tiers, transaction_document
from loyalty.earning.models import Correction, Refund, Transaction
from loyalty.earning.transaction_document import Document
from loyalty.ledger import expiry
from loyalty.ledger.models import PointAccount
from members.models import Member, Tier
from pms import store_history
from pms.clock import HONG_KONG
from pms.store_history import Changes

SALT = "loyalty.earning.member_account"
LONGEST_CURSOR = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# The order of the index `earning_tx_member`; payments of one moment, latest recorded first.
LATEST_FIRST = ("-paid_at", "-pk")
# What an award keeps to be judged again by; a page of payments needs none of it.
HEAVY = tuple(f"award__{name}" for name in ("facts", "versions", "rooms", "lines", "conditions"))


class CursorUnreadable(ValueError):
    """This is no cursor of this member's history."""


class Balance(TypedDict):
    points: int
    held: int


class NextTier(TypedDict):
    code: str
    name_en: str
    name_zh: str
    missing_cents: int
    needed_cents: int


class HeldTier(TypedDict):
    code: str
    name_en: str
    name_zh: str
    next: NextTier | None


class Expiring(TypedDict):
    points: int
    expires_at: datetime


class Summary(TypedDict):
    card_number: str
    joined_at: datetime
    balance: Balance
    tier: HeldTier | None
    expiring: list[Expiring]


class Reason(TypedDict):
    code: str
    message_en: str
    message_zh: str


class GivenBack(TypedDict):
    amount_cents: int
    refunded_at: datetime
    points: int


class Payment(TypedDict):
    number: str
    store_en: str
    store_zh: str
    mall_en: str
    mall_zh: str
    amount_cents: int
    currency: str
    paid_at: datetime
    channel: str
    state: str
    points: int
    reasons: list[Reason]
    refunds: list[GivenBack]


def summary(*, member: Member, now: datetime) -> Summary:
    """Times are in Hong Kong. `tier` is None in a program without tiers."""
    account = PointAccount.objects.filter(member=member).select_related("pending").first()
    pending: PointAccount | None = getattr(account, "pending", None)
    return {
        "card_number": member.card_number,
        "joined_at": member.joined_at.astimezone(HONG_KONG),
        "balance": {
            "points": (account.balance or 0) if account else 0,
            "held": (pending.balance or 0) if pending else 0,
        },
        "tier": _tier(member, now=now),
        "expiring": _expiring(account, now=now) if account else [],
    }


def history(*, member: Member, after: str, size: int = 20) -> tuple[list[Payment], str]:
    """A page of payments, latest first, and the cursor of the next page, empty after the last.

    `after` is such a cursor, or empty for the first page; another member's raises CursorUnreadable. `points` is what
    the payment has brought until now: refunds and corrections are in it.
    """
    rows = Transaction.objects.filter(member=member)
    if after:
        paid_at, pk = _read_cursor(member, after)
        rows = rows.filter(Q(paid_at__lt=paid_at) | Q(pk__lt=pk), paid_at__lte=paid_at)
    found = _whole(rows.order_by(*LATEST_FIRST)[: size + 1])
    page = found[:size]
    return _payments(page), _cursor(member, page[-1]) if len(found) > size else ""


def _expiring(account: PointAccount, *, now: datetime) -> list[Expiring]:
    lapsing = expiry.lapsing(account=account, now=now)
    return [{"points": points, "expires_at": at.astimezone(HONG_KONG)} for at, points in lapsing]


def _tier(member: Member, *, now: datetime) -> HeldTier | None:
    ladder = list(Tier.objects.filter(program=member.program_id).order_by("min_spend_cents"))
    if not ladder:
        return None
    stands = tiers.standing_of(member_id=member.pk, now=now)
    tier = next((one for one in ladder if one.pk == stands.held_tier_id), ladder[0])
    higher = next((one for one in ladder if one.min_spend_cents > tier.min_spend_cents), None)
    return {
        "code": tier.code,
        "name_en": tier.name_en,
        "name_zh": tier.name_zh,
        "next": _next(higher, stands.net_cents) if higher else None,
    }


def _next(higher: Tier, net_cents: int) -> NextTier:
    return {
        "code": higher.code,
        "name_en": higher.name_en,
        "name_zh": higher.name_zh,
        "missing_cents": max(0, higher.min_spend_cents - net_cents),
        "needed_cents": higher.min_spend_cents,
    }


def _whole(page: QuerySet[Transaction]) -> list[Transaction]:
    """With all that is told of them. The page is cut before anything is joined to it, from one index if need be."""
    rows = Transaction.objects.filter(pk__in=page.values("pk")).order_by(*LATEST_FIRST)
    rows = rows.select_related("award", "store", "mall").defer(*HEAVY)
    return list(rows.prefetch_related("corrections", "refunds", "adjustments"))


def _payments(page: Sequence[Transaction]) -> list[Payment]:
    stores = [purchase.store for purchase in page if purchase.store]
    since = min((purchase.paid_at for purchase in page), default=EPOCH)
    changes = store_history.Changes(stores, since=since) if stores else None
    return [_payment(purchase, changes) for purchase in page]


def _payment(purchase: Transaction, changes: Changes | None) -> Payment:
    store_en, store_zh = _store_names(purchase, changes)
    return {
        "number": purchase.payment_number or purchase.receipt_number,
        "store_en": store_en,
        "store_zh": store_zh,
        "mall_en": purchase.mall.name_en,
        "mall_zh": purchase.mall.name_zh,
        "amount_cents": purchase.amount_cents,
        "currency": purchase.currency,
        "paid_at": purchase.paid_at.astimezone(HONG_KONG),
        "channel": purchase.channel,
        "state": purchase.state,
        "points": standing.posted(purchase),
        "reasons": _told(_why(purchase)),
        "refunds": [_refund(one) for one in _in_order(purchase)],
    }


def _store_names(purchase: Transaction, changes: Changes | None) -> tuple[str, str]:
    """As it was called when it was paid, or else when that was recorded; an unknown store as it was reported."""
    if purchase.store is None or changes is None:
        return purchase.merchant_name, purchase.merchant_name
    moments = (purchase.paid_at, purchase.recorded_at)
    then = next(filter(None, (changes.store_at(purchase.store, at) for at in moments)), purchase.store)
    return then.name_en, then.name_zh


def _why(purchase: Transaction) -> list[Document]:
    """The judgement that counts, what a decision of staff changed last, refunds, and repairs by hand."""
    judged = standing.judgement_of(purchase)
    if judged is None or purchase.state == Transaction.State.HELD:
        stored = [reasons.reason(transaction_document.unjudged_code(purchase))]
    else:
        stored = list(judged.reasons)
    last: Correction | None = max(purchase.corrections.all(), key=lambda one: one.pk, default=None)
    if last and last != judged and purchase.state != Transaction.State.HELD:
        stored += last.reasons
    stored += [entry for refund in _in_order(purchase) for entry in refund.reasons]
    by_hand = standing.moved_by_hand(purchase)
    return stored + ([reasons.reason("ADJUSTED_ERROR", points=by_hand)] if by_hand else [])


def _told(stored: Iterable[Document]) -> list[Reason]:
    """Those for members, in both languages, each sentence once."""
    shown = [entry for entry in stored if reasons.REASONS[str(entry["code"])].is_for_members]
    told: list[Reason] = []
    for entry in transaction_document.told(shown):
        reason: Reason = {
            "code": str(entry["code"]),
            "message_en": str(entry["english"]),
            "message_zh": str(entry["chinese"]),
        }
        told += [] if reason in told else [reason]
    return told


def _in_order(purchase: Transaction) -> list[Refund]:
    return sorted(purchase.refunds.all(), key=lambda one: (one.refunded_at, one.pk))


def _refund(one: Refund) -> GivenBack:
    return {
        "amount_cents": one.amount_cents,
        "refunded_at": one.refunded_at.astimezone(HONG_KONG),
        "points": one.points,
    }


def _signer(member: Member) -> signing.Signer:
    """Signs no other member's cursor, and with letters that need no escaping in an address."""
    return signing.Signer(salt=f"{SALT}/{member.pk}", sep=".")


def _cursor(member: Member, last: Transaction) -> str:
    return _signer(member).sign_object([(last.paid_at - EPOCH) // MICROSECOND, last.pk])


def _read_cursor(member: Member, text: str) -> tuple[datetime, int]:
    if len(text) > LONGEST_CURSOR:
        raise CursorUnreadable
    try:
        moment, pk = _signer(member).unsign_object(text)
    except (signing.BadSignature, UnicodeError) as error:
        raise CursorUnreadable from error
    return EPOCH + moment * MICROSECOND, int(pk)
