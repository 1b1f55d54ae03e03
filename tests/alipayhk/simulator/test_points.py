"""The simulator's own arithmetic, against the figures of the worked examples."""

from typing import Any

import pytest

from alipayhk.simulator import points

LUMINA = {
    "points_per_hkd": "1",
    "rounding": "FLOOR",
    "min_spend_cents": 10_000,
    "min_spend_on_net": True,
    "max_spend_cents": 3_000_000,
}
PIER = {"points_per_hkd": "1", "rounding": "HALF_UP", "min_spend_cents": 100, "min_spend_on_net": False}


@pytest.mark.parametrize(
    ("program", "cents", "refunded", "expected"),
    [
        (LUMINA, 13_890, 0, 138),
        (LUMINA, 9_999, 0, 0),
        (LUMINA, 10_000, 0, 100),
        (LUMINA, 4_250_000, 0, 30_000),
        (PIER, 8_750, 0, 88),
        (PIER, 8_749, 0, 87),
        (LUMINA, 100_000, 33_333, 666),
        (LUMINA, 100_000, 66_666, 333),
        (LUMINA, 100_000, 100_000, 0),
        (LUMINA, 15_000, 6_000, 0),
        (LUMINA | {"min_spend_on_net": False}, 15_000, 6_000, 90),
        (LUMINA, 4_250_000, 1_000_000, 30_000),
        (PIER | {"points_per_hkd": "0.5"}, 9_500, 0, 48),
        (PIER | {"points_per_hkd": "1.5", "rounding": "FLOOR"}, 33_330, 0, 499),
    ],
)
def test_a_payment_is_entitled_to_what_the_examples_say(
    program: dict[str, Any], cents: int, refunded: int, expected: int
) -> None:
    assert points.read_rule(program).after_refunds(cents, refunded=refunded) == expected
