"""How long the look for an earlier record of one purchase takes, which every payment waits for.

By the server's own clock: on a crowded machine the way there and back says more about the neighbors.
"""

from collections.abc import Mapping
from datetime import datetime
from random import Random
from typing import Any

import psycopg

from loyalty.earning import suspects
from loyalty.earning.models import Transaction
from loyalty.earning.purchases import Purchase
from loyalty.earning.suspects import Sought
from tests.bench.figures import Waits

PROBES, WARM_UP = 400, 40
DRAWN = """
SELECT group_id, member_id, store_id, amount_cents, paid_at FROM earning_transaction
WHERE id = ANY(%s) AND store_id IS NOT NULL
"""


def measure(url: str, *, probes: int = PROBES) -> Waits:
    """The statement alone, for the like of purchases drawn from all that the database has."""
    with psycopg.connect(url) as reader, reader.cursor() as cursor:
        [first, last] = cursor.execute("SELECT min(id), max(id) FROM earning_transaction").fetchall()[0]
        drawn = Random(20261122)
        cursor.execute(DRAWN, [[drawn.randint(first, last) for _ in range(2 * (probes + WARM_UP))]])
        found = [_values(*row) for row in cursor.fetchall()][: probes + WARM_UP]
        seconds = [_seconds(cursor, values) for values in found]
    return Waits(tuple(seconds[WARM_UP:]))


def _seconds(cursor: Any, values: Mapping[str, Any]) -> float:
    cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + suspects.CANDIDATES, values)
    [[[plan]]] = cursor.fetchall()
    return float(plan["Execution Time"]) / 1000


def _values(group_id: int, member_id: int, store_id: int, cents: int, paid_at: datetime) -> Mapping[str, Any]:
    """A receipt without any number, which leaves out nothing that it may be like."""
    receipt = Purchase(
        group_id=group_id, mall_id=0, channel=Transaction.Channel.COUNTER, member_id=member_id,
        amount_cents=cents, currency="HKD", paid_at=paid_at, numbers={},
        store_label="", merchant_id="", merchant_name="",
    )  # fmt: skip
    return suspects.values([Sought(purchase=receipt, member_id=member_id, store_id=store_id)])
