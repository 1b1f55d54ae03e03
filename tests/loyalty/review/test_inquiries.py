"""Words typed at the missing-points desk, read: both languages, and whatever somebody types by mistake."""

from datetime import date

import pytest

from loyalty.review import inquiries
from loyalty.review.inquiries import Amount, StoreName, Understood

# A Sunday.
TODAY = date(2026, 11, 22)
SAKURA = StoreName(1, ("Sakura Sushi", "櫻花壽司", "LP-S12", "PMS0012"))
NOODLES = StoreName(2, ("Harbour Noodles 1", "海港麵家1", "088", "PMS0088"))
MORE_NOODLES = StoreName(3, ("Harbour Noodles 12", "海港麵家12", "LP-089", "PMS0089"))
STORES = (SAKURA, NOODLES, MORE_NOODLES)


def read(text: str) -> Understood:
    return inquiries.read(text, today=TODAY, stores=STORES)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20230420000000000000000000000007", "20230420000000000000000000000007"),
        ("  R-1001 ", "R-1001"),
        ("receipt no. 4711", "4711"),
        ("收據編號：A47", "A47"),
        ("８０００００００００００００１２", "8000000000000012"),
        ("8000 0000 0000 0012", "8000000000000012"),
        ("688", "688"),
    ],
)
def test_a_number_is_read_as_a_number(text: str, number: str) -> None:
    assert read(text) == Understood(numbers=(number,))


@pytest.mark.parametrize(
    "text", ["91234567", "9123 4567", "+852 9123 4567", "９１２３ ４５６７", "電話 9123 4567"]
)
def test_a_phone_is_read_as_a_phone(text: str) -> None:
    found = read(text)

    assert [phone.replace(" ", "").removeprefix("+852") for phone in found.phones] == ["91234567"]
    assert found == Understood(phones=found.phones)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("HK$688.00 today", Amount(68800, 68800, 68800)),
        ("$688 today", Amount(68800, 68700, 68999)),
        ("about HK$688 today", Amount(68800, 65360, 72240)),
        ("今日 約688元", Amount(68800, 65360, 72240)),
        ("今日 688蚊左右", Amount(68800, 65360, 72240)),
        ("688 today", Amount(68800, 68700, 68999)),
        ("HKD 1,234.50 today", Amount(123450, 123450, 123450)),
        ("about 20 dollars today", Amount(2000, 1500, 2500)),
    ],
)
def test_an_amount_has_the_tolerance_of_how_it_was_said(text: str, amount: Amount) -> None:
    assert read(text) == Understood(amount=amount, day=TODAY)


@pytest.mark.parametrize(
    ("word", "day"),
    [
        ("today", date(2026, 11, 22)),
        ("今日", date(2026, 11, 22)),
        ("yesterday", date(2026, 11, 21)),
        ("昨日", date(2026, 11, 21)),
        ("琴日", date(2026, 11, 21)),
        ("the day before yesterday", date(2026, 11, 20)),
        ("前日", date(2026, 11, 20)),
        ("Tuesday", date(2026, 11, 17)),
        ("last Sunday", date(2026, 11, 15)),
        ("Sunday", date(2026, 11, 22)),
        ("星期三", date(2026, 11, 18)),
        ("上星期三", date(2026, 11, 11)),
        ("禮拜日", date(2026, 11, 22)),
        ("21 Nov", date(2026, 11, 21)),
        ("Nov 21st, 2025", date(2025, 11, 21)),
        ("21/11", date(2026, 11, 21)),
        ("21/11/2025", date(2025, 11, 21)),
        ("2026-11-21", date(2026, 11, 21)),
        ("11月21日", date(2026, 11, 21)),
        ("2025年11月21日", date(2025, 11, 21)),
        ("24 December", date(2025, 12, 24)),
        ("29 Feb", date(2024, 2, 29)),
    ],
)
def test_a_day_is_read_in_both_languages(word: str, day: date) -> None:
    assert read(f"HK$688.00 {word}") == Understood(amount=Amount(68800, 68800, 68800), day=day)


@pytest.mark.parametrize("word", ["31/2", "2026-13-01", "99 Nov"])
def test_a_day_that_does_not_exist_is_no_day_and_stays_visible(word: str) -> None:
    found = read(f"HK$688.00 {word}")

    assert found.day is None
    assert found.names_somebody


@pytest.mark.parametrize(
    ("text", "store_ids"),
    [
        ("about HK$688 yesterday at Sakura Sushi", (1,)),
        ("about HK$688 yesterday at sakura", (1,)),
        ("昨日喺櫻花壽司消費約$688", (1,)),
        ("昨日 櫻花 約688元", (1,)),
        ("about HK$688 yesterday at lp-s12", (1,)),
        ("about HK$688 yesterday PMS0088", (2,)),
        ("about HK$688 yesterday Harbour Noodles 1", (2,)),
        ("about HK$688 yesterday Harbour Noodles 12", (3,)),
        ("about HK$688 yesterday harbour", (2, 3)),
    ],
)
def test_a_store_is_found_by_name_or_code_in_either_language(text: str, store_ids: tuple[int, ...]) -> None:
    assert read(text) == Understood(
        amount=Amount(68800, 65360, 72240), day=date(2026, 11, 21), store_ids=store_ids
    )


def test_everything_may_stand_in_one_sentence() -> None:
    found = read("9123 4567 paid about HK$688 yesterday at Sakura Sushi, receipt R-1001")

    assert found == Understood(
        numbers=("R-1001",),
        phones=("9123 4567",),
        amount=Amount(68800, 65360, 72240),
        day=date(2026, 11, 21),
        store_ids=(1,),
    )


@pytest.mark.parametrize("name", ["Chan Siu Ming", "陳大文"])
def test_what_is_left_over_is_a_name(name: str) -> None:
    assert read(name) == Understood(name=name)
    assert read(f"{name} yesterday") == Understood(name=name, day=date(2026, 11, 21))


def test_a_word_that_too_many_stores_bear_names_none() -> None:
    stores = [StoreName(pk, (f"Lucky {pk}",)) for pk in range(inquiries.MOST_STORES + 1)]

    found = inquiries.read("lucky yesterday", today=TODAY, stores=stores)

    assert (found.store_ids, found.name) == ((), "lucky")


@pytest.mark.parametrize("text", ["", "   ", "today", "HK$688", "Sakura", ".,;!", "at the store"])
def test_one_of_amount_day_and_store_alone_is_not_enough(text: str) -> None:
    assert not read(text).is_enough


@pytest.mark.parametrize(
    "text",
    [
        "' OR 1=1 --", "<script>alert(1)</script>", "%(x)s {y} %s", "\\", "((((((((", "9" * 200,
        "1,2,3,4,5,6,7,8,9,0" * 9, "=cmd|'/c calc'!A1", "$" * 200, "٣٤٥ ۱۲۳", "²³ ⅷ", "a-" * 100,
        "HK$" + "1," * 90, "Nov " * 50,
        "\u202e688 yadot",
    ],
)  # fmt: skip
def test_hostile_text_is_read_without_a_fault(text: str) -> None:
    found = read(text)

    assert inquiries.is_readable(text)
    assert len(found.numbers) <= inquiries.MOST_NUMBERS


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "9" * 201])
def test_control_signs_and_long_texts_are_not_readable(text: str) -> None:
    assert not inquiries.is_readable(text)
