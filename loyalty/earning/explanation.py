"""Why a payment earned what it did, line by line, for a screen: sums, limits, conditions, sentences in both languages.

Judges again from what was kept; the engine is pure, so what is shown is what was decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.earning import reasons, rule_sentences, rules, rulesets
from loyalty.earning.models import Award, Correction, Refund, RuleVersion
from loyalty.earning.rule_terms import Facts, Kind, RuleTerms, Unit, budget_key, facts_from_json, limit_key
from loyalty.earning.rules import Judgement, Line
from loyalty.ledger.models import PointAccount, PointEntry
from pms import formats, story
from pms.story import Panel

# Conditions whose finding is an amount.
MONEY = ("SPENT_SOMETHING", "MIN_SPEND")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """A judgement with all it was judged on."""

    facts: Facts
    ruleset: Sequence[RuleTerms]
    rooms: Mapping[str, int]
    judgement: Judgement


def of(judged: Award | Correction) -> Explained | None:
    """None for one that kept no facts, such as one for a store of another group."""
    if not judged.facts:
        return None
    facts, ruleset = facts_from_json(judged.facts), rulesets.named(judged.versions)
    judgement = rules.judge(facts, ruleset, judged.rooms)
    return Explained(facts=facts, ruleset=ruleset, rooms=judged.rooms, judgement=judgement)


def both(stored: list[dict[str, object]]) -> list[tuple[str, str]]:
    return list(zip(reasons.sentences(stored, "en"), reasons.sentences(stored, "zh-hant"), strict=True))


def lines(request: HttpRequest, one: Explained) -> Panel:
    """Each line that counts: the rule, its sum, its points, and when they can be used."""
    base = next((terms for terms in one.ruleset if terms.kind == Kind.BASE), None)
    rows = [
        [
            _version(request, line.terms),
            _sum(line, one),
            formats.signed(line.points),
            usable_from(rules.held_until(line, base, one.facts) if base else None),
        ]
        for line in one.judgement.lines
    ]
    headings = [(_("Rule"), ""), (_("Sum"), ""), (_("Points"), "number"), (_("Usable from"), "")]
    return story.table(_("Line by line"), headings, rows, empty=_("No rule gave points."))


def _version(request: HttpRequest, terms: RuleTerms) -> object:
    """A link to the frozen version; a draft has none."""
    if not terms.version_id:
        return _("%(rule)s (draft)") % {"rule": formats.name_of(terms)}
    words = _("%(rule)s, version %(number)s") % {"rule": formats.name_of(terms), "number": terms.version}
    return story.link(request, RuleVersion(pk=terms.version_id), words)


def usable_from(until: datetime | None) -> str:
    return formats.moment(until) if until else _("at once")


def _sum(line: Line, one: Explained) -> str:
    terms = line.terms
    if terms.kind == Kind.FLAT:
        return _("a bonus of %(points)s") % {"points": formats.points(terms.numerator)} + _cut(line)
    if terms.step_cents:
        words = _("%(steps)s × full %(step)s, %(each)s each")
        shown = {
            "steps": line.used or _steps(line),
            "step": formats.money(terms.step_cents),
            "each": terms.numerator,
        }
        return words % shown + _cut(line)
    factor = ""
    if terms.takes_tier_factor and one.facts.tier_numerator != one.facts.tier_denominator:
        factor = f" × {one.facts.tier_numerator / one.facts.tier_denominator:g}"
    return _("%(counted)s × %(numerator)s ÷ HK$%(denominator)s%(factor)s") % {
        "counted": formats.money(_cents(line, one.judgement)),
        "numerator": terms.numerator,
        "denominator": terms.denominator,
        "factor": factor,
    } + _cut(line)


def _steps(line: Line) -> int:
    return line.points // line.terms.numerator if line.terms.numerator else 0


def _cents(line: Line, judgement: Judgement) -> int:
    terms = line.terms
    cents = judgement.counted_cents
    if terms.kind != Kind.EXTRA:
        return cents
    if terms.limit and terms.limit.unit == Unit.CENTS:
        return line.used
    return cents if terms.max_spend_cents is None else min(cents, terms.max_spend_cents)


def _cut(line: Line) -> str:
    """Said where a limit or a budget left less than the sum."""
    return _(", as far as its limit goes") if line.is_capped else ""


def limits(request: HttpRequest, one: Explained) -> Panel | None:
    """Each limit or budget that mattered: the room found, and what was taken of it."""
    rows = [
        [_version(request, terms), words, *_amounts(one, key, unit)]
        for terms in one.ruleset
        for key, words, unit in _limits(terms, one.facts)
        if key in one.rooms
    ]
    headings = [(_("Rule"), ""), (_("Limit"), ""), (_("Room found"), "number"), (_("Taken"), "number")]
    return story.table(_("Limits"), headings, rows, empty="") if rows else None


def _amounts(one: Explained, key: str, unit: str) -> list[str]:
    amounts = (max(0, one.rooms[key]), one.judgement.uses.get(key, 0))
    return [rule_sentences.limit_amount(amount, unit) if amount else "0" for amount in amounts]


def _limits(terms: RuleTerms, facts: Facts) -> Iterable[tuple[str, str, str]]:
    if terms.limit:
        periods = {"DAY": _("per day"), "MONTH": _("per month"), "YEAR": _("per year"), "EVER": _("ever")}
        amount = rule_sentences.limit_amount(terms.limit.amount, terms.limit.unit)
        words = f"{amount} {periods[terms.limit.period]}"
        yield limit_key(terms, facts), words, terms.limit.unit
    if terms.budget_points is not None:
        words = _("budget of %(points)s for all members") % {"points": formats.points(terms.budget_points)}
        yield budget_key(terms), words, Unit.POINTS


def taken_from_hold(refunds: Iterable[Refund]) -> dict[int, int]:
    """Points that each refund took while they were still on hold, by its key."""
    posted = {refund.posting_id: refund.pk for refund in refunds if refund.posting_id}
    entries = PointEntry.objects.filter(posting__in=list(posted), account__kind=PointAccount.Kind.PENDING)
    return {posted[posting_id]: -points for posting_id, points in entries.values_list("posting_id", "points")}


def conditions(stored: Iterable[Mapping[str, Any]]) -> list[dict[str, object]]:
    """The conditions that every payment must meet."""
    return [_condition(row) for row in stored if row["condition"] != "RULE"]


def rule_conditions(stored: Iterable[Mapping[str, Any]], one: Explained | None) -> list[dict[str, object]]:
    """Every further rule in force, and the first of its own conditions that was not met."""
    known = {terms.code: terms for terms in one.ruleset} if one else {}
    spent = {terms.code for terms in known.values() if one and _is_used_up(terms, one)}
    rows = [row for row in stored if row["condition"] == "RULE"]
    return [_rule_condition(_with_limit(row, spent), known) for row in rows]


def _is_used_up(terms: RuleTerms, one: Explained) -> bool:
    keys = (limit_key(terms, one.facts), budget_key(terms))
    return any(one.rooms.get(key, 1) <= 0 for key in keys if key)


def _with_limit(row: Mapping[str, Any], spent: set[str]) -> Mapping[str, Any]:
    """A rule whose conditions all hold gives nothing once its limit or budget is used up."""
    is_spent = row["is_met"] and str(row.get("rule", "")) in spent
    return {**row, "is_met": False, "found": "LIMIT"} if is_spent else row


def _rule_condition(row: Mapping[str, Any], known: Mapping[str, RuleTerms]) -> dict[str, object]:
    why = {
        "": _("applies"),
        "SCOPE": _("another place, category or tier"),
        "SCHEDULE": _("another time"),
        "BIRTHDAY": _("not the month of birth"),
        "MIN_SPEND": _("below its minimum spend"),
        "LIMIT": _("its limit is used up"),
    }
    code, found = str(row.get("rule", "")), str(row.get("found", ""))
    label = f"{code} {formats.name_of(known[code])}" if code in known else code
    return {"label": label, "is_met": row["is_met"], "found": why.get(found, found)}


def _condition(row: Mapping[str, Any]) -> dict[str, object]:
    labels = {
        "MEMBER_OPEN": _("The membership is open"),
        "CONSENT": _("Consent to share payments"),
        "CURRENCY": _("Paid in Hong Kong dollars"),
        "STORE_OPEN": _("The store was open that day"),
        "STORE_TAKES_PART": _("The store takes part"),
        "TENDER": _("The payment method earns"),
        "ITEM": _("The kind of purchase earns"),
        "WINDOW": _("Handed in in time"),
        "RULE_IN_FORCE": _("A rule was in force"),
        "SPENT_SOMETHING": _("Something was spent"),
        "MIN_SPEND": _("Minimum spend"),
    }
    name = str(row["condition"])
    return {
        "label": labels.get(name, name),
        "is_met": row["is_met"],
        "found": _found(row.get("found"), name),
    }


def _found(found: object, name: str) -> str:
    words = {
        "True": _("yes"), "False": _("no"), "in force": _("in force"), "none in force": _("none in force"),
        "not needed": _("not needed: the member handed it in"),
        "within the joining grace": _("within the joining grace"), "before joining": _("before joining"),
    }  # fmt: skip
    text = str(found if found is not None else "")
    if name in MONEY:
        return f"HK${text}"
    if name == "WINDOW":
        return formats.days(int(text)) if text.isdigit() else _("no window")
    if name in ("TENDER", "ITEM"):
        return rule_sentences.word(text) if text else formats.NOTHING
    return words.get(text, text) or formats.NOTHING
