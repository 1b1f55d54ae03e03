"""Repairs and what comes by the wire in any order: no point is taken twice, and what is unclear waits for staff."""

from datetime import timedelta
from typing import Any

import pytest

from loyalty.earning import settlement
from loyalty.earning.models import Award, Refund, Transaction
from loyalty.earning.outcomes import Verdict
from loyalty.review import adjustments, reconciliation
from loyalty.review.adjustments import Outdated
from loyalty.review.models import AdjustmentRequest, Finding
from tests.loyalty.earning.programs import Shopper, breaches, shopper
from tests.loyalty.review import daily
from tests.loyalty.review.daily import NEXT_DAY, as_file, asked, compared, line, mall_of

pytestmark = pytest.mark.django_db
LATER = NEXT_DAY + timedelta(hours=1)


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def approved(finding: Finding, **options: Any) -> AdjustmentRequest:
    request = asked(finding, daily.approver(), **options)
    return adjustments.approve(request=request, by=daily.approver(), now=NEXT_DAY)


def never_paid(person: Shopper) -> tuple[Award, Finding]:
    """A purchase of 120 points that the provider does not count, as it was canceled."""
    award = person.pays(12000)
    compared(mall_of(person), as_file([line("B7", "1.00")]))
    return award, Finding.objects.get(kind="AWARDED_NOT_PAID")


def test_a_refund_of_what_a_repair_has_taken_asks_staff(person: Shopper) -> None:
    award, finding = never_paid(person)
    person.pays(50000)
    approved(finding)

    late = person.is_refunded(award, 12000, at=LATER)

    assert (late.verdict, late.reason) == (Verdict.ASK, "REFUND_AFTER_REPAIR")
    assert (person.balance, Refund.objects.count(), breaches()) == (500, 0, [])


def test_a_refund_that_staff_confirm_takes_nothing_that_a_repair_has_taken(person: Shopper) -> None:
    award, finding = never_paid(person)
    person.pays(50000)
    approved(finding)

    for cents in (1000, 11000):
        person.is_refunded(award, cents, at=LATER, is_confirmed=True)

    told = Refund.objects.order_by("pk").values_list("points", "uncollected")
    assert (person.balance, list(told), breaches()) == (500, [(0, 10), (0, 110)], [])


def test_a_decision_takes_nothing_that_a_repair_has_taken(person: Shopper) -> None:
    award, finding = never_paid(person)
    person.pays(50000)
    approved(finding)

    settlement.withhold(transaction=award.transaction, state=Transaction.State.DUPLICATE, now=LATER)

    assert (person.balance, breaches()) == (500, [])


def test_a_repair_that_a_refund_has_overtaken_is_not_approved(person: Shopper) -> None:
    award, finding = never_paid(person)
    person.pays(50000)
    request = asked(finding, daily.approver())
    person.is_refunded(award, 12000, at=LATER)

    with pytest.raises(Outdated):
        adjustments.approve(request=request, by=daily.approver(), now=LATER)

    request.refresh_from_db()
    assert (request.state, person.balance, breaches()) == ("PENDING", 500, [])


def test_a_difference_that_a_refund_has_explained_meanwhile_is_not_asked_for(person: Shopper) -> None:
    award = person.pays(20000)
    file = compared(mall_of(person), as_file([line("B1", "150.00")]))
    person.is_refunded(award, 5000, at=LATER)

    with pytest.raises(Outdated):
        asked(Finding.objects.get(), daily.approver())

    assert (AdjustmentRequest.objects.count(), Finding.objects.get().state, person.balance) == (
        0,
        "OPEN",
        150,
    )
    reconciliation.again(file=file, now=LATER + timedelta(hours=1))
    assert asked(Finding.objects.get(), daily.approver()).points == -50


def test_a_repair_of_a_refund_that_came_by_itself_meanwhile_is_not_approved(person: Shopper) -> None:
    award = person.pays(20000)
    compared(mall_of(person), as_file([line("B1", "200.00"), line("R1", "50.00", "REFUND", original="PB1")]))
    request = asked(Finding.objects.get(), daily.approver())
    person.is_refunded(award, 5000, at=LATER)

    with pytest.raises(Outdated):
        adjustments.approve(request=request, by=daily.approver(), now=LATER)

    assert (Refund.objects.count(), person.balance, breaches()) == (1, 150, [])


def refunded_in_the_file(person: Shopper, *lines: str) -> Award:
    award = person.pays(20000)
    compared(mall_of(person), as_file([line("B1", "200.00"), *lines]))
    approved(Finding.objects.get())
    return award


def test_a_notice_of_a_refund_that_was_repaired_by_its_number_is_known(person: Shopper) -> None:
    award = refunded_in_the_file(person, line("r1", "50.00", "REFUND", original="PB1"))

    late = person.is_refunded(award, 5000, at=LATER, number="R1", key="B1:R1")

    assert (late.verdict, late.refund_id) == (Verdict.RECORDED, Refund.objects.get().pk)
    assert (person.balance, breaches()) == (150, [])


def test_a_notice_under_another_number_than_its_repair_asks_staff(person: Shopper) -> None:
    award = refunded_in_the_file(person, line("r1", "50.00", "REFUND", original="PB1"))

    late = person.is_refunded(award, 5000, at=LATER, number="W9", key="B1:W9")

    assert (late.verdict, late.reason) == (Verdict.ASK, "REFUND_LOOKS_KNOWN")
    assert (Refund.objects.count(), person.balance) == (1, 150)


def test_another_refund_than_the_repaired_one_is_taken_back(person: Shopper) -> None:
    award = refunded_in_the_file(person, line("r1", "50.00", "REFUND", original="PB1"))

    person.is_refunded(award, 2000, at=LATER, number="R2", key="B1:R2")

    assert (Refund.objects.count(), person.balance, breaches()) == (2, 130, [])


def test_a_notice_of_refunds_that_were_repaired_together_asks_staff(person: Shopper) -> None:
    lines = [line(number, "50.00", "REFUND", original="PB1") for number in ("R1", "R2")]
    award = refunded_in_the_file(person, *lines)

    late = person.is_refunded(award, 5000, at=LATER, number="R1", key="B1:R1")

    assert (late.verdict, late.reason) == (Verdict.ASK, "REFUND_LOOKS_KNOWN")
    assert (Refund.objects.get().amount_cents, person.balance, breaches()) == (10000, 100, [])
