"""Taking points back: whose refund it is, how much of it counts, and when somebody must look."""

from datetime import timedelta

import pytest

from loyalty.earning.models import Refund, Transaction
from loyalty.earning.outcomes import Verdict
from loyalty.ledger.models import PointLot, Posting
from members.models import Program
from tests import factories
from tests.loyalty.earning.plain import LUMINA, TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Shopper:
    return shopper(LUMINA)


def bought(member: Shopper, cents: int = 100000) -> Transaction:
    return member.buys(cents)


def test_a_refund_names_its_posting_and_moves_the_version(member: Shopper) -> None:
    purchase = bought(member)

    outcome = member.is_refunded(purchase, 33333)

    refund = Refund.objects.get()
    assert (outcome.verdict, outcome.refund_id, outcome.version) == (Verdict.RECORDED, refund.pk, 2)
    assert refund.posting == Posting.objects.get(kind="CLAW_BACK")
    assert (refund.points, member.balance) == (334, 666)


def test_a_refund_takes_from_the_lot_of_its_own_purchase(member: Shopper) -> None:
    bought(member)
    second = bought(member, 50000)

    member.is_refunded(second, 50000)

    assert list(PointLot.objects.order_by("pk").values_list("remaining", flat=True)) == [1000, 0]


def test_trap_14_the_same_refund_again_is_found_not_made(member: Shopper) -> None:
    purchase = bought(member)
    first = member.is_refunded(purchase, 33333, key="R1", number="R1")

    again = member.is_refunded(purchase, 33333, key="R1", number="R1")

    assert (again.refund_id, again.version) == (first.refund_id, None)
    assert (Refund.objects.count(), member.balance) == (1, 666)


def test_the_number_of_a_payment_is_compared_without_case(member: Shopper) -> None:
    member.pays(100000, numbers={"PAYMENT": "aBc-1"})
    purchase = Transaction.objects.get()

    outcome = member.is_refunded(purchase, 100000, payment_number="AbC-1")

    assert (outcome.verdict, member.balance) == (Verdict.RECORDED, 0)


def test_a_number_with_letters_that_mean_something_to_sql_finds_only_itself(member: Shopper) -> None:
    member.pays(100000, numbers={"PAYMENT": "A_1"})
    purchase = Transaction.objects.get()

    outcome = member.is_refunded(purchase, 100000, payment_number="AX1")

    assert (outcome.verdict, outcome.reason) == (Verdict.WAITING, "PARKED_NO_TRANSACTION")


def test_a_purchase_of_another_channel_is_not_the_wallets_to_refund(member: Shopper) -> None:
    member.pays(100000, channel="COUNTER", numbers={"PAYMENT": "P1"})

    outcome = member.is_refunded(Transaction.objects.get(), 100000)

    assert (outcome.verdict, outcome.waits_for) == (Verdict.WAITING, "PAYMENT:P1")
    assert member.balance == 1000


def test_doubts_are_settled_by_a_confirmation_and_sums_are_not(member: Shopper) -> None:
    purchase = bought(member)
    early = {"refunded_at": TUESDAY - timedelta(hours=1)}

    asked = member.is_refunded(purchase, 100000, **early)
    confirmed = member.is_refunded(purchase, 100000, is_confirmed=True, **early)
    too_much = member.is_refunded(purchase, 1, is_confirmed=True, **early)

    assert (asked.verdict, asked.reason) == (Verdict.ASK, "REFUND_BEFORE_PAYMENT")
    assert confirmed.verdict == Verdict.RECORDED
    assert (too_much.verdict, too_much.reason) == (Verdict.CONFLICT, "REFUND_OVER_TRANSACTION")
    assert (Refund.objects.count(), member.balance) == (1, 0)


def test_trap_9_what_was_above_the_ceiling_goes_first(member: Shopper) -> None:
    purchase = bought(member, 4250000)

    points = []
    for cents in (1250000, 100000):
        member.is_refunded(purchase, cents)
        points.append(Refund.objects.order_by("-pk")[0].points)

    assert points == [0, 1000]


@pytest.mark.parametrize("policy", ["STOP_AT_ZERO", "PENDING_ONLY"])
def test_a_shortfall_is_never_taken_silently_later(member: Shopper, policy: str) -> None:
    """The part of a claw-back that could not be collected stays with its refund (R15)."""
    Program.objects.update(negative_balance=policy)
    purchase = bought(member)
    account = member.wallet_pass.member.account
    factories.PointEntryFactory.create(account=account, points=-1000)
    type(account).objects.filter(pk=account.pk).update(balance=0)

    member.is_refunded(purchase, 50000)
    bought(member, 70000)
    member.is_refunded(purchase, 10000)

    refunds = list(Refund.objects.order_by("pk").values_list("points", "uncollected"))
    assert refunds[0] == (0, 500)
    assert refunds[1] == ((100, 0) if policy == "STOP_AT_ZERO" else (0, 100))
