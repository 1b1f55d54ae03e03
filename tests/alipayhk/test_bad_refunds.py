"""B125–B138: money given back, early, twice, too much, or under another number."""

import itertools
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import waiting
from alipayhk.models import Notification
from loyalty.earning.models import Refund
from members.models import Member
from pms import clock
from pms.clock import HONG_KONG
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_bills import FORMS, NOT_CENTS, amount, confirmed
from tests.alipayhk.test_bad_json import assert_rejected
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Wallet

pytestmark = pytest.mark.django_db
Fields = dict[str, Any]
# Recorded without points.
RECORDED = {changes.NOTIFICATION, "earning_refund"}


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def paid(mall: Wallet, cents: int = 100000, **changed: Any) -> Fields:
    bill = mall.bill(orderAmount=amount(cents), **changed)
    assert mall.send("BILL", bill).verdict == SUCCESS
    return bill


def assert_taken_back(mall: Wallet, refund: Fields, points: int) -> Refund:
    with changes.only(*changes.DONE["REFUND"]):
        answer = mall.send("REFUND", refund)

    assert answer.verdict == SUCCESS
    assert changes.latest().state == "PROCESSED"
    found = Refund.objects.order_by("-pk")[0]
    assert found.points == points
    return found


def assert_recorded(mall: Wallet, refund: Fields, *reasons: str) -> Refund:
    with changes.only(*RECORDED):
        answer = mall.send("REFUND", refund)

    assert answer.verdict == SUCCESS
    assert changes.latest().state == "PROCESSED"
    found = Refund.objects.order_by("-pk")[0]
    assert (found.points, tuple(entry["code"] for entry in found.reasons)) == (0, reasons)
    return found


def assert_parked(mall: Wallet, refund: Fields, reason: str, waits_for: str) -> Notification:
    with changes.only(changes.NOTIFICATION):
        answer = mall.send("REFUND", refund)

    assert answer.verdict == SUCCESS
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.waits_for) == ("PARKED", reason, waits_for)
    return kept


def assert_conflict(mall: Wallet, refund: Fields, reason: str) -> Notification:
    with changes.only(changes.NOTIFICATION):
        answer = mall.send("REFUND", refund)

    assert answer.verdict == PARAM_ILLEGAL
    kept = changes.latest()
    assert (kept.state, kept.reason) == ("CONFLICT", reason)
    return kept


@pytest.mark.parametrize("value", [100000, "100000"], ids=["number", "digits"])
def test_b125_whole_cents_are_taken_back(mall: Wallet, value: Any) -> None:
    bill = paid(mall)

    assert_taken_back(mall, mall.refund(bill, refundAmount=amount(value)), 1000)

    assert changes.balance() == 0


@pytest.mark.parametrize("value", NOT_CENTS.values(), ids=NOT_CENTS.keys())
def test_b125_what_is_no_whole_number_of_cents_is_rejected(mall: Wallet, value: str) -> None:
    refund = mall.refund(paid(mall), refundAmount=amount("@"))
    body = json.dumps(refund, ensure_ascii=False).replace('"@"', value)

    kept = assert_rejected(mall, "REFUND", body.encode())

    assert kept.detail.startswith("refundAmount.value: ")


def test_b125_a_bare_amount_waits_for_staff(mall: Wallet) -> None:
    refund = mall.refund(paid(mall), refundAmount=100000)

    kept = assert_parked(mall, refund, "AMOUNT_UNREADABLE", "")

    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 0


def test_b126_nothing_given_back_changes_nothing(mall: Wallet) -> None:
    refund = mall.refund(paid(mall), refundAmount=amount(0))

    assert_recorded(mall, refund, "REFUND_NO_CHANGE")


@pytest.mark.parametrize("form", FORMS)
def test_b127_every_form_of_a_refund_time_is_the_same_moment(mall: Wallet, form: str) -> None:
    bill = paid(mall)
    moment = clock.now().replace(microsecond=0)
    hong_kong = moment.astimezone(HONG_KONG)
    texts = {
        "without a zone": f"{hong_kong:%Y-%m-%d %H:%M:%S}",
        "with T": f"{hong_kong:%Y-%m-%dT%H:%M:%S}",
        "UTC": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "with an offset": hong_kong.isoformat(),
        "milliseconds": f"{int(moment.timestamp())}000",
        "seconds": str(int(moment.timestamp())),
    }

    found = assert_taken_back(mall, mall.refund(bill, refundTime=texts[form]), 1000)

    assert found.refunded_at == moment


@pytest.mark.parametrize("text", ["06/05/2024", "2026-02-31 10:49:51", "now"])
def test_b127_what_is_no_refund_time_is_rejected(mall: Wallet, text: str) -> None:
    body = wallet.encoded(mall.refund(paid(mall), refundTime=text))

    kept = assert_rejected(mall, "REFUND", body)

    assert kept.detail.startswith("refundTime: ")


@pytest.mark.parametrize("days", [2, -3653])
def test_b127_a_refund_time_far_from_today_waits_for_staff(mall: Wallet, days: int) -> None:
    text = wallet.business_time(clock.now() + timedelta(days=days))

    assert_parked(mall, mall.refund(paid(mall), refundTime=text), "TIME_IMPLAUSIBLE", "")


def test_b128_a_refund_before_its_payment_is_posted_once_the_payment_comes(mall: Wallet) -> None:
    bill = mall.bill(orderAmount=amount(100000))
    refund = mall.refund(bill, refundAmount=amount(33333))
    assert_parked(mall, refund, "PARKED_NO_TRANSACTION", f"PAYMENT:{bill['billNo']}")

    assert mall.send("BILL", bill).verdict == SUCCESS

    assert Refund.objects.get().points == 334
    assert changes.balance() == 666
    assert not Notification.objects.exclude(state="PROCESSED").exists()
    with changes.only(changes.NOTIFICATION):
        assert mall.send("REFUND", refund).verdict == SUCCESS


def test_b128_in_other_letters_it_is_the_same_payment(mall: Wallet) -> None:
    bill = mall.bill(billNo="Abc-77", orderAmount=amount(100000))
    mall.send("REFUND", mall.refund(bill, relateBillNo="aBC-77"))

    mall.send("BILL", bill)

    assert changes.balance() == 0


def test_b129_a_refund_whose_payment_never_comes_waits_on(mall: Wallet) -> None:
    refund = mall.refund(mall.bill())
    assert_parked(mall, refund, "PARKED_NO_TRANSACTION", f"PAYMENT:{refund['relateBillNo']}")

    with changes.only():
        assert waiting.sweep(now=clock.now() + timedelta(hours=27)) == 0

    assert list(waiting.overdue(now=clock.now() + timedelta(hours=25))) == []
    assert list(waiting.overdue(now=clock.now() + timedelta(hours=27))) == [changes.latest()]


def test_b130_trap_14_an_exact_repeat_takes_nothing_back_again(mall: Wallet) -> None:
    refund = mall.refund(paid(mall))
    assert_taken_back(mall, refund, 1000)

    for _ in range(3):
        with changes.only(changes.NOTIFICATION):
            assert mall.send("REFUND", refund).verdict == SUCCESS

    assert (changes.balance(), changes.latest().repeats) == (0, 3)


@pytest.mark.parametrize("name", ["amount", "currency", "userId"])
def test_b131_the_same_refund_number_with_other_content_is_a_conflict(mall: Wallet, name: str) -> None:
    mall.joined("2160120037000002")
    refund = mall.refund(paid(mall), refundAmount=amount(10000))
    assert_taken_back(mall, refund, 100)
    changed: dict[str, Fields] = {
        "amount": {"refundAmount": amount(20000)},
        "currency": {"refundAmount": amount(10000, "USD")},
        "userId": {"userId": "2160120037000002"},
    }

    assert_conflict(mall, refund | changed[name], "CONFLICTING_CONTENT")

    assert changes.balance() == 900


def test_b132_without_a_number_another_time_is_a_second_refund(mall: Wallet) -> None:
    bill = paid(mall)
    first = mall.refund(bill, refundAmount=amount(10000), refundOutBillNo=None)
    later = wallet.business_time(clock.now() + timedelta(seconds=1))
    assert_taken_back(mall, first, 100)

    assert_taken_back(mall, first | {"refundTime": later}, 100)

    assert changes.balance() == 800


def test_b133_without_a_number_an_equal_one_is_the_same_and_flagged(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    refund = mall.refund(paid(mall), refundAmount=amount(10000), refundOutBillNo=None)
    assert_taken_back(mall, refund, 100)

    with changes.only(changes.NOTIFICATION), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.send("REFUND", refund)

    assert answer.verdict == SUCCESS
    assert "would look the same" in caplog.text
    assert changes.balance() == 900


@pytest.mark.parametrize(
    "numbers", [(None, "R1"), ("R1", None)], ids=["without, then with", "with, then without"]
)
def test_b134_once_with_and_once_without_its_number_waits_for_staff(
    mall: Wallet, numbers: tuple[str | None, str | None]
) -> None:
    bill = paid(mall)
    moment = wallet.business_time(clock.now())
    first, second = (
        mall.refund(bill, refundAmount=amount(10000), refundOutBillNo=number, refundTime=moment)
        for number in numbers
    )
    assert_taken_back(mall, first, 100)

    kept = assert_parked(mall, second, "REFUND_LOOKS_KNOWN", "")

    assert waiting.sweep(now=clock.now()) == 0
    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 800


def test_b135_more_than_was_paid_is_a_conflict(mall: Wallet) -> None:
    bill = paid(mall)

    assert_conflict(mall, mall.refund(bill, refundAmount=amount(100001)), "REFUND_OVER_TRANSACTION")

    assert changes.balance() == 1000


def test_b135_trap_8_parts_may_add_up_to_what_was_paid_and_no_more(mall: Wallet) -> None:
    bill = paid(mall)
    for cents, points in ((33333, 334), (33333, 333), (33334, 333)):
        assert_taken_back(mall, mall.refund(bill, refundAmount=amount(cents)), points)

    assert_conflict(mall, mall.refund(bill, refundAmount=amount(1)), "REFUND_OVER_TRANSACTION")

    assert changes.balance() == 0


def test_b135_of_two_parked_refunds_that_exceed_the_later_one_is_the_conflict(mall: Wallet) -> None:
    bill = mall.bill(orderAmount=amount(100000))
    for _ in range(2):
        assert mall.send("REFUND", mall.refund(bill, refundAmount=amount(60000))).verdict == SUCCESS

    mall.send("BILL", bill)

    states = (
        Notification.objects.filter(kind="REFUND").order_by("pk").values_list("state", "reason", "answer")
    )
    assert list(states) == [("PROCESSED", "", "SUCCESS"), ("CONFLICT", "REFUND_OVER_TRANSACTION", "SUCCESS")]
    assert changes.balance() == 400


@pytest.mark.parametrize("order", list(itertools.permutations((33333, 50000, 16667))))
def test_b136_parts_in_any_order_end_alike(mall: Wallet, order: tuple[int, ...]) -> None:
    bill = paid(mall)

    for cents in order:
        assert mall.send("REFUND", mall.refund(bill, refundAmount=amount(cents))).verdict == SUCCESS

    assert changes.balance() == 0
    assert sum(Refund.objects.values_list("points", flat=True)) == 1000


@pytest.mark.parametrize("difference", ["currency", "user of nobody", "user of another member"])
def test_b137_a_refund_that_does_not_fit_its_payment_is_a_conflict(mall: Wallet, difference: str) -> None:
    mall.joined("2160120037000002")
    changed: dict[str, Fields] = {
        "currency": {"refundAmount": amount(10000, "USD")},
        "user of nobody": {"userId": "2160120037099999"},
        "user of another member": {"userId": "2160120037000002"},
    }

    assert_conflict(mall, mall.refund(paid(mall), **changed[difference]), "REFUND_DIFFERS")

    assert changes.balance() == 1000


def test_a_refund_to_another_pass_of_the_same_member_fits(mall: Wallet) -> None:
    member = Member.objects.get()
    factories.PassFactory.create(member=member, mall=mall.mall, user_id="2088012345678901")
    refund = mall.refund(paid(mall), userId="2088012345678901", pointsProvider="ALIPAYCN")

    assert_taken_back(mall, refund, 1000)


@pytest.mark.parametrize("by", ["relateBillNo is the cnBillNo", "only cnRelateBillNo fits"])
def test_b138_a_refund_that_only_another_number_fits_waits_for_staff(mall: Wallet, by: str) -> None:
    bill = paid(mall, cnBillNo="CN-1")
    named: dict[str, Fields] = {
        "relateBillNo is the cnBillNo": {"relateBillNo": "cn-1"},
        "only cnRelateBillNo fits": {"relateBillNo": "NOBODY-KNOWS", "cnRelateBillNo": "CN-1"},
    }

    kept = assert_parked(mall, mall.refund(bill, **named[by]), "REFUND_BY_OTHER_NUMBER", "")

    assert waiting.sweep(now=clock.now()) == 0
    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 0
