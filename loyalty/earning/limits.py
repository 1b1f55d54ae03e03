"""How much room limits and budgets have, and using it up: exact, since it is read under the locks that guard it.

A member's limits stand under the member's account, a campaign's budget under its own row.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from loyalty.earning.models import BudgetUse, CapUse
from loyalty.earning.rule_terms import RuleTerms
from loyalty.ledger import postings

CONSUME = """
INSERT INTO earning_capuse (account_id, key, used)
SELECT %(account_id)s, use.key, use.used FROM unnest(%(keys)s::text[], %(used)s::bigint[]) AS use (key, used)
ON CONFLICT (account_id, key) DO UPDATE SET used = earning_capuse.used + excluded.used
"""
# After the lock, in a statement of its own: one that waits for a lock reads other rows as they were before.
USED = (
    "SELECT key, used FROM earning_capuse WHERE account_id = %(account_id)s AND key = ANY(%(keys)s::text[])"
)


def is_budget(key: str) -> bool:
    return key.endswith("/budget")


def rooms(*, account_id: int, limited: Mapping[str, RuleTerms], used_ever: Iterable[str]) -> dict[str, int]:
    """Room by key, for the member's limits in `limited`. Locks the account, unless all that is asked is used up.

    A gift for life that was given stays given, so knowing that needs no lock.
    """
    known = {key: 0 for key in used_ever if key in limited and _amount(limited[key]) == 1}
    asked = {key: terms for key, terms in limited.items() if not is_budget(key) and key not in known}
    if not asked:
        return known
    postings.take_lock(account_id=account_id)
    used = _used(account_id, list(asked))
    return known | {key: _amount(terms) - used.get(key, 0) for key, terms in asked.items()}


def budget_rooms(budgeted: Mapping[str, RuleTerms]) -> dict[str, int]:
    """What is left of campaigns' budgets, under their locks, in one order for everybody."""
    found: dict[str, int] = {}
    for key, terms in sorted(budgeted.items(), key=lambda item: item[1].rule_id):
        BudgetUse.objects.get_or_create(rule_id=terms.rule_id)
        use = BudgetUse.objects.select_for_update().get(rule_id=terms.rule_id)
        found[key] = (terms.budget_points or 0) - use.used
    return found


def consume(*, account_id: int, uses: Mapping[str, int]) -> None:
    """Use up what a judgement took; the locks of `rooms` and `budget_rooms` are still held."""
    mine = {key: used for key, used in uses.items() if not is_budget(key)}
    if mine:
        values: dict[str, Any] = {"account_id": account_id, "keys": list(mine), "used": list(mine.values())}
        with connection.cursor() as cursor:
            cursor.execute(CONSUME, values)
    for key in uses.keys() - mine.keys():
        BudgetUse.objects.filter(rule_id=int(key.split("/")[0])).update(used=F("used") + uses[key])


def give_back(*, account_id: int, key: str) -> None:
    """A benefit given once was lost to a refund: it becomes available again."""
    CapUse.objects.filter(account_id=account_id, key=key).update(used=Greatest(F("used") - 1, 0))


def _used(account_id: int, keys: list[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(USED, {"account_id": account_id, "keys": keys})
        return dict(cursor.fetchall())


def _amount(terms: RuleTerms) -> int:
    assert terms.limit is not None  # only limited rules have a key
    return terms.limit.amount
