"""A receipt handed in before two stores were merged and again after it is one receipt, whoever brings it."""

from datetime import timedelta

import pytest

from loyalty.earning import duplicates, settlement, suspects
from loyalty.earning.models import DuplicateCase, NumberClaim, Transaction
from pms import registry
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper

pytestmark = pytest.mark.django_db
SLIP = {"RECEIPT": "000123"}
LATER = TUESDAY + timedelta(hours=1)
OLD, NEW = "088", "S12"


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def friend(person: Shopper) -> Shopper:
    """Another member of the same program, who holds the same slip."""
    wallet_pass = factories.PassFactory.create(
        active=True, member__program=person.wallet_pass.program, mall=person.wallet_pass.mall
    )
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=TUESDAY - timedelta(days=400))
    return Shopper(wallet_pass, person.stores, person.numbers)


def merge(person: Shopper) -> None:
    registry.merge(store=person.stores[OLD], into=person.stores[NEW], by=None, now=LATER)


def test_another_member_gets_nothing_for_a_slip_claimed_at_the_merged_store(person: Shopper) -> None:
    first = person.hands_in(68800, store=OLD, numbers=SLIP)
    merge(person)

    second = friend(person).hands_in(68800, store=NEW, numbers=SLIP, now=LATER)

    case = DuplicateCase.objects.get()
    assert (first.state, second.state, second.award.points) == ("EARNED", "DUPLICATE", 0)
    # The same content of another member: people look at it.
    assert (case.earlier, case.verdict, case.state) == (first, "CONFLICT", "OPEN")
    assert breaches() == []


def test_the_same_slip_of_the_same_member_is_a_plain_repeat(person: Shopper) -> None:
    person.hands_in(68800, store=OLD, numbers=SLIP)
    merge(person)

    again = person.hands_in(68800, store=NEW, numbers=SLIP, now=LATER)

    case = DuplicateCase.objects.get()
    assert (again.state, case.verdict, case.state) == ("DUPLICATE", "NUMBER", "SAME")


def test_without_a_number_another_members_equal_receipt_at_the_merged_store_is_compared(
    person: Shopper,
) -> None:
    other = friend(person)
    type(other.wallet_pass.member).objects.filter(pk=other.wallet_pass.member_id).update(phone="")
    first = person.hands_in(68800, store=OLD)
    merge(person)

    second = other.hands_in(68800, store=NEW, at=TUESDAY + timedelta(minutes=3), now=LATER)

    near = suspects.nearest(second)
    assert near is not None
    assert near.earlier.transaction_id == first.pk
    assert "SAME_STORE" in [part.code for part in near.parts]


def test_a_slip_that_both_stores_held_before_stays_two_receipts_and_a_third_meets_the_first(
    person: Shopper,
) -> None:
    first = person.hands_in(68800, store=OLD, numbers=SLIP)
    second = friend(person).hands_in(20000, store=NEW, numbers=SLIP)
    merge(person)

    third = friend(person).hands_in(68800, store=OLD, numbers=SLIP, now=LATER)

    assert [one.state for one in (first, second, third)] == ["EARNED", "EARNED", "DUPLICATE"]
    assert DuplicateCase.objects.get().earlier == first
    assert set(NumberClaim.objects.values_list("transaction", flat=True)) == {first.pk, second.pk}


def test_numbers_told_apart_after_a_merger_are_told_apart_at_both_stores(person: Shopper) -> None:
    first = person.hands_in(68800, store=OLD, numbers=SLIP)
    merge(person)
    second = friend(person).hands_in(68800, store=NEW, numbers=SLIP, now=LATER)

    settlement.tell_numbers_apart(transaction=second)

    new, old = (f"{person.stores[code].pk}/2026-03-10/000123" for code in (NEW, OLD))
    claimed = list(duplicates.claimed(Transaction.objects.get(pk=second.pk)))
    assert claimed == [("RECEIPT", new), ("RECEIPT", old)]
    assert set(second.claims.values_list("number", flat=True)) == {new, f"{old}#{second.pk}"}
    assert first.claims.get().number == old
