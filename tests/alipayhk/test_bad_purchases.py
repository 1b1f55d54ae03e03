"""B104–B115: the same purchase again, elsewhere, in conflict, or too early; the races are elsewhere."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import waiting
from alipayhk.models import Notification
from loyalty.earning import awards
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.earning.outcomes import Outcome
from loyalty.earning.purchases import Purchase
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_bills import amount, assert_earned
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Wallet

pytestmark = pytest.mark.django_db
Fields = dict[str, Any]
DUPLICATE = {changes.NOTIFICATION} | changes.PURCHASE


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def at_the_counter(mall: Wallet, user_id: str = "2160120037098191", **facts: Any) -> Outcome:
    """A purchase that another door reported first."""
    values: dict[str, Any] = {
        "group_id": mall.mall.group_id,
        "mall_id": mall.mall.pk,
        "channel": Transaction.Channel.COUNTER,
        "wallet": "ALIPAYHK",
        "user_id": user_id,
        "amount_cents": 13890,
        "currency": "HKD",
        "paid_at": clock.now() - timedelta(minutes=5),
        "numbers": {"ACQUIRER": "A20240506000123"},
        "store_label": mall.store.pms_label,
        "merchant_id": "",
        "merchant_name": "",
    }
    return awards.earn(purchase=Purchase(**values | facts), now=clock.now())


def assert_parked(mall: Wallet, bill: Fields, reason: str, waits_for: str, *tables: str) -> Notification:
    with changes.only(changes.NOTIFICATION, *tables):
        answer = mall.send("BILL", bill)

    assert answer.verdict == SUCCESS
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.waits_for, kept.judged_at) == ("PARKED", reason, waits_for, None)
    return kept


def test_b104_an_exact_repeat_gets_the_first_answer_and_a_counter(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    for _ in range(3):
        with changes.only(changes.NOTIFICATION):
            assert mall.send("BILL", bill).verdict == SUCCESS

    assert (changes.latest().repeats, changes.balance()) == (3, 138)


OTHER: dict[str, Callable[[Wallet], Fields]] = {
    "B106 amount": lambda mall: {"orderAmount": amount(13891)},
    "B106 currency": lambda mall: {"orderAmount": amount(13890, "USD")},
    "B107 userId": lambda mall: {"userId": "2160120037099999"},
    "B107 payTime": lambda mall: {"payTime": wallet.business_time(clock.now() - timedelta(hours=2))},
    "B107 pointsProvider": lambda mall: {"pointsProvider": "ALIPAYCN"},
    "B107 merchantId": lambda mall: {"merchantId": "21609999999999"},
    "B107 pmsLabel": lambda mall: {"pmsLabel": "PMS9999"},
    "B107 cnBillNo": lambda mall: {"cnBillNo": "2023042122001400000000000000"},
    "B107 outBillNo": lambda mall: {"outBillNo": "A20240506000999"},
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER.keys())
def test_the_same_number_with_other_content_is_a_conflict_and_never_paid(
    mall: Wallet, other: Callable[[Wallet], Fields], caplog: pytest.LogCaptureFixture
) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    with changes.only(changes.NOTIFICATION), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.send("BILL", bill | other(mall))

    assert answer.verdict == PARAM_ILLEGAL
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.is_first) == ("CONFLICT", "CONFLICTING_CONTENT", False)
    assert "other content" in caplog.text
    assert changes.balance() == 138


def test_b108_another_name_is_no_other_content(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", bill | {"merchantName": "HARBOUR NOODLES LTD", "colour": "blue"})

    assert answer.verdict == SUCCESS
    assert changes.latest().repeats == 1


def test_b109_a_conflict_again_gets_its_answer_again_and_the_first_one_keeps_its_own(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)
    other = bill | {"orderAmount": amount(20000)}
    mall.send("BILL", other)

    with changes.only(changes.NOTIFICATION):
        again, first = mall.send("BILL", other), mall.send("BILL", bill)

    assert (again.verdict, first.verdict) == (PARAM_ILLEGAL, SUCCESS)
    kept = Notification.objects.order_by("pk").values_list("state", "repeats")
    assert list(kept) == [("PROCESSED", 1), ("CONFLICT", 1)]


def test_b109_two_conflicts_with_one_number_are_two_rows(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    for cents in (20000, 30000):
        assert mall.send("BILL", bill | {"orderAmount": amount(cents)}).verdict == PARAM_ILLEGAL

    assert Notification.objects.filter(state="CONFLICT").count() == 2


@pytest.mark.parametrize("name", ["cnBillNo", "outBillNo"])
def test_b110_another_number_of_a_purchase_that_earned_earns_nothing(mall: Wallet, name: str) -> None:
    assert_earned(mall, mall.bill(**{name: "X-77"}), 138)

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(**{name: "x-77"}))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER"]
    assert Transaction.objects.order_by("-pk")[0].state == "DUPLICATE"
    assert (changes.balance(), DuplicateCase.objects.get().verdict) == (138, "NUMBER")


def test_numbers_are_compared_kind_by_kind_only(mall: Wallet) -> None:
    assert_earned(mall, mall.bill(cnBillNo="X-77"), 138)

    answer = mall.send("BILL", mall.bill(outBillNo="X-77"))

    assert answer.verdict == SUCCESS
    assert changes.balance() == 276


def test_b111_a_purchase_the_counter_gave_points_for_names_the_counter(mall: Wallet) -> None:
    at_the_counter(mall)

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123"))

    assert answer.verdict == SUCCESS
    award = Award.objects.order_by("-pk")[0]
    assert (changes.codes(award), award.reasons[0]["values"]["channel"]) == (["DUPLICATE_NUMBER"], "COUNTER")
    assert (changes.balance(), DuplicateCase.objects.get().verdict) == (138, "NUMBER")


@pytest.mark.parametrize("difference", ["amount", "store"])
def test_b112_the_same_number_with_another_amount_or_store_opens_a_case(
    mall: Wallet, difference: str
) -> None:
    at_the_counter(mall)
    other_store = factories.StoreFactory.create(mall=mall.mall)
    changed: dict[str, Fields] = {
        "amount": {"orderAmount": amount(20000)},
        "store": {"pmsLabel": other_store.pms_label, "merchantId": other_store.merchant_id},
    }

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123", **changed[difference]))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER", "CONFLICTING_CONTENT"]
    case = DuplicateCase.objects.get()
    assert (case.state, case.earlier.channel, case.transaction.channel) == ("OPEN", "COUNTER", "WALLET")
    assert changes.balance() == 138


def test_b113_a_number_another_member_claimed_at_the_counter_opens_a_case(mall: Wallet) -> None:
    mall.joined("2160120037000002")
    at_the_counter(mall, "2160120037000002")

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123"))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER"]
    assert DuplicateCase.objects.get().earlier.member != DuplicateCase.objects.get().transaction.member
    assert (changes.balance("2160120037000002"), changes.balance()) == (138, 0)


@pytest.mark.parametrize("is_known_elsewhere", [False, True], ids=["unknown", "of another program"])
def test_b115_a_payment_before_the_membership_waits_and_is_judged_when_it_comes(
    mall: Wallet, is_known_elsewhere: bool
) -> None:
    if is_known_elsewhere:
        wallet.lumina().joined("2160120037055555")
    bill = mall.bill(userId="2160120037055555")
    assert_parked(mall, bill, "PARKED_NO_PASS", "USER:2160120037055555")

    joined = mall.send("CARD", mall.card(userId="2160120037055555"))

    assert joined.verdict == SUCCESS
    kept = Notification.objects.get(kind="BILL")
    assert (kept.state, kept.reason, kept.waits_for, kept.judged_at is not None) == (
        "PROCESSED",
        "",
        "",
        True,
    )
    assert Award.objects.get().points == 138


def test_b115_a_staff_link_wakes_it_by_the_sweep(mall: Wallet) -> None:
    assert_parked(mall, mall.bill(userId="2160120037055555"), "PARKED_NO_PASS", "USER:2160120037055555")
    mall.joined("2160120037055555")

    judged = waiting.sweep(now=clock.now())

    assert (judged, changes.balance("2160120037055555")) == (1, 138)
    assert waiting.sweep(now=clock.now()) == 0


def test_b157_twenty_five_payments_before_the_membership_all_settle(mall: Wallet) -> None:
    for _ in range(25):
        mall.send("BILL", mall.bill(userId="2160120037055555"))

    mall.send("CARD", mall.card(userId="2160120037055555"))
    waiting.sweep(now=clock.now())

    assert changes.balance("2160120037055555") == 25 * 138
    assert not Notification.objects.filter(state="PARKED").exists()
