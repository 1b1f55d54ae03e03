"""Gives points for purchases. `earn` judges a new one, `earn_all` many, `complete` one that was never judged before.

All must run in their caller's atomic block, beside what else becomes true with the award.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from loyalty.earning import decisions, duplicates, limits, purchases, runs, suspects, tiers, transactions
from loyalty.earning.decisions import Decision
from loyalty.earning.duplicates import Held
from loyalty.earning.models import Award, Transaction
from loyalty.earning.outcomes import Outcome, Verdict, waiting
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.reasons import reason
from loyalty.earning.runs import Judged
from loyalty.earning.suspects import Suspicion
from loyalty.earning.transactions import Record
from loyalty.ledger import postings
from loyalty.ledger.postings import Earning
from members.models import Member, Program


class Overtaken(Exception):
    """In the same moment another payment took the number of one of many, or a member was closed.

    The whole block is to be done again.
    """


def earn(*, purchase: Purchase, now: datetime) -> Outcome:
    """Record a new purchase and give what it deserves, or say what it waits for.

    Raises `Overtaken` if its member was closed in the same moment.
    """
    return earn_all([purchase], now=now)[0]


def earn_all(asked: Sequence[Purchase], *, now: datetime, held: Held | None = None) -> list[Outcome]:
    """As `earn` for each in this order, in the same few statements; members' tiers are reviewed at the end.

    Raises `Overtaken`, for one alone only if its member was closed. `held` is for who has just asked which of their
    numbers others hold.
    """
    pairs = list(zip(asked, _with_accounts(purchases.find_all(asked), now=now), strict=True))
    outcomes = [runs.waits(purchase, found) for purchase, found in pairs]
    taken = [pair for pair, outcome in zip(pairs, outcomes, strict=True) if outcome is None]
    recorded = iter(_record_all(taken, now=now, held=held) if taken else [])
    return [outcome or next(recorded) for outcome in outcomes]


def complete(*, transaction: Transaction, now: datetime) -> Outcome:
    """Judge a transaction that waited for its store, by the rules of its day; the caller holds its row's lock."""
    waited = find_waited(transaction, now=now)
    if isinstance(waited, Outcome):
        return waited
    purchase, found = waited
    decision, suspicion = judge_waited(transaction, purchase, found, now=now)
    outcome = _settle(transaction, found, decision, suspicion, now=now)
    duplicates.follow(transaction=transaction, suspicion=suspicion, points=decision.points, now=now)
    return outcome


def find_waited(transaction: Transaction, *, now: datetime) -> tuple[Purchase, Found] | Outcome:
    """A purchase that waits, with the store that it can be judged at; else that it waits still."""
    purchase = purchases.of(transaction)
    [found] = _with_accounts([purchases.find(purchase)], now=now)
    if found.store_id is None or not (found.is_store_active and found.is_mall_active):
        return _still_waiting(purchase, transaction.pk)
    return purchase, found


def judge_waited(
    transaction: Transaction, purchase: Purchase, found: Found, *, now: datetime
) -> tuple[Decision, Suspicion | None]:
    """By the rules of its day; what people have looked at already is suspected no more."""
    decision = _decide(purchase, found, now=now)
    is_asked = bool(decision.points) and not duplicates.is_looked_at(transaction)
    return decision, suspects.suspect(purchase, found, own_id=transaction.pk) if is_asked else None


def clear(*, transaction: Transaction, now: datetime) -> Outcome:
    """Judge a transaction that was held back, by the rules of its day: it is no duplicate. As `complete`."""
    purchase, found = find_again(transaction, now=now)
    decision = runs.told(_decide(purchase, found, now=now), reason("CLEARED_AS_SEPARATE"))
    return _settle(transaction, found, decision, None, now=now)


def find_again(transaction: Transaction, *, now: datetime) -> tuple[Purchase, Found]:
    """A stored purchase with what is known about it now, at the store it was recorded for, merged or not."""
    purchase, store = purchases.of(transaction), transaction.store
    if store:
        purchase = replace(purchase, store_label=store.pms_label)
    [found] = _with_accounts([purchases.find(purchase, is_new=False)], now=now)
    return purchase, found._replace(store_id=store.pk) if store else found


def _settle(
    transaction: Transaction, found: Found, decision: Decision, suspicion: Suspicion | None, *, now: datetime
) -> Outcome:
    """Give a stored transaction its state and, unless it is held back, its award and its points."""
    decision, state = runs.under(suspicion, decision)
    transaction.store_id, transaction.mall_id = found.store_id, found.store_mall_id or transaction.mall_id
    transaction.state = state
    transaction.save(update_fields=["store_id", "mall_id", "state"])
    if state != Transaction.State.HELD:
        Award.objects.create(
            transaction=transaction,
            rule_version_id=decision.base_version_id,
            posting_id=found.posting_id if decision.points else None,
            awarded_at=now,
            **decisions.kept(decision),
        )
    found = found._replace(transaction_id=transaction.pk)
    versions = _give_all([(found, decision)] if decision.points else [], now=now)
    _review_tiers([found], versions, now=now)
    return Outcome(
        verdict=Verdict.RECORDED,
        transaction_id=transaction.pk,
        member_id=found.member_id,
        version=versions.get(transaction.pk),
    )


def _decide(purchase: Purchase, found: Found, *, now: datetime) -> Decision:
    if found.store_id is None:
        return runs.wrong_mall(purchase)
    return decisions.decide(purchase, found, now=now)


def _record_all(
    pairs: Sequence[tuple[Purchase, Found]], *, now: datetime, held: Held | None
) -> list[Outcome]:
    """All are judged and written together; what others hold a number of is lost, and gets nothing."""
    judged = runs.judge(pairs, now=now, held=held)
    foreseen = {one.found.transaction_id for one in judged if one.is_lost}
    try:
        lost = transactions.write([_record(one) for one in judged], now=now)
    except transactions.ClosedMeanwhile as error:
        raise Overtaken from error
    if len(pairs) > 1 and lost - foreseen:
        raise Overtaken
    judged = [replace(one, is_lost=True) if one.found.transaction_id in lost else one for one in judged]
    for one in judged:
        _open_case(one, now=now)
    versions = _give_all([(one.found, one.decision) for one in judged if one.points], now=now)
    _review_tiers([one.found for one in judged if one.is_judged], versions, now=now)
    return [_outcome(one, versions.get(one.found.transaction_id)) for one in judged]


def _record(one: Judged) -> Record:
    return Record(
        purchase=one.purchase,
        found=one.found,
        decision=one.decision,
        state=one.state,
        has_award=one.is_judged and one.state != Transaction.State.HELD,
    )


def _open_case(one: Judged, *, now: datetime) -> None:
    transaction_id, points = one.found.transaction_id, one.deserved.points
    if one.is_lost:
        duplicates.lose(transaction_id=transaction_id, points=points, now=now)
    elif one.suspicion:
        duplicates.open_case(transaction_id=transaction_id, suspicion=one.suspicion, points=points, now=now)


def _outcome(one: Judged, version: int | None) -> Outcome:
    if one.state == Transaction.State.PARKED and not one.is_lost:
        return _still_waiting(one.purchase, one.found.transaction_id)
    return Outcome(
        verdict=Verdict.RECORDED,
        transaction_id=one.found.transaction_id,
        member_id=one.found.member_id,
        version=version,
    )


def _give_all(given: Sequence[tuple[Found, Decision]], *, now: datetime) -> dict[int, int]:
    """Use up the limits and post the points; the accounts' versions by transaction."""
    if not given:
        return {}
    held = {
        found.account_id or 0 for found, decision in given if decision.pending_points and not found.pending_id
    }
    if held:
        postings.take_locks(account_ids=held)
        postings.open_pendings(account_ids=held, now=now)
    taken: Counter[tuple[int, str]] = Counter()
    for found, decision in given:
        taken.update(limits.taken(found.account_id or 0, decision.judgement.uses))
    limits.consume(taken)
    posted = postings.earn_all([_earning(found, decision) for found, decision in given], now=now)
    return {found.transaction_id: one.version for (found, _decision), one in zip(given, posted, strict=True)}


def _review_tiers(found: Sequence[Found], versions: Mapping[int, int], *, now: datetime) -> None:
    """Under the accounts' locks: posting has taken them, but not where there was nothing to post."""
    tiered = [one for one in found if one.has_tiers and one.member_id is not None]
    unlocked = {one.account_id or 0 for one in tiered if one.transaction_id not in versions}
    if unlocked:
        postings.take_locks(account_ids=unlocked)
    tiers.review_each({one.member_id or 0 for one in tiered}, now=now)


def _earning(found: Found, decision: Decision) -> Earning:
    assert found.account_id is not None  # both opened by _with_accounts
    assert found.issued_id is not None
    return Earning(
        posting_id=found.posting_id,
        account_id=found.account_id,
        issued_id=found.issued_id,
        program_id=found.program_id,
        lots=decision.lots,
        source=postings.reference("transaction", found.transaction_id),
    )


def _still_waiting(purchase: Purchase, transaction_id: int) -> Outcome:
    store = purchase.store_label or purchase.merchant_id
    return waiting("STORE", store, "PARKED_UNKNOWN_STORE", transaction_id=transaction_id)


def _with_accounts(found: Sequence[Found], *, now: datetime) -> list[Found]:
    """Members that staff added by hand, and programs before their first points, have no account yet."""
    issued = {one.program_id: _issued(one.program_id, now=now) for one in found if one.issued_id is None}
    missing = {one.member_id for one in found if one.member_id is not None and one.account_id is None}
    if not issued and not missing:
        return list(found)
    members = Member.objects.select_related("program").filter(pk__in=missing).order_by("pk")
    accounts = {member.pk: postings.open_account(member=member, now=now).pk for member in members}
    return [
        one._replace(
            issued_id=one.issued_id or issued[one.program_id],
            account_id=one.account_id or accounts.get(one.member_id or 0),
        )
        for one in found
    ]


def _issued(program_id: int, *, now: datetime) -> int:
    program = Program.objects.get(pk=program_id)
    return postings.open_program_accounts(program=program, now=now)["ISSUED"].pk
