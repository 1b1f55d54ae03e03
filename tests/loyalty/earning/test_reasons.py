"""Every reason has both languages, within what a card can show, and every code in the code is one of them."""

import re
from pathlib import Path
from string import Formatter

import pytest
from django.conf import settings

from alipayhk import field_rules
from loyalty.earning import reasons
from loyalty.earning.reasons import REASONS

ROOT = Path(settings.BASE_DIR)
# Where a reason is given: reason("CODE"), or by name in an outcome, a refusal or a waiting.
GIVEN = re.compile(
    r"""(?:reason\(\s*|reason=|waiting\([^)]*?,\s*|_conflict\([^)]*?,\s*|_ask\([^)]*?,\s*|\bUnreadable\(\s*)"([A-Z_]{4,})\""""
)
LONGEST_ON_A_CARD = 128


def given() -> set[str]:
    files = [*(ROOT / "alipayhk").glob("*.py"), *(ROOT / "loyalty" / "earning").glob("*.py")]
    return {code for file in files for code in GIVEN.findall(file.read_text())}


def test_every_code_that_is_given_has_its_sentences() -> None:
    codes = given()

    assert {"EARNED_BASE", "PARKED_NO_PASS", "REFUND_DIFFERS", "ENCRYPTION_OFF", "WRONG_MALL"} <= codes
    assert codes - set(REASONS) == set()


@pytest.mark.parametrize(
    "code", ["AMOUNT_UNREADABLE", "CURRENCY_UNKNOWN", "TIME_IMPLAUSIBLE", "PROVIDER_UNKNOWN"]
)
def test_every_doubt_has_its_sentences(code: str) -> None:
    assert getattr(field_rules, code) == code
    assert code in REASONS


@pytest.mark.parametrize("code", REASONS)
def test_a_sentence_has_both_languages_the_same_places_and_fits_a_card(code: str) -> None:
    english, chinese, _ = REASONS[code]

    assert 0 < len(english) <= LONGEST_ON_A_CARD
    assert 0 < len(chinese) <= LONGEST_ON_A_CARD
    assert english.isascii()
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert places(english) == places(chinese)


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_a_stored_reason_reads_in_the_language_asked_for() -> None:
    stored = [reasons.reason("EARNED_BASE", points=138, amount="138.90"), reasons.reason("ROUNDS_TO_ZERO")]

    assert reasons.sentences(stored, "en") == [
        "138 points for spending HK$138.90.",
        "The amount is too small to earn a point.",
    ]
    assert reasons.sentences(stored, "zh-hant")[0] == "消費 HK$138.90，獲 138 分。"


def test_a_reason_that_lacks_a_value_still_reads() -> None:
    assert reasons.sentence("EARNED_BASE", {"points": 0}, "en") == "0 points for spending HK${amount}."


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (13890, "138.90"), (123456789, "1,234,567.89")]
)
def test_hong_kong_dollars_are_written_with_their_cents(cents: int, text: str) -> None:
    assert reasons.hong_kong_dollars(cents) == text
