"""The form of a rule: every column of a version survives it, and words become exact values."""

from typing import Any

import pytest

from loyalty.earning import drafts
from loyalty.earning.models import Rule
from loyalty.earning.rule_forms import FIELDS, RuleForm
from tests.loyalty.earning import programs

pytestmark = pytest.mark.django_db

TYPED = {"code": "R20", "name_en": "Test", "name_zh": "測試", "points_numerator": "1", "points_denominator": "1",
         "stacking": "ADD", "rounding": "FLOOR", "seen": "0"}  # fmt: skip


def form_of(typed: dict[str, Any], kind: str = "EXTRA") -> RuleForm:
    program = programs.shopper("pier8").wallet_pass.program
    return RuleForm(typed, program=program, kind=kind, latest=None)


def test_every_kind_has_its_fields_and_they_are_columns_of_a_draft() -> None:
    assert set(FIELDS) == set(Rule.Kind.values)
    assert set().union(*FIELDS.values()) <= set(drafts.columns(drafts.Draft()))


@pytest.mark.parametrize(
    ("typed", "column", "value"),
    [
        ({"min_spend_cents": "1.50"}, "min_spend_cents", 150),
        ({"min_spend_cents": ""}, "min_spend_cents", 0),
        ({"max_spend_cents": "0.29"}, "max_spend_cents", 29),
        (
            {"limit_amount": "10000.5", "limit_unit": "CENTS", "limit_period": "DAY"},
            "limit_amount",
            1_000_050,
        ),
        ({"limit_amount": "25", "limit_unit": "STEPS", "limit_period": "DAY"}, "limit_amount", 25),
        ({"stores": " P8-S12, P8-088,P8-S12 "}, "stores", ("P8-S12", "P8-088")),
        ({"weekdays": ["6", "7"]}, "weekdays", (6, 7)),
        ({"budget_points": ""}, "budget_points", None),
    ],
)
def test_words_become_values(typed: dict[str, Any], column: str, value: object) -> None:
    form = form_of(TYPED | typed)

    assert form.is_valid(), form.errors
    assert getattr(form.draft, column) == value


@pytest.mark.parametrize("amount", ["-1", "1e30", "NaN", "1.001", "x"])
def test_an_amount_that_is_none_is_refused_at_its_field(amount: str) -> None:
    form = form_of(TYPED | {"min_spend_cents": amount})

    assert not form.is_valid()
    assert "min_spend_cents" in form.errors


def test_the_digest_changes_with_what_the_summary_shows() -> None:
    one = form_of(TYPED)
    other = RuleForm(TYPED | {"points_numerator": "2"}, program=one.program, kind="EXTRA", latest=None)

    assert one.is_valid()
    assert other.is_valid()
    assert one.digest != other.digest
