"""Brings a purchase, the rules in force and the room in limits together: what to record, and which lots to make.

Takes the locks under which limits are exact; writes nothing but what `limits.consume` is told later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from loyalty.earning import limits, purchases, rules, rulesets
from loyalty.earning.limits import Asked, Rooms
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.reasons import reason
from loyalty.earning.rule_terms import Facts, Kind, RuleTerms, budget_key, facts_as_json
from loyalty.earning.rules import Judgement, Misses
from loyalty.ledger import expiry
from loyalty.ledger.postings import NewLot


@dataclass(kw_only=True, slots=True)
class Decision:
    """A judgement with all it was judged on, so that the award can keep it."""

    judgement: Judgement
    facts: Facts | None = None
    ruleset: Sequence[RuleTerms] = ()
    rooms: Mapping[str, int] = field(default_factory=dict)
    lots: Sequence[NewLot] = ()

    @property
    def points(self) -> int:
        return self.judgement.points

    @property
    def pending_points(self) -> int:
        return sum(lot.points for lot in self.lots if lot.is_held)

    @property
    def base_version_id(self) -> int | None:
        return next((terms.version_id for terms in self.ruleset if terms.kind == Kind.BASE), None)


NOTHING = Decision(judgement=Judgement())
WRONG_MALL = Decision(judgement=Judgement(reasons=[reason("WRONG_MALL")]))


@dataclass(kw_only=True, slots=True)
class Case:
    """A purchase with the rules in force when it was paid: all that can be known of it before its limits are."""

    purchase: Purchase
    found: Found
    facts: Facts
    ruleset: Sequence[RuleTerms]
    missed: Misses
    limited: Mapping[str, RuleTerms]
    asked: Asked


def case_of(purchase: Purchase, found: Found) -> Case:
    facts = purchases.facts(purchase, found)
    ruleset = in_force(found, purchase.paid_at)
    missed = rules.misses(ruleset, facts)
    limited = rules.limited(facts, ruleset, missed=missed)
    return Case(
        purchase=purchase,
        found=found,
        facts=facts,
        ruleset=ruleset,
        missed=missed,
        limited=limited,
        asked=limits.asked(found.account_id, limited, found.used_ever),
    )


def decide(purchase: Purchase, found: Found, *, now: datetime) -> Decision:
    """Judge by the versions in force when it was paid, under the locks of the limits that matter."""
    case = case_of(purchase, found)
    return decide_next(case, Rooms([case.asked]), now=now)


def decide_next(case: Case, room: Rooms, *, now: datetime, is_told: bool = True) -> Decision:
    """The next of a run of purchases, whose limits `room` has read; those before it have told it what they used."""
    facts, ruleset, found = case.facts, case.ruleset, case.found
    rooms = room.of_member(case.asked) if case.limited else {}
    judgement = rules.judge(facts, ruleset, rooms, is_told=is_told, missed=case.missed)
    budgeted = {budget_key(line.terms): line.terms for line in judgement.lines if budget_key(line.terms)}
    if budgeted:
        rooms |= room.of_budgets(budgeted)
        judgement = rules.judge(facts, ruleset, rooms, is_told=is_told, missed=case.missed)
    lots = new_lots(judgement, facts, ruleset, expires=(found.expiry, found.expiry_count), now=now)
    return Decision(judgement=judgement, facts=facts, ruleset=ruleset, rooms=rooms, lots=lots)


def in_force(found: Found, at: datetime) -> Sequence[RuleTerms]:
    if found.newest_version_id is None:
        return ()
    return rulesets.in_force(program_id=found.program_id, newest_version_id=found.newest_version_id, at=at)


def new_lots(
    judgement: Judgement,
    facts: Facts,
    ruleset: Sequence[RuleTerms],
    *,
    expires: tuple[str, int],
    now: datetime,
) -> list[NewLot]:
    """One lot for what is usable at once, one for each end of a hold. A hold that is over already holds nothing."""
    if not judgement.points:
        return []
    base = next(terms for terms in ruleset if terms.kind == Kind.BASE)
    sums: dict[datetime | None, int] = {}
    for line in judgement.lines:
        until = rules.held_until(line, base, facts)
        until = until if until and until > now else None
        sums[until] = sums.get(until, 0) + line.points
    lapse = expiry.expires_at(expiry=expires[0], count=expires[1], paid_at=facts.paid_at, now=now)
    return [
        NewLot(points=points, expires_at=lapse, is_held=until is not None, held_until_at=until)
        for until, points in sums.items()
    ]


def kept(decision: Decision) -> dict[str, object]:
    """What an award keeps of its decision, by its column."""
    judgement = decision.judgement
    return {
        "points": judgement.points,
        "pending_points": decision.pending_points,
        "counted_cents": judgement.counted_cents,
        "facts": facts_as_json(decision.facts) if decision.facts else {},
        "versions": [terms.version_id for terms in decision.ruleset],
        "rooms": dict(decision.rooms),
        "lines": [
            {"rule": line.terms.code, "version": line.terms.version, "points": line.points}
            for line in judgement.lines
        ],
        "reasons": judgement.reasons,
        "conditions": judgement.conditions,
    }
