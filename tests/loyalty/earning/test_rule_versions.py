"""Publishing figures: a version only when one differs, in force at once, and none that is absurd (B223)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from loyalty.earning import rule_versions
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.rule_versions import Figures, FiguresRefused
from tests.factories import MOMENT, ProgramFactory

pytestmark = pytest.mark.django_db

FIGURES = Figures(min_spend_cents=10_000, is_min_spend_on_net=True, max_spend_cents=3_000_000)
LATER = MOMENT + timedelta(hours=1)


def test_the_first_version_covers_payments_of_any_age() -> None:
    version = rule_versions.publish_base(program=ProgramFactory.create(), figures=FIGURES, now=MOMENT)

    assert version is not None
    assert (version.number, version.effective_at) == (1, rule_versions.BEGINNING)
    assert version.published_at == MOMENT
    assert rule_versions.figures_of(version) == FIGURES
    assert str(version.rule).startswith("Base rate 基本積分")


def test_equal_figures_are_not_published_again() -> None:
    program = ProgramFactory.create()
    rule_versions.publish_base(program=program, figures=FIGURES, now=MOMENT)

    again = rule_versions.publish_base(program=program, figures=FIGURES, now=LATER)

    assert again is None
    assert RuleVersion.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"points_numerator": 3},
        {"points_denominator": 2},
        {"rounding": "HALF_UP"},
        {"min_spend_cents": 0},
        {"is_min_spend_on_net": False},
        {"max_spend_cents": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_figure_is_a_version_in_force_from_now_on(change: dict[str, Any]) -> None:
    program = ProgramFactory.create()
    rule_versions.publish_base(program=program, figures=FIGURES, now=MOMENT)

    version = rule_versions.publish_base(program=program, figures=replace(FIGURES, **change), now=LATER)

    assert version is not None
    assert (version.number, version.effective_at) == (2, LATER)
    assert Rule.objects.count() == 1


@pytest.mark.parametrize(
    ("figure", "change"),
    [
        ("points_numerator", {"points_numerator": 0}),
        ("points_numerator", {"points_numerator": -1}),
        ("points_numerator", {"points_numerator": 10**9}),
        ("points_numerator", {"points_numerator": 10**10, "points_denominator": 10**10 - 1}),
        ("points_numerator", {"points_denominator": 0}),
        ("rounding", {"rounding": "CEILING"}),
        ("min_spend_cents", {"min_spend_cents": -1}),
        ("max_spend_cents", {"max_spend_cents": 0}),
        ("max_spend_cents", {"max_spend_cents": 10**15}),
    ],
)
def test_b223_absurd_figures_are_refused(figure: str, change: dict[str, Any]) -> None:
    with pytest.raises(FiguresRefused) as caught:
        rule_versions.publish_base(
            program=ProgramFactory.create(), figures=replace(FIGURES, **change), now=MOMENT
        )

    assert caught.value.figure == figure
    assert not Rule.objects.exists()


def test_b223_a_version_cannot_begin_before_the_one_in_force() -> None:
    program = ProgramFactory.create()
    rule_versions.publish_base(program=program, figures=FIGURES, now=MOMENT)
    rule_versions.publish_base(program=program, figures=Figures(), now=LATER)

    with pytest.raises(FiguresRefused, match="clock"):
        rule_versions.publish_base(program=program, figures=FIGURES, now=LATER)

    assert RuleVersion.objects.count() == 2
