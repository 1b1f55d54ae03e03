"""Judges one purchase: facts and a frozen rule version in, points with reasons and conditions out.

Pure: no database, no clock, integers only.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loyalty.earning.reasons import hong_kong_dollars, reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a frozen rule version pays. Points = cents × numerator ÷ (100 × denominator), rounded once."""

    numerator: int
    denominator: int
    is_half_up: bool
    min_spend_cents: int
    is_min_spend_on_net: bool
    max_spend_cents: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What was so when it was paid. `is_consented`: a consent was in force; `first_consent_at`: the member's first."""

    amount_cents: int
    currency: str
    paid_at: datetime
    is_member_open: bool
    is_consented: bool
    first_consent_at: datetime | None
    joining_grace_days: int
    is_store_excluded: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Points, the spend they count, why, and every condition with what it found."""

    points: int
    counted_cents: int
    reasons: list[dict[str, object]]
    conditions: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition; `refusal` is the reason given when it is the first that is not met."""

    condition: str
    is_met: bool
    found: object
    refusal: dict[str, object]


def judge(facts: Facts, terms: Terms | None) -> Judgement:
    """The first gate that fails gives 0 and its reason; the rest are listed as checked all the same."""
    gates = [*_member_gates(facts), *_purchase_gates(facts, terms)]
    conditions: list[dict[str, object]] = [
        {"condition": gate.condition, "is_met": gate.is_met, "found": gate.found} for gate in gates
    ]
    refusal = next((gate.refusal for gate in gates if not gate.is_met), None)
    if refusal or terms is None:
        return Judgement(
            points=0, counted_cents=0, reasons=[refusal or reason("NO_RULE")], conditions=conditions
        )
    return _earned(facts, terms, conditions)


def entitlement(terms: Terms, *, amount_cents: int, net_cents: int) -> int:
    """Points deserved by what is left of `amount_cents` after refunds; the whole amount for a purchase itself."""
    judged = net_cents if terms.is_min_spend_on_net else amount_cents
    return 0 if judged < terms.min_spend_cents else points_for(terms, net_cents)


def points_for(terms: Terms, cents: int) -> int:
    counted = counted_cents(terms, cents)
    numerator, denominator = counted * terms.numerator, 100 * terms.denominator
    return (
        (2 * numerator + denominator) // (2 * denominator) if terms.is_half_up else numerator // denominator
    )


def counted_cents(terms: Terms, cents: int) -> int:
    return cents if terms.max_spend_cents is None else min(cents, terms.max_spend_cents)


def _member_gates(facts: Facts) -> list[Gate]:
    return [
        Gate("MEMBER_OPEN", facts.is_member_open, facts.is_member_open, reason("MEMBER_CLOSED")),
        Gate("CONSENT", *_consent(facts)),
    ]


def _consent(facts: Facts) -> tuple[bool, str, dict[str, object]]:
    """Before the first consent the grace decides; after it only an interval does: a gap never earns."""
    if facts.is_consented:
        return True, "in force", reason("NO_CONSENT")
    first = facts.first_consent_at
    if first is None or facts.paid_at >= first:
        return False, "none in force", reason("NO_CONSENT")
    is_in_grace = facts.paid_at >= first - timedelta(days=facts.joining_grace_days)
    return (
        is_in_grace,
        "within the joining grace" if is_in_grace else "before joining",
        reason("BEFORE_JOINING"),
    )


def _purchase_gates(facts: Facts, terms: Terms | None) -> list[Gate]:
    minimum = terms.min_spend_cents if terms else 0
    amount = hong_kong_dollars(facts.amount_cents)
    return [
        Gate("CURRENCY", facts.currency == "HKD", facts.currency, reason("CURRENCY_NOT_SUPPORTED")),
        Gate(
            "STORE_TAKES_PART",
            not facts.is_store_excluded,
            not facts.is_store_excluded,
            reason("EXCLUDED_STORE"),
        ),
        Gate("RULE_IN_FORCE", terms is not None, terms is not None, reason("NO_RULE")),
        Gate("SPENT_SOMETHING", facts.amount_cents > 0, amount, reason("ROUNDS_TO_ZERO")),
        Gate(
            "MIN_SPEND",
            facts.amount_cents >= minimum,
            amount,
            reason("BELOW_MIN_SPEND", minimum=hong_kong_dollars(minimum)),
        ),
    ]


def _earned(facts: Facts, terms: Terms, conditions: list[dict[str, object]]) -> Judgement:
    points, counted = points_for(terms, facts.amount_cents), counted_cents(terms, facts.amount_cents)
    earned = reason("EARNED_BASE", points=points, amount=hong_kong_dollars(counted))
    reasons = [earned if points else reason("ROUNDS_TO_ZERO")]
    if counted < facts.amount_cents:
        reasons.append(reason("CAPPED_PER_TRANSACTION", limit=hong_kong_dollars(counted)))
    return Judgement(points=points, counted_cents=counted, reasons=reasons, conditions=conditions)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClawBack:
    """Points due back after a refund, and why; 0 is an answer too."""

    points: int
    reasons: list[dict[str, object]]


def claw_back(
    terms: Terms | None,
    *,
    amount_cents: int,
    earned: int,
    clawed_back: int,
    refunded_cents: int,
    refund_cents: int,
) -> ClawBack:
    """Recompute the entitlement on the cumulative net, so that any order of partial refunds ends alike.

    `clawed_back` counts what earlier refunds took or should have taken; `refunded_cents` is their sum.
    """
    net = amount_cents - refunded_cents - refund_cents
    if terms is None or earned == 0 or refund_cents == 0:
        return ClawBack(points=0, reasons=[reason("REFUND_NO_CHANGE")])
    target = entitlement(terms, amount_cents=amount_cents, net_cents=net)
    points = max(0, earned - clawed_back - target)
    return ClawBack(
        points=points, reasons=[_claw_back_reason(terms, net=net, points=points, cents=refund_cents)]
    )


def _claw_back_reason(terms: Terms, *, net: int, points: int, cents: int) -> dict[str, object]:
    if not points:
        is_capped = terms.max_spend_cents is not None and net >= terms.max_spend_cents
        return reason("STILL_CAPPED" if is_capped else "REFUND_NO_CHANGE")
    # A refund of everything is a plain refund; the minimum explains only a net that is left over (E9, E10a).
    if terms.is_min_spend_on_net and 0 < net < terms.min_spend_cents:
        return reason(
            "REFUND_BELOW_MIN_SPEND", minimum=hong_kong_dollars(terms.min_spend_cents), points=points
        )
    return reason("REFUND_CLAWED_BACK", points=points, amount=hong_kong_dollars(cents))
