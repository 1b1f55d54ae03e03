"""Takes points back for refunds, by recomputing what the cumulative net still deserves.

Must run in its caller's atomic block.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from loyalty.earning import rules
from loyalty.earning.models import Award, Refund, RuleVersion, Transaction
from loyalty.earning.outcomes import Outcome, Verdict, waiting
from loyalty.earning.reasons import reason
from loyalty.earning.rules import ClawBack, Terms
from loyalty.ledger import postings
from loyalty.ledger.models import PointAccount
from members.models import Member, Program
from pms.models import MallGroup

alarm = logging.getLogger("loyalty.alarm")

UNJUDGED = (Transaction.State.PARKED, Transaction.State.HELD)
WALLET_CHANNELS = (Transaction.Channel.WALLET, Transaction.Channel.UPLOAD)


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenBack:
    """One refund as a door reports it. `key` makes it one; `is_confirmed`: staff looked, doubts are settled."""

    group_id: int
    wallet: str
    user_id: str
    payment_number: str
    mainland_number: str
    number: str
    key: str
    amount_cents: int
    currency: str
    refunded_at: datetime
    is_confirmed: bool = False


def claw_back(*, given_back: GivenBack, now: datetime) -> Outcome:
    """Record the refund and take back what the rest no longer deserves, or say what it waits for or who must look."""
    transaction = _transaction(given_back)
    if transaction is None:
        return _without_transaction(given_back)
    if transaction.state in UNJUDGED:
        return waiting("PAYMENT", given_back.payment_number, "PARKED_NO_TRANSACTION")
    # One lock for all refunds of a member: what was refunded before is read under it.
    account = postings.lock(member_id=transaction.member_id)
    known = transaction.refunds.filter(key=given_back.key).first()
    if known:
        return _recorded(transaction, known, version=None)
    refused = _refusal(transaction, given_back)
    return refused or _take_back(transaction, account, given_back, now=now)


def _transaction(given_back: GivenBack) -> Transaction | None:
    """By its payment number; by another one only if staff have confirmed that it is the one meant."""
    found = _by_payment_number([given_back.group_id], given_back.payment_number).first()
    return found or (_by_other_number(given_back).first() if given_back.is_confirmed else None)


def _by_payment_number(group_ids: list[int], number: str) -> QuerySet[Transaction]:
    return Transaction.objects.filter(
        group_id__in=group_ids, payment_number__iexact=number, channel__in=WALLET_CHANNELS
    ).order_by("pk")


def _without_transaction(given_back: GivenBack) -> Outcome:
    """Wait for the purchase; say so if only another number, or only another group, knows it."""
    name = given_back.payment_number
    if _by_other_number(given_back).exists():
        return Outcome(verdict=Verdict.ASK, reason="REFUND_BY_OTHER_NUMBER", waits_for=f"PAYMENT:{name}")
    others = list(MallGroup.objects.exclude(pk=given_back.group_id).values_list("pk", flat=True))
    if not _by_payment_number(others, name).exists():
        return waiting("PAYMENT", name, "PARKED_NO_TRANSACTION")
    alarm.warning("a refund names the payment of another mall group: %s", name)
    return waiting("PAYMENT", name, "REFUND_ELSEWHERE")


def _by_other_number(given_back: GivenBack) -> QuerySet[Transaction]:
    names = [name.upper() for name in (given_back.payment_number, given_back.mainland_number) if name]
    fits = Q(claims__kind="MAINLAND", claims__number__in=names)
    return Transaction.objects.filter(fits, group_id=given_back.group_id).order_by("pk")


def _refusal(transaction: Transaction, given_back: GivenBack) -> Outcome | None:
    if _is_foreign(transaction, given_back):
        return _conflict(transaction, "REFUND_DIFFERS")
    if _refunded_cents(transaction) + given_back.amount_cents > transaction.amount_cents:
        return _conflict(transaction, "REFUND_OVER_TRANSACTION")
    if given_back.is_confirmed:
        return None
    if _looks_known(transaction, given_back):
        return _ask(transaction, given_back, "REFUND_LOOKS_KNOWN")
    is_early = given_back.refunded_at < transaction.paid_at
    return _ask(transaction, given_back, "REFUND_BEFORE_PAYMENT") if is_early else None


def _is_closed(transaction: Transaction) -> bool:
    """The membership is over: nothing is taken from it, and whose it was may be erased by now."""
    return transaction.member.state == Member.State.CLOSED


def _is_foreign(transaction: Transaction, given_back: GivenBack) -> bool:
    if _is_closed(transaction):
        return given_back.currency != transaction.currency
    user_ids = transaction.member.passes.filter(wallet=given_back.wallet).values_list("user_id", flat=True)
    return given_back.currency != transaction.currency or given_back.user_id not in user_ids


def _looks_known(transaction: Transaction, given_back: GivenBack) -> bool:
    """Once with and once without its own number, otherwise equal: perhaps one refund, told twice (B134)."""
    alike = transaction.refunds.filter(
        refunded_at=given_back.refunded_at, amount_cents=given_back.amount_cents
    )
    return alike.filter(~Q(number="") if not given_back.number else Q(number="")).exists()


def _take_back(
    transaction: Transaction, account: PointAccount, given_back: GivenBack, *, now: datetime
) -> Outcome:
    award = Award.objects.select_related("rule_version").get(transaction=transaction)
    due = rules.claw_back(
        terms_of(award.rule_version),
        amount_cents=transaction.amount_cents,
        earned=award.points,
        clawed_back=_clawed_back(transaction),
        refunded_cents=_refunded_cents(transaction),
        refund_cents=given_back.amount_cents,
    )
    taken = 0 if _is_closed(transaction) else _collectable(account.program, account, due.points)
    version, posting_id = None, None
    if taken:
        assert award.posting_id is not None  # points were earned, so they were posted
        posted = postings.claw_back(
            account=account,
            points=taken,
            award_posting_id=award.posting_id,
            source=f"transaction/{transaction.pk}/refund/{transaction.refunds.count() + 1}",
            now=now,
        )
        version, posting_id = posted.version, posted.posting_id
    refund = _record(transaction, given_back, due, taken=taken, posting_id=posting_id, now=now)
    return _recorded(transaction, refund, version=version)


def _collectable(program: Program, account: PointAccount, points: int) -> int:
    """How much of a claw-back the program's policy lets us take now; points on hold do not exist yet."""
    if program.negative_balance == Program.NegativeBalance.ALLOW_NEGATIVE:
        return points
    if program.negative_balance == Program.NegativeBalance.STOP_AT_ZERO:
        return min(points, max(0, account.balance or 0))
    return 0


def _record(
    transaction: Transaction,
    given_back: GivenBack,
    due: ClawBack,
    *,
    taken: int,
    posting_id: int | None,
    now: datetime,
) -> Refund:
    uncollected = due.points - taken
    reasons = due.reasons if taken or not due.points else []
    if _is_closed(transaction):
        reasons = [reason("REFUND_NO_CHANGE")]
    return Refund.objects.create(
        transaction=transaction,
        key=given_back.key,
        number=given_back.number,
        amount_cents=given_back.amount_cents,
        refunded_at=given_back.refunded_at,
        recorded_at=now,
        points=taken,
        uncollected=uncollected,
        reasons=reasons + ([reason("UNCOLLECTED", points=uncollected)] if uncollected else []),
        posting_id=posting_id,
    )


def _refunded_cents(transaction: Transaction) -> int:
    return transaction.refunds.aggregate(total=Sum("amount_cents"))["total"] or 0


def _clawed_back(transaction: Transaction) -> int:
    """What earlier refunds took or should have taken: a shortfall is never taken silently later."""
    sums: Mapping[str, int | None] = transaction.refunds.aggregate(
        taken=Sum("points"), missed=Sum("uncollected")
    )
    return (sums["taken"] or 0) + (sums["missed"] or 0)


def terms_of(version: RuleVersion | None) -> Terms | None:
    if version is None:
        return None
    return Terms(
        numerator=version.points_numerator,
        denominator=version.points_denominator,
        is_half_up=version.rounding == RuleVersion.Rounding.HALF_UP,
        min_spend_cents=version.min_spend_cents,
        is_min_spend_on_net=version.is_min_spend_on_net,
        max_spend_cents=version.max_spend_cents,
    )


def _recorded(transaction: Transaction, refund: Refund, *, version: int | None) -> Outcome:
    return Outcome(
        verdict=Verdict.RECORDED,
        transaction_id=transaction.pk,
        refund_id=refund.pk,
        member_id=transaction.member_id,
        version=version,
    )


def _ask(transaction: Transaction, given_back: GivenBack, code: str) -> Outcome:
    return Outcome(
        verdict=Verdict.ASK,
        reason=code,
        waits_for=f"PAYMENT:{given_back.payment_number}",
        transaction_id=transaction.pk,
        member_id=transaction.member_id,
    )


def _conflict(transaction: Transaction, code: str) -> Outcome:
    return Outcome(
        verdict=Verdict.CONFLICT, reason=code, transaction_id=transaction.pk, member_id=transaction.member_id
    )
