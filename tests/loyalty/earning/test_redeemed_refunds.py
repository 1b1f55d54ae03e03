"""Refunds of purchases that points helped to pay: they go back in one program and stay spent in another."""

import pytest

from loyalty.ledger import proof, redemptions
from loyalty.ledger.models import Redemption
from loyalty.ledger.redemptions import Wish
from tests.loyalty.earning.programs import TUESDAY, Shopper, codes, shopper

pytestmark = pytest.mark.django_db


def with_redeemed_purchase(program: str) -> tuple[Shopper, Redemption]:
    """10,000 points, of which 2,500 paid HK$10 of the purchase `B9`."""
    person = shopper(program)
    person.pays(1000000, at=TUESDAY)
    wallet_pass = person.wallet_pass
    wish = Wish(member=wallet_pass.member, mall=wallet_pass.mall, points=2500, payment_number="B9")
    reserved = redemptions.reserve(wish=wish, by=None, now=TUESDAY)
    return person, redemptions.confirm(redemption=reserved, by=None, now=TUESDAY)


def test_points_go_back_where_the_program_returns_them() -> None:
    person, redemption = with_redeemed_purchase("verdant")
    before = person.balance
    award = person.pays(50000, numbers={"PAYMENT": "B9"})

    outcome = person.is_refunded(award, 50000)

    redemption.refresh_from_db()
    refund = award.transaction.refunds.get()
    assert (redemption.state, person.balance) == ("RETURNED", before + 2500)
    assert codes(refund.reasons)[-1] == "REDEMPTION_RETURNED"
    assert refund.reasons[-1]["values"] == {"points": 2500}
    assert outcome.version == person.wallet_pass.member.account.version
    assert list(proof.breaches()) == []


def test_points_stay_spent_where_the_program_says_so() -> None:
    person, redemption = with_redeemed_purchase("lumina")
    before = person.balance
    award = person.pays(50000, numbers={"PAYMENT": "B9"})

    person.is_refunded(award, 50000)

    redemption.refresh_from_db()
    assert (redemption.state, person.balance) == ("CONFIRMED", before)
    assert codes(award.transaction.refunds.get().reasons) == ["REFUND_CLAWED_BACK"]


def test_points_go_back_only_with_the_last_part_of_the_refund() -> None:
    person, redemption = with_redeemed_purchase("verdant")
    before = person.balance
    award = person.pays(50000, numbers={"PAYMENT": "B9"})

    person.is_refunded(award, 20000)
    redemption.refresh_from_db()
    after_part = redemption.state
    person.is_refunded(award, 30000)
    redemption.refresh_from_db()

    assert (after_part, redemption.state) == ("CONFIRMED", "RETURNED")
    assert person.balance == before + 2500


def test_what_is_returned_is_there_for_the_claw_back() -> None:
    """The program never takes below zero: without the return first, the points of this purchase would be lost."""
    person, _redemption = with_redeemed_purchase("verdant")
    award = person.pays(50000, numbers={"PAYMENT": "B9"})
    rest = person.balance // 250 * 250
    wallet_pass = person.wallet_pass
    wish = Wish(member=wallet_pass.member, mall=wallet_pass.mall, points=rest)
    redemptions.reserve(wish=wish, by=None, now=TUESDAY)

    person.is_refunded(award, 50000)

    refund = award.transaction.refunds.get()
    assert (refund.points, refund.uncollected) == (award.points, 0)
    assert list(proof.breaches()) == []
