"""What the database refuses of decisions, whoever asks."""

import pytest

from tests.constraints import refused_by
from tests.factories import DecisionFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "points", ["points_before", "points_after", "earlier_points_before", "earlier_points_after"]
)
def test_a_purchase_never_keeps_less_than_nothing(points: str) -> None:
    assert refused_by(lambda: DecisionFactory.create(**{points: -1})) == "review_decision_points_not_negative"
