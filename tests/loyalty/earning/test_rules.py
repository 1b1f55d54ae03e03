"""The arithmetic of points: whole numbers, rounded once, and gates that all say what they found."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.earning import reasons, rule_terms, rules
from loyalty.earning.rule_terms import Facts, Kind, Limit, Occasion, Period, RuleTerms, Scope, Stacking, Unit
from pms.clock import HONG_KONG

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=HONG_KONG)
PLAIN = RuleTerms(
    rule_id=1,
    version_id=1,
    version=1,
    code="BASE",
    kind=Kind.BASE,
    name_en="Base rate",
    name_zh="基本積分",
    numerator=1,
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
    replace,
    st.just(PLAIN),
    numerator=st.integers(1, 1000),
    denominator=st.integers(1, 1000),
    is_half_up=st.booleans(),
    min_spend_cents=st.integers(0, 10**6),
    is_min_spend_on_net=st.booleans(),
    max_spend_cents=st.none() | st.integers(1, 10**7),
)
cents = st.integers(0, 10**15 - 1)


def points_for(terms: RuleTerms, cents: int) -> int:
    return rules.judge(replace(FACTS, amount_cents=cents), [terms], {}).points


def left(terms: RuleTerms, *, amount: int, net: int) -> int:
    return rules.judge(replace(FACTS, amount_cents=amount), [terms], {}, net_cents=net).points


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
    assert points_for(replace(PLAIN, **figures), amount) == points  # type: ignore[arg-type]


@given(terms=terms, cents=cents)
def test_points_never_shrink_when_more_is_spent(terms: RuleTerms, cents: int) -> None:
    assert 0 <= points_for(terms, cents) <= points_for(terms, cents + 1)


@given(terms=terms, cents=cents)
def test_the_ceiling_is_never_exceeded(terms: RuleTerms, cents: int) -> None:
    counted = rules.judge(replace(FACTS, amount_cents=cents), [terms], {}).counted_cents

    assert counted <= cents
    assert terms.max_spend_cents is None or counted <= terms.max_spend_cents


@given(terms=terms, parts=st.lists(st.integers(0, 10**6), min_size=1, max_size=6), data=st.data())
def test_refunds_in_any_order_take_back_the_same_sum(
    terms: RuleTerms, parts: list[int], data: st.DataObject
) -> None:
    amount = sum(parts) + data.draw(st.integers(0, 10**6))
    earned = points_for(terms, amount)

    sums = [
        taken_back(terms, amount=amount, earned=earned, parts=order)
        for order in (parts, data.draw(st.permutations(parts)))
    ]

    assert sums[0] == sums[1]
    assert sums[0] == earned - left(terms, amount=amount, net=amount - sum(parts))


def taken_back(terms: RuleTerms, *, amount: int, earned: int, parts: list[int]) -> int:
    taken = refunded = 0
    for part in parts:
        back = rules.claw_back(
            replace(FACTS, amount_cents=amount),
            [terms],
            {},
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
    judgement = rules.judge(FACTS, [PLAIN], {})

    assert (judgement.points, judgement.counted_cents, codes(judgement)) == (138, 13890, ["EARNED_BASE"])
    assert all(entry["is_met"] is True for entry in judgement.conditions)
    assert len(judgement.conditions) == 11


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
    judgement = rules.judge(replace(FACTS, **changed), [PLAIN], {})  # type: ignore[arg-type]

    assert (judgement.points, codes(judgement)) == (0, [code])
    assert len(judgement.conditions) == 11


def test_the_joining_grace_reaches_back_exactly_its_days() -> None:
    edge = replace(FACTS, is_consented=False, first_consent_at=NOON + timedelta(days=1))
    beyond = replace(edge, first_consent_at=NOON + timedelta(days=1, microseconds=1))

    assert codes(rules.judge(edge, [PLAIN], {})) == ["EARNED_BASE"]
    assert codes(rules.judge(beyond, [PLAIN], {})) == ["BEFORE_JOINING"]


def test_without_a_rule_nothing_is_earned_and_the_rest_is_still_looked_at() -> None:
    judgement = rules.judge(FACTS, [], {})

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
        replace(FACTS, amount_cents=100000),
        [terms],
        {},
        earned=points_for(terms, 100000),
        clawed_back=clawed_back,
        refunded_cents=0,
        refund_cents=refund,
    )

    assert (back.points, back.reasons[0]["code"]) == (points, code)


EXTRA = replace(PLAIN, rule_id=2, version_id=2, code="X", kind=Kind.EXTRA, name_en="Extra", name_zh="額外")
RATE = replace(
    PLAIN, rule_id=3, version_id=3, code="R", kind=Kind.RATE, numerator=5, name_en="Five", name_zh="五倍"
)


def test_the_most_specific_rate_wins() -> None:
    facts = replace(FACTS, store="LP-1", category="DINING", mall="lumina-plaza")
    by_mall = replace(RATE, scope=Scope(malls=frozenset({"lumina-plaza"})))
    by_store = replace(RATE, rule_id=4, numerator=2, scope=Scope(stores=frozenset({"LP-1"})))

    judgement = rules.judge(facts, [PLAIN, by_mall, by_store], {})

    assert (judgement.points, judgement.lines[0].terms.rule_id) == (277, 4)


def test_an_exclusive_offer_stands_alone_beside_the_rate() -> None:
    alone = replace(EXTRA, rule_id=5, numerator=3, stacking=Stacking.EXCLUSIVE)

    judgement = rules.judge(FACTS, [PLAIN, EXTRA, alone], {})

    assert [line.terms.rule_id for line in judgement.lines] == [1, 5]
    assert codes(judgement) == ["EARNED_BASE", "EARNED_EXTRA", "NOT_COMBINED"]


def test_added_offers_each_give_a_line_rounded_on_its_own() -> None:
    half = replace(EXTRA, denominator=2)
    third = replace(EXTRA, rule_id=6, denominator=3)

    judgement = rules.judge(FACTS, [PLAIN, half, third], {})

    assert [line.points for line in judgement.lines] == [138, 69, 46]


def test_a_limit_without_room_gives_nothing_and_says_so() -> None:
    monthly = replace(EXTRA, limit=Limit(amount=100, unit=Unit.POINTS, period=Period.MONTH))

    full = rules.judge(FACTS, [PLAIN, monthly], {"2/2026-03": 30})
    spent = rules.judge(FACTS, [PLAIN, monthly], {"2/2026-03": 0})

    assert (full.points, codes(full)) == (168, ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_MONTH"])
    assert (spent.points, codes(spent)) == (138, ["EARNED_BASE", "CAPPED_PER_MONTH"])
    assert full.uses == {"2/2026-03": 30}


def test_a_welcome_gift_needs_a_purchase_that_earns() -> None:
    gift = replace(
        EXTRA,
        kind=Kind.FLAT,
        numerator=3000,
        occasion=Occasion.WELCOME,
        limit=Limit(amount=1, unit=Unit.TIMES, period=Period.EVER),
    )

    assert rules.judge(FACTS, [PLAIN, gift], {"2/ever": 1}).points == 3138
    assert rules.judge(FACTS, [PLAIN, gift], {"2/ever": 0}).points == 138
    assert rules.judge(replace(FACTS, amount_cents=99), [PLAIN, gift], {"2/ever": 1}).points == 0


def test_fifty_rules_are_judged_in_under_a_millisecond() -> None:
    many = [replace(EXTRA, rule_id=100 + n, code=f"X{n}", stacking_group="g") for n in range(49)]
    rules.judge(FACTS, [PLAIN, *many], {})

    began = time.process_time()
    for _ in range(100):
        rules.judge(FACTS, [PLAIN, *many], {})
    spent = (time.process_time() - began) / 100

    assert spent < 0.001


def test_a_tier_is_named_in_the_language_of_the_sentence() -> None:
    gold = replace(
        FACTS, tier="GOLD", tier_name="Gold", tier_name_zh="金", tier_numerator=3, tier_denominator=2
    )

    told = rules.judge(gold, [replace(PLAIN, takes_tier_factor=True)], {}).reasons

    assert reasons.sentences(told, "en")[-1] == "Gold members earn 1.5 times."
    assert reasons.sentences(told, "zh-hant")[-1] == "金 會員可獲 1.5 倍積分。"


def test_facts_of_an_earlier_release_are_read_without_what_came_later() -> None:
    kept = rule_terms.facts_as_json(replace(FACTS, tier="GOLD", tier_name="Gold"))
    del kept["tier_name_zh"]

    read = rule_terms.facts_from_json(kept)

    assert read == replace(FACTS, tier="GOLD", tier_name="Gold")
