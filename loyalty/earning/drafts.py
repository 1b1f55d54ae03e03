"""A rule version before it is published: read from a form or a file, checked whole, its faults named by field.

Pure but for the names it is checked against. Publishing is `rule_versions.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from loyalty.earning.rule_models import Rule, RuleVersion

HIGHEST_POINTS = 10**9
HIGHEST_CENTS = 10**15 - 1
MOST_DECIMALS = 6
WEEK = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that cannot be published as it is, and why in one sentence."""

    field: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


class DraftRefused(Exception):
    """The draft cannot be published; `faults` says why, field by field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = list(faults)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a version would say, in the columns of `RuleVersion`."""

    points_numerator: int = 0
    points_denominator: int = 1
    step_cents: int | None = None
    rounding: str = "FLOOR"
    min_spend_cents: int = 0
    is_min_spend_on_net: bool = False
    max_spend_cents: int | None = None
    malls: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    first_date: date | None = None
    last_date: date | None = None
    weekdays: tuple[int, ...] = ()
    from_time: time | None = None
    to_time: time | None = None
    limit_amount: int | None = None
    limit_unit: str = ""
    limit_period: str = ""
    is_limit_per_mall: bool = False
    budget_points: int | None = None
    stacking: str = "ADD"
    stacking_group: str = ""
    occasion: str = ""
    takes_tier_factor: bool = False
    hold_days: int | None = None
    excluded_categories: tuple[str, ...] = ()
    excluded_tenders: tuple[str, ...] = ()
    excluded_items: tuple[str, ...] = ()
    is_off: bool = False


LISTS = frozenset(f.name for f in fields(Draft) if str(f.type).startswith("tuple"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The codes a scope may name in this program; what is not among them can never match."""

    malls: frozenset[str]
    stores: frozenset[str]
    categories: frozenset[str]
    tiers: frozenset[str]


def of(version: RuleVersion) -> Draft:
    """The draft that a published version was."""
    values: dict[str, Any] = {f.name: getattr(version, f.name) for f in fields(Draft)}
    return Draft(**values | {name: tuple(values[name]) for name in LISTS})


def columns(draft: Draft) -> dict[str, Any]:
    """The values for a row of `RuleVersion`."""
    return {
        f.name: list(value) if f.name in LISTS else value
        for f in fields(Draft)
        for value in [getattr(draft, f.name)]
    }


def rate(text: object) -> tuple[int, int]:
    """`"1.5"` points per HK$1 as numerator and denominator; raises ValueError with a sentence."""
    try:
        number = Decimal(str(text)) if isinstance(text, str | int) and not isinstance(text, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number < 0:
        raise ValueError('must be a number of points per HK$1, as text, such as "1.5".')
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MOST_DECIMALS:
        raise ValueError(f"must have at most {MOST_DECIMALS} decimals, or points cannot be counted exactly.")
    fraction = Fraction(number)
    return fraction.numerator, fraction.denominator


def faults(kind: str, draft: Draft, names: Names) -> list[Fault]:
    """Everything about the draft alone that keeps it from being published."""
    return [
        *_figure_faults(kind, draft),
        *_scope_faults(draft, names),
        *_schedule_faults(draft),
        *_limit_faults(kind, draft),
        *_kind_faults(kind, draft),
    ]


def _figure_faults(kind: str, draft: Draft) -> list[Fault]:
    found = []
    if kind != Rule.Kind.CEILING and draft.points_numerator <= 0:
        found.append(Fault("points_numerator", _("The points must be above zero.")))
    if draft.points_numerator > HIGHEST_POINTS * draft.points_denominator:
        found.append(Fault("points_numerator", _("More than 1,000,000,000 points would overflow.")))
    if draft.points_denominator <= 0 or draft.points_denominator > 10**MOST_DECIMALS:
        found.append(Fault("points_denominator", _("Points cannot be counted exactly with this divisor.")))
    for name in ("min_spend_cents", "max_spend_cents", "step_cents", "budget_points", "limit_amount"):
        value = getattr(draft, name)
        lowest = 0 if name == "min_spend_cents" else 1
        if value is not None and not lowest <= value <= HIGHEST_CENTS:
            found.append(Fault(name, _must_be_between(lowest)))
    if draft.max_spend_cents is not None and draft.max_spend_cents < draft.min_spend_cents:
        found.append(
            Fault("max_spend_cents", _("The ceiling is below the minimum spend, so this never pays."))
        )
    return found


def _scope_faults(draft: Draft, names: Names) -> list[Fault]:
    found = []
    for name in ("malls", "stores", "categories", "tiers"):
        unknown = sorted(set(getattr(draft, name)) - getattr(names, name))
        if unknown:
            found.append(Fault(name, _unknown(unknown)))
    return found


def _must_be_between(lowest: int) -> str:
    shown = {"lowest": lowest, "highest": f"{HIGHEST_CENTS:,}"}
    return _("Must be between %(lowest)s and %(highest)s.") % shown


def _unknown(codes: Sequence[str]) -> str:
    words = _("%(codes)s is not known in this program, so it can never match.")
    return words % {"codes": ", ".join(codes)}


def _schedule_faults(draft: Draft) -> list[Fault]:
    found = []
    first, last = draft.first_date, draft.last_date
    if first and last and last < first:
        found.append(Fault("last_date", _("The last day is before the first, so it can never match.")))
    if draft.from_time and draft.to_time and draft.to_time <= draft.from_time:
        found.append(Fault("to_time", _("The end is not after the start, so it can never match.")))
    if not set(draft.weekdays) <= WEEK:
        found.append(Fault("weekdays", _("Weekdays are numbers from 1 (Monday) to 7 (Sunday).")))
    elif first and last and draft.weekdays and not _has_weekday(first, last, draft.weekdays):
        found.append(
            Fault("weekdays", _("None of these weekdays lies in the period, so it can never match."))
        )
    return found


def _has_weekday(first: date, last: date, weekdays: Sequence[int]) -> bool:
    days = min((last - first).days, 6)
    return any((first + timedelta(days=n)).isoweekday() in weekdays for n in range(days + 1))


def _limit_faults(kind: str, draft: Draft) -> list[Fault]:
    parts = (draft.limit_amount is not None, bool(draft.limit_unit), bool(draft.limit_period))
    if any(parts) and not all(parts):
        return [Fault("limit_amount", _("A limit needs its amount, what it counts, and its period."))]
    if draft.limit_unit == RuleVersion.Unit.STEPS and draft.step_cents is None:
        return [Fault("limit_unit", _("Only a rule with steps can count steps."))]
    if kind == Rule.Kind.BASE and draft.limit_unit not in ("", RuleVersion.Unit.CENTS):
        return [Fault("limit_unit", _("The base rate can only be limited in cents of spend."))]
    if draft.occasion and (draft.limit_unit, draft.limit_amount) != (RuleVersion.Unit.TIMES, 1):
        return [Fault("limit_amount", _("A welcome or birthday benefit is given once: limit it to 1 time."))]
    return []


def _kind_faults(kind: str, draft: Draft) -> list[Fault]:
    if kind == Rule.Kind.CEILING and draft.max_spend_cents is None:
        return [Fault("max_spend_cents", _("A ceiling needs its amount."))]
    if draft.stacking == RuleVersion.Stacking.BEST_OF and not draft.stacking_group:
        return [Fault("stacking_group", _("Best of what? Name the group."))]
    if kind == Rule.Kind.FLAT and draft.points_denominator != 1:
        return [Fault("points_denominator", _("A bonus is a whole number of points."))]
    if kind == Rule.Kind.BASE and (draft.malls or draft.stores or draft.categories or draft.tiers):
        return [Fault("malls", _("The base rate holds for the whole program; make a special rate instead."))]
    return []


def overlaps(draft: Draft, other: Draft) -> bool:
    """Whether some purchase could meet both; sets of one kind must share a member, intervals must touch."""
    sets = ("malls", "stores", "categories", "tiers", "weekdays")
    return all(
        not getattr(draft, name)
        or not getattr(other, name)
        or set(getattr(draft, name)) & set(getattr(other, name))
        for name in sets
    ) and (_touch(draft, other, "first_date", "last_date") and _touch(draft, other, "from_time", "to_time"))


def _touch(one: Draft, other: Draft, start: str, end: str) -> bool:
    starts: Mapping[str, Any] = {"one": getattr(one, start), "other": getattr(other, start)}
    ends: Mapping[str, Any] = {"one": getattr(one, end), "other": getattr(other, end)}
    return not (
        (ends["one"] and starts["other"] and ends["one"] < starts["other"])
        or (ends["other"] and starts["one"] and ends["other"] < starts["one"])
    )
