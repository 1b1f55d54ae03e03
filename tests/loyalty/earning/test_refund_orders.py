"""R15: refunds in any order, doubled and split at will, against a model in plain Python; then the books agree."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.earning import recount
from loyalty.earning.models import Refund
from loyalty.earning.outcomes import Verdict
from loyalty.ledger import proof
from tests.loyalty.earning.plain import HALF_UP, LUMINA, shopper

pytestmark = pytest.mark.django_db
RULES: list[dict[str, Any]] = [
    LUMINA,
    HALF_UP,
    LUMINA | {"is_min_spend_on_net": False},
    HALF_UP | {"points_numerator": 3, "points_denominator": 7, "max_spend_cents": 50000},
]
examples = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def model_points(rule: dict[str, Any], amount: int, net: int) -> int:
    """What is left of the points, said once more without looking at the product."""
    judged = net if rule["is_min_spend_on_net"] else amount
    if judged < rule["min_spend_cents"] or amount < rule["min_spend_cents"]:
        return 0
    counted: int = min(net, rule["max_spend_cents"] or net)
    divisor: int = 100 * rule.get("points_denominator", 1)
    numerator: int = rule.get("points_numerator", 1)
    whole, rest = divmod(counted * numerator, divisor)
    return whole + (1 if rule["rounding"] == "HALF_UP" and 2 * rest >= divisor else 0)


@examples
@given(
    rule=st.sampled_from(RULES),
    amount=st.integers(1, 400_000),
    parts=st.lists(st.integers(0, 120_000), max_size=5),
    data=st.data(),
)
def test_any_order_and_any_duplication_end_at_what_the_model_says(
    rule: dict[str, Any], amount: int, parts: list[int], data: st.DataObject
) -> None:
    member = shopper(rule)
    purchase = member.buys(amount)
    doubled = [
        *range(len(parts)),
        *data.draw(st.lists(st.sampled_from(range(len(parts))), max_size=4) if parts else st.just([])),
    ]
    order = data.draw(st.permutations(doubled))

    refunded = 0
    seen: set[int] = set()
    for number in order:
        outcome = member.is_refunded(purchase, parts[number], key=f"R{number}", number=f"R{number}")
        if number not in seen and refunded + parts[number] <= amount:
            refunded, seen = refunded + parts[number], seen | {number}
        assert (outcome.verdict == Verdict.RECORDED) == (number in seen)

    assert sum(Refund.objects.filter(transaction=purchase).values_list("amount_cents", flat=True)) == refunded
    assert member.balance == model_points(rule, amount, amount - refunded)
    assert [*proof.breaches(), *recount.breaches()] == []


@examples
@given(amount=st.integers(10_000, 400_000), cuts=st.lists(st.integers(0, 400_000), max_size=5))
def test_a_full_refund_in_any_pieces_leaves_nothing(amount: int, cuts: list[int]) -> None:
    member = shopper(LUMINA)
    purchase = member.buys(amount)
    edges = sorted({0, amount, *(cut for cut in cuts if cut < amount)})

    for low, high in itertools.pairwise(edges):
        assert member.is_refunded(purchase, high - low).verdict == Verdict.RECORDED

    assert member.balance == 0
    assert [*proof.breaches(), *recount.breaches()] == []
