"""Several files that tell of the same payments: one difference is one finding, and what was decided stays decided."""

from datetime import timedelta

import pytest

from loyalty.review import reconciliation
from loyalty.review.models import Finding
from pms.models import Mall
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.review import daily
from tests.loyalty.review.daily import NEXT_DAY, as_file, asked, compared, line, mall_of

pytestmark = pytest.mark.django_db
State = Finding.State
MERCHANT = "2160120041113167"


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def of_two_days(mall: Mall, *lines: str, first: int = 0) -> None:
    """A file whose payments are from two days, the first of them `first` days after Tuesday."""
    at = TUESDAY + timedelta(days=first)
    fillers = [line(f"F{first}", "0.10", at=at), line(f"G{first}", "0.10", at=at + timedelta(days=1))]
    compared(mall, as_file([*fillers, *lines]))


def test_overlapping_files_find_a_difference_once(person: Shopper) -> None:
    person.pays(20000, at=NEXT_DAY)

    of_two_days(mall_of(person), line("B1", "150.00", at=NEXT_DAY), line("NEVER", "90.00", at=NEXT_DAY))
    of_two_days(
        mall_of(person), line("B1", "150.00", at=NEXT_DAY), line("NEVER", "90.00", at=NEXT_DAY), first=1
    )

    found = Finding.objects.filter(number__in=["B1", "NEVER"]).order_by("number")
    assert list(found.values_list("kind", "number", "state")) == [
        ("AMOUNT_DIFFERS", "B1", State.OPEN),
        ("PAID_NOT_AWARDED", "NEVER", State.OPEN),
    ]


def test_what_was_decided_in_one_file_stays_so_in_an_overlapping_one(person: Shopper) -> None:
    person.pays(20000, at=NEXT_DAY)
    of_two_days(mall_of(person), line("B1", "150.00", at=NEXT_DAY))
    asked(Finding.objects.get(number="B1"), daily.approver())

    of_two_days(mall_of(person), line("B1", "150.00", at=NEXT_DAY), first=1)

    assert Finding.objects.get(number="B1").state == State.REQUESTED


def test_another_refund_of_the_same_payment_on_another_day_is_a_difference_of_its_own(
    person: Shopper,
) -> None:
    person.pays(20000)
    later = TUESDAY + timedelta(days=3)
    first = [line("B1", "200.00"), line("R1", "50.00", "REFUND", original="PB1")]
    second = [line("F1", "0.10", at=later), line("R2", "50.00", "REFUND", original="PB1", at=later)]
    compared(mall_of(person), as_file(first))
    reconciliation.dismiss(
        finding=Finding.objects.get(), by=daily.approver(), now=NEXT_DAY, note="Settled in the shop"
    )

    compared(mall_of(person), as_file(second), now=later + timedelta(days=1))

    found = Finding.objects.filter(kind="REFUNDED_NOT_CLAWED_BACK").order_by("pk")
    assert list(found.values_list("refund_number", "state")) == [("R1", State.DISMISSED), ("R2", State.OPEN)]


def test_what_was_decided_in_a_merchants_file_stays_so_in_the_whole_malls(person: Shopper) -> None:
    factories.StoreFactory.create(mall=mall_of(person), merchant_id=MERCHANT)
    compared(mall_of(person), as_file([line("NEVER", "90.00")]), name=f"{MERCHANT}_fptrade_20260310.csv")
    finding = Finding.objects.get()
    reconciliation.dismiss(finding=finding, by=daily.approver(), now=NEXT_DAY, note="A test payment")

    compared(mall_of(person), as_file([line("NEVER", "90.00"), line("OTHER", "10.00")]))

    states = Finding.objects.values_list("number", "state")
    assert dict(states) == {"NEVER": State.DISMISSED, "OTHER": State.OPEN}
