"""B139–B143: money given back after the points are gone, of payments without points, too early, or elsewhere."""

import logging
from datetime import timedelta

import pytest

from alipayhk import waiting
from loyalty.earning.models import Award, Refund, Transaction
from loyalty.ledger.models import PointAccount, PointEntry
from members.models import Member, Program
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_bills import amount, confirmed
from tests.alipayhk.test_bad_purchases import at_the_counter
from tests.alipayhk.test_bad_refunds import assert_parked, assert_recorded, paid
from tests.alipayhk.wallet import SUCCESS, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def spent(mall: Wallet, points: int) -> None:
    """As a redemption would: an entry, and the balance with it."""
    account = PointAccount.objects.get(member__passes__user_id="2160120037098191")
    factories.PointEntryFactory.create(account=account, points=-points)
    PointAccount.objects.filter(pk=account.pk).update(balance=(account.balance or 0) - points)


POLICIES = {
    "ALLOW_NEGATIVE": (-800, 1000, 0, ["REFUND_CLAWED_BACK"]),
    "STOP_AT_ZERO": (0, 200, 800, ["REFUND_CLAWED_BACK", "UNCOLLECTED"]),
    "PENDING_ONLY": (200, 0, 1000, ["UNCOLLECTED"]),
}


@pytest.mark.parametrize("policy", POLICIES.keys())
def test_b139_trap_7_points_already_spent_follow_the_programs_policy(mall: Wallet, policy: str) -> None:
    Program.objects.update(negative_balance=policy)
    refund = mall.refund(paid(mall))
    spent(mall, 800)
    balance, points, uncollected, reasons = POLICIES[policy]

    answer = mall.send("REFUND", refund)

    found = Refund.objects.get()
    assert answer.verdict == SUCCESS
    assert (found.points, found.uncollected) == (points, uncollected)
    assert [entry["code"] for entry in found.reasons] == reasons
    assert changes.balance() == balance


def test_points_earned_after_a_deficit_settle_it_first(mall: Wallet) -> None:
    refund = mall.refund(paid(mall))
    spent(mall, 800)
    mall.send("REFUND", refund)

    paid(mall, 90000)

    account = PointAccount.objects.get(member__isnull=False)
    assert (changes.balance(), account.lots.order_by("-pk")[0].remaining) == (100, 100)


def test_b140_the_refund_of_a_payment_without_points_is_recorded(mall: Wallet) -> None:
    bill = paid(mall, 9999)

    assert_recorded(mall, mall.refund(bill), "REFUND_NO_CHANGE")


def test_b140_the_refund_of_a_duplicate_takes_nothing_from_the_one_that_earned(mall: Wallet) -> None:
    at_the_counter(mall)
    bill = paid(mall, 13890, outBillNo="A20240506000123")

    assert_recorded(mall, mall.refund(bill), "REFUND_NO_CHANGE")

    assert changes.balance() == 138


@pytest.mark.parametrize("is_identity_gone", [False, True])
def test_b140_the_refund_of_a_member_who_left_is_recorded(mall: Wallet, is_identity_gone: bool) -> None:
    refund = mall.refund(paid(mall))
    member = Member.objects.get()
    member.state = Member.State.CLOSED
    member.save()
    if is_identity_gone:
        member.passes.update(user_id="erased-1")

    found = assert_recorded(mall, refund, "REFUND_NO_CHANGE", "UNCOLLECTED")

    assert found.uncollected == 1000
    assert PointAccount.objects.get(member=member).balance == 1000


@pytest.mark.parametrize("state", ["PARKED", "HELD"])
def test_b141_the_refund_of_a_payment_that_waits_is_judged_after_it(mall: Wallet, state: str) -> None:
    if state == "PARKED":
        bill = paid(mall, pmsLabel="PMS-NEW")
    else:
        bill = paid(mall)
        Transaction.objects.update(state="HELD")

    assert_parked(mall, mall.refund(bill), "PARKED_NO_TRANSACTION", f"PAYMENT:{bill['billNo']}")
    assert waiting.sweep(now=clock.now()) == 0

    if state == "PARKED":
        factories.StoreFactory.create(mall=mall.mall, pms_label="PMS-NEW")
        assert waiting.sweep(now=clock.now()) == 1
    else:
        Transaction.objects.update(state="EARNED")
    assert waiting.sweep(now=clock.now()) == 1
    assert changes.balance() == 0


def test_b142_the_refund_of_another_groups_payment_waits_and_raises_the_alarm(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    other = wallet.lumina()
    other.joined("2160120037000002")
    bill = other.bill(userId="2160120037000002")
    other.send("BILL", bill)

    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        assert_parked(mall, mall.refund(bill), "REFUND_ELSEWHERE", f"PAYMENT:{bill['billNo']}")

    assert "another mall group" in caplog.text
    assert changes.balance("2160120037000002") == 138


def test_b143_a_refund_earlier_than_its_payment_waits_for_staff(mall: Wallet) -> None:
    refund = mall.refund(paid(mall), refundTime=wallet.business_time(clock.now() - timedelta(hours=2)))

    kept = assert_parked(mall, refund, "REFUND_BEFORE_PAYMENT", "")

    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 0


def test_a_confirmed_refund_still_must_not_exceed_the_payment(mall: Wallet) -> None:
    refund = mall.refund(paid(mall), refundAmount=200000)
    kept = assert_parked(mall, refund, "AMOUNT_UNREADABLE", "")

    assert confirmed(kept).state == "CONFLICT"
    assert changes.balance() == 1000


def test_trap_10_a_refund_is_subtracted_once(mall: Wallet) -> None:
    mall.send("REFUND", mall.refund(paid(mall), refundAmount=amount(40000)))

    entries = PointEntry.objects.filter(account__member__isnull=False).order_by("pk")
    assert list(entries.values_list("points", flat=True)) == [1000, -400]
    assert Award.objects.get().points == 1000
