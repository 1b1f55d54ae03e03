"""How much room limits and budgets have, and using it up: exact, since it is read under the locks that guard it.

A member's limits stand under the member's account, a campaign's budget under its own row.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from loyalty.earning.models import BudgetUse, CapUse
from loyalty.earning.rule_terms import RuleTerms
from loyalty.ledger import postings
from pms import columns

CONSUME = """
INSERT INTO earning_capuse (account_id, key, used)
SELECT use.account_id, use.key, use.used
FROM unnest(%(account_ids)s::bigint[], %(keys)s::text[], %(used)s::bigint[]) AS use (account_id, key, used)
ON CONFLICT (account_id, key) DO UPDATE SET used = earning_capuse.used + excluded.used
"""
# After the lock, in a statement of its own: one that waits for a lock reads other rows as they were before.
USED = """
SELECT account_id, key, used FROM earning_capuse
JOIN (SELECT * FROM unnest(%(account_ids)s::bigint[], %(keys)s::text[]) LIMIT %(all)s) AS asked (account_id, key)
    USING (account_id, key)
"""


def is_budget(key: str) -> bool:
    return key.endswith("/budget")


@dataclass(frozen=True, slots=True)
class Asked:
    """The limits and budgets one purchase may draw on. `keys` are those of the member whose room is to be read.

    A gift for life that was `given` stays given, so knowing that needs no lock.
    """

    account_id: int | None
    limited: Mapping[str, RuleTerms]
    given: Mapping[str, int]
    keys: Sequence[tuple[int, str]]


def asked(account_id: int | None, limited: Mapping[str, RuleTerms], used_ever: Sequence[str]) -> Asked:
    """`used_ever`: what the member has had for life."""
    given = {key: 0 for key in used_ever if key in limited and _amount(limited[key]) == 1}
    own = [key for key in limited if not is_budget(key) and key not in given]
    keys = [(account_id, key) for key in own] if account_id is not None else []
    return Asked(account_id, limited, given, keys)


class Rooms:
    """The room of a run of purchases, one after the other: read once for all, then used up in memory as well.

    Locks the members' accounts, unless all that is asked is used up. A trial locks nothing; `tried` is what those
    before it would have taken, and takes note of more.
    """

    def __init__(self, asked: Sequence[Asked], *, tried: Counter[tuple[int, str]] | None = None) -> None:
        self._tried = tried
        self._spent: dict[int, int] = {}
        self._campaigns = _campaigns(asked) if len(asked) > 1 else set()
        pairs = {pair for one in asked for pair in one.keys}
        accounts = {account_id for account_id, _key in pairs} | _with_budgets(asked)
        if accounts and tried is None:
            postings.take_locks(account_ids=accounts)
        self._used = Counter(_used(pairs) if pairs else {})
        self._used.update({pair: used for pair, used in (tried or {}).items() if pair in pairs})

    def of_member(self, asked: Asked) -> dict[str, int]:
        if asked.account_id is None:
            return {}
        left = {
            key: _amount(asked.limited[key]) - self._used[account_id, key] for account_id, key in asked.keys
        }
        return {**asked.given, **left}

    def of_budgets(self, budgeted: Mapping[str, RuleTerms]) -> dict[str, int]:
        """What is left of campaigns' budgets, under their locks, in one order for everybody.

        What is used is one figure for all versions of a campaign; how much there is, each version says for itself.
        """
        wanted = {terms.rule_id for terms in budgeted.values()}
        if not wanted <= self._spent.keys():
            for rule_id in sorted(self._campaigns | wanted):
                self._spent[rule_id] = self._budget_used(rule_id)
        return {
            key: (terms.budget_points or 0) - self._spent[terms.rule_id] for key, terms in budgeted.items()
        }

    def use(self, account_id: int, uses: Mapping[str, int]) -> None:
        """What a judgement took, for the next one to see; `consume` writes it."""
        for key, used in uses.items():
            if is_budget(key):
                self._spent[_rule_id(key)] += used
            else:
                self._used[account_id, key] += used
        if self._tried is not None:
            self._tried.update(taken(account_id, uses))

    def _budget_used(self, rule_id: int) -> int:
        if self._tried is not None:
            stored = BudgetUse.objects.filter(rule_id=rule_id).values_list("used", flat=True).first()
            return (stored or 0) + self._tried[0, f"{rule_id}/budget"]
        BudgetUse.objects.get_or_create(rule_id=rule_id)
        return BudgetUse.objects.select_for_update().get(rule_id=rule_id).used


def _campaigns(asked: Iterable[Asked]) -> set[int]:
    return {_rule_id(key) for one in asked for key in one.limited if is_budget(key)}


def _with_budgets(asked: Iterable[Asked]) -> set[int]:
    """Everybody takes the account before a campaign's budget, so that no two wait for each other."""
    return {one.account_id for one in asked if one.account_id and any(map(is_budget, one.limited))}


def _rule_id(key: str) -> int:
    return int(key.split("/")[0])


def taken(account_id: int, uses: Mapping[str, int]) -> Counter[tuple[int, str]]:
    """What a judgement took, by account and key; a budget is nobody's."""
    return Counter({(0 if is_budget(key) else account_id, key): used for key, used in uses.items()})


def consume(taken: Mapping[tuple[int, str], int]) -> None:
    """Use up what judgements took, by account and key; the locks of `Rooms` are still held."""
    mine = {pair: used for pair, used in taken.items() if not is_budget(pair[1])}
    if mine:
        values: dict[str, Any] = {
            "account_ids": columns.numbers(account_id for account_id, _key in mine),
            "keys": columns.texts(key for _account_id, key in mine),
            "used": columns.numbers(list(mine.values())),
        }
        with connection.cursor() as cursor:
            cursor.execute(CONSUME, values)
    for _none, key in sorted(taken.keys() - mine.keys(), key=lambda pair: _rule_id(pair[1])):
        points = taken[0, key]
        BudgetUse.objects.filter(rule_id=_rule_id(key)).update(used=F("used") + points)


def release(*, account_id: int, uses: Mapping[str, int]) -> None:
    """A judgement counts no more: what it took is free again. The caller holds the account's lock."""
    for key, used in uses.items():
        if not is_budget(key):
            CapUse.objects.filter(account_id=account_id, key=key).update(used=Greatest(F("used") - used, 0))
    for key in sorted(filter(is_budget, uses), key=_rule_id):
        BudgetUse.objects.filter(rule_id=_rule_id(key)).update(used=Greatest(F("used") - uses[key], 0))


def give_back(*, account_id: int, key: str) -> None:
    """A benefit given once was lost to a refund: it becomes available again."""
    CapUse.objects.filter(account_id=account_id, key=key).update(used=Greatest(F("used") - 1, 0))


def _used(pairs: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    asked = list(pairs)
    values: dict[str, Any] = {
        "all": columns.ALL,
        "account_ids": columns.numbers(account_id for account_id, _key in asked),
        "keys": columns.texts(key for _id, key in asked),
    }
    with connection.cursor() as cursor:
        cursor.execute(USED, values)
        return {(account_id, key): used for account_id, key, used in cursor.fetchall()}


def _amount(terms: RuleTerms) -> int:
    assert terms.limit is not None  # only limited rules have a key
    return terms.limit.amount
