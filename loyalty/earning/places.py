"""Gives a purchase that waits its store, and takes a wrong one away again: what mapping a store's label does to it.

New entries only: what was posted stays posted. A purchase without its store waits as if it had never had one; the
limits and budgets it used are free again, as its payment was none of that store's.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from loyalty.earning import awards, duplicates, limits, replay, runs, settlement, standing
from loyalty.earning.decisions import Decision
from loyalty.earning.duplicate_models import UNPLACED
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.earning.outcomes import Outcome, Verdict
from loyalty.earning.purchases import Found
from loyalty.earning.reasons import reason
from loyalty.ledger import postings
from loyalty.ledger.postings import Posted

State = Transaction.State
WITHOUT_POINTS = (State.HELD, State.DUPLICATE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What unplacing a purchase took; `missed` could not be taken and is settled by what it gets later."""

    points: int = 0
    missed: int = 0


def locked(transaction_id: int) -> Transaction:
    """The purchase under its lock, after its case's: in the order of whoever decides one."""
    cases = DuplicateCase.objects.select_for_update(no_key=True).filter(transaction=transaction_id)
    case = next(iter(cases), None)
    rows = Transaction.objects.select_for_update(of=("self",), no_key=True).select_related("wallet_pass")
    transaction = rows.get(pk=transaction_id)
    Transaction._meta.get_field("duplicate_case").set_cached_value(transaction, case)
    return transaction


def place(*, transaction: Transaction, now: datetime) -> Outcome:
    """Judge a transaction that waits for its store, by the rules of its day; the caller has it from `locked`."""
    _check_block()
    is_anothers = duplicates.is_anothers(transaction)
    if not is_anothers and not Award.objects.filter(transaction=transaction).exists():
        return awards.complete(transaction=transaction, now=now)
    waited = awards.find_waited(transaction, now=now)
    if isinstance(waited, Outcome):
        return waited
    purchase, found = waited
    postings.lock(member_id=transaction.member_id)
    transaction.store_id, transaction.mall_id = found.store_id, found.store_mall_id or transaction.mall_id
    transaction.save(update_fields=["store_id", "mall_id"])
    if is_anothers:
        _leave_to_other(transaction, now=now)
        return _recorded(transaction, None)
    decision, suspicion = awards.judge_waited(transaction, purchase, found, now=now)
    deserved = decision.points
    decision, state = runs.under(suspicion, decision)
    posted = None if state in WITHOUT_POINTS else _give_anew(transaction, found, decision, now=now)
    settlement.become(transaction, state, now=now)
    duplicates.follow(transaction=transaction, suspicion=suspicion, points=deserved, now=now)
    return _recorded(transaction, posted)


def unplace(*, transaction: Transaction, mall_id: int, now: datetime) -> Taken:
    """Take its store and its points away; it waits again, in the mall it was reported to. As `place`.

    One that has nothing because of its number, or because people said so, stays a duplicate without a store.
    """
    _check_block()
    if transaction.store_id is None:
        return Taken()
    account = postings.lock(member_id=transaction.member_id)
    award = Award.objects.filter(transaction=transaction).first()
    taken = Taken()
    if award:
        uses = replay.uses(transaction, award)
        stands = standing.of(transaction)
        points = settlement.take(transaction, stands, reason(UNPLACED), now=now)
        taken = Taken(points=points, missed=stands.left - points)
        limits.release(account_id=account.pk, uses=uses)
    is_kept = transaction.state == State.DUPLICATE and not duplicates.is_refused_by_rules(transaction)
    transaction.store, transaction.mall_id = None, mall_id
    transaction.state = State.DUPLICATE if is_kept else State.PARKED
    transaction.save(update_fields=["store", "mall_id", "state"])
    settlement.become(transaction, transaction.state, now=now)
    DuplicateCase.objects.filter(transaction=transaction).update(mall_id=mall_id)
    duplicates.reopen_blocked_by(transaction)
    return taken


def _check_block() -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("the purchase and its points change together: call this in an atomic block")


def _give_anew(transaction: Transaction, found: Found, decision: Decision, *, now: datetime) -> Posted | None:
    account = postings.lock(member_id=transaction.member_id)
    stands = standing.of(transaction)
    return settlement.give(transaction, stands, account, found, decision, reason("STORE_MAPPED"), now=now)


def _leave_to_other(transaction: Transaction, *, now: datetime) -> None:
    """People decided while it waited, or before: the purchase is another record's."""
    if not Award.objects.filter(transaction=transaction).exists():
        told = [reason("CONFIRMED_DUPLICATE")]
        Award.objects.create(transaction=transaction, points=0, reasons=told, conditions=[], awarded_at=now)
    settlement.become(transaction, State.DUPLICATE, now=now)


def _recorded(transaction: Transaction, posted: Posted | None) -> Outcome:
    return Outcome(
        verdict=Verdict.RECORDED,
        transaction_id=transaction.pk,
        member_id=transaction.member_id,
        version=posted.version if posted else None,
    )
