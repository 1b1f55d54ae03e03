"""How alike two records are: the checks of the programs page, part by part, in both languages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyalty.earning import likeness
from loyalty.earning.likeness import Record
from pms.clock import HONG_KONG

NOON = datetime(2026, 3, 10, 14, 29, tzinfo=HONG_KONG)
WEBHOOK = Record(
    member_id=1,
    store_id=12,
    merchant_id="M1",
    amount_cents=68800,
    paid_at=NOON,
    user_id="2160",
    wallet="ALIPAYHK",
    kinds=frozenset({"PAYMENT"}),
)
COUNTER = replace(WEBHOOK, wallet="", user_id="", paid_at=NOON + timedelta(minutes=3), kinds=frozenset())


def total(one: Record, other: Record) -> int:
    return likeness.score(likeness.compare(one, other))


@pytest.mark.parametrize(
    ("facts", "score"),
    [
        ({}, 100),
        ({"tender": "AlipayHK"}, 100),
        ({"tender": "VISA"}, 60),
        ({"paid_at": NOON + timedelta(hours=3)}, 92),
        ({"amount_cents": 70000, "paid_at": NOON + timedelta(hours=3)}, 79),
        ({"amount_cents": 70000, "paid_at": NOON + timedelta(minutes=2)}, 87),
        ({"amount_cents": 70000, "paid_at": NOON + timedelta(minutes=20)}, 83),
        ({"member_id": 2, "user_id": "2160"}, 85),
        ({"store_id": 13}, 85),
        ({"store_id": 13, "merchant_id": "M2"}, 75),
        ({"member_id": 2, "user_id": "2161", "tender": "Alipay HK"}, 65),
        ({"amount_cents": 75000}, 75),
        ({"amount_cents": 70050}, 87),
    ],
    ids=[
        "E13", "E13 with tender AlipayHK", "E13 with another tender", "later the same day", "coupon later the same day",
        "E15a", "E15b", "same user under another member", "other store of the merchant", "other store",
        "other member", "far amount", "within two percent",
    ],
)  # fmt: skip
def test_the_table_of_the_programs_page_adds_up(facts: dict[str, Any], score: int) -> None:
    assert total(WEBHOOK, replace(COUNTER, **facts)) == score
    assert total(replace(COUNTER, **facts), WEBHOOK) == score


@pytest.mark.parametrize(
    ("receipt_cents", "is_near"), [(15000, True), (15100, False), (14950, False), (9700, False)]
)
def test_a_receipt_above_the_wallets_amount_by_whole_dollars_up_to_50_is_a_coupon(
    receipt_cents: int, is_near: bool
) -> None:
    paid = replace(WEBHOOK, amount_cents=10000)

    codes = [part.code for part in likeness.compare(paid, replace(COUNTER, amount_cents=receipt_cents))]

    assert ("NEAR_AMOUNT" in codes) is is_near


@pytest.mark.parametrize("kind", likeness.PROVIDER_KINDS)
def test_two_numbers_of_one_provider_kind_are_never_one_purchase(kind: str) -> None:
    one, other = (replace(record, kinds=frozenset({kind})) for record in (WEBHOOK, COUNTER))

    assert not likeness.is_comparable(one, other)
    assert likeness.is_comparable(one, replace(other, kinds=frozenset({"RECEIPT"})))


@pytest.mark.parametrize(
    ("one", "other", "is_comparable"),
    [
        ("10 00:00", "10 23:59", True),
        ("10 23:50", "11 00:20", True),
        ("10 23:50", "11 00:21", False),
        ("11 00:10", "10 23:40", True),
        ("11 00:10", "10 23:39", False),
        ("10 12:00", "11 12:00", False),
    ],
)
def test_only_one_day_or_half_an_hour_over_midnight_is_compared(
    one: str, other: str, is_comparable: bool
) -> None:
    first, second = (
        replace(
            COUNTER, paid_at=datetime.strptime(f"2026-03-{said}", "%Y-%m-%d %H:%M").replace(tzinfo=HONG_KONG)
        )
        for said in (one, other)
    )

    assert likeness.is_comparable(first, second) is is_comparable
    since, until = likeness.window(first.paid_at)
    assert (since <= second.paid_at < until) is is_comparable


@given(
    st.timedeltas(timedelta(), timedelta(days=8)),
    st.timedeltas(timedelta(hours=-30), timedelta(hours=30)),
    st.sampled_from([HONG_KONG, UTC]),
)
@example(timedelta(hours=9, minutes=11), timedelta(minutes=30), HONG_KONG)
@example(timedelta(hours=9, minutes=16), timedelta(minutes=30), HONG_KONG)
@example(timedelta(hours=9, minutes=46), timedelta(minutes=-30), UTC)
def test_what_may_be_one_purchase_has_a_day_in_common(
    later: timedelta, apart: timedelta, zone: tzinfo
) -> None:
    paid_at = (NOON + later).astimezone(zone)
    one, other = replace(COUNTER, paid_at=paid_at), replace(COUNTER, paid_at=paid_at + apart)

    is_common = bool({*likeness.days(one.paid_at)} & {*likeness.days(other.paid_at)})

    assert is_common or not likeness.is_comparable(one, other)


def test_a_purchase_by_day_has_one_day_alone() -> None:
    assert len({*likeness.days(NOON)}) == 1


def test_every_part_is_said_in_both_languages() -> None:
    parts = likeness.compare(WEBHOOK, replace(COUNTER, amount_cents=70000, tender="VISA"))

    said = [likeness.sentence(part.as_json(), "en") for part in parts]

    assert said == [
        "Same member.",
        "Same store.",
        "The amount differs by HK$12.00.",
        "Paid 3 min apart.",
        "One was paid with ALIPAYHK, the other with VISA.",
    ]
    assert likeness.sentence(parts[2].as_json(), "zh-hant") == "金額相差 HK$12.00。"
    assert set(likeness.SENTENCES) == set(likeness.WEIGHTS)
