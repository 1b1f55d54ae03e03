"""The conditions a purchase must meet before any rule pays: member, consent, currency, store, tender, item, window.

Pure. The first gate that fails gives 0 and its reason; the rest are listed as checked all the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from loyalty.earning.reasons import hong_kong_dollars, reason
from loyalty.earning.rule_terms import HONG_KONG, Facts, RuleTerms


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition; `refusal` is the reason given when it is the first that is not met."""

    condition: str
    is_met: bool
    found: object
    refusal: dict[str, object]


def check(facts: Facts, base: RuleTerms | None, *, net_cents: int) -> list[Gate]:
    """In the order of the programs page; `net_cents` is what refunds have left of the amount."""
    return [*_member_gates(facts), *_store_gates(facts, base), *_spend_gates(facts, base, net_cents)]


def refusal(gates: list[Gate]) -> dict[str, object] | None:
    return next((gate.refusal for gate in gates if not gate.is_met), None)


def listed(gates: list[Gate]) -> list[dict[str, object]]:
    return [{"condition": gate.condition, "is_met": gate.is_met, "found": gate.found} for gate in gates]


def _member_gates(facts: Facts) -> list[Gate]:
    return [
        Gate("MEMBER_OPEN", facts.is_member_open, facts.is_member_open, reason("MEMBER_CLOSED")),
        Gate("CONSENT", *_consent(facts)),
        Gate("CURRENCY", facts.currency == "HKD", facts.currency, reason("CURRENCY_NOT_SUPPORTED")),
    ]


def _consent(facts: Facts) -> tuple[bool, str, dict[str, object]]:
    """Before the first consent the grace decides; after it only an interval does: a gap never earns.

    Where the door needs none, the membership stands in its place.
    """
    if facts.is_consented:
        return True, "in force" if facts.is_consent_needed else "not needed", reason("NO_CONSENT")
    first = facts.first_consent_at
    if first is None or facts.paid_at >= first:
        return False, "none in force", reason("NO_CONSENT")
    is_in_grace = facts.paid_at >= first - timedelta(days=facts.joining_grace_days)
    return (
        is_in_grace,
        "within the joining grace" if is_in_grace else "before joining",
        reason("BEFORE_JOINING"),
    )


def _store_gates(facts: Facts, base: RuleTerms | None) -> list[Gate]:
    tenders = base.excluded_tenders if base else frozenset()
    items = base.excluded_items if base else frozenset()
    is_category_out = bool(base) and facts.category in base.excluded_categories if base else False
    takes_part = not (facts.is_store_excluded or is_category_out)
    return [
        Gate("STORE_TAKES_PART", takes_part, facts.store, reason("EXCLUDED_STORE")),
        Gate("TENDER", facts.tender not in tenders, facts.tender, reason("EXCLUDED_TENDER")),
        Gate("ITEM", facts.item not in items, facts.item, reason("EXCLUDED_ITEM")),
        _window(facts),
        Gate("RULE_IN_FORCE", base is not None, base is not None, reason("NO_RULE")),
    ]


def _window(facts: Facts) -> Gate:
    """Calendar days in Hong Kong; a notice from a wallet has no window."""
    days = facts.manual_window_days
    if days is None or facts.submitted_at is None:
        return Gate("WINDOW", True, "none", reason("TOO_LATE", days=days))
    late = (_day(facts.submitted_at) - _day(facts.paid_at)).days
    return Gate("WINDOW", late <= days, late, reason("TOO_LATE", days=days))


def _spend_gates(facts: Facts, base: RuleTerms | None, net_cents: int) -> list[Gate]:
    minimum = base.min_spend_cents if base else 0
    judged = net_cents if base and base.is_min_spend_on_net else facts.amount_cents
    amount = hong_kong_dollars(judged)
    return [
        Gate("SPENT_SOMETHING", facts.amount_cents > 0, amount, reason("ROUNDS_TO_ZERO")),
        Gate(
            "MIN_SPEND",
            judged >= minimum,
            amount,
            reason("BELOW_MIN_SPEND", minimum=hong_kong_dollars(minimum)),
        ),
    ]


def _day(moment: datetime) -> datetime:
    return moment.astimezone(HONG_KONG).replace(hour=0, minute=0, second=0, microsecond=0)
