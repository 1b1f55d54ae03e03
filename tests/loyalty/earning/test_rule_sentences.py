"""Every part of a rule is said, in English and in Chinese as Hong Kong writes it."""

from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest

from loyalty.earning import reasons, rule_sentences
from loyalty.earning.drafts import Draft
from loyalty.earning.rule_sentences import Called

DRAFT = Draft(points_numerator=1)


@pytest.mark.parametrize(
    ("kind", "said", "english", "chinese"),
    [
        ("BASE", {}, "1 point per HK$1, rounded down.", "每 HK$1 獲 1 分，捨去小數。"),
        (
            "RATE",
            {"points_denominator": 2, "categories": ("SUPERMARKET",)},
            "1 point per HK$2 instead of the base rate; for supermarkets.",
            "每 HK$2 獲 1 分，取代基本積分；適用於超級市場。",
        ),
        (
            "EXTRA",
            {"points_numerator": 50, "step_cents": 100_00, "budget_points": 2_000_000},
            "50 points extra for each full HK$100.00; until 2,000,000 points have been given in all.",
            "每滿 HK$100.00 額外獲 50 分；總共派發 2,000,000 分 即止。",
        ),
        (
            "FLAT",
            {"points_numerator": 500, "weekdays": (6, 7), "min_spend_cents": 800_00},
            "A bonus of 500 points; Saturday, Sunday; from HK$800.00.",
            "獎賞 500 分；星期六、星期日；最低消費 HK$800.00。",
        ),
        (
            "CEILING",
            {"max_spend_cents": 3_000_000},
            "At most HK$30,000.00 of a transaction counts.",
            "每宗交易最多計算 HK$30,000.00。",
        ),
        (
            "EXTRA",
            {"weekdays": (1, 2, 3, 4), "from_time": time(18), "to_time": time(23), "tiers": ("GOLD",)},
            "1 point extra per HK$1; for Gold members; Monday to Thursday; 18:00–23:00.",
            "每 HK$1 額外獲 1 分；只限金會員；星期一至星期四；18:00–23:00。",
        ),
        (
            "FLAT",
            {"limit_amount": 1, "limit_unit": "TIMES", "limit_period": "EVER", "occasion": "WELCOME"},
            "A bonus of 1 point; a welcome gift with the first transaction that earns; at most once per member, ever.",
            "獎賞 1 分；首宗獲積分交易的迎新獎賞；每名會員終身最多 1 次。",
        ),
        (
            "EXTRA",
            {
                "first_date": date(2026, 5, 1),
                "last_date": date(2026, 5, 14),
                "hold_days": 21,
                "stacking": "EXCLUSIVE",
            },
            "1 point extra per HK$1; 1 May 2026 to 14 May 2026; alone: no other offer beside the rate; "
            "on hold for 21 days after payment.",
            "每 HK$1 額外獲 1 分；2026年5月1日至2026年5月14日；不可與積分率以外的優惠並用；付款後待確認 21 日。",
        ),
        ("EXTRA", {"is_off": True}, "Switched off: it pays nothing.", "已停用：不給予積分。"),
    ],
)
def test_a_draft_reads_as_a_sentence(kind: str, said: dict[str, Any], english: str, chinese: str) -> None:
    names = Called(tiers={"GOLD": ("Gold", "金")})

    assert rule_sentences.both(replace(DRAFT, **said), kind=kind, names=names) == [english, chinese]


def test_a_chinese_reason_names_the_rule_in_chinese() -> None:
    values = {"rule": "Double dining", "rule_zh": "餐飲雙倍", "points": 5}

    assert reasons.sentence("EARNED_EXTRA", values, "en") == "Double dining: 5 extra points."
    assert reasons.sentence("EARNED_EXTRA", values, "zh-hant") == "「餐飲雙倍」額外獲 5 分。"
