"""Judges one purchase: facts, the rule versions in force and the room left in limits in; lines of points out.

Pure: no database, no clock, integers only. The same function judges a purchase when it comes and, on what refunds
have left of it, every later claw-back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from loyalty.earning import gates, notes
from loyalty.earning.gates import Checked, Gate
from loyalty.earning.notes import Note, Notes
from loyalty.earning.reasons import hong_kong_dollars, reason
from loyalty.earning.rule_terms import (
    ALWAYS,
    ANYWHERE,
    Facts,
    Kind,
    Occasion,
    Period,
    RuleTerms,
    Stacking,
    Unit,
    budget_key,
    is_for_member,
    is_in_schedule,
    is_in_scope,
    limit_key,
)

Rooms = Mapping[str, int]
Ruleset = Sequence[RuleTerms]
# Each rule with the first of its conditions that does not hold; empty if all hold.
Misses = Sequence[tuple[RuleTerms, str]]
Reasons = list[dict[str, object]]


class Line(NamedTuple):
    """What one rule gave. `used` is taken from its limit, in the limit's unit; `budget` from its campaign's."""

    terms: RuleTerms
    points: int
    used: int = 0
    notes: Notes = ()
    is_capped: bool = False


@dataclass(kw_only=True, slots=True)
class Judgement:
    """The lines that count, why, every condition with what it found, and how far limits were used, by key."""

    lines: tuple[Line, ...] = ()
    counted_cents: int = 0
    reasons: Reasons = field(default_factory=list)
    conditions: list[dict[str, object]] = field(default_factory=list)
    uses: Mapping[str, int] = field(default_factory=dict)
    is_capped: bool = False
    points: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.points = sum([line.points for line in self.lines])


def judge(
    facts: Facts,
    ruleset: Sequence[RuleTerms],
    rooms: Rooms,
    *,
    net_cents: int | None = None,
    is_told: bool = True,
    missed: Misses | None = None,
) -> Judgement:
    """`rooms` holds what is left of every limit and budget that `limited` names. `is_told=False` leaves out the
    words, which take half of the time: whoever recounts a year needs the points alone. `missed` is for who knows it.

    With `net_cents`, what the rest of a purchase still deserves: conditions stay judged on the original amount
    but for minimums on the net and flats, points follow the net.
    """
    net = facts.amount_cents if net_cents is None else net_cents
    base = next((terms for terms in ruleset if terms.kind == Kind.BASE), None)
    checked = Checked(facts, base, net)
    unmet = gates.first_unmet(checked)
    if unmet or base is None:
        return _refused(checked, unmet) if is_told else Judgement()
    missed = misses(ruleset, facts) if missed is None else missed
    matching = [terms for terms, why in missed if not why and terms.kind != Kind.BASE]
    rate_line, counted, is_capped = _rate(facts, base, matching, rooms, net)
    extras, missed_notes = _extras(facts, base, matching, rooms, counted, rate_points=rate_line.points)
    return Judgement(
        lines=tuple(line for line in (rate_line, *extras) if line.points),
        counted_cents=counted,
        reasons=_reasons(facts, base, rate_line, extras, missed_notes) if is_told else [],
        conditions=gates.listed(checked, None) + _listed(missed, facts) if is_told else [],
        uses=_uses(facts, rate_line, base, extras),
        is_capped=is_capped or any(line.is_capped for line in extras),
    )


def _refused(checked: Checked, unmet: Gate | None) -> Judgement:
    refusal = unmet.refusal(checked) if unmet else reason("NO_RULE")
    return Judgement(reasons=[refusal], conditions=gates.listed(checked, unmet))


def limited(facts: Facts, ruleset: Ruleset, *, missed: Misses | None = None) -> dict[str, RuleTerms]:
    """The limits and budgets that judging these facts may draw on, by key."""
    missed = misses(ruleset, facts) if missed is None else missed
    touched = [terms for terms, why in missed if not why and (terms.limit or terms.budget_points)]
    keys = {limit_key(terms, facts): terms for terms in touched} | {
        budget_key(terms): terms for terms in touched
    }
    keys.pop("", None)
    return keys


def misses(ruleset: Sequence[RuleTerms], facts: Facts) -> Misses:
    paid = facts.paid_in_hong_kong
    return [(terms, _why_not(terms, facts, paid)) for terms in ruleset]


def _why_not(terms: RuleTerms, facts: Facts, paid: datetime) -> str:
    if terms.scope is not ANYWHERE and not is_in_scope(terms.scope, facts):
        return "SCOPE"
    if terms.schedule is not ALWAYS and not is_in_schedule(terms.schedule, paid):
        return "SCHEDULE"
    return "BIRTHDAY" if terms.occasion and not is_for_member(terms, facts) else ""


def _rate(
    facts: Facts, base: RuleTerms, matching: Sequence[RuleTerms], rooms: Rooms, net: int
) -> tuple[Line, int, bool]:
    """The rate line with what to say if it counts less than was paid, the counted spend, and if that is capped."""
    ceilings = [
        terms.max_spend_cents
        for terms in (base, *matching)
        if terms.max_spend_cents is not None and terms.kind in (Kind.BASE, Kind.CEILING)
    ]
    counted = min([net, *ceilings])
    is_capped = bool(ceilings) and net >= min(ceilings)
    said: Notes = (Note(notes.payment_ceiling, base, counted),) if counted < net else ()
    rate = _most_specific(base, matching, facts.amount_cents)
    if rate.kind == Kind.RATE and rate.max_spend_cents is not None and counted > rate.max_spend_cents:
        counted = rate.max_spend_cents
        said += (Note(notes.rule_ceiling, rate, counted),)
    room = rooms.get(limit_key(base, facts)) if base.limit else None
    if room is not None and counted > room:
        counted = max(0, room)
        said += (Note(notes.limit_reached, base),)
    points = _points(rate, base, facts, counted)
    line = Line(terms=rate, points=points, used=counted if base.limit else 0, notes=said)
    return line, counted, is_capped or bool(said)


def _most_specific(base: RuleTerms, matching: Sequence[RuleTerms], amount_cents: int) -> RuleTerms:
    rates = [t for t in matching if t.kind == Kind.RATE and amount_cents >= t.min_spend_cents]
    return max(rates, key=lambda terms: (terms.scope.specificity, terms.rule_id), default=base)


def _points(terms: RuleTerms, base: RuleTerms, facts: Facts, cents: int) -> int:
    """Rounded once, after all multiplication."""
    numerator, denominator = cents * terms.numerator, 100 * terms.denominator
    if terms.takes_tier_factor:
        numerator, denominator = numerator * facts.tier_numerator, denominator * facts.tier_denominator
    return (2 * numerator + denominator) // (2 * denominator) if base.is_half_up else numerator // denominator


def _extras(
    facts: Facts,
    base: RuleTerms,
    matching: Sequence[RuleTerms],
    rooms: Rooms,
    counted: int,
    *,
    rate_points: int,
) -> tuple[list[Line], list[Note]]:
    """Extras and flats that count, stacked; and what to say of those that do not."""
    said: list[Note] = []
    lines: list[Line] = []
    for terms in matching:
        if terms.kind not in (Kind.EXTRA, Kind.FLAT) or (terms.occasion and not rate_points):
            continue
        line = _extra(facts, base, terms, rooms, counted)
        if line.points:
            lines.append(line)
        else:
            said.extend(line.notes)
    kept, dropped = _stack(lines)
    said.extend(Note(notes.not_combined, line.terms) for line in dropped)
    return [_within_budget(line, rooms) for line in kept], said


def _extra(facts: Facts, base: RuleTerms, terms: RuleTerms, rooms: Rooms, counted: int) -> Line:
    room = rooms.get(limit_key(terms, facts)) if terms.limit else None
    if counted < terms.min_spend_cents:
        return Line(terms=terms, points=0)
    if room is not None and room <= 0:
        return Line(terms=terms, points=0, notes=_used_up(terms))
    if terms.kind == Kind.FLAT:
        return Line(terms=terms, points=terms.numerator, used=1)
    if terms.step_cents:
        return _steps(terms, room, counted)
    return _by_spend(facts, base, terms, room, counted)


def _used_up(terms: RuleTerms) -> Notes:
    """A gift for life that was given is no news; one for a period is."""
    assert terms.limit is not None
    if terms.limit.period == Period.EVER:
        return ()
    return (Note(notes.already_used if terms.limit.unit == Unit.TIMES else notes.limit_reached, terms),)


def _steps(terms: RuleTerms, room: int | None, counted: int) -> Line:
    assert terms.step_cents is not None
    cents = counted if terms.max_spend_cents is None else min(counted, terms.max_spend_cents)
    steps = cents // terms.step_cents
    given = steps if room is None else min(steps, room)
    capped: Notes = (Note(notes.limit_reached, terms),) if given < steps else ()
    return Line(terms=terms, points=given * terms.numerator, used=given, notes=capped, is_capped=bool(capped))


def _by_spend(facts: Facts, base: RuleTerms, terms: RuleTerms, room: int | None, counted: int) -> Line:
    cents = counted
    capped: Notes = ()
    ceiling = terms.max_spend_cents
    if ceiling is not None and cents > ceiling:
        cents, capped = ceiling, (Note(notes.rule_ceiling, terms, ceiling),)
    if room is not None and terms.limit and terms.limit.unit == Unit.CENTS and cents > room:
        cents, capped = room, (Note(notes.limit_reached, terms),)
    points = _points(terms, base, facts, cents)
    if room is not None and terms.limit and terms.limit.unit == Unit.POINTS and points > room:
        points, capped = room, (Note(notes.limit_reached, terms),)
    used = (
        {Unit.CENTS: cents, Unit.POINTS: points, Unit.TIMES: 1}.get(terms.limit.unit, 0) if terms.limit else 0
    )
    return Line(terms=terms, points=points, used=used, notes=capped, is_capped=bool(capped))


def _stack(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """An exclusive line drives out all others; of a group only its best stays."""
    if len(lines) < 2:
        return lines, []
    exclusive = [line for line in lines if line.terms.stacking == Stacking.EXCLUSIVE]
    if exclusive:
        best = max(exclusive, key=_worth)
        return [best], [line for line in lines if line is not best]
    groups: dict[str, list[Line]] = {}
    for line in lines:
        if line.terms.stacking == Stacking.BEST_OF:
            groups.setdefault(line.terms.stacking_group, []).append(line)
    best_of = {id(max(group, key=_worth)) for group in groups.values()}
    counts = [line.terms.stacking == Stacking.ADD or id(line) in best_of for line in lines]
    kept = [line for line, is_kept in zip(lines, counts, strict=True) if is_kept]
    return kept, [line for line, is_kept in zip(lines, counts, strict=True) if not is_kept]


def _worth(line: Line) -> tuple[int, int]:
    return line.points, -line.terms.rule_id


def _within_budget(line: Line, rooms: Rooms) -> Line:
    """A campaign gives what is left, then nothing."""
    room = rooms.get(budget_key(line.terms)) if line.terms.budget_points is not None else None
    if room is None or line.points <= room:
        return line
    said = (*line.notes, Note(notes.exhausted, line.terms))
    return line._replace(points=max(0, room), notes=said, is_capped=True)


def _reasons(
    facts: Facts, base: RuleTerms, rate: Line, extras: Sequence[Line], said: Sequence[Note]
) -> Reasons:
    told: Reasons = [*_rate_reasons(facts, rate), *notes.in_words(rate.notes)]
    for line in extras:
        if line.points:
            told.append(_line_reason(line))
        told.extend(notes.in_words(line.notes))
    told.extend(notes.in_words(said))
    told.extend(_pending_reasons(facts, base, (rate, *extras)))
    return told or [reason("ROUNDS_TO_ZERO")]


def _rate_reasons(facts: Facts, line: Line) -> Reasons:
    if not line.points:
        return []
    terms = line.terms
    if terms.kind == Kind.RATE:
        rate = f"{terms.numerator / terms.denominator:g}"
        told = [
            reason("EARNED_RATE", rate=rate, scope=terms.name_en, scope_zh=terms.name_zh, points=line.points)
        ]
    else:
        told = [reason("EARNED_BASE", points=line.points, amount=hong_kong_dollars(facts.amount_cents))]
    if terms.takes_tier_factor and facts.tier_numerator != facts.tier_denominator:
        factor = f"{facts.tier_numerator / facts.tier_denominator:g}"
        name = facts.tier_name or facts.tier
        told.append(reason("EARNED_TIER", tier=name, tier_zh=facts.tier_name_zh or name, factor=factor))
    return told


_LINE_CODES: dict[tuple[Kind, Occasion], str] = {
    (Kind.EXTRA, Occasion.NONE): "EARNED_EXTRA",
    (Kind.FLAT, Occasion.NONE): "EARNED_FLAT",
    (Kind.EXTRA, Occasion.WELCOME): "EARNED_WELCOME",
    (Kind.FLAT, Occasion.WELCOME): "EARNED_WELCOME",
    (Kind.EXTRA, Occasion.BIRTHDAY): "EARNED_BIRTHDAY",
    (Kind.FLAT, Occasion.BIRTHDAY): "EARNED_BIRTHDAY",
}


def _line_reason(line: Line) -> dict[str, object]:
    terms = line.terms
    code = _LINE_CODES[terms.kind, terms.occasion]
    return reason(code, rule=terms.name_en, rule_zh=terms.name_zh, points=line.points)


def held_until(line: Line, base: RuleTerms, facts: Facts) -> datetime | None:
    """When a line's points become usable; None at once. Counted from the day of payment in Hong Kong."""
    days = base.hold_days if line.terms.hold_days is None else line.terms.hold_days
    if not days:
        return None
    midnight = facts.paid_in_hong_kong.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days)


def _pending_reasons(facts: Facts, base: RuleTerms, lines: Sequence[Line]) -> Reasons:
    held: dict[datetime, int] = {}
    for line in lines:
        until = held_until(line, base, facts)
        if until and line.points:
            held[until] = held.get(until, 0) + line.points
    return [
        reason("EARNED_PENDING", points=points, date=f"{until:%Y-%m-%d}") for until, points in held.items()
    ]


def _uses(facts: Facts, rate: Line, base: RuleTerms, extras: list[Line]) -> dict[str, int]:
    uses = {limit_key(base, facts): rate.used}
    for line in extras:
        uses[limit_key(line.terms, facts)] = line.used if line.points else 0
        uses[budget_key(line.terms)] = line.points
    return {key: used for key, used in uses.items() if key and used}


def _listed(missed: Misses, facts: Facts) -> list[dict[str, object]]:
    """Each further rule with the first of its conditions that did not hold, if any."""
    listed: list[dict[str, object]] = []
    for terms, why in missed:
        if terms.kind != Kind.BASE:
            failed = why or ("MIN_SPEND" if facts.amount_cents < terms.min_spend_cents else "")
            listed.append({"condition": "RULE", "rule": terms.code, "is_met": not failed, "found": failed})
    return listed


@dataclass(frozen=True, kw_only=True, slots=True)
class ClawBack:
    """Points due back after a refund, and why; 0 is an answer too. `target` is what the rest still deserves."""

    points: int
    target: Judgement
    reasons: Reasons


def claw_back(
    facts: Facts,
    ruleset: Sequence[RuleTerms],
    rooms: Rooms,
    *,
    earned: int,
    clawed_back: int,
    refunded_cents: int,
    refund_cents: int,
) -> ClawBack:
    """Recompute the entitlement on the cumulative net, so that any order of partial refunds ends alike.

    `clawed_back` counts what earlier refunds took or should have taken; `refunded_cents` is their sum; `rooms` are
    those the award found.
    """
    net = facts.amount_cents - refunded_cents - refund_cents
    target = judge(facts, ruleset, rooms, net_cents=net) if earned else Judgement()
    if earned == 0 or refund_cents == 0:
        return ClawBack(points=0, target=target, reasons=[reason("REFUND_NO_CHANGE")])
    points = max(0, earned - clawed_back - target.points)
    base = next((terms for terms in ruleset if terms.kind == Kind.BASE), None)
    return ClawBack(
        points=points, target=target, reasons=[_claw_back_reason(base, target, net, points, refund_cents)]
    )


def _claw_back_reason(
    base: RuleTerms | None, target: Judgement, net: int, points: int, cents: int
) -> dict[str, object]:
    if not points:
        return reason("STILL_CAPPED" if target.is_capped else "REFUND_NO_CHANGE")
    # A refund of everything is a plain refund; the minimum explains only a net that is left over (E9, E10a).
    if base and base.is_min_spend_on_net and 0 < net < base.min_spend_cents:
        minimum = hong_kong_dollars(base.min_spend_cents)
        return reason("REFUND_BELOW_MIN_SPEND", minimum=minimum, points=points)
    return reason("REFUND_CLAWED_BACK", points=points, amount=hong_kong_dollars(cents))
