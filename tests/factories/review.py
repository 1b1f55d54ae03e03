"""Rows of review: what people decided, and long reports."""

from datetime import timedelta

import factory
from factory.django import DjangoModelFactory

from loyalty.review.models import Decision, ReportRun
from tests.factories.moment import MOMENT
from tests.factories.places import MallGroupFactory, UserFactory
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


class ReportRunFactory(DjangoModelFactory[ReportRun]):
    class Meta:
        model = ReportRun

    group = factory.SubFactory(MallGroupFactory)
    mall_ids = factory.LazyFunction(list)
    since_at = MOMENT - timedelta(days=365)
    until_at = MOMENT
    day_count = 365
    asked_by = factory.SubFactory(UserFactory)
    asked_at = MOMENT
    moved_at = MOMENT
