"""What is to be said of a rule that gave less or nothing; put into words only for who asks. Pure.

Judging a payment for its points alone, as the proof does for a year of them, then costs no words.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from loyalty.earning.reasons import hong_kong_dollars, reason
from loyalty.earning.rule_terms import Period, RuleTerms, Unit


class Note(NamedTuple):
    """`words` makes the reason of the rule and the cents at which it stopped counting, if it is about these."""

    words: Callable[[RuleTerms, int], dict[str, object]]
    terms: RuleTerms
    cents: int = 0


Notes = tuple[Note, ...]


def in_words(notes: Iterable[Note]) -> list[dict[str, object]]:
    return [note.words(note.terms, note.cents) for note in notes]


def payment_ceiling(_: RuleTerms, cents: int) -> dict[str, object]:
    return reason("CAPPED_PER_TRANSACTION", limit=hong_kong_dollars(cents))


def rule_ceiling(terms: RuleTerms, cents: int) -> dict[str, object]:
    limit = hong_kong_dollars(cents)
    return reason("CAPPED_PER_RULE", rule=terms.name_en, rule_zh=terms.name_zh, limit=limit)


def limit_reached(terms: RuleTerms, _: int) -> dict[str, object]:
    assert terms.limit is not None
    limit = terms.limit
    amount = f"HK${hong_kong_dollars(limit.amount)}" if limit.unit == Unit.CENTS else f"{limit.amount}"
    code = {Period.DAY: "CAPPED_PER_DAY", Period.MONTH: "CAPPED_PER_MONTH"}.get(limit.period, "ALREADY_USED")
    return reason(code, limit=amount, rule=terms.name_en, rule_zh=terms.name_zh)


def already_used(terms: RuleTerms, _: int) -> dict[str, object]:
    return reason("ALREADY_USED", rule=terms.name_en, rule_zh=terms.name_zh)


def not_combined(terms: RuleTerms, _: int) -> dict[str, object]:
    return reason("NOT_COMBINED", rule=terms.name_en, rule_zh=terms.name_zh)


def exhausted(terms: RuleTerms, _: int) -> dict[str, object]:
    return reason("BUDGET_EXHAUSTED", rule=terms.name_en, rule_zh=terms.name_zh)
