"""The arithmetic of points: whole numbers, rounded once, and gates that all say what they found."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.earning import rules
from loyalty.earning.rules import Facts, Terms
from pms.clock import HONG_KONG

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=HONG_KONG)
PLAIN = Terms(
    numerator=1,
    denominator=1,
    is_half_up=False,
    min_spend_cents=0,
    is_min_spend_on_net=False,
    max_spend_cents=None,
)
FACTS = Facts(
    amount_cents=13890,
    currency="HKD",
    paid_at=NOON,
    is_member_open=True,
    is_consented=True,
    first_consent_at=NOON - timedelta(days=30),
    joining_grace_days=1,
    is_store_excluded=False,
)
terms = st.builds(
    Terms,
    numerator=st.integers(1, 1000),
    denominator=st.integers(1, 1000),
    is_half_up=st.booleans(),
    min_spend_cents=st.integers(0, 10**6),
    is_min_spend_on_net=st.booleans(),
    max_spend_cents=st.none() | st.integers(1, 10**7),
)
cents = st.integers(0, 10**15 - 1)


def codes(judgement: rules.Judgement) -> list[object]:
    return [entry["code"] for entry in judgement.reasons]


@pytest.mark.parametrize(
    ("amount", "figures", "points"),
    [
        (13890, {}, 138),
        (99, {}, 0),
        (100, {}, 1),
        (8750, {"is_half_up": True}, 88),
        (8749, {"is_half_up": True}, 87),
        (50, {"is_half_up": True}, 1),
        (49, {"is_half_up": True}, 0),
        (1000, {"numerator": 1, "denominator": 3}, 3),
        (1000, {"numerator": 15, "denominator": 10}, 15),
        (10**15 - 1, {}, 9_999_999_999_999),
        (4250000, {"max_spend_cents": 3000000}, 30000),
    ],
)
def test_points_are_cents_by_the_rate_rounded_once(amount: int, figures: dict[str, int], points: int) -> None:
    assert rules.points_for(replace(PLAIN, **figures), amount) == points  # type: ignore[arg-type]


@given(terms=terms, cents=cents)
def test_points_never_shrink_when_more_is_spent(terms: Terms, cents: int) -> None:
    assert 0 <= rules.points_for(terms, cents) <= rules.points_for(terms, cents + 1)


@given(terms=terms, cents=cents)
def test_the_ceiling_is_never_exceeded(terms: Terms, cents: int) -> None:
    counted = rules.counted_cents(terms, cents)

    assert counted <= cents
    assert terms.max_spend_cents is None or counted <= terms.max_spend_cents


@given(terms=terms, parts=st.lists(st.integers(0, 10**6), min_size=1, max_size=6), data=st.data())
def test_refunds_in_any_order_take_back_the_same_sum(
    terms: Terms, parts: list[int], data: st.DataObject
) -> None:
    amount = sum(parts) + data.draw(st.integers(0, 10**6))
    earned = rules.entitlement(terms, amount_cents=amount, net_cents=amount)

    sums = [
        taken_back(terms, amount=amount, earned=earned, parts=order)
        for order in (parts, data.draw(st.permutations(parts)))
    ]

    assert sums[0] == sums[1]
    assert sums[0] == earned - rules.entitlement(terms, amount_cents=amount, net_cents=amount - sum(parts))


def taken_back(terms: Terms, *, amount: int, earned: int, parts: list[int]) -> int:
    taken = refunded = 0
    for part in parts:
        back = rules.claw_back(
            terms,
            amount_cents=amount,
            earned=earned,
            clawed_back=taken,
            refunded_cents=refunded,
            refund_cents=part,
        )
        assert back.points >= 0
        assert back.reasons
        taken, refunded = taken + back.points, refunded + part
    return taken


def test_a_clean_purchase_earns_and_lists_every_condition_as_met() -> None:
    judgement = rules.judge(FACTS, PLAIN)

    assert (judgement.points, judgement.counted_cents, codes(judgement)) == (138, 13890, ["EARNED_BASE"])
    assert all(entry["is_met"] is True for entry in judgement.conditions)
    assert len(judgement.conditions) == 7


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"is_member_open": False}, "MEMBER_CLOSED"),
        ({"is_consented": False}, "NO_CONSENT"),
        ({"is_consented": False, "first_consent_at": None}, "NO_CONSENT"),
        ({"is_consented": False, "first_consent_at": NOON + timedelta(hours=25)}, "BEFORE_JOINING"),
        ({"currency": "USD"}, "CURRENCY_NOT_SUPPORTED"),
        ({"is_store_excluded": True}, "EXCLUDED_STORE"),
        ({"amount_cents": 0}, "ROUNDS_TO_ZERO"),
        ({"amount_cents": 99}, "ROUNDS_TO_ZERO"),
    ],
)
def test_the_first_condition_that_fails_is_the_reason(changed: dict[str, object], code: str) -> None:
    judgement = rules.judge(replace(FACTS, **changed), PLAIN)  # type: ignore[arg-type]

    assert (judgement.points, codes(judgement)) == (0, [code])
    assert len(judgement.conditions) == 7


def test_the_joining_grace_reaches_back_exactly_its_days() -> None:
    edge = replace(FACTS, is_consented=False, first_consent_at=NOON + timedelta(days=1))
    beyond = replace(edge, first_consent_at=NOON + timedelta(days=1, microseconds=1))

    assert codes(rules.judge(edge, PLAIN)) == ["EARNED_BASE"]
    assert codes(rules.judge(beyond, PLAIN)) == ["BEFORE_JOINING"]


def test_without_a_rule_nothing_is_earned_and_the_rest_is_still_looked_at() -> None:
    judgement = rules.judge(FACTS, None)

    assert (judgement.points, codes(judgement)) == (0, ["NO_RULE"])
    assert {entry["condition"]: entry["is_met"] for entry in judgement.conditions}["CONSENT"] is True


@pytest.mark.parametrize(
    ("figures", "refund", "clawed_back", "points", "code"),
    [
        ({}, 100000, 0, 1000, "REFUND_CLAWED_BACK"),
        ({}, 1, 0, 1, "REFUND_CLAWED_BACK"),
        ({}, 0, 0, 0, "REFUND_NO_CHANGE"),
        ({}, 50000, 1000, 0, "REFUND_NO_CHANGE"),
        ({"max_spend_cents": 50000}, 50000, 0, 0, "STILL_CAPPED"),
        ({"min_spend_cents": 60000, "is_min_spend_on_net": True}, 50000, 0, 1000, "REFUND_BELOW_MIN_SPEND"),
        ({"min_spend_cents": 60000}, 50000, 0, 500, "REFUND_CLAWED_BACK"),
    ],
)
def test_a_claw_back_says_why(
    figures: dict[str, object], refund: int, clawed_back: int, points: int, code: str
) -> None:
    terms = replace(PLAIN, **figures)  # type: ignore[arg-type]

    back = rules.claw_back(
        terms,
        amount_cents=100000,
        earned=rules.points_for(terms, 100000),
        clawed_back=clawed_back,
        refunded_cents=0,
        refund_cents=refund,
    )

    assert (back.points, back.reasons[0]["code"]) == (points, code)
