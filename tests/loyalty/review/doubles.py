"""Purchases that came twice, and answers to their cases, for the tests of decisions."""

from datetime import timedelta
from typing import Any

from loyalty.earning.models import CapUse, DuplicateCase
from loyalty.review import cases
from loyalty.review.models import Decision
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.earning.test_suspects import another_member

LATER = TUESDAY + timedelta(days=1)
SAME, DIFFERENT, ASK = Decision.Answer.SAME, Decision.Answer.DIFFERENT, Decision.Answer.ASK


def held(person: Shopper, **facts: Any) -> DuplicateCase:
    """E13: a receipt three minutes after the payment it is like."""
    cents = facts.pop("cents", 68800)
    receipt = person.hands_in(cents, **({"at": TUESDAY + timedelta(minutes=3)} | facts))
    return DuplicateCase.objects.get(transaction=receipt)


def decide(case: DuplicateCase, answer: str, by: User) -> DuplicateCase:
    cases.decide(case=case, answer=answer, by=by, now=LATER, note="looked at both receipts")
    return DuplicateCase.objects.select_related("transaction", "earlier").get(pk=case.pk)


def reopen(case: DuplicateCase, by: User) -> DuplicateCase:
    cases.reopen(case=case, by=by, now=LATER + timedelta(hours=1))
    return DuplicateCase.objects.select_related("transaction", "earlier").get(pk=case.pk)


def states(case: DuplicateCase) -> tuple[str, str]:
    return case.transaction.state, case.earlier.state


def flagged(person: Shopper) -> DuplicateCase:
    """E15b: twenty minutes apart, twelve dollars more."""
    person.pays(68800)
    return held(person, cents=70000, at=TUESDAY + timedelta(minutes=20))


def claimed_by_another() -> tuple[Shopper, Shopper, DuplicateCase]:
    """B113: at the counter somebody handed in the receipt of somebody else's payment."""
    payer = shopper("lumina")
    claimer = another_member(payer)
    factories.CapUseFactory.create(
        account=factories.PointAccountFactory.create(member=claimer.wallet_pass.member, balance=0),
        key=CapUse.objects.get().key,
    )
    claimer.hands_in(68800, numbers={"ACQUIRER": "A1"})
    payer.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})
    return payer, claimer, DuplicateCase.objects.get()
