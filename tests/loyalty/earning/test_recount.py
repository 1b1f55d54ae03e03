"""Recounting: what was posted is what the frozen rules say, and whatever is not is named."""

from datetime import timedelta

import pytest

from loyalty.earning import recount
from loyalty.earning.models import Award, NumberClaim, Refund, Transaction
from loyalty.ledger import proof
from tests.factories import (
    MOMENT,
    AwardFactory,
    NumberClaimFactory,
    PointAccountFactory,
    PointEntryFactory,
    RefundFactory,
    RuleVersionFactory,
    TransactionFactory,
)
from tests.loyalty.earning.plain import HALF_UP, LUMINA, shopper

pytestmark = pytest.mark.django_db


def found() -> list[str]:
    return [str(breach) for breach in recount.breaches()]


def award_of(points: int, *, cents: int = 13890, **fields: object) -> Award:
    """An award that was posted and claimed as it should be, whatever it gave."""
    transaction = TransactionFactory.create(amount_cents=cents)
    NumberClaimFactory.create(transaction=transaction)
    entry = PointEntryFactory.create(
        account=PointAccountFactory.create(member=transaction.member), points=points
    )
    return AwardFactory.create(transaction=transaction, posting=entry.posting, points=points, **fields)


@pytest.mark.parametrize("rule", [LUMINA, HALF_UP], ids=["Lumina", "half up"])
def test_purchases_and_refunds_of_every_kind_recount_to_what_they_gave(rule: dict[str, object]) -> None:
    member = shopper(rule)
    bought = [
        Transaction.objects.get(pk=member.pays(cents).transaction_id or 0)
        for cents in (13890, 9999, 8750, 4_250_000, 100_000, 15_000, 0)
    ]
    member.pays(25_000, currency="USD")
    member.pays(25_000, paid_at=MOMENT - timedelta(days=4000))
    for place, cents in [(3, 1_000_000), (4, 33_333), (4, 33_333), (4, 33_334), (5, 6_000), (1, 999)]:
        member.is_refunded(bought[place], cents)

    assert found() == []
    assert list(proof.breaches()) == []
    assert recount.counts() == {"transactions": 9, "awards": 9, "refunds": 6}


def test_a_duplicate_recounts_to_nothing() -> None:
    member = shopper(LUMINA)
    member.pays(13890, numbers={"PAYMENT": "SAME"})
    member.pays(13890, numbers={"PAYMENT": "SAME"})

    assert found() == []


def test_an_award_that_its_rules_do_not_give_is_named() -> None:
    award = award_of(139)

    assert found() == [f"earning_award {award.pk}: it gave 139 points, its rules give 138."]


def test_an_award_against_its_own_conditions_is_named() -> None:
    award = award_of(138, conditions=[{"condition": "CONSENT", "is_met": False, "found": "none in force"}])

    assert found() == [f"earning_award {award.pk}: it gave 138 points, its rules give 0."]


def test_an_award_withheld_against_its_rules_is_named() -> None:
    transaction = TransactionFactory.create(state="NOTHING")
    award = AwardFactory.create(transaction=transaction, points=0, posting=None)

    assert found() == [f"earning_award {award.pk}: it gave 0 points, its rules give 138."]


def test_a_refund_that_took_too_little_is_named() -> None:
    award = award_of(138, rule_version=RuleVersionFactory.create())
    RefundFactory.create(transaction=award.transaction, amount_cents=13890)

    assert found() == [f"earning_award {award.pk}: 138 points are left after its refunds, its rules leave 0."]


def test_an_award_that_says_other_than_its_posting_is_named() -> None:
    transaction = TransactionFactory.create()
    NumberClaimFactory.create(transaction=transaction)
    account = PointAccountFactory.create(member=transaction.member)
    entry = PointEntryFactory.create(account=account, points=100)
    award = AwardFactory.create(transaction=transaction, posting=entry.posting, points=138)

    assert found() == [f"earning_award {award.pk}: it gave 138 points, its posting moved 100."]


def test_a_refund_that_says_other_than_its_posting_is_named() -> None:
    award = award_of(138)
    entry = PointEntryFactory.create(
        account=award.transaction.member.account, posting__kind="CLAW_BACK", points=-137
    )
    refund = RefundFactory.create(
        transaction=award.transaction, amount_cents=13890, points=138, posting=entry.posting
    )

    assert found() == [f"earning_refund {refund.pk}: it took back 138 points, its posting moved -137."]


def test_points_without_an_award_are_named() -> None:
    entry = PointEntryFactory.create()

    posting = entry.posting
    assert found() == [
        f"ledger_posting {posting.pk}: no award or refund stands behind this EARN of {posting.source}."
    ]


def test_an_award_whose_number_somebody_else_holds_is_named() -> None:
    award = award_of(138)
    NumberClaim.objects.update(transaction=TransactionFactory.create(state="PARKED", store=None))

    assert found() == [
        f"earning_transaction {award.transaction_id}: it earned points but holds only 0 of its 1 numbers."
    ]


def test_a_state_that_contradicts_the_award_is_named() -> None:
    award = award_of(138)
    Transaction.objects.update(state="DUPLICATE")

    assert found() == [
        f"earning_transaction {award.transaction_id}: its state is DUPLICATE, its award gave 138 points."
    ]


def test_a_judged_transaction_without_an_award_is_named() -> None:
    transaction = TransactionFactory.create(state="NOTHING")
    TransactionFactory.create(state="PARKED", store=None)

    assert found() == [f"earning_transaction {transaction.pk}: its state is NOTHING, but nothing says why."]


def test_refunds_above_the_amount_paid_are_named() -> None:
    member = shopper(LUMINA)
    transaction = Transaction.objects.get(pk=member.pays(9999).transaction_id or 0)
    RefundFactory.create(transaction=transaction, amount_cents=10_000)

    assert found() == [f"earning_transaction {transaction.pk}: 10000 cents were refunded of 9999."]
    assert Refund.objects.count() == 1
