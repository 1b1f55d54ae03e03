"""Numbers are compared in one form, and the loser of a number says whom it lost to."""

import pytest

from loyalty.earning import duplicates
from loyalty.earning.models import Award, DuplicateCase
from tests import factories


@pytest.mark.parametrize(
    ("sent", "compared"),
    [("abc-1_X", "ABC-1_X"), (" 123 ", "123"), ("１２３", "123"), ("123\u3000", "123"), ("ａｂ", "AB")],
)
def test_numbers_are_compared_without_dress(sent: str, compared: str) -> None:
    assert duplicates.canonical(sent) == compared


@pytest.mark.django_db
def test_a_loser_without_a_difference_is_a_case_that_decided_itself() -> None:
    winner = factories.TransactionFactory.create(payment_number="P1", channel="COUNTER")
    factories.NumberClaimFactory.create(transaction=winner, number="P1")
    loser = factories.TransactionFactory.create(
        mall=winner.mall, store=winner.store, member=winner.member, payment_number="p1"
    )

    duplicates.lose(transaction_id=loser.pk, points=500, now=factories.MOMENT)

    loser.refresh_from_db()
    award = Award.objects.get(transaction=loser)
    assert (loser.state, award.points) == ("DUPLICATE", 0)
    assert award.reasons == [
        {
            "code": "DUPLICATE_NUMBER",
            "values": {"date": "2026-05-04", "channel": "COUNTER", "transaction": winner.pk},
        }
    ]
    case = DuplicateCase.objects.get()
    assert (case.verdict, case.state, case.decided_at) == ("NUMBER", "SAME", factories.MOMENT)
    assert (case.points_saved, case.cents_saved, case.decided_by) == (500, 200, None)


@pytest.mark.django_db
@pytest.mark.parametrize("difference", ["amount_cents", "currency", "store"])
def test_a_loser_that_differs_opens_one(difference: str) -> None:
    winner = factories.TransactionFactory.create(payment_number="P1")
    factories.NumberClaimFactory.create(transaction=winner, number="P1")
    same = {"mall": winner.mall, "store": winner.store, "member": winner.member, "payment_number": "P1"}
    other = {
        "amount_cents": 20000,
        "currency": "USD",
        "store": factories.StoreFactory.create(mall=winner.mall),
    }
    loser = factories.TransactionFactory.create(**same | {difference: other[difference]})

    duplicates.lose(transaction_id=loser.pk, now=factories.MOMENT)

    case = DuplicateCase.objects.get()
    assert (case.transaction, case.earlier) == (loser, winner)
    assert (case.verdict, case.state, case.mall, case.decided_at) == ("CONFLICT", "OPEN", loser.mall, None)
    assert [entry["code"] for entry in Award.objects.get(transaction=loser).reasons] == [
        "DUPLICATE_NUMBER",
        "CONFLICTING_CONTENT",
    ]
