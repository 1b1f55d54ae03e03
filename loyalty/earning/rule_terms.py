"""What a rule version says, as plain values: to whom, where, when, how much, how often. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time
from enum import StrEnum
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

HONG_KONG = ZoneInfo("Asia/Hong_Kong")


class Kind(StrEnum):
    """BASE is the program's rate; RATE replaces it, EXTRA and FLAT add lines, CEILING limits what counts."""

    BASE = "BASE"
    RATE = "RATE"
    EXTRA = "EXTRA"
    FLAT = "FLAT"
    CEILING = "CEILING"


class Stacking(StrEnum):
    ADD = "ADD"
    BEST_OF = "BEST_OF"
    EXCLUSIVE = "EXCLUSIVE"


class Occasion(StrEnum):
    """What a benefit is for, beyond its conditions: both give once."""

    NONE = ""
    WELCOME = "WELCOME"
    BIRTHDAY = "BIRTHDAY"


class Unit(StrEnum):
    """What a limit counts: cents of spend, steps of an extra, times, or points."""

    CENTS = "CENTS"
    STEPS = "STEPS"
    TIMES = "TIMES"
    POINTS = "POINTS"


class Period(StrEnum):
    DAY = "DAY"
    MONTH = "MONTH"
    YEAR = "YEAR"
    EVER = "EVER"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Where and for whom; an empty set means any. Stores and malls by code and tag, tiers by code."""

    malls: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()

    @property
    def specificity(self) -> int:
        """Store, then category with mall, category, mall, program: the most specific rate wins."""
        if self.stores:
            return 4
        return (2 if self.categories else 0) + (1 if self.malls else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When, by the time of payment in Hong Kong. Weekdays from 1 (Monday); hours from, and up to but not with."""

    first_date: date | None = None
    last_date: date | None = None
    weekdays: frozenset[int] = frozenset()
    from_time: time | None = None
    to_time: time | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How much one member gets in one period; `is_per_mall` counts each mall apart."""

    amount: int
    unit: Unit
    period: Period
    is_per_mall: bool = False


ANYWHERE, ALWAYS = Scope(), Schedule()


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTerms:
    """One frozen version. Points = cents × numerator ÷ (100 × denominator), or numerator a step, or flat."""

    rule_id: int
    version_id: int
    version: int
    code: str
    kind: Kind
    name_en: str
    name_zh: str
    numerator: int = 0
    denominator: int = 1
    is_half_up: bool = False
    step_cents: int | None = None
    min_spend_cents: int = 0
    is_min_spend_on_net: bool = False
    max_spend_cents: int | None = None
    scope: Scope = ANYWHERE
    schedule: Schedule = ALWAYS
    limit: Limit | None = None
    budget_points: int | None = None
    stacking: Stacking = Stacking.ADD
    stacking_group: str = ""
    occasion: Occasion = Occasion.NONE
    takes_tier_factor: bool = False
    hold_days: int | None = None
    excluded_categories: frozenset[str] = frozenset()
    excluded_tenders: frozenset[str] = frozenset()
    excluded_items: frozenset[str] = frozenset()


@dataclass(kw_only=True, slots=True)
class Facts:
    """What was so when it was paid; kept on the award, so that every later judgement sees the same.

    Nobody changes them. Not declared frozen: that takes four times as long to make, and a proof makes millions.
    """

    amount_cents: int
    currency: str
    paid_at: datetime
    is_member_open: bool
    is_consented: bool
    first_consent_at: datetime | None
    joining_grace_days: int
    is_store_excluded: bool
    store: str = ""
    category: str = ""
    mall: str = ""
    tender: str = ""
    item: str = ""
    tier: str = ""
    tier_name: str = ""
    tier_name_zh: str = ""
    tier_numerator: int = 1
    tier_denominator: int = 1
    birth_month: int | None = None
    submitted_at: datetime | None = None
    manual_window_days: int | None = None
    is_consent_needed: bool = True
    # In the mall on the day of payment, from its first day to its last.
    is_store_open: bool = True
    store_excluded_tenders: Sequence[str] = ()
    # Every schedule, limit and hold asks for it.
    paid_in_hong_kong: datetime = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.paid_in_hong_kong = self.paid_at.astimezone(HONG_KONG)


_KEPT = tuple(each.name for each in fields(Facts) if each.init)
_OF_FACTS = attrgetter(*_KEPT)
# Left out where they are what they nearly always are: a million awards keep their facts.
_USUAL: Mapping[str, object] = {"is_store_open": True, "store_excluded_tenders": ()}
_MOMENTS = ("paid_at", "first_consent_at", "submitted_at")


def facts_as_json(facts: Facts) -> dict[str, object]:
    """What an award keeps, so that every later judgement sees the same."""
    values = dict(zip(_KEPT, _OF_FACTS(facts), strict=True))
    for name, usual in _USUAL.items():
        if values[name] == usual:
            del values[name]
    for name in _MOMENTS:
        if values[name]:
            values[name] = values[name].isoformat()
    return values


def facts_from_json(kept: Mapping[str, Any]) -> Facts:
    """An award of an earlier release lacks what came later, which then has its default.

    By our own names: Python matches others to arguments letter by letter, which takes most of the time.
    """
    values = {name: kept[name] for name in _KEPT if name in kept}
    if len(values) < len(kept):
        raise ValueError(f"Facts do not know {sorted(kept.keys() - values.keys())}.")
    for name in _MOMENTS:
        if values.get(name):
            values[name] = datetime.fromisoformat(values[name])
    return Facts(**values)


def is_in_scope(scope: Scope, facts: Facts) -> bool:
    return (
        (not scope.malls or facts.mall in scope.malls)
        and (not scope.categories or facts.category in scope.categories)
        and (not scope.stores or facts.store in scope.stores)
        and (not scope.tiers or facts.tier in scope.tiers)
    )


def is_in_schedule(schedule: Schedule, paid: datetime) -> bool:
    """`paid` in Hong Kong time."""
    day, at = paid.date(), paid.time()
    return (
        (schedule.first_date is None or day >= schedule.first_date)
        and (schedule.last_date is None or day <= schedule.last_date)
        and (not schedule.weekdays or paid.isoweekday() in schedule.weekdays)
        and (schedule.from_time is None or at >= schedule.from_time)
        and (schedule.to_time is None or at < schedule.to_time)
    )


def is_for_member(terms: RuleTerms, facts: Facts) -> bool:
    return terms.occasion != Occasion.BIRTHDAY or facts.birth_month == facts.paid_in_hong_kong.month


# How much of `2026-03-10T19:10:00+08:00` names a period.
_PERIOD_LETTERS = {Period.DAY: 10, Period.MONTH: 7, Period.YEAR: 4}


def limit_key(terms: RuleTerms, facts: Facts) -> str:
    """Names what one member has used of a limit, such as `12/2026-03-10/lumina-plaza`; empty without a limit."""
    limit = terms.limit
    if limit is None:
        return ""
    if limit.period == Period.EVER:
        period = "ever"
    else:
        period = facts.paid_in_hong_kong.isoformat()[: _PERIOD_LETTERS[limit.period]]
    return f"{terms.rule_id}/{period}" + (f"/{facts.mall}" if limit.is_per_mall else "")


def budget_key(terms: RuleTerms) -> str:
    return f"{terms.rule_id}/budget" if terms.budget_points is not None else ""
