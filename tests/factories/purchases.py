"""Rows of earning: rules, purchases, awards, refunds."""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from loyalty.earning import backtest
from loyalty.earning.drafts import Draft
from loyalty.earning.models import (
    Award,
    BacktestRun,
    BudgetUse,
    CapUse,
    Correction,
    DuplicateCase,
    NumberClaim,
    Refund,
    Rule,
    RuleVersion,
    Transaction,
)
from tests.factories.moment import MOMENT
from tests.factories.people import MemberFactory, ProgramFactory
from tests.factories.places import MallFactory, StoreFactory
from tests.factories.points import PointAccountFactory, PostingFactory


class RuleFactory(DjangoModelFactory[Rule]):
    class Meta:
        model = Rule
        django_get_or_create = ("program", "kind")

    program = factory.SubFactory(ProgramFactory)
    kind = Rule.Kind.BASE
    name_en = "Base rate"
    name_zh = "基本積分"


class RuleVersionFactory(DjangoModelFactory[RuleVersion]):
    class Meta:
        model = RuleVersion

    rule = factory.SubFactory(RuleFactory)
    number = factory.Sequence(lambda n: n + 1)
    effective_at = factory.LazyAttribute(
        lambda row: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=row.number)
    )
    published_at = MOMENT - timedelta(days=60)
    points_numerator = 1


class TransactionFactory(DjangoModelFactory[Transaction]):
    class Meta:
        model = Transaction

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    store = factory.SubFactory(StoreFactory, mall=factory.SelfAttribute("..mall"))
    member = factory.SubFactory(MemberFactory, program__group=factory.SelfAttribute("...group"))
    channel = Transaction.Channel.WALLET
    state = Transaction.State.EARNED
    amount_cents = 13890
    currency = "HKD"
    paid_at = MOMENT
    recorded_at = factory.SelfAttribute("paid_at")
    payment_number = factory.Sequence(lambda n: f"20230420{n:020d}")
    store_label = factory.LazyAttribute(lambda row: row.store.pms_label if row.store else "PMS-UNKNOWN")
    merchant_name = "Harbour Noodles"


class NumberClaimFactory(DjangoModelFactory[NumberClaim]):
    class Meta:
        model = NumberClaim

    transaction = factory.SubFactory(TransactionFactory)
    group = factory.SelfAttribute("transaction.group")
    kind = NumberClaim.Kind.PAYMENT
    number = factory.SelfAttribute("transaction.payment_number")


class AwardFactory(DjangoModelFactory[Award]):
    class Meta:
        model = Award

    transaction = factory.SubFactory(TransactionFactory)
    rule_version = factory.SubFactory(
        RuleVersionFactory, rule__program=factory.SelfAttribute("...transaction.member.program")
    )
    posting = factory.SubFactory(
        PostingFactory, program=factory.SelfAttribute("..transaction.member.program")
    )
    points = 138
    counted_cents = factory.SelfAttribute("transaction.amount_cents")
    reasons = factory.LazyFunction(
        lambda: [{"code": "EARNED_BASE", "values": {"points": 138, "amount": "138.90"}}]
    )
    conditions = factory.LazyFunction(lambda: [{"condition": "MIN_SPEND", "is_met": True, "found": "138.90"}])
    awarded_at = MOMENT


class RefundFactory(DjangoModelFactory[Refund]):
    class Meta:
        model = Refund

    transaction = factory.SubFactory(TransactionFactory)
    key = factory.Sequence(lambda n: f"20230420{n:020d}:R{n}")
    number = factory.Sequence(lambda n: f"R{n}")
    amount_cents = 1000
    refunded_at = MOMENT + timedelta(hours=1)
    recorded_at = factory.SelfAttribute("refunded_at")
    points = 0
    reasons = factory.LazyFunction(lambda: [{"code": "REFUND_NO_CHANGE", "values": {}}])


class DuplicateCaseFactory(DjangoModelFactory[DuplicateCase]):
    class Meta:
        model = DuplicateCase

    transaction = factory.SubFactory(TransactionFactory)
    earlier = factory.SubFactory(TransactionFactory, mall=factory.SelfAttribute("..transaction.mall"))
    group = factory.SelfAttribute("transaction.group")
    mall = factory.SelfAttribute("transaction.mall")
    opened_at = MOMENT


class CorrectionFactory(DjangoModelFactory[Correction]):
    """Points taken back, all of what could be."""

    class Meta:
        model = Correction

    transaction = factory.SubFactory(TransactionFactory)
    kind = Correction.Kind.TAKE
    posting = factory.SubFactory(
        PostingFactory, program=factory.SelfAttribute("..transaction.member.program")
    )
    points = -138
    reasons = factory.LazyFunction(lambda: [{"code": "CONFIRMED_DUPLICATE", "values": {}}])
    corrected_at = MOMENT


class CapUseFactory(DjangoModelFactory[CapUse]):
    class Meta:
        model = CapUse

    account = factory.SubFactory(PointAccountFactory)
    key = factory.Sequence(lambda n: f"{n}/ever")
    used = 1


class BudgetUseFactory(DjangoModelFactory[BudgetUse]):
    class Meta:
        model = BudgetUse

    rule = factory.SubFactory(RuleFactory)


class BacktestRunFactory(DjangoModelFactory[BacktestRun]):
    """A run that waits, over the base rule as it is when published with one point per HK$1."""

    class Meta:
        model = BacktestRun

    program = factory.SubFactory(ProgramFactory)
    rule_code = "BASE"
    rule_kind = Rule.Kind.BASE
    name_en = "Base rate"
    name_zh = "基本積分"
    draft = factory.LazyFunction(lambda: backtest.draft_as_json(Draft(points_numerator=1)))
    days = 30
    since_at = factory.LazyAttribute(lambda row: row.until_at - timedelta(days=row.days))
    until_at = MOMENT
    asked_at = MOMENT
    moved_at = MOMENT
