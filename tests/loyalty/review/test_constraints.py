"""What the database refuses of decisions and long reports, whoever asks."""

import pytest

from tests.constraints import refused_by
from tests.factories import MOMENT, DecisionFactory, ReportRunFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "points", ["points_before", "points_after", "earlier_points_before", "earlier_points_after"]
)
def test_a_purchase_never_keeps_less_than_nothing(points: str) -> None:
    assert refused_by(lambda: DecisionFactory.create(**{points: -1})) == "review_decision_points_not_negative"


def test_a_long_report_ends_after_it_begins() -> None:
    assert refused_by(lambda: ReportRunFactory.create(since_at=MOMENT, until_at=MOMENT)) == (
        "review_reportrun_period_has_time"
    )


@pytest.mark.parametrize("values", [{"state": "DONE"}, {"state": "RUNNING", "ended_at": MOMENT}])
def test_a_long_report_says_when_it_was_over(values: dict[str, object]) -> None:
    assert refused_by(lambda: ReportRunFactory.create(**values)) == "review_reportrun_ended_when_over"
