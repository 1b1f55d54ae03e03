"""Recounts what every judged transaction deserves under its frozen rules, member by member, and what of limits it used.

Reads only what is kept on transactions, awards and refunds, so that memory stays flat. Writes nothing.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection

from loyalty.earning import limits, rules, rulesets
from loyalty.earning.duplicate_models import UNPLACED
from loyalty.earning.replay import Replay
from loyalty.earning.rule_terms import Facts, Kind, RuleTerms, facts_from_json
from loyalty.earning.rules import Judgement
from loyalty.ledger.proof import Breach

FETCHED = 1000

# By member, so that what a member used of a limit is whole when the next one comes; a share takes every so many.
JUDGED = f"""
SELECT purchase.member_id, award.id, award.points, award.pending_points, award.counted_cents,
       award.awarded_at::text, award.versions::text, json_build_array(award.facts, award.rooms, award.lines)::text,
       purchase.amount_cents, purchase.currency, purchase.paid_at::text, purchase.tender, purchase.item, back.refunds,
       decided.corrections
FROM earning_award award
JOIN earning_transaction purchase ON purchase.id = award.transaction_id
LEFT JOIN (SELECT transaction_id, jsonb_agg(jsonb_build_array(id, amount_cents, points + uncollected) ORDER BY id)::text
               AS refunds
           FROM earning_refund GROUP BY transaction_id) back ON back.transaction_id = purchase.id
LEFT JOIN (SELECT transaction_id, jsonb_agg(jsonb_build_array(
               id, kind, points, uncollected, coalesce(last_refund_id, 0), facts, versions, rooms,
               reasons @> '[{{"code": "{UNPLACED}"}}]') ORDER BY id)::text
               AS corrections
           FROM earning_correction GROUP BY transaction_id) decided ON decided.transaction_id = purchase.id
WHERE purchase.member_id %% %(of)s = %(share)s
ORDER BY purchase.member_id, award.id
"""  # noqa: S608  (put together from constants alone)
USED = """
SELECT account.member_id, use.id, use.key, use.used FROM earning_capuse use
JOIN ledger_pointaccount account ON account.id = use.account_id
WHERE account.member_id %% %(of)s = %(share)s
ORDER BY account.member_id
"""
BUDGETS = "SELECT rule_id, id, used FROM earning_budgetuse"


class Judged(NamedTuple):
    """One row of `JUDGED`, in its order; documents and times as text."""

    member_id: int
    award_id: int
    points: int
    pending_points: int
    counted_cents: int
    awarded_at: str
    versions: str
    documents: str
    amount_cents: int
    currency: str
    paid_at: str
    tender: str
    item: str
    refunds: str | None
    corrections: str | None


class Used(NamedTuple):
    """One row of `USED`, in its order."""

    member_id: int
    use_id: int
    key: str
    used: int


@dataclass
class Recount:
    """One share of the members. When `breaches` has ended, `budgets` holds what campaigns gave, by limit key."""

    share: int = 0
    of: int = 1
    budgets: Counter[str] = field(default_factory=Counter)

    def breaches(self) -> Iterator[Breach]:
        shares = {"share": self.share, "of": self.of}
        awards = groupby((Judged(*row) for row in _rows(JUDGED, shares)), key=lambda row: row.member_id)
        uses = groupby((Used(*row) for row in _rows(USED, shares)), key=lambda row: row.member_id)
        kept = next(uses, None)
        for member_id, judged in awards:
            while kept and kept[0] < member_id:
                yield from _unlike({}, kept[0], list(kept[1]))
                kept = next(uses, None)
            used: Counter[str] = Counter()
            for row in judged:
                yield from _differences(row, used)
            mine = list(kept[1]) if kept and kept[0] == member_id else []
            kept = next(uses, None) if mine else kept
            yield from _unlike(self._own(used), member_id, mine)
        while kept:
            yield from _unlike({}, kept[0], list(kept[1]))
            kept = next(uses, None)

    def _own(self, used: Counter[str]) -> dict[str, int]:
        """Limits of the member; what campaigns gave is added up over all members."""
        self.budgets.update({key: points for key, points in used.items() if limits.is_budget(key)})
        return {key: number for key, number in used.items() if not limits.is_budget(key)}


def overdrawn(given: Mapping[str, int]) -> Iterator[Breach]:
    """Campaigns whose used budget is not what all awards together gave."""
    with connection.cursor() as cursor:
        cursor.execute(BUDGETS)
        kept = {f"{rule_id}/budget": (use_id, used) for rule_id, use_id, used in cursor.fetchall()}
    for key in sorted(given.keys() | kept.keys()):
        use_id, used = kept.get(key, (0, 0))
        if used != given.get(key, 0):
            sentence = f"{used} points of {key} are used, its awards gave {given.get(key, 0)}."
            yield Breach("earning_budgetuse", use_id, sentence)


def _rows(statement: str, values: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while rows := cursor.fetchmany(FETCHED):
            yield from rows


def _unlike(used: Mapping[str, int], member_id: int, kept: Sequence[Used]) -> Iterator[Breach]:
    for use in kept:
        if use.used != used.get(use.key, 0):
            sentence = f"{use.used} of {use.key} are used, the member's awards used {used.get(use.key, 0)}."
            yield Breach("earning_capuse", use.use_id, sentence)
    for key in used.keys() - {use.key for use in kept}:
        if used[key]:
            yield Breach("members_member", member_id, f"awards used {used[key]} of {key}, nothing says so.")


def _differences(judged: Judged, used: Counter[str]) -> Iterator[Breach]:
    """How one award differs from its rules; what it took of limits is added to `used`."""
    ruleset = _ruleset(judged.versions)
    if not ruleset:
        if judged.points:
            yield Breach("earning_award", judged.award_id, f"it gave {judged.points} points without a rule.")
        elif judged.corrections:
            yield from _played(judged, used, None)
        return
    kept, rooms, lines = json.loads(judged.documents)
    facts = facts_from_json(kept)
    unlike = _unlike_facts(judged, facts)
    if unlike:
        yield Breach("earning_award", judged.award_id, unlike)
        return
    judgement = rules.judge(facts, ruleset, rooms, is_told=False)
    sentence = _unlike_judgement(judged, lines, judgement, facts, ruleset)
    if sentence:
        yield Breach("earning_award", judged.award_id, sentence)
    if judged.points:
        used.update(judgement.uses)
    if judged.refunds or judged.corrections:
        yield from _played(judged, used, (facts, ruleset, rooms, judgement))


def _played(
    judged: Judged,
    used: Counter[str],
    basis: tuple[Facts, Sequence[RuleTerms], Mapping[str, int], Judgement] | None,
) -> Iterator[Breach]:
    replay = Replay(net=judged.amount_cents, left=judged.points, used=used, rulesets=_ruleset)
    if basis:
        replay.begin(*basis)
    yield from replay.play(json.loads(judged.refunds or "[]"), json.loads(judged.corrections or "[]"))


@lru_cache(maxsize=4096)
def _ruleset(versions: str) -> tuple[RuleTerms, ...]:
    return tuple(rulesets.named(json.loads(versions)))


def _unlike_facts(judged: Judged, facts: Facts) -> str:
    """Facts that the transaction's own columns contradict."""
    if facts.amount_cents != judged.amount_cents:
        return f"it was judged on {facts.amount_cents} cents, its transaction is {judged.amount_cents}."
    found = (facts.currency, facts.paid_at, facts.tender, facts.item)
    kept = (judged.currency, datetime.fromisoformat(judged.paid_at), judged.tender, judged.item)
    if found == kept:
        return ""
    names = ("currency", "time", "tender", "item")
    unlike = [name for name, one, other in zip(names, found, kept, strict=True) if one != other]
    return f"it was judged on another {unlike[0]} than its transaction has."


def _unlike_judgement(
    judged: Judged,
    told: list[dict[str, Any]],
    judgement: Judgement,
    facts: Facts,
    ruleset: Sequence[RuleTerms],
) -> str:
    """`told` is what the award says of its lines."""
    if judged.points != judgement.points:
        return f"it gave {judged.points} points, its rules give {judgement.points}."
    pending = _pending(judged, judgement, facts, ruleset)
    if judged.pending_points != pending:
        return f"it put {judged.pending_points} points on hold, its rules hold {pending}."
    if judged.counted_cents != judgement.counted_cents:
        return f"it counted {judged.counted_cents} cents, its rules count {judgement.counted_cents}."
    gave = [(line["rule"], line["version"], line["points"]) for line in told]
    lines = [(line.terms.code, line.terms.version, line.points) for line in judgement.lines]
    return "" if gave == lines else f"it says that {gave} gave the points, its rules say {lines}."


def _pending(judged: Judged, judgement: Judgement, facts: Facts, ruleset: Sequence[RuleTerms]) -> int:
    if not judgement.lines:
        return 0
    base = next(terms for terms in ruleset if terms.kind == Kind.BASE)
    ends = [(line.points, rules.held_until(line, base, facts)) for line in judgement.lines]
    return sum(
        points for points, until in ends if until and until > datetime.fromisoformat(judged.awarded_at)
    )
