"""Several cases about one purchase: whatever is decided and undone in whatever order, it keeps points once."""

from datetime import timedelta
from typing import Any

import pytest

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import cases
from loyalty.review.cases import KeptByAnother, Points
from loyalty.review.models import Decision
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper
from tests.loyalty.review.doubles import DIFFERENT, LATER, SAME, decide, reopen

pytestmark = pytest.mark.django_db


@pytest.fixture
def by() -> User:
    return factories.UserFactory.create()


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def minutes(number: int) -> dict[str, Any]:
    return {"at": TUESDAY + timedelta(minutes=number)}


def pays(person: Shopper, at: int, name: str) -> None:
    """By wallet; it may be held back, so there is no award to hand over."""
    person.hands_in(68800, channel="WALLET", numbers={"PAYMENT": name}, **minutes(at))


def all_cases() -> list[DuplicateCase]:
    return list(DuplicateCase.objects.order_by("pk"))


def states() -> list[str]:
    return list(Transaction.objects.order_by("pk").values_list("state", flat=True))


def two_payments_like_a_receipt(person: Shopper) -> list[DuplicateCase]:
    person.hands_in(68800)
    pays(person, 2, "B1")
    pays(person, 3, "C1")
    found = all_cases()
    assert [case.verdict for case in found] == ["HELD", "HELD"]
    return found


def payment_like_a_receipt_like_a_receipt(person: Shopper) -> list[DuplicateCase]:
    """HK$700 at 13:00, HK$688 at 13:20, flagged, and the payment of HK$688 at 13:19."""
    person.hands_in(70000)
    second = person.hands_in(68800, **minutes(20))
    pays(person, 19, "C1")
    found = all_cases()
    assert (len(found), found[0].verdict, found[1].earlier) == (2, "FLAGGED", second)
    return found


def test_a_receipt_that_two_payments_are_said_to_be_is_one_purchase(person: Shopper, by: User) -> None:
    first, second = two_payments_like_a_receipt(person)

    decide(first, SAME, by)
    assert cases.preview(second, SAME) == Points(ours=0, earlier=688)
    second = decide(second, SAME, by)

    assert (states(), person.balance, breaches()) == (["DUPLICATE", "EARNED", "DUPLICATE"], 688, [])
    second = reopen(second, by)
    assert (states(), person.balance, breaches()) == (["DUPLICATE", "EARNED", "HELD"], 688, [])
    decide(second, DIFFERENT, by)
    assert (states(), person.balance, breaches()) == (["DUPLICATE", "EARNED", "EARNED"], 1376, [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("undone", [(0, 1), (1, 0)])
def test_in_whatever_order_they_are_decided_and_undone_points_are_kept_once(
    person: Shopper, by: User, order: tuple[int, int], undone: tuple[int, int]
) -> None:
    found = two_payments_like_a_receipt(person)

    for place in order:
        decide(found[place], SAME, by)
        assert (person.balance, breaches()) == (688, [])
    for place in undone:
        reopen(found[place], by)
        assert (person.balance, breaches()) == (688, [])

    assert states() == ["EARNED", "HELD", "HELD"]


def test_a_receipt_that_a_payment_took_the_place_of_is_not_flagged_again(person: Shopper, by: User) -> None:
    first, second = payment_like_a_receipt_like_a_receipt(person)
    decide(first, DIFFERENT, by)
    second = decide(second, SAME, by)
    assert (states(), person.balance, breaches()) == (["EARNED", "DUPLICATE", "EARNED"], 1388, [])

    with pytest.raises(KeptByAnother) as refused:
        cases.reopen(case=first, by=by, now=LATER)

    assert (refused.value.case_id, Decision.objects.count()) == (second.pk, 2)
    assert (states(), person.balance, breaches()) == (["EARNED", "DUPLICATE", "EARNED"], 1388, [])
    reopen(second, by)
    reopen(first, by)
    assert (states()[:2], person.balance, breaches()) == (["EARNED", "FLAGGED"], 1388, [])


def test_a_payment_like_a_duplicate_takes_the_place_of_what_that_repeats(person: Shopper, by: User) -> None:
    first, second = payment_like_a_receipt_like_a_receipt(person)
    decide(first, SAME, by)
    assert (states()[:2], person.balance) == (["EARNED", "DUPLICATE"], 700)
    shown = cases.preview(second, SAME)

    second = decide(second, SAME, by)

    assert shown == Points(ours=688, earlier=0)
    assert (states(), person.balance, breaches()) == (["DUPLICATE", "DUPLICATE", "EARNED"], 688, [])
    with pytest.raises(KeptByAnother):
        cases.reopen(case=first, by=by, now=LATER)
    reopen(second, by)
    assert (states(), person.balance, breaches()) == (["EARNED", "DUPLICATE", "HELD"], 700, [])
    reopen(first, by)
    assert (states(), person.balance, breaches()) == (["EARNED", "FLAGGED", "HELD"], 1388, [])


def test_undoing_what_the_rules_refused_at_once_gives_nothing_back(person: Shopper, by: User) -> None:
    """Two payments under the receipt's number: the first a plain repeat, the second of another amount."""
    person.hands_in(68800, numbers={"ACQUIRER": "A1"})
    person.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"}, **minutes(2))
    person.pays(68900, numbers={"PAYMENT": "C1", "ACQUIRER": "A1"}, **minutes(3))
    repeat, conflict = all_cases()
    assert (repeat.state, conflict.verdict, person.balance) == ("SAME", "CONFLICT", 688)
    decide(conflict, SAME, by)
    assert (states(), person.balance) == (["DUPLICATE", "DUPLICATE", "EARNED"], 689)

    reopen(repeat, by)

    assert (states(), person.balance, breaches()) == (["DUPLICATE", "DUPLICATE", "EARNED"], 689, [])


@pytest.mark.parametrize("kept", [(0, 1), (1, 2), (0, 2)])
def test_the_recount_names_records_that_keep_one_purchase_twice(
    person: Shopper, by: User, kept: tuple[int, int]
) -> None:
    for case in payment_like_a_receipt_like_a_receipt(person):
        decide(case, SAME, by)
    rows = list(Transaction.objects.order_by("pk"))
    for place, row in enumerate(rows):
        state = "EARNED" if place in kept else "DUPLICATE"
        Transaction.objects.filter(pk=row.pk).update(state=state)

    told = [one.sentence for one in breaches() if one.table == "earning_duplicatecase"]

    one, other = rows[kept[1]].pk, rows[kept[0]].pk
    assert told == [f"it was decided as one purchase, but transactions {one} and {other} both keep points."]
