"""Whose points they are around a decision: refunds before, between and after it, and claimers who did not pay."""

from datetime import timedelta

import pytest

from loyalty.earning import awards
from loyalty.earning.models import DuplicateCase, NumberClaim
from loyalty.ledger.models import PointEntry
from loyalty.review import cases
from members.models import Member
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, breaches, shopper
from tests.loyalty.review.doubles import (
    DIFFERENT,
    LATER,
    SAME,
    claimed_by_another,
    decide,
    flagged,
    reopen,
    states,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by() -> User:
    return factories.UserFactory.create()


# --- refunds before, between and after ---


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_refunds_of_a_flagged_payment_stay_exact_around_its_decision(by: User, moment: str) -> None:
    """The receipt came first here, so that what is flagged is the payment that is refunded."""
    person = shopper("lumina")
    other = person.hands_in(70000, at=TUESDAY)
    award = person.pays(68800, at=TUESDAY + timedelta(minutes=20))
    case = DuplicateCase.objects.get(transaction=award.transaction)

    if moment == "before":
        person.is_refunded(award, 30000)
    case = decide(case, SAME, by)
    if moment == "between":
        person.is_refunded(award, 30000)
    assert (states(case), person.balance) == (("EARNED", "DUPLICATE"), 388 if moment != "after" else 688)
    case = reopen(case, by)
    if moment == "after":
        person.is_refunded(award, 30000)

    assert person.balance == 388 + 700
    assert (breaches(), other.award.points) == ([], 700)
    person.is_refunded(award, 38800)
    assert (person.balance, breaches()) == (700, [])


def test_a_refund_while_a_payment_is_held_waits_and_then_takes_its_part(by: User) -> None:
    person = shopper("lumina")
    person.hands_in(68800, at=TUESDAY)
    outcome = awards.earn(
        purchase=person.purchase(68800, at=TUESDAY + timedelta(minutes=2)), now=TUESDAY + timedelta(minutes=9)
    )
    case = DuplicateCase.objects.get(transaction=outcome.transaction_id)
    payment = factories.AwardFactory.build(transaction=case.transaction)

    waits = person.is_refunded(payment, 30000)
    case = decide(case, DIFFERENT, by)
    person.is_refunded(payment, 30000)

    assert (waits.verdict.value, waits.reason) == ("WAITING", "PARKED_NO_TRANSACTION")
    assert (person.balance, breaches()) == (688 + 388, [])


def test_a_refund_between_is_counted_when_a_taken_payment_gets_its_points(by: User) -> None:
    """A conflict of amounts: the payment has nothing until staff say that it is a purchase of its own."""
    person = shopper("lumina")
    person.hands_in(50000, numbers={"ACQUIRER": "A1"})
    second = person.pays(68800, numbers={"PAYMENT": "B9", "ACQUIRER": "a1"})
    person.is_refunded(second, 30000)

    case = decide(DuplicateCase.objects.get(), DIFFERENT, by)

    assert (states(case), person.balance, breaches()) == (("EARNED", "EARNED"), 500 + 388, [])


# --- who claims and who pays ---


def test_the_claimer_who_is_not_the_payer_ends_with_nothing(by: User) -> None:
    payer, claimer, case = claimed_by_another()
    assert (case.verdict, case.state, payer.balance, claimer.balance) == ("CONFLICT", "OPEN", 0, 688)

    case = decide(case, SAME, by)

    assert (states(case), payer.balance, claimer.balance) == (("EARNED", "DUPLICATE"), 688, 0)
    assert {claim.transaction_id for claim in NumberClaim.objects.all()} == {case.transaction_id}
    assert (case.points_saved, breaches()) == (688, [])


def test_undone_the_claimer_has_points_and_number_again(by: User) -> None:
    payer, claimer, case = claimed_by_another()

    case = reopen(decide(case, SAME, by), by)

    assert (states(case), payer.balance, claimer.balance) == (("DUPLICATE", "EARNED"), 0, 688)
    assert NumberClaim.objects.get(number="A1").transaction_id == case.earlier_id
    assert breaches() == []


def test_a_payer_refunded_after_the_decision_ends_with_nothing(by: User) -> None:
    payer, claimer, case = claimed_by_another()
    case = decide(case, SAME, by)

    payer.is_refunded(factories.AwardFactory.build(transaction=case.transaction), 68800)

    assert (payer.balance, claimer.balance, breaches()) == (0, 0, [])


def test_what_a_decision_took_is_not_given_back_to_who_has_left_since(by: User) -> None:
    person = shopper("lumina")
    case = decide(flagged(person), SAME, by)
    Member.objects.update(state=Member.State.CLOSED)
    entries = PointEntry.objects.count()

    with pytest.raises(cases.MembershipOver):
        cases.reopen(case=case, by=by, now=LATER)

    case.refresh_from_db()
    assert (case.state, person.balance, PointEntry.objects.count()) == ("SAME", 688, entries)
