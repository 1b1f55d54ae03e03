"""Gives points for purchases. `earn` judges a new one, `complete` one that waited for its store.

Both must run in their caller's atomic block, beside what else becomes true with the award.
"""

import json
import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection

from loyalty.earning import decisions, duplicates, limits, purchases, suspects, tiers
from loyalty.earning.decisions import Decision
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.earning.outcomes import Outcome, Verdict, waiting
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.reasons import reason
from loyalty.earning.suspects import Suspicion
from loyalty.ledger import postings
from members.models import Member, Program

alarm = logging.getLogger("loyalty.alarm")

# The award is written only if every number was free: whoever claims a number first has the purchase.
RECORD = """
WITH purchase AS (
    INSERT INTO earning_transaction (group_id, mall_id, store_id, member_id, wallet_pass_id, channel, state,
        amount_cents, currency, paid_at, recorded_at, payment_number, mainland_number, acquirer_number,
        receipt_number, store_label, merchant_id, merchant_name, tender, item, entered_by_id)
    VALUES (%(group_id)s, %(mall_id)s, %(store_id)s, %(member_id)s, %(pass_id)s, %(channel)s, %(state)s,
        %(amount_cents)s, %(currency)s, %(paid_at)s, %(now)s, %(payment)s, %(mainland)s, %(acquirer)s,
        %(receipt)s, %(store_label)s, %(merchant_id)s, %(merchant_name)s, %(tender)s, %(item)s,
        %(entered_by_id)s)
    RETURNING id
), claims AS (
    INSERT INTO earning_numberclaim (group_id, kind, number, transaction_id)
    SELECT %(group_id)s, claim.kind, claim.number, purchase.id
    FROM purchase, unnest(%(kinds)s::text[], %(numbers)s::text[]) AS claim (kind, number)
    ON CONFLICT DO NOTHING
    RETURNING kind
), known AS (
    SELECT FROM earning_numberclaim WHERE %(looked_up)s::text <> '' AND group_id = %(group_id)s
        AND kind IN ('PAYMENT', 'MAINLAND', 'ACQUIRER') AND number = %(looked_up)s LIMIT 1
), award AS (
    INSERT INTO earning_award (transaction_id, rule_version_id, posting_id, points, pending_points, counted_cents,
        facts, versions, rooms, lines, reasons, conditions, awarded_at)
    SELECT purchase.id, %(version_id)s, %(award_posting_id)s, %(points)s, %(pending_points)s, %(counted_cents)s,
        %(facts)s::jsonb, %(versions)s::jsonb, %(rooms)s::jsonb, %(lines)s::jsonb, %(reasons)s::jsonb,
        %(conditions)s::jsonb, %(now)s
    FROM purchase
    WHERE %(is_judged)s AND (SELECT count(*) FROM claims) = cardinality(%(kinds)s::text[])
        AND NOT EXISTS (SELECT FROM known)
)
SELECT purchase.id, (SELECT count(*) FROM claims), EXISTS (SELECT FROM known) FROM purchase
"""


def earn(*, purchase: Purchase, now: datetime, reviews_tier: bool = True) -> Outcome:
    """Record a new purchase and give what it deserves, or say what it waits for.

    Who brings many purchases at once may review the member's tier itself, after the last of them.
    """
    found = _with_accounts(purchases.find(purchase), now=now)
    if not found.is_mall_active:
        return waiting("MALL", str(purchase.mall_id), "STORE_SUSPENDED")
    if found.member_id is None:
        return waiting("USER", purchase.user_id, "PARKED_NO_PASS")
    if found.store_id is None and not purchases.is_known_elsewhere(purchase):
        return _park(purchase, found, now=now)
    if found.store_id is not None and not found.is_store_active:
        return waiting("STORE", purchase.store_label or purchase.merchant_id, "STORE_SUSPENDED")
    found = found._replace(has_tiers=found.has_tiers and reviews_tier)
    decision = _decide(purchase, found, now=now)
    suspicion = suspects.suspect(purchase, found) if decision.points else None
    return _record_judged(purchase, found, decision, suspicion, now=now)


def complete(*, transaction: Transaction, now: datetime) -> Outcome:
    """Judge a transaction that waited for its store, by the rules of its day; the caller holds its row's lock."""
    purchase = purchases.of(transaction)
    found = _with_accounts(purchases.find(purchase), now=now)
    if found.store_id is None or not (found.is_store_active and found.is_mall_active):
        return _still_waiting(purchase, transaction.pk)
    decision = _decide(purchase, found, now=now)
    suspicion = suspects.suspect(purchase, found, own_id=transaction.pk) if decision.points else None
    outcome = _settle(transaction, found, decision, suspicion, now=now)
    if suspicion:
        duplicates.open_case(
            transaction_id=transaction.pk, suspicion=suspicion, points=decision.points, now=now
        )
    return outcome


def clear(*, transaction: Transaction, now: datetime) -> Outcome:
    """Judge a transaction that was held back, by the rules of its day: it is no duplicate. As `complete`."""
    purchase, found = find_again(transaction, now=now)
    decision = _told(_decide(purchase, found, now=now), reason("CLEARED_AS_SEPARATE"))
    return _settle(transaction, found, decision, None, now=now)


def find_again(transaction: Transaction, *, now: datetime) -> tuple[Purchase, Found]:
    """A stored purchase with what is known about it now, at the store it was recorded for."""
    purchase = purchases.of(transaction)
    if transaction.store and transaction.store.pms_label:
        purchase = replace(purchase, store_label=transaction.store.pms_label)
    return purchase, _with_accounts(purchases.find(purchase, is_new=False), now=now)


def _settle(
    transaction: Transaction, found: Found, decision: Decision, suspicion: Suspicion | None, *, now: datetime
) -> Outcome:
    """Give a stored transaction its state and, unless it is held back, its award and its points."""
    decision, state = _under(suspicion, decision)
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
    return _give(found, decision, transaction_id=transaction.pk, now=now)


def _under(suspicion: Suspicion | None, decision: Decision) -> tuple[Decision, str]:
    """What is left of a decision under a suspicion, and the transaction's state."""
    if suspicion is None:
        return decision, _state(decision)
    if suspicion.verdict == DuplicateCase.Verdict.FLAGGED:
        flag = reason("FLAGGED_AS_DUPLICATE", reference=suspicion.reference)
        return _told(decision, flag), Transaction.State.FLAGGED
    if suspicion.verdict == DuplicateCase.Verdict.BLOCKED:
        return _told(decisions.NOTHING, reason("CONFIRMED_DUPLICATE")), Transaction.State.DUPLICATE
    return decisions.NOTHING, Transaction.State.HELD


def _told(decision: Decision, entry: dict[str, object]) -> Decision:
    judgement = decision.judgement
    return replace(decision, judgement=replace(judgement, reasons=[*judgement.reasons, entry]))


def _decide(purchase: Purchase, found: Found, *, now: datetime) -> Decision:
    if found.store_id is None:
        alarm.warning("a payment names a store of another mall group: %s", purchase.store_label)
        return decisions.WRONG_MALL
    return decisions.decide(purchase, found, now=now)


def _record_judged(
    purchase: Purchase, found: Found, decision: Decision, suspicion: Suspicion | None, *, now: datetime
) -> Outcome:
    kept, state = _under(suspicion, decision)
    transaction_id, is_lost = _record(purchase, found, kept, state=state, now=now)
    if is_lost:
        duplicates.lose(transaction_id=transaction_id, points=decision.points, now=now)
        return Outcome(verdict=Verdict.RECORDED, transaction_id=transaction_id, member_id=found.member_id)
    if suspicion:
        duplicates.open_case(
            transaction_id=transaction_id, suspicion=suspicion, points=decision.points, now=now
        )
    return _give(found, kept, transaction_id=transaction_id, now=now)


def _give(found: Found, decision: Decision, *, transaction_id: int, now: datetime) -> Outcome:
    """Use up the limits, post the points, and see whether the member has reached another tier."""
    version = None
    if decision.points:
        assert found.account_id is not None  # both opened by _with_accounts
        assert found.issued_id is not None
        if decision.pending_points and found.pending_id is None:
            postings.open_pending(account=postings.lock_account(account_id=found.account_id), now=now)
        limits.consume(account_id=found.account_id, uses=decision.judgement.uses)
        version = postings.earn(
            posting_id=found.posting_id,
            account_id=found.account_id,
            issued_id=found.issued_id,
            program_id=found.program_id,
            lots=decision.lots,
            source=postings.reference("transaction", transaction_id),
            now=now,
        ).version
    if found.has_tiers and found.member_id is not None:
        tiers.review(member_id=found.member_id, now=now)
    return Outcome(
        verdict=Verdict.RECORDED, transaction_id=transaction_id, member_id=found.member_id, version=version
    )


def _park(purchase: Purchase, found: Found, *, now: datetime) -> Outcome:
    """Keep the purchase, with its numbers claimed, until staff say which store it was."""
    transaction_id, is_lost = _record(
        purchase, found, decisions.NOTHING, state=Transaction.State.PARKED, now=now
    )
    if is_lost:
        duplicates.lose(transaction_id=transaction_id, now=now)
        return Outcome(verdict=Verdict.RECORDED, transaction_id=transaction_id, member_id=found.member_id)
    return _still_waiting(purchase, transaction_id)


def _still_waiting(purchase: Purchase, transaction_id: int) -> Outcome:
    store = purchase.store_label or purchase.merchant_id
    return waiting("STORE", store, "PARKED_UNKNOWN_STORE", transaction_id=transaction_id)


def _record(
    purchase: Purchase, found: Found, decision: Decision, *, state: str, now: datetime
) -> tuple[int, bool]:
    """The transaction's id, and whether another transaction already holds one of its numbers."""
    claims = duplicates.claims(purchase.numbers, store=found.store_id, paid_at=purchase.paid_at)
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                "group_id": purchase.group_id,
                "mall_id": found.store_mall_id or purchase.mall_id,
                "store_id": found.store_id,
                "member_id": found.member_id,
                "pass_id": found.pass_id,
                "channel": purchase.channel,
                "state": state,
                "amount_cents": purchase.amount_cents,
                "currency": purchase.currency,
                "paid_at": purchase.paid_at,
                "now": now,
                "payment": purchase.numbers.get("PAYMENT", ""),
                "mainland": purchase.numbers.get("MAINLAND", ""),
                "acquirer": purchase.numbers.get("ACQUIRER", ""),
                "receipt": purchase.numbers.get("RECEIPT", ""),
                "store_label": purchase.store_label,
                "merchant_id": purchase.merchant_id,
                "merchant_name": purchase.merchant_name,
                "kinds": [kind for kind, _number in claims],
                "numbers": [number for _kind, number in claims],
                "looked_up": duplicates.looked_up(purchase.numbers),
                "tender": purchase.tender,
                "item": purchase.item,
                "entered_by_id": purchase.entered_by_id,
                "version_id": decision.base_version_id,
                "award_posting_id": found.posting_id if decision.points else None,
                "is_judged": state not in (Transaction.State.PARKED, Transaction.State.HELD),
            }
            | _kept_as_text(decision),
        )
        transaction_id, claimed, is_known = cursor.fetchone()
    return transaction_id, is_known or claimed < len(claims)


def _kept_as_text(decision: Decision) -> dict[str, Any]:
    return {
        column: value if isinstance(value, int) else json.dumps(value)
        for column, value in decisions.kept(decision).items()
    }


def _state(decision: Decision) -> str:
    return Transaction.State.EARNED if decision.points else Transaction.State.NOTHING


def _with_accounts(found: Found, *, now: datetime) -> Found:
    """Members that staff added by hand, and programs before their first points, have no account yet."""
    if found.issued_id is None:
        program = Program.objects.get(pk=found.program_id)
        found = found._replace(
            issued_id=postings.open_program_accounts(program=program, now=now)["ISSUED"].pk
        )
    if found.member_id is not None and found.account_id is None:
        member = Member.objects.select_related("program").get(pk=found.member_id)
        found = found._replace(account_id=postings.open_account(member=member, now=now).pk)
    return found
