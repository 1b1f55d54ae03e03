"""What unmapping would take back, and from whom. Reads only; one statement, however many payments there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from alipayhk import mappings
from pms import columns
from pms.models import StoreMapping

MOST_NAMED = 20

LEFT = """
SELECT purchase.member_id, count(*), sum(greatest(0, coalesce(award.points, 0) + coalesce(moved.points, 0)
    - coalesce(back.points, 0)))::bigint, max(coalesce(account.balance, 0) + coalesce(pending.balance, 0))
FROM earning_transaction purchase
LEFT JOIN earning_award award ON award.transaction_id = purchase.id
LEFT JOIN ledger_pointaccount account ON account.member_id = purchase.member_id
LEFT JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
LEFT JOIN LATERAL (SELECT sum(one.points - one.uncollected) AS points FROM earning_correction one
                   WHERE one.transaction_id = purchase.id) moved ON true
LEFT JOIN LATERAL (SELECT sum(one.points + one.uncollected) AS points FROM earning_refund one
                   WHERE one.transaction_id = purchase.id) back ON true
WHERE purchase.id = ANY(%(ids)s::bigint[])
GROUP BY purchase.member_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberLoss:
    """What one member would lose, and has now, on hold or not."""

    member_id: int
    payments: int
    points: int
    balance: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """`most` names members, those who lack most first."""

    payments: int
    members: int
    points: int
    short_members: int
    most: Sequence[MemberLoss]


def foreseen(mapping: StoreMapping) -> Loss:
    ids = list(mappings.under(mapping).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(LEFT, {"ids": columns.numbers(ids)})
        rows = [
            MemberLoss(member_id=member, payments=payments, points=points, balance=balance)
            for member, payments, points, balance in cursor.fetchall()
        ]
    losing = [one for one in rows if one.points]
    losing.sort(key=lambda one: (min(0, one.balance - one.points), -one.points, one.member_id))
    return Loss(
        payments=len(ids),
        members=len(losing),
        points=sum(one.points for one in losing),
        short_members=sum(one.points > one.balance for one in losing),
        most=losing[:MOST_NAMED],
    )
