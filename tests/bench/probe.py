"""How long the look for an earlier record of one purchase takes, which every payment waits for.

By the server's own clock: on a crowded machine the way there and back says more about the neighbors.
"""

from datetime import datetime
from random import Random
from typing import Any

import psycopg

from loyalty.earning import likeness, suspects
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


def _seconds(cursor: Any, values: dict[str, Any]) -> float:
    cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + suspects.CANDIDATES, values)
    [[[plan]]] = cursor.fetchall()
    return float(plan["Execution Time"]) / 1000


def _values(group_id: int, member_id: int, store_id: int, cents: int, paid_at: datetime) -> dict[str, Any]:
    """A receipt without any number, which leaves out nothing that it may be like."""
    since, until = likeness.window(paid_at)
    return {
        "group_id": group_id, "member_id": member_id, "store_id": store_id, "amount_cents": cents, "since": since,
        "until": until, "states": list(suspects.PAID_STATES), "currency": "HKD", "own_id": 0, "has_payment": False,
        "has_mainland": False, "has_acquirer": False, "user_id": "",
    }  # fmt: skip
