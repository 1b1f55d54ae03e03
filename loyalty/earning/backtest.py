"""Judges the transactions of a period again, in order of payment, with one rule replaced by a draft.

Limits and budgets are counted in memory, from what the period found of them. Reads only; moves nothing.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, NamedTuple

from django.db import connection

from loyalty.earning import drafts, limits, rules, rulesets
from loyalty.earning.drafts import Draft
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.rule_terms import Facts, Period, RuleTerms, Unit, facts_from_json, limit_key
from loyalty.earning.rule_versions import Naming
from loyalty.earning.rules import Judgement
from members.models import Program
from pms.models import Mall

EVERY = 2000
# The draft of a rule that does not exist yet counts as the newest of all.
NEW_RULE_ID = 2**62
NO_TIER = ""

# In the order in which they were judged: the room that a late notice found was what earlier ones had left.
JUDGED = """
SELECT purchase.member_id, mall.tag, award.points, award.facts::text, award.versions::text, award.rooms::text,
       coalesce(back.cents, 0), coalesce(back.points, 0)
FROM earning_transaction purchase
JOIN earning_award award ON award.transaction_id = purchase.id
JOIN pms_mall mall ON mall.id = purchase.mall_id
LEFT JOIN LATERAL (
    SELECT sum(refund.amount_cents)::bigint AS cents, sum(refund.points + refund.uncollected)::bigint AS points
    FROM earning_refund refund WHERE refund.transaction_id = purchase.id) back ON true
WHERE purchase.mall_id = ANY(%(mall_ids)s::bigint[]) AND purchase.paid_at >= %(since)s AND purchase.paid_at < %(until)s
ORDER BY award.awarded_at, award.id
"""
COUNT = """
SELECT count(*) FROM earning_transaction purchase JOIN earning_award award ON award.transaction_id = purchase.id
WHERE purchase.mall_id = ANY(%(mall_ids)s::bigint[]) AND purchase.paid_at >= %(since)s AND purchase.paid_at < %(until)s
"""
# What campaigns had given before the period: what they have given in all, less what awards since then say.
SPENT_BEFORE = """
SELECT rule.id, use.used - coalesce((
    SELECT sum((line->>'points')::bigint) FROM earning_transaction purchase
    JOIN earning_award award ON award.transaction_id = purchase.id, jsonb_array_elements(award.lines) line
    WHERE purchase.mall_id = ANY(%(mall_ids)s::bigint[]) AND purchase.paid_at >= %(since)s
        AND line->>'rule' = rule.code), 0)::bigint
FROM earning_budgetuse use JOIN earning_rule rule ON rule.id = use.rule_id WHERE rule.program_id = %(program_id)s
"""

# A gift for life that was given before the period stays given, also to those whom the rule as it was would not meet.
GIVEN_BEFORE = """
SELECT account.member_id, use.key, use.used - count(line.*)
FROM earning_capuse use JOIN ledger_pointaccount account ON account.id = use.account_id
JOIN earning_transaction purchase ON purchase.member_id = account.member_id AND purchase.paid_at >= %(since)s
LEFT JOIN earning_award award ON award.transaction_id = purchase.id
LEFT JOIN LATERAL jsonb_array_elements(award.lines) line ON line->>'rule' = %(code)s
WHERE use.key = %(key)s GROUP BY use.id, account.member_id
"""


class Canceled(Exception):
    """Whoever is told of the progress wants no more of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What if this draft had been in force over all of the period?"""

    program: Program
    naming: Naming
    draft: Draft
    since: datetime
    until: datetime


class Judged(NamedTuple):
    """One row of `JUDGED`, in its order. `taken` counts what refunds took or should have taken."""

    member_id: int
    mall: str
    points: int
    facts: str
    versions: str
    rooms: str
    refunded_cents: int
    taken: int


@dataclass(slots=True)
class Sums:
    """Points as they were given, and as the draft would have given them, net of refunds."""

    transactions: int = 0
    then: int = 0
    now: int = 0

    def add(self, given: int, deserved: int) -> None:
        self.transactions += 1
        self.then += given
        self.now += deserved


@dataclass(slots=True)
class Tally:
    """The answer, while it is being counted."""

    all: Sums = field(default_factory=Sums)
    malls: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    tiers: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    changed: int = 0
    members: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, row: Judged, tier: str, deserved: int) -> None:
        given = row.points - row.taken
        for sums in (self.all, self.malls[row.mall], self.tiers[tier]):
            sums.add(given, deserved)
        self.changed += given != deserved
        self.members[row.member_id] += deserved - given


def draft_as_json(draft: Draft) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date | time) else value
        for name, value in drafts.columns(draft).items()
    }


def draft_from_json(kept: Mapping[str, Any]) -> Draft:
    readers: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(("first_date", "last_date"), date.fromisoformat),
        **dict.fromkeys(("from_time", "to_time"), time.fromisoformat),
        **dict.fromkeys(drafts.LISTS, tuple),
    }
    return Draft(
        **{
            name: readers[name](value) if value is not None and name in readers else value
            for name, value in kept.items()
        }
    )


def terms_of(question: Question) -> RuleTerms:
    """The draft as the terms of a version that was never published."""
    naming = question.naming
    same = {"kind": Rule.Kind.BASE} if naming.kind == Rule.Kind.BASE else {"code": naming.code}
    known = Rule.objects.filter(program=question.program, **same).first()
    rule = Rule(
        pk=known.pk if known else NEW_RULE_ID, code=known.code if known else naming.code, kind=naming.kind,
        name_en=naming.name_en, name_zh=naming.name_zh,
    )  # fmt: skip
    return rulesets.terms_of(RuleVersion(pk=0, rule=rule, number=0, **drafts.columns(question.draft)))


def count(question: Question) -> int:
    """How many transactions there are to judge."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, _values(question))
        return int(cursor.fetchone()[0])


def compare(question: Question, *, goes_on: Callable[[int], bool] = lambda _judged: True) -> Tally:
    """The whole period. `goes_on` hears every 2,000 transactions how many are judged; False ends with Canceled."""
    terms = terms_of(question)
    used, budgets = _given_before(question, terms), _spent_before(question)
    replay = _Replay(terms, is_off=question.draft.is_off, used=used, budgets=budgets)
    tally = Tally()
    for judged, row in enumerate(_rows(question)):
        if judged % EVERY == 0 and not goes_on(judged):
            raise Canceled
        facts = facts_from_json(json.loads(row.facts)) if row.facts != "{}" else None
        tally.add(row, facts.tier if facts else NO_TIER, replay.points(row, facts) if facts else 0)
    return tally


def _rows(question: Question) -> Iterator[Judged]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(JUDGED, _values(question))
        while chunk := cursor.fetchmany(EVERY):
            yield from map(Judged._make, chunk)


def _spent_before(question: Question) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(SPENT_BEFORE, _values(question))
        return {f"{rule_id}/budget": max(0, used) for rule_id, used in cursor.fetchall()}


def _given_before(question: Question, terms: RuleTerms) -> dict[tuple[int, str], int]:
    if terms.limit is None or (terms.limit.unit, terms.limit.period) != (Unit.TIMES, Period.EVER):
        return {}
    values: dict[str, Any] = {"since": question.since, "code": terms.code, "key": f"{terms.rule_id}/ever"}
    with connection.cursor() as cursor:
        cursor.execute(GIVEN_BEFORE, values)
        return {(member_id, key): max(0, used) for member_id, key, used in cursor.fetchall()}


def _values(question: Question) -> dict[str, Any]:
    malls = Mall.objects.filter(group_id=question.program.group_id)
    return {
        "program_id": question.program.pk,
        "mall_ids": list(malls.values_list("pk", flat=True)),
        "since": question.since,
        "until": question.until,
    }


class _Replay:
    """Judges rows one after the other, and remembers what each used of limits and budgets."""

    def __init__(
        self, terms: RuleTerms, *, is_off: bool, used: dict[tuple[int, str], int], budgets: dict[str, int]
    ) -> None:
        self._terms = terms
        self._is_off = is_off
        self._budgets = budgets
        self._used = used
        self._rulesets: dict[str, tuple[list[RuleTerms], list[RuleTerms]]] = {}

    def points(self, row: Judged, facts: Facts) -> int:
        """What the row deserves under the draft, net of its refunds."""
        then, now = self._both(row.versions)
        rooms = self._rooms(row, facts, then, now)
        judgement = rules.judge(facts, now, rooms)
        if not judgement.points:
            return 0
        self._use(row.member_id, judgement)
        return self._net(row, facts, now, rooms, judgement) if row.refunded_cents else judgement.points

    def _both(self, versions: str) -> tuple[list[RuleTerms], list[RuleTerms]]:
        """The rules that were in force, and the same with the draft in its rule's place."""
        if versions not in self._rulesets:
            then = rulesets.named(json.loads(versions))
            others = [terms for terms in then if terms.rule_id != self._terms.rule_id]
            self._rulesets[versions] = (then, others if self._is_off else [*others, self._terms])
        return self._rulesets[versions]

    def _rooms(
        self, row: Judged, facts: Facts, then: list[RuleTerms], now: list[RuleTerms]
    ) -> dict[str, int]:
        limited = rules.limited(facts, now)
        rooms = {}
        for key, terms in limited.items():
            if limits.is_budget(key):
                rooms[key] = (terms.budget_points or 0) - self._budgets.get(key, 0)
                continue
            if (row.member_id, key) not in self._used:
                self._used[row.member_id, key] = _used_before(row, key, terms, then)
            assert terms.limit is not None  # only limited rules have a key
            rooms[key] = terms.limit.amount - self._used[row.member_id, key]
        return rooms

    def _use(self, member_id: int, judgement: Judgement) -> None:
        for key, used in judgement.uses.items():
            if limits.is_budget(key):
                self._budgets[key] = self._budgets.get(key, 0) + used
            else:
                self._used[member_id, key] += used

    def _net(
        self, row: Judged, facts: Facts, now: list[RuleTerms], rooms: Mapping[str, int], judgement: Judgement
    ) -> int:
        """A welcome or birthday benefit that refunds took away is available again."""
        left = rules.judge(facts, now, rooms, net_cents=facts.amount_cents - row.refunded_cents)
        kept = {line.terms.rule_id for line in left.lines}
        for line in judgement.lines:
            if line.terms.occasion and line.terms.rule_id not in kept:
                self._used[row.member_id, limit_key(line.terms, facts)] -= 1
        return min(judgement.points, left.points)


def _used_before(row: Judged, key: str, terms: RuleTerms, then: list[RuleTerms]) -> int:
    """What a member had used of a limit before the first transaction that the period shows of it."""
    room = json.loads(row.rooms).get(key)
    limit = next((old.limit for old in then if old.rule_id == terms.rule_id), None)
    if room is None or limit is None or terms.limit is None or limit.unit != terms.limit.unit:
        return 0
    return int(limit.amount - room)
