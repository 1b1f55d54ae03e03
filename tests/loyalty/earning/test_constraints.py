"""What the database refuses of rules, transactions, awards and refunds, whoever asks."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from loyalty.earning.models import Award, Rule
from tests.constraints import Make, refused_by
from tests.factories import (
    MOMENT,
    AwardFactory,
    BacktestRunFactory,
    BudgetUseFactory,
    CapUseFactory,
    CorrectionFactory,
    DuplicateCaseFactory,
    NumberClaimFactory,
    PostingFactory,
    ProgramFactory,
    RefundFactory,
    RuleFactory,
    RuleVersionFactory,
    TransactionFactory,
)

pytestmark = pytest.mark.django_db


def second_base_rule() -> object:
    rule = RuleFactory.create()
    return Rule.objects.create(program=rule.program, kind=rule.kind, name_en="Base", name_zh="基本")


def same_number() -> object:
    version = RuleVersionFactory.create()
    return RuleVersionFactory.create(
        rule=version.rule, number=version.number, effective_at=version.published_at
    )


def same_start() -> object:
    version = RuleVersionFactory.create()
    return RuleVersionFactory.create(rule=version.rule, effective_at=version.effective_at)


def number_claimed_twice() -> object:
    claim = NumberClaimFactory.create()
    return NumberClaimFactory.create(
        transaction=TransactionFactory.create(mall=claim.transaction.mall), number=claim.number
    )


def same_refund() -> object:
    refund = RefundFactory.create()
    return RefundFactory.create(transaction=refund.transaction, key=refund.key)


def its_own_duplicate() -> object:
    transaction = TransactionFactory.create()
    return DuplicateCaseFactory.create(transaction=transaction, earlier=transaction)


def same_rule_code() -> object:
    rule = RuleFactory.create(code="R1")
    return RuleFactory.create(program=rule.program, kind=Rule.Kind.EXTRA, code="R1")


def same_limit() -> object:
    use = CapUseFactory.create()
    return CapUseFactory.create(account=use.account, key=use.key)


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("earning_rule_one_per_code", same_rule_code),
        ("earning_ruleversion_limit_is_whole", lambda: RuleVersionFactory.create(limit_amount=5)),
        (
            "earning_ruleversion_best_of_names_its_group",
            lambda: RuleVersionFactory.create(stacking="BEST_OF"),
        ),
        ("earning_capuse_one_per_limit", same_limit),
        ("earning_capuse_used_not_negative", lambda: CapUseFactory.create(used=-1)),
        ("earning_backtestrun_period_has_time", lambda: BacktestRunFactory.create(since_at=MOMENT)),
        ("earning_backtestrun_ended_when_over", lambda: BacktestRunFactory.create(state="DONE")),
        ("earning_budgetuse_used_not_negative", lambda: BudgetUseFactory.create(used=-1)),
        ("earning_rule_one_base_per_program", second_base_rule),
        ("earning_ruleversion_one_per_number", same_number),
        ("earning_ruleversion_one_per_start", same_start),
        ("earning_ruleversion_denominator_positive", lambda: RuleVersionFactory.create(points_denominator=0)),
        ("earning_ruleversion_minimum_not_negative", lambda: RuleVersionFactory.create(min_spend_cents=-1)),
        ("earning_ruleversion_ceiling_positive", lambda: RuleVersionFactory.create(max_spend_cents=0)),
        ("earning_transaction_amount_not_negative", lambda: TransactionFactory.create(amount_cents=-1)),
        ("earning_transaction_earned_has_store", lambda: TransactionFactory.create(store=None)),
        ("earning_transaction_earned_has_store", lambda: TransactionFactory.create(store=None, state="HELD")),
        ("earning_numberclaim_claimed_once", number_claimed_twice),
        ("earning_numberclaim_number_not_empty", lambda: NumberClaimFactory.create(number="")),
        ("earning_award_points_have_a_posting", lambda: AwardFactory.create(posting=None)),
        ("earning_award_points_have_a_posting", lambda: AwardFactory.create(points=0)),
        ("earning_award_has_a_reason", lambda: AwardFactory.create(reasons=[])),
        ("earning_refund_once_per_key", same_refund),
        ("earning_refund_nothing_negative", lambda: RefundFactory.create(amount_cents=-1)),
        ("earning_refund_nothing_negative", lambda: RefundFactory.create(uncollected=-1)),
        ("earning_refund_points_have_a_posting", lambda: RefundFactory.create(points=1)),
        (
            "earning_refund_points_have_a_posting",
            lambda: RefundFactory.create(posting=PostingFactory.create(program=ProgramFactory.create())),
        ),
        ("earning_refund_has_a_reason", lambda: RefundFactory.create(reasons=[])),
        ("earning_duplicatecase_two_transactions", its_own_duplicate),
        ("earning_duplicatecase_score_to_100", lambda: DuplicateCaseFactory.create(score=101)),
        ("earning_duplicatecase_decided_says_when", lambda: DuplicateCaseFactory.create(state="SAME")),
        ("earning_duplicatecase_decided_says_when", lambda: DuplicateCaseFactory.create(decided_at=MOMENT)),
        ("earning_duplicatecase_nothing_negative", lambda: DuplicateCaseFactory.create(points_saved=-1)),
        ("earning_correction_signs_fit_its_kind", lambda: CorrectionFactory.create(kind="GIVE")),
        ("earning_correction_signs_fit_its_kind", lambda: CorrectionFactory.create(uncollected=-1)),
        ("earning_correction_points_have_a_posting", lambda: CorrectionFactory.create(posting=None)),
        ("earning_correction_points_have_a_posting", lambda: CorrectionFactory.create(points=0)),
        ("earning_correction_has_a_reason", lambda: CorrectionFactory.create(reasons=[])),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


def test_points_are_never_negative() -> None:
    """Another constraint stops such an award as well, and is named first; so this one is asked alone."""
    [constraint] = [one for one in Award._meta.constraints if one.name == "earning_award_points_not_negative"]
    award = AwardFactory.build(transaction=None, rule_version=None, posting=None, points=-1, counted_cents=0)

    with pytest.raises(ValidationError):
        constraint.validate(Award, award)
    refused_by(lambda: AwardFactory.create(points=-1))

    assert not Award.objects.exists()


def test_a_purchase_is_judged_once() -> None:
    award = AwardFactory.create()

    refused_by(lambda: AwardFactory.create(transaction=award.transaction))

    assert type(award).objects.count() == 1


def test_the_same_number_may_be_claimed_in_another_group_and_kind() -> None:
    claim = NumberClaimFactory.create()

    NumberClaimFactory.create(transaction=claim.transaction, kind="ACQUIRER")
    NumberClaimFactory.create(number=claim.number)

    assert type(claim).objects.filter(number=claim.number).count() == 3


@pytest.mark.parametrize("table", ["earning_ruleversion", "earning_award", "earning_refund"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_was_judged_is_never_changed(table: str, change: str) -> None:
    RefundFactory.create(transaction=AwardFactory.create().transaction)

    with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(table))
