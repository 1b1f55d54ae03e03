"""Takes points back for refunds, by recomputing what the cumulative net still deserves.

Must run in its caller's atomic block.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from loyalty.earning import limits, rules, shares, standing, tiers
from loyalty.earning.models import Refund, Transaction
from loyalty.earning.outcomes import Outcome, Verdict, waiting
from loyalty.earning.reasons import reason
from loyalty.earning.rule_terms import limit_key
from loyalty.earning.rules import ClawBack, Judgement
from loyalty.earning.shares import Share
from loyalty.earning.standing import Standing
from loyalty.earning.suspects import WALLET_CHANNELS
from loyalty.ledger import postings, redemptions
from loyalty.ledger.models import PointAccount
from pms.models import MallGroup

alarm = logging.getLogger("loyalty.alarm")

# What the keys of refunds begin with that a repair recorded without knowing their own.
REPAIRED = "reconciliation/"
UNJUDGED = (Transaction.State.PARKED, Transaction.State.HELD)


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
    if standing.moved_by_hand(transaction) < 0:
        return _ask(transaction, given_back, "REFUND_AFTER_REPAIR")
    is_early = given_back.refunded_at < transaction.paid_at
    return _ask(transaction, given_back, "REFUND_BEFORE_PAYMENT") if is_early else None


def _is_foreign(transaction: Transaction, given_back: GivenBack) -> bool:
    if shares.is_closed(transaction):
        return given_back.currency != transaction.currency
    user_ids = transaction.member.passes.filter(wallet=given_back.wallet).values_list("user_id", flat=True)
    return given_back.currency != transaction.currency or given_back.user_id not in user_ids


def _looks_known(transaction: Transaction, given_back: GivenBack) -> bool:
    """Once with and once without its own number, otherwise equal: perhaps one refund, told twice (B134). So is one
    that a repair recorded before the wallet told of it.
    """
    repaired = Q(key__startswith=REPAIRED) | Q(
        recorded_by_adjustment__isnull=False, amount_cents=given_back.amount_cents
    )
    if transaction.refunds.filter(repaired).exists():
        return True
    alike = transaction.refunds.filter(
        refunded_at=given_back.refunded_at, amount_cents=given_back.amount_cents
    )
    return alike.filter(~Q(number="") if not given_back.number else Q(number="")).exists()


def _take_back(
    transaction: Transaction, account: PointAccount, given_back: GivenBack, *, now: datetime
) -> Outcome:
    now_stands = standing.of(transaction)
    due = _due(now_stands, given_back)
    # What was spent on the purchase first, so that it is there to be taken.
    returned = _return_redeemed(transaction, account, given_back, now=now)
    is_closed = shares.is_closed(transaction)
    share = shares.NOTHING_TAKEN if is_closed else _share(account, now_stands, due)
    version, posting_id = account.version if returned else None, None
    if share.points:
        assert now_stands.posting_id is not None  # points were earned, so they were posted
        posted = postings.claw_back(
            account=account,
            usable=share.usable,
            held=share.held,
            award_posting_id=now_stands.posting_id,
            source=f"transaction/{transaction.pk}/refund/{transaction.refunds.count() + 1}",
            now=now,
        )
        version, posting_id = posted.version, posted.posting_id
    _give_benefits_back(now_stands, account, due)
    told = _told(transaction, due, share.points) + returned
    refund = _record(transaction, given_back, due, told, taken=share.points, posting_id=posting_id, now=now)
    tiers.review(member_id=transaction.member_id, now=now)
    return _recorded(transaction, refund, version=version)


def _due(now_stands: Standing, given_back: GivenBack) -> ClawBack:
    """Nothing where there are no points, or a decision has taken them back."""
    basis = now_stands.basis
    if basis is None or not now_stands.earned or now_stands.is_taken:
        return ClawBack(points=0, target=Judgement(), reasons=[reason("REFUND_NO_CHANGE")])
    return rules.claw_back(
        basis.facts,
        basis.ruleset,
        basis.rooms,
        earned=now_stands.earned,
        clawed_back=now_stands.refunded,
        refunded_cents=now_stands.refunded_cents,
        refund_cents=given_back.amount_cents,
    )


def _share(account: PointAccount, now_stands: Standing, due: ClawBack) -> Share:
    return shares.share(account, now_stands.posting_id, min(due.points, now_stands.takeable))


def _return_redeemed(
    transaction: Transaction, account: PointAccount, given_back: GivenBack, *, now: datetime
) -> list[dict[str, object]]:
    """Where the program says so, points that helped to pay go back once all of the payment has; says how many."""
    is_whole = _refunded_cents(transaction) + given_back.amount_cents == transaction.amount_cents
    if not is_whole or not account.program.returns_redeemed_points or shares.is_closed(transaction):
        return []
    returned = redemptions.give_back(account=account, payment_number=transaction.payment_number, now=now)
    points = sum(redemption.points for redemption in returned)
    return [reason("REDEMPTION_RETURNED", points=points)] if points else []


def _give_benefits_back(now_stands: Standing, account: PointAccount, due: ClawBack) -> None:
    """A welcome or birthday benefit that this very refund takes away becomes available again."""
    basis = now_stands.basis
    if basis is None or not now_stands.earned or now_stands.is_taken:
        return
    before = basis.judged(basis.facts.amount_cents - now_stands.refunded_cents)
    kept = {line.terms.rule_id for line in due.target.lines}
    for line in before.lines:
        if line.terms.occasion and line.terms.rule_id not in kept:
            limits.give_back(account_id=account.pk, key=limit_key(line.terms, basis.facts))


def _record(
    transaction: Transaction,
    given_back: GivenBack,
    due: ClawBack,
    told: list[dict[str, object]],
    *,
    taken: int,
    posting_id: int | None,
    now: datetime,
) -> Refund:
    return Refund.objects.create(
        transaction=transaction,
        key=given_back.key,
        number=given_back.number,
        amount_cents=given_back.amount_cents,
        refunded_at=given_back.refunded_at,
        recorded_at=now,
        points=taken,
        uncollected=due.points - taken,
        reasons=told,
        posting_id=posting_id,
    )


def _told(transaction: Transaction, due: ClawBack, taken: int) -> list[dict[str, object]]:
    uncollected = due.points - taken
    missed = [reason("UNCOLLECTED", points=uncollected)] if uncollected else []
    if shares.is_closed(transaction):
        return [reason("REFUND_NO_CHANGE"), *missed]
    if not taken and missed:
        return missed
    return [_with_points(entry, taken) for entry in due.reasons] + missed


def _with_points(entry: dict[str, object], taken: int) -> dict[str, object]:
    values = entry["values"]
    assert isinstance(values, dict)  # as reason() makes them
    return {**entry, "values": {**values, "points": taken}} if "points" in values else entry


def _refunded_cents(transaction: Transaction) -> int:
    return transaction.refunds.aggregate(total=Sum("amount_cents"))["total"] or 0


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
