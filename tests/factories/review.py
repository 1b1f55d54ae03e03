"""Rows of review: what people decided, what they are asked to check, what was mailed to them, long reports."""

from datetime import timedelta

import factory
from factory.django import DjangoModelFactory

from loyalty.review.models import DailyMail, Decision, ReportRun, SpotCheck
from tests.factories.moment import MOMENT
from tests.factories.places import MallFactory, MallGroupFactory, UserFactory
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


class SpotCheckFactory(DjangoModelFactory[SpotCheck]):
    """A plain repeat that the rules refused, drawn and not looked at yet."""

    class Meta:
        model = SpotCheck

    case = factory.SubFactory(
        DuplicateCaseFactory,
        verdict="NUMBER",
        state="SAME",
        decided_at=MOMENT,
        transaction__state="DUPLICATE",
    )
    mall = factory.SelfAttribute("case.mall")
    transaction = factory.SelfAttribute("case.transaction")
    earlier = factory.SelfAttribute("case.earlier")
    kind = SpotCheck.Kind.NUMBER
    score = 100
    judged_at = factory.SelfAttribute("case.opened_at")
    drawn_at = MOMENT


class DailyMailFactory(DjangoModelFactory[DailyMail]):
    class Meta:
        model = DailyMail

    mall = factory.SubFactory(MallFactory)
    report_date = MOMENT.date()
    address = factory.Sequence(lambda n: f"ops-{n}@example.com")
    language = "en"
    due_at = MOMENT


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
