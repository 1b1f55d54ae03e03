"""Does what an approved repair says, through the functions that the wire itself uses. Joins its caller's block.

A payment that never came is recorded as its notice would have been, so its number is claimed and a late notice or a
receipt at the counter earns nothing more; a refund is recorded under a key of its own.
"""

from dataclasses import dataclass
from datetime import datetime

from loyalty.earning import awards, refunds
from loyalty.earning.models import Refund, Transaction
from loyalty.earning.outcomes import Outcome, Verdict
from loyalty.earning.purchases import Purchase
from loyalty.earning.refunds import GivenBack
from loyalty.ledger.models import PointAccount
from loyalty.review.models import Finding
from members.models import Member, Pass
from pms.models import User


class RepairRefused(Exception):
    """The ledger has moved on since the finding was made. Nothing was changed."""


class NoPass(RepairRefused):
    """The member has no card in the wallet, so the payment cannot be theirs."""


class KnownMeanwhile(RepairRefused):
    """The payment has been recorded meanwhile."""


class StillWaits(RepairRefused):
    """The store or the mall cannot earn as it stands. See to it first."""


class NothingToGive(RepairRefused):
    """The rules give nothing for the payment, so there is nothing to repair."""


class RefundRefused(RepairRefused):
    """The refund does not fit what is recorded of the purchase by now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What an approval left behind."""

    posting_id: int | None = None
    recorded_id: int | None = None
    refund_id: int | None = None


def record_payment(*, finding: Finding, account_id: int, by: User, now: datetime) -> Effect:
    """Record the payment and give what its day's rules say."""
    account = PointAccount.objects.select_related("member__program").get(pk=account_id)
    assert account.member is not None  # requests are for members' accounts
    purchase = purchase_of(finding, account.member, entered_by_id=by.pk)
    outcome = awards.earn(purchase=purchase, now=now)
    if outcome.verdict == Verdict.WAITING or outcome.transaction_id is None:
        raise StillWaits
    recorded = Transaction.objects.select_related("award").get(pk=outcome.transaction_id)
    if recorded.state == Transaction.State.DUPLICATE:
        raise KnownMeanwhile
    if recorded.state == Transaction.State.NOTHING:
        raise NothingToGive
    award = getattr(recorded, "award", None)
    if finding.file_cents > finding.cents:
        _give_back(finding, recorded, finding.file_cents - finding.cents, now=now)
    return Effect(recorded_id=recorded.pk, posting_id=award.posting_id if award else None)


def record_refund(*, finding: Finding, account_id: int, by: User, now: datetime) -> Effect:
    """Record the refund and take back what the rest no longer deserves."""
    assert finding.transaction is not None  # the class of finding says so
    outcome = _give_back(finding, finding.transaction, finding.cents, now=now)
    refund = Refund.objects.get(pk=outcome.refund_id or 0)
    return Effect(refund_id=refund.pk, posting_id=refund.posting_id)


def _give_back(finding: Finding, purchase: Transaction, cents: int, *, now: datetime) -> Outcome:
    wallet_pass = _pass_of(purchase.member, user_id=finding.user_id)
    given_back = GivenBack(
        group_id=purchase.group_id,
        wallet=wallet_pass.wallet if wallet_pass else "",
        user_id=wallet_pass.user_id if wallet_pass else "",
        payment_number=purchase.payment_number or finding.number,
        mainland_number=purchase.mainland_number,
        number=finding.refund_number,
        key=_key(finding, purchase, cents),
        amount_cents=cents,
        currency=finding.currency,
        refunded_at=finding.happened_at,
        is_confirmed=True,
    )
    outcome = refunds.claw_back(given_back=given_back, now=now)
    if outcome.verdict != Verdict.RECORDED or outcome.refund_id is None:
        raise RefundRefused
    return outcome


def _key(finding: Finding, purchase: Transaction, cents: int) -> str:
    """The wire's own form where the file names one whole refund, so that its late notice is known."""
    wires = f"{purchase.payment_number}:{finding.refund_number}".upper()
    is_whole = bool(purchase.payment_number and finding.refund_number) and cents == finding.file_cents
    if is_whole and not purchase.refunds.filter(key=wires).exists():
        return wires
    return f"{refunds.REPAIRED}{finding.pk}"


def purchase_of(finding: Finding, member: Member, *, entered_by_id: int | None = None) -> Purchase:
    """The payment as its notice would have told it."""
    wallet_pass = _pass_of(member, user_id=finding.user_id)
    if wallet_pass is None:
        raise NoPass
    return Purchase(
        group_id=member.program.group_id,
        mall_id=finding.mall_id,
        channel=Transaction.Channel.WALLET,
        wallet=wallet_pass.wallet,
        user_id=wallet_pass.user_id,
        amount_cents=finding.file_cents,
        currency=finding.currency,
        paid_at=finding.happened_at,
        numbers={"PAYMENT": finding.number},
        store_label=finding.store_label,
        merchant_id=finding.merchant_id,
        merchant_name="",
        entered_by_id=entered_by_id,
    )


def _pass_of(member: Member, *, user_id: str = "") -> Pass | None:
    passes = member.passes.order_by("pk")
    return passes.filter(user_id=user_id).first() or passes.first() if user_id else passes.first()
