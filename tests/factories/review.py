"""Rows of review: what people decided."""

import factory
from factory.django import DjangoModelFactory

from loyalty.review.models import Decision
from tests.factories.moment import MOMENT
from tests.factories.places import UserFactory
from tests.factories.purchases import DuplicateCaseFactory


class DecisionFactory(DjangoModelFactory[Decision]):
    class Meta:
        model = Decision

    case = factory.SubFactory(DuplicateCaseFactory)
    answer = Decision.Answer.SAME
    decided_by = factory.SubFactory(UserFactory)
    points_before = 0
    points_after = 0
    earlier_points_before = 138
    earlier_points_after = 138
    decided_at = MOMENT
