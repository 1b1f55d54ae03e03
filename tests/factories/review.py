"""Rows of review: what people decided, what they are asked to check and to approve, what was mailed to them, files."""

from datetime import timedelta

import factory
from factory.django import DjangoModelFactory

from loyalty.review.models import (
    AdjustmentRequest,
    DailyMail,
    Decision,
    Finding,
    ProviderColumn,
    ProviderRow,
    Reconciliation,
    ReconciliationPiece,
    ReportRun,
    SpotCheck,
)
from tests.factories.moment import MOMENT
from tests.factories.people import ProgramFactory
from tests.factories.places import MallFactory, MallGroupFactory, UserFactory
from tests.factories.points import PointAccountFactory
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


class AdjustmentRequestFactory(DjangoModelFactory[AdjustmentRequest]):
    class Meta:
        model = AdjustmentRequest

    mall = factory.SubFactory(MallFactory)
    account = factory.SubFactory(
        PointAccountFactory, member__program__group=factory.SelfAttribute("....mall.group")
    )
    points = 100
    reason = AdjustmentRequest.Reason.GOODWILL
    note = "The escalator ate her shoe"
    requested_by = factory.SubFactory(UserFactory)
    requested_at = MOMENT


class ReconciliationFactory(DjangoModelFactory[Reconciliation]):
    class Meta:
        model = Reconciliation

    mall = factory.SubFactory(MallFactory)
    file_name = "2160120041113167_fptrade_20260310.csv"
    digest = factory.Sequence(lambda n: f"{n:064x}")
    business_date = factory.LazyAttribute(lambda _row: MOMENT.date())
    last_date = factory.SelfAttribute("business_date")
    asked_at = MOMENT
    moved_at = MOMENT


class ReconciliationPieceFactory(DjangoModelFactory[ReconciliationPiece]):
    class Meta:
        model = ReconciliationPiece

    reconciliation = factory.SubFactory(ReconciliationFactory)
    number = factory.Sequence(lambda n: n)
    content = b"Transaction_id,Amount,Payment_time\n"


class ProviderRowFactory(DjangoModelFactory[ProviderRow]):
    class Meta:
        model = ProviderRow

    reconciliation = factory.SubFactory(ReconciliationFactory)
    line = factory.Sequence(lambda n: n + 2)
    kind = ProviderRow.Kind.PAYMENT
    number = factory.Sequence(lambda n: f"20230420{n:020d}")
    payment = factory.SelfAttribute("number")
    amount_cents = 13890
    currency = "HKD"
    happened_at = MOMENT


class FindingFactory(DjangoModelFactory[Finding]):
    class Meta:
        model = Finding

    reconciliation = factory.SubFactory(ReconciliationFactory)
    mall = factory.SelfAttribute("reconciliation.mall")
    business_date = factory.LazyAttribute(lambda _row: MOMENT.date())
    kind = Finding.Kind.PAID_NOT_AWARDED
    number = factory.Sequence(lambda n: f"20230420{n:020d}")
    happened_at = MOMENT
    file_cents = 13890
    cents = 13890
    currency = "HKD"
    points = 138
    found_at = MOMENT + timedelta(days=1)


class ProviderColumnFactory(DjangoModelFactory[ProviderColumn]):
    class Meta:
        model = ProviderColumn

    program = factory.SubFactory(ProgramFactory)
    field = ProviderColumn.Field.NUMBER
    heading = factory.Sequence(lambda n: f"Trade no. {n}")
