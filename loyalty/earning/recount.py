"""Recomputes what every past transaction deserves under its frozen rules, and compares it with what was posted.

Reads only what is kept on transactions, awards and refunds, one row at a time. Writes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from django.db import connection

from loyalty.earning import rules, rulesets
from loyalty.earning.models import Award, Refund, Transaction
from loyalty.earning.rule_terms import facts_from_json
from loyalty.ledger import proof
from loyalty.ledger.proof import Breach, Promise

PROMISES = (
    Promise(
        "earning_award",
        "it gave {} points, its posting moved {}.",
        """SELECT award.id, award.points, coalesce(entry.points, 0) FROM earning_award award
        JOIN earning_transaction purchase ON purchase.id = award.transaction_id
        LEFT JOIN ledger_pointaccount account ON account.member_id = purchase.member_id
        LEFT JOIN ledger_pointentry entry
            ON entry.posting_id = award.posting_id AND entry.account_id = account.id
        WHERE award.points - award.pending_points <> coalesce(entry.points, 0)""",
    ),
    Promise(
        "earning_refund",
        "it took back {} points, its posting moved {}.",
        """SELECT refund.id, refund.points, coalesce(entry.points, 0) FROM earning_refund refund
        JOIN earning_transaction purchase ON purchase.id = refund.transaction_id
        LEFT JOIN ledger_pointaccount account ON account.member_id = purchase.member_id
        LEFT JOIN ledger_pointentry entry
            ON entry.posting_id = refund.posting_id AND entry.account_id = account.id
        WHERE refund.points <> -coalesce(entry.points, 0)""",
    ),
    Promise(
        "ledger_posting",
        "no award or refund stands behind this {} of {}.",
        """SELECT posting.id, posting.kind, posting.source FROM ledger_posting posting
        LEFT JOIN earning_award award ON award.posting_id = posting.id
        LEFT JOIN earning_refund refund ON refund.posting_id = posting.id
        WHERE posting.kind = 'EARN' AND award.id IS NULL OR posting.kind = 'CLAW_BACK' AND refund.id IS NULL""",
    ),
    # Claims are unique, so a purchase that earned and holds all its numbers is the only one that earned on them.
    Promise(
        "earning_transaction",
        "it earned points but holds only {} of its {} numbers.",
        """SELECT * FROM (
            SELECT purchase.id,
                (SELECT count(*) FROM earning_numberclaim claim WHERE claim.transaction_id = purchase.id) AS held,
                (SELECT count(DISTINCT number) FROM unnest(ARRAY[
                    'P' || nullif(purchase.payment_number, ''), 'M' || nullif(purchase.mainland_number, ''),
                    'A' || nullif(purchase.acquirer_number, ''), 'R' || nullif(purchase.receipt_number, '')
                ]) AS number) AS has
            FROM earning_award award JOIN earning_transaction purchase ON purchase.id = award.transaction_id
            WHERE award.points > 0) numbered
        WHERE held < has""",
    ),
    Promise(
        "earning_transaction",
        "its state is {}, its award gave {} points.",
        """SELECT purchase.id, purchase.state, award.points FROM earning_transaction purchase
        JOIN earning_award award ON award.transaction_id = purchase.id
        WHERE (award.points > 0) <> (purchase.state IN ('EARNED', 'FLAGGED'))""",
    ),
    Promise(
        "earning_transaction",
        "its state is {}, but nothing says why.",
        """SELECT purchase.id, purchase.state FROM earning_transaction purchase
        LEFT JOIN earning_award award ON award.transaction_id = purchase.id
        WHERE award.id IS NULL AND purchase.state NOT IN ('PARKED', 'HELD')""",
    ),
    Promise(
        "earning_transaction",
        "{} cents were refunded of {}.",
        """SELECT purchase.id, sum(refund.amount_cents), purchase.amount_cents FROM earning_refund refund
        JOIN earning_transaction purchase ON purchase.id = refund.transaction_id
        GROUP BY purchase.id HAVING sum(refund.amount_cents) > purchase.amount_cents""",
    ),
)

JUDGED = """
SELECT award.id, award.points, award.facts::text, award.versions::text, award.rooms::text,
       purchase.amount_cents, coalesce(back.cents, 0), coalesce(back.points, 0)
FROM earning_award award
JOIN earning_transaction purchase ON purchase.id = award.transaction_id
LEFT JOIN (SELECT transaction_id, sum(amount_cents)::bigint AS cents, sum(points + uncollected)::bigint AS points
           FROM earning_refund GROUP BY transaction_id) back ON back.transaction_id = purchase.id
"""


class Judged(NamedTuple):
    """One row of `JUDGED`, in its order. `taken` counts what refunds took or should have taken."""

    award_id: int
    points: int
    facts: str
    versions: str
    rooms: str
    amount_cents: int
    refunded_cents: int
    taken: int


def breaches() -> Iterator[Breach]:
    """Every award, refund and transaction that is not what its frozen rules say."""
    for promise in PROMISES:
        yield from proof.broken(promise)
    yield from _recounted()


def counts() -> Mapping[str, int]:
    return {
        "transactions": Transaction.objects.count(),
        "awards": Award.objects.count(),
        "refunds": Refund.objects.count(),
    }


def _recounted() -> Iterator[Breach]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(JUDGED)
        for row in cursor:
            judged = Judged(*row)
            sentence = _difference(judged)
            if sentence:
                yield Breach("earning_award", judged.award_id, sentence)


def _difference(judged: Judged) -> str:
    versions = json.loads(judged.versions)
    if not versions:
        return f"it gave {judged.points} points without a rule." if judged.points else ""
    facts, rooms = facts_from_json(json.loads(judged.facts)), json.loads(judged.rooms)
    if facts.amount_cents != judged.amount_cents:
        return f"it was judged on {facts.amount_cents} cents, its transaction is {judged.amount_cents}."
    ruleset = rulesets.named(versions)
    deserved = rules.judge(facts, ruleset, rooms).points
    if judged.points != deserved:
        return f"it gave {judged.points} points, its rules give {deserved}."
    if not judged.refunded_cents or not deserved:
        return ""
    net = judged.amount_cents - judged.refunded_cents
    left, still_deserved = (
        judged.points - judged.taken,
        rules.judge(facts, ruleset, rooms, net_cents=net).points,
    )
    if left != still_deserved:
        return f"{left} points are left after its refunds, its rules leave {still_deserved}."
    return ""
