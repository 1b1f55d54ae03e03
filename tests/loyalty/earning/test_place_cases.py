"""Duplicate cases of purchases that lose their store and find another."""

from datetime import timedelta

import pytest

from loyalty.earning import settlement
from loyalty.earning.models import (
    DuplicateCase,
    Transaction,
)
from members.models import Member
from tests import factories
from tests.loyalty.earning.placing import LATER, Mapped, State, breaches, mapped
from tests.loyalty.earning.plain import TUESDAY

pytestmark = pytest.mark.django_db


def held_case(one: Mapped) -> tuple[Transaction, DuplicateCase]:
    """A receipt at the same store, amount and minute came first."""
    store = one.maps("DINING")
    Member.objects.update(joined_at=TUESDAY - timedelta(days=30))
    one.person.pays(
        20_000, channel="COUNTER", numbers={"RECEIPT": "000123"}, store_label=store.pms_label,
        wallet="", user_id="", member_id=one.person.wallet_pass.member_id, submitted_at=TUESDAY,
    )  # fmt: skip
    purchase = one.buys(20_000)
    return purchase, DuplicateCase.objects.get(transaction=purchase)


def test_a_held_purchase_waits_with_its_case_which_ends_where_nothing_is_alike() -> None:
    one = mapped()
    purchase, case = held_case(one)
    assert (case.state, case.verdict) == ("OPEN", "HELD")

    one.unplaces(purchase)
    case.refresh_from_db()
    assert (case.state, Transaction.objects.get(pk=purchase.pk).state) == ("OPEN", State.PARKED)
    assert breaches() == []
    Transaction.objects.exclude(pk=purchase.pk).update(paid_at=TUESDAY - timedelta(days=3))
    one.maps("BEAUTY")
    one.finds(purchase)

    case.refresh_from_db()
    assert (case.state, case.decided_by) == ("DIFFERENT", None)
    assert Transaction.objects.get(pk=purchase.pk).state == State.EARNED


def test_an_open_case_follows_the_next_judgement() -> None:
    one = mapped()
    purchase, case = held_case(one)
    one.unplaces(purchase)
    one.maps("DINING")

    one.finds(purchase)

    assert DuplicateCase.objects.get() == case
    assert Transaction.objects.get(pk=purchase.pk).state == State.HELD
    assert breaches() == []


@pytest.mark.parametrize(("answer", "state"), [("SAME", State.DUPLICATE), ("DIFFERENT", State.EARNED)])
def test_what_people_decided_while_it_waited_stays_decided(answer: str, state: str) -> None:
    one = mapped()
    purchase, _case = held_case(one)
    one.unplaces(purchase)
    DuplicateCase.objects.update(state=answer, decided_at=LATER, decided_by=factories.UserFactory.create())
    one.maps("DINING")

    one.finds(purchase)

    assert Transaction.objects.get(pk=purchase.pk).state == state
    assert DuplicateCase.objects.get().state == answer
    assert breaches() == []


def test_a_duplicate_stays_one_and_a_later_answer_judges_it_at_the_right_store() -> None:
    one = mapped()
    store = one.maps("DINING")
    purchase = one.buys(20_000)
    settlement.withhold(transaction=purchase, state=State.DUPLICATE, now=LATER)

    one.unplaces(purchase)

    purchase = Transaction.objects.get()
    assert (purchase.state, purchase.store) == (State.DUPLICATE, None)
    assert breaches() == []
    assert store != one.maps("BEAUTY")
    settlement.grant(transaction=purchase, now=LATER)
    assert (Transaction.objects.get().store, one.person.balance) == (one.stores["BEAUTY"], 400)
    assert breaches() == []


def test_a_case_stands_on_the_desk_of_the_mall_that_its_purchase_is_in() -> None:
    one = mapped()
    purchase, case = held_case(one)
    elsewhere = factories.MallFactory.create(group=case.group)
    DuplicateCase.objects.update(mall=elsewhere)

    one.unplaces(purchase)
    case.refresh_from_db()
    assert case.mall == one.person.store.mall
    DuplicateCase.objects.update(mall=elsewhere)
    one.maps("DINING")
    one.finds(purchase)

    case.refresh_from_db()
    assert case.mall == Transaction.objects.get(pk=purchase.pk).mall == one.person.store.mall


def test_what_was_blocked_for_being_like_one_without_a_store_waits_for_people() -> None:
    one = mapped()
    purchase, case = held_case(one)
    DuplicateCase.objects.update(
        earlier=purchase,
        transaction=case.earlier,
        verdict="BLOCKED",
        state="SAME",
        decided_at=LATER,
        points_saved=9,
    )

    one.unplaces(purchase)

    case.refresh_from_db()
    assert (case.state, case.decided_at, case.points_saved) == ("OPEN", None, 0)
