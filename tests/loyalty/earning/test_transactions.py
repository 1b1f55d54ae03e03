"""The numbers of many purchases are claimed in one order for everybody, and the first of a run keeps its own."""

import pytest

from loyalty.earning import awards
from loyalty.earning.models import NumberClaim, Transaction
from tests.loyalty.earning.programs import TUESDAY, shopper

pytestmark = pytest.mark.django_db


def test_numbers_are_claimed_in_their_order_and_the_first_of_two_has_it() -> None:
    person = shopper("lumina")
    numbers = [{"PAYMENT": "B9", "ACQUIRER": "A1"}, {"PAYMENT": "B1"}, {"PAYMENT": "B9"}, {"PAYMENT": "B5"}]
    asked = [person.purchase(10_000 + place, numbers=one) for place, one in enumerate(numbers)]

    awards.earn_all(asked, now=TUESDAY)

    claims = list(NumberClaim.objects.order_by("pk").values_list("kind", "number"))
    states = list(Transaction.objects.order_by("pk").values_list("state", flat=True))
    assert claims == [("ACQUIRER", "A1"), ("PAYMENT", "B1"), ("PAYMENT", "B5"), ("PAYMENT", "B9")]
    assert states == ["EARNED", "EARNED", "DUPLICATE", "EARNED"]
