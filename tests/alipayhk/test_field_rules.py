"""Names fit to show, and the speed of refusing; the rules of each field are tested with the messages."""

import time

import pytest

from alipayhk import field_rules

NAMES = {
    "plain": ("Chan Tai Man", "Chan Tai Man"),
    "blanks": ("  Chan \t Tai\nMan ", "Chan Tai Man"),
    "control characters": ("Ann\x07\x1b[31m", "Ann[31m"),
    "turned writing": ("\u202eAnn\u202c", "Ann"),
    "half a surrogate": ("Ann\ud800", "Ann"),
    "an accent of its own": ("Ande\u0301", "Ande\u0301"),
    "a family": ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    "a skin tone": ("👍🏽", "👍🏽"),
    "not a text": (["Ann"], ""),
    "absent": (None, ""),
}


@pytest.mark.parametrize(("raw", "shown"), NAMES.values(), ids=NAMES.keys())
def test_a_name_is_made_fit_to_show(raw: object, shown: str) -> None:
    assert field_rules.display_name(raw) == shown


def test_b152_stacked_accents_end_at_six() -> None:
    assert field_rules.display_name("Z" + "\u0301" * 1000 + "o") == "Z" + "\u0301" * 6 + "o"


def test_b152_a_name_is_cut_after_a_whole_letter() -> None:
    accented = "e\u0301"

    assert field_rules.display_name(accented * 100) == accented * 60


def test_b084_no_value_is_slow_to_refuse() -> None:
    started = time.process_time()

    with pytest.raises(field_rules.FieldRefused):
        field_rules.amount({"a": {"currency": "HKD", "value": "1E+400000"}}, "a")
    with pytest.raises(field_rules.FieldRefused):
        field_rules.required({"a": "9" * 65_536}, "a", field_rules.KEY)

    assert time.process_time() - started < 0.05
