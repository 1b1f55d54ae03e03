"""The conditions a purchase must meet before any rule pays: member, consent, currency, store, tender, item, window.

Pure. The first gate that fails gives 0 and its reason; the rest are listed as checked all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from loyalty.earning.reasons import hong_kong_dollars, reason
from loyalty.earning.rule_terms import HONG_KONG, Facts, RuleTerms


class Checked(NamedTuple):
    """What gates look at; `net_cents` is what refunds have left of the amount."""

    facts: Facts
    base: RuleTerms | None
    net_cents: int


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. What it found and why it refuses is put into words only for who asks."""

    condition: str
    is_met: Callable[[Checked], bool]
    found: Callable[[Checked], object]
    refusal: Callable[[Checked], dict[str, object]]


def first_unmet(checked: Checked) -> Gate | None:
    """In the order of the programs page."""
    for gate in GATES:
        if not gate.is_met(checked):
            return gate
    return None


def listed(checked: Checked, unmet: Gate | None) -> list[dict[str, object]]:
    """Each with what it found; `unmet` is the first that is not met, so that all are met without it."""
    return [
        {
            "condition": gate.condition,
            "is_met": unmet is None or gate.is_met(checked),
            "found": gate.found(checked),
        }
        for gate in GATES
    ]


def _refuses(code: str) -> Callable[[Checked], dict[str, object]]:
    return lambda _: reason(code)


def _is_in_grace(checked: Checked) -> bool:
    """Before the first consent the grace decides; after it only an interval does: a gap never earns.

    Where the door needs none, the membership stands in its place.
    """
    facts, first = checked.facts, checked.facts.first_consent_at
    return (
        first is not None
        and facts.paid_at < first
        and facts.paid_at >= first - timedelta(days=facts.joining_grace_days)
    )


def _is_before_joining(facts: Facts) -> bool:
    return facts.first_consent_at is not None and facts.paid_at < facts.first_consent_at


def _consent_found(checked: Checked) -> str:
    if checked.facts.is_consented:
        return "in force" if checked.facts.is_consent_needed else "not needed"
    if not _is_before_joining(checked.facts):
        return "none in force"
    return "within the joining grace" if _is_in_grace(checked) else "before joining"


def _consent_refusal(checked: Checked) -> dict[str, object]:
    return reason("BEFORE_JOINING" if _is_before_joining(checked.facts) else "NO_CONSENT")


def _takes_part(checked: Checked) -> bool:
    facts, base = checked.facts, checked.base
    return not facts.is_store_excluded and (base is None or facts.category not in base.excluded_categories)


def _is_tender_taken(checked: Checked) -> bool:
    """Neither the program's list nor the store's own names it."""
    facts, base = checked.facts, checked.base
    is_excluded = base is not None and facts.tender in base.excluded_tenders
    return not is_excluded and facts.tender not in facts.store_excluded_tenders


def _days_late(facts: Facts) -> int | None:
    """Calendar days in Hong Kong; a notice from a wallet has no window."""
    if facts.manual_window_days is None or facts.submitted_at is None:
        return None
    return (facts.submitted_at.astimezone(HONG_KONG).date() - facts.paid_in_hong_kong.date()).days


def _is_in_window(checked: Checked) -> bool:
    late, window = _days_late(checked.facts), checked.facts.manual_window_days
    return late is None or window is None or late <= window


def _window_found(checked: Checked) -> object:
    late = _days_late(checked.facts)
    return "none" if late is None else late


def _judged_cents(checked: Checked) -> int:
    is_on_net = checked.base is not None and checked.base.is_min_spend_on_net
    return checked.net_cents if is_on_net else checked.facts.amount_cents


def _minimum(base: RuleTerms | None) -> int:
    return base.min_spend_cents if base else 0


def _amount(checked: Checked) -> str:
    return hong_kong_dollars(_judged_cents(checked))


GATES = (
    Gate(
        "MEMBER_OPEN",
        is_met=lambda checked: checked.facts.is_member_open,
        found=lambda checked: checked.facts.is_member_open,
        refusal=_refuses("MEMBER_CLOSED"),
    ),
    Gate(
        "CONSENT",
        is_met=lambda checked: checked.facts.is_consented or _is_in_grace(checked),
        found=_consent_found,
        refusal=_consent_refusal,
    ),
    Gate(
        "CURRENCY",
        is_met=lambda checked: checked.facts.currency == "HKD",
        found=lambda checked: checked.facts.currency,
        refusal=_refuses("CURRENCY_NOT_SUPPORTED"),
    ),
    Gate(
        "STORE_OPEN",
        is_met=lambda checked: checked.facts.is_store_open,
        found=lambda checked: checked.facts.is_store_open,
        refusal=_refuses("STORE_NOT_OPEN"),
    ),
    Gate(
        "STORE_TAKES_PART",
        is_met=_takes_part,
        found=lambda checked: checked.facts.store,
        refusal=_refuses("EXCLUDED_STORE"),
    ),
    Gate(
        "TENDER",
        is_met=_is_tender_taken,
        found=lambda checked: checked.facts.tender,
        refusal=_refuses("EXCLUDED_TENDER"),
    ),
    Gate(
        "ITEM",
        is_met=lambda checked: not checked.base or checked.facts.item not in checked.base.excluded_items,
        found=lambda checked: checked.facts.item,
        refusal=_refuses("EXCLUDED_ITEM"),
    ),
    Gate(
        "WINDOW",
        is_met=_is_in_window,
        found=_window_found,
        refusal=lambda checked: reason("TOO_LATE", days=checked.facts.manual_window_days),
    ),
    Gate(
        "RULE_IN_FORCE",
        is_met=lambda checked: checked.base is not None,
        found=lambda checked: checked.base is not None,
        refusal=_refuses("NO_RULE"),
    ),
    Gate(
        "SPENT_SOMETHING",
        is_met=lambda checked: checked.facts.amount_cents > 0,
        found=_amount,
        refusal=_refuses("ROUNDS_TO_ZERO"),
    ),
    Gate(
        "MIN_SPEND",
        is_met=lambda checked: _judged_cents(checked) >= _minimum(checked.base),
        found=_amount,
        refusal=lambda checked: reason("BELOW_MIN_SPEND", minimum=hong_kong_dollars(_minimum(checked.base))),
    ),
)
