"""B080–B103: what the fields of a genuine payment say, from whole cents to names that bite."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import waiting
from alipayhk.models import Notification
from loyalty.earning.models import Award, Transaction
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_json import assert_rejected
from tests.alipayhk.wallet import SUCCESS, Wallet

pytestmark = pytest.mark.django_db
# Recorded without points: nothing moves in the ledger and no card wants anything.
RECORDED = {changes.NOTIFICATION} | changes.PURCHASE


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def amount(value: Any, currency: Any = "HKD") -> dict[str, Any]:
    return {"currency": currency, "value": value}


def assert_earned(mall: Wallet, bill: dict[str, Any] | bytes, points: int, **headers: str) -> Award:
    with changes.only(*changes.DONE["BILL"]):
        answer = mall.send("BILL", bill, **headers)

    assert answer.verdict == SUCCESS
    assert changes.latest().state == "PROCESSED"
    award = Award.objects.get()
    assert award.points == points
    return award


def assert_recorded(mall: Wallet, bill: dict[str, Any], *reasons: str) -> Transaction:
    """REC: the purchase is there, with its reasons and without points."""
    with changes.only(*RECORDED):
        answer = mall.send("BILL", bill)

    assert answer.verdict == SUCCESS
    notification = changes.latest()
    assert (notification.state, notification.transaction is not None) == ("PROCESSED", True)
    award = Award.objects.get(transaction=notification.transaction)
    assert (award.points, tuple(changes.codes(award))) == (0, reasons)
    assert notification.transaction is not None
    assert notification.transaction.state == "NOTHING"
    return notification.transaction


def assert_doubted(mall: Wallet, bill: dict[str, Any], reason: str) -> Notification:
    """PARK until staff confirm: the notice alone is kept."""
    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", bill)

    assert answer.verdict == SUCCESS
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.waits_for, kept.judged_at) == ("PARKED", reason, "", None)
    return kept


def confirmed(notification: Notification) -> Notification:
    staff = factories.UserFactory.create()
    return waiting.confirm(notification=notification, by=staff, now=clock.now())


@pytest.mark.parametrize("value", [13890, "13890"], ids=["number", "digits"])
def test_b080_whole_cents_earn(mall: Wallet, value: Any) -> None:
    award = assert_earned(mall, mall.bill(orderAmount=amount(value)), 138)

    assert award.transaction.amount_cents == 13890
    assert changes.codes(award) == ["EARNED_BASE"]


def test_b081_a_bare_amount_waits_until_staff_confirm_it_as_hong_kong_cents(mall: Wallet) -> None:
    kept = assert_doubted(mall, mall.bill(orderAmount=13890), "AMOUNT_UNREADABLE")

    assert waiting.sweep(now=clock.now() + timedelta(days=1)) == 0
    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 138


NOT_CENTS = {
    "B082 fraction": "18.5",
    "B082 text with a point": '"18.00"',
    "B082 point": "1800.0",
    "B082 exponent": "1.8e3",
    "B083 full-width": '"１８００"',
    "B083 underscore": '"1_800"',
    "B083 Arabic digits": '"١٨"',
    "B083 plus": '"+5"',
    "B083 blanks": '" 12 "',
    "B083 exponent": '"1e3"',
    "B083 hexadecimal": '"0x10"',
    "B083 comma": '"1,800"',
    "B083 leading zeros": '"0018"',
    "B083 empty": '""',
    "B084 NaN": '"NaN"',
    "B084 Infinity": '"Infinity"',
    "B084 huge exponent": '"1E+400000"',
    "B084 true": "true",
    "B084 null": "null",
    "B084 array": "[]",
    "B084 object": "{}",
    "B084 negative": "-1800",
    "B084 minus zero": '"-0"',
    "B084 minus zero, number": "-0",
    "B088 2 to the 63": str(2**63),
    "B088 40 nines": "9" * 40,
    "B088 40 nines, text": '"' + "9" * 40 + '"',
}


@pytest.mark.parametrize("value", NOT_CENTS.values(), ids=NOT_CENTS.keys())
def test_what_is_no_whole_number_of_cents_is_rejected(mall: Wallet, value: str) -> None:
    body = json.dumps(mall.bill(orderAmount=amount("@")), ensure_ascii=False).replace('"@"', value)

    kept = assert_rejected(mall, "BILL", body.encode())

    assert kept.detail.startswith("orderAmount.value: ")


def test_b085_nothing_paid_earns_nothing(mall: Wallet) -> None:
    assert_recorded(mall, mall.bill(orderAmount=amount(0)), "ROUNDS_TO_ZERO")


def test_b085_an_amount_too_small_for_a_point_says_so() -> None:
    mall = wallet.lumina(min_spend_cents=0)
    mall.joined()

    assert_recorded(mall, mall.bill(orderAmount=amount(99)), "ROUNDS_TO_ZERO")


def test_b086_an_amount_above_the_ceiling_counts_up_to_it(mall: Wallet) -> None:
    award = assert_earned(mall, mall.bill(orderAmount=amount(4250000)), 30000)

    assert award.counted_cents == 3000000
    assert changes.codes(award) == ["EARNED_BASE", "CAPPED_PER_TRANSACTION"]


@pytest.mark.parametrize("value", [100_000_001, 2**31], ids=["above a million dollars", "2 to the 31"])
def test_b087_an_amount_beyond_belief_waits_for_staff(mall: Wallet, value: int) -> None:
    kept = assert_doubted(mall, mall.bill(orderAmount=amount(value)), "AMOUNT_UNREADABLE")

    assert confirmed(kept).state == "PROCESSED"
    assert changes.balance() == 30000


def test_b087_the_limit_is_a_setting(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_AMOUNT_LIMIT_CENTS = 13889

    assert_doubted(mall, mall.bill(), "AMOUNT_UNREADABLE")


@pytest.mark.parametrize("currency", ["JPY", "USD"])
def test_b089_another_currency_is_recorded_in_its_smallest_unit(mall: Wallet, currency: str) -> None:
    purchase = assert_recorded(
        mall, mall.bill(orderAmount=amount(200_000_000, currency)), "CURRENCY_NOT_SUPPORTED"
    )

    assert (purchase.amount_cents, purchase.currency) == (200_000_000, currency)


def test_b090_an_unknown_currency_waits_for_staff(mall: Wallet) -> None:
    assert_doubted(mall, mall.bill(orderAmount=amount(13890, "ZZZ")), "CURRENCY_UNKNOWN")


@pytest.mark.parametrize("currency", ["hkd", "HK$", "HKDD", "", None, 344, "ＨＫＤ"])
def test_b091_what_is_no_currency_code_is_rejected(mall: Wallet, currency: Any) -> None:
    body = wallet.encoded(mall.bill(orderAmount=amount(13890, currency)))

    kept = assert_rejected(mall, "BILL", body)

    assert kept.detail.startswith("orderAmount.currency: ")


FORMS = ["without a zone", "with T", "UTC", "with an offset", "milliseconds", "seconds"]


@pytest.mark.parametrize("form", FORMS)
def test_b092_every_form_of_a_pay_time_is_the_same_moment(mall: Wallet, form: str) -> None:
    moment = (clock.now() - timedelta(hours=1)).replace(microsecond=0)
    hong_kong = moment.astimezone(clock.HONG_KONG)
    texts = {
        "without a zone": f"{hong_kong:%Y-%m-%d %H:%M:%S}",
        "with T": f"{hong_kong:%Y-%m-%dT%H:%M:%S}",
        "UTC": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "with an offset": hong_kong.isoformat(),
        "milliseconds": f"{int(moment.timestamp())}000",
        "seconds": str(int(moment.timestamp())),
    }

    award = assert_earned(mall, mall.bill(payTime=texts[form]), 138)

    assert award.transaction.paid_at == moment


@pytest.mark.parametrize("text", ["06/05/2024", "2026-02-31 10:49:51", "now", "2026-W47-6", "20261121104951"])
def test_b093_what_is_no_pay_time_is_rejected(mall: Wallet, text: str) -> None:
    kept = assert_rejected(mall, "BILL", wallet.encoded(mall.bill(payTime=text)))

    assert kept.detail.startswith("payTime: ")


@pytest.mark.parametrize("days", [2, -3653], ids=["the day after tomorrow", "ten years ago"])
def test_b094_a_pay_time_far_from_today_waits_for_staff(mall: Wallet, days: int) -> None:
    text = wallet.business_time(clock.now() + timedelta(days=days))

    assert_doubted(mall, mall.bill(payTime=text), "TIME_IMPLAUSIBLE")


def test_b095_the_business_day_is_hong_kongs(mall: Wallet, settings: Any) -> None:
    hong_kong = clock.now().astimezone(clock.HONG_KONG)
    last_second = hong_kong.replace(hour=23, minute=59, second=59, microsecond=0)
    bill = mall.bill(payTime=wallet.business_time(last_second), outBillNo="A1")

    award = assert_earned(mall, bill, 138)
    settings.CLOCK_OFFSET_SECONDS = (last_second - clock.now()).total_seconds() + 1
    mall.send("BILL", mall.bill(outBillNo="A1", payTime=bill["payTime"]))

    assert award.transaction.paid_at == last_second
    told = Award.objects.order_by("-pk")[0].reasons[0]
    assert told["values"]["date"] == f"{hong_kong:%Y-%m-%d}"


DRESSED = {
    "zero-width": "2023\u200b0421",
    "full-width": "２０２３０４２１",
    "control letter": "2023\u00070421",
    "inner blank": "2023 0421",
    "newline": "2023\n0421",
    "slash": "2023/0421",
    "percent": "2023%30421",
    "right-to-left": "2023\u202e0421",
    "quote": "2023'0421",
}


@pytest.mark.parametrize("name", ["billNo", "userId", "cnBillNo", "outBillNo"])
@pytest.mark.parametrize("text", DRESSED.values(), ids=DRESSED.keys())
def test_b096_a_number_in_disguise_is_rejected(mall: Wallet, name: str, text: str) -> None:
    kept = assert_rejected(mall, "BILL", wallet.encoded(mall.bill(**{name: text})))

    assert kept.detail.startswith(f"{name}: ")


def test_b097_a_known_number_in_other_case_is_a_duplicate(mall: Wallet) -> None:
    bill = mall.bill(billNo="abc-2023_X")
    assert_earned(mall, bill, 138)

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", bill | {"billNo": "ABC-2023_x"})

    assert answer.verdict == SUCCESS
    assert Transaction.objects.get().payment_number == "abc-2023_X"


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000"])
def test_b097_a_known_number_with_outer_blanks_is_rejected(mall: Wallet, blank: str) -> None:
    bill = mall.bill(billNo="abc-2023_X")
    assert_earned(mall, bill, 138)

    assert_rejected(mall, "BILL", wallet.encoded(bill | {"billNo": f"abc-2023_X{blank}"}))


@pytest.mark.parametrize("user_id", ["21601234567890", "2188012345678901"])
def test_b099_a_user_id_has_no_length(mall: Wallet, user_id: str) -> None:
    mall.joined(user_id)

    assert_earned(mall, mall.bill(userId=user_id), 138)


def test_b100_a_mainland_user_linked_to_a_member_earns(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    mall.joined("2088012345678901")

    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        assert_earned(mall, mall.bill(userId="2088012345678901", pointsProvider="ALIPAYCN"), 138)

    assert "different wallets" not in caplog.text


def test_b101_a_provider_and_a_user_id_that_disagree_earn_and_are_flagged(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        assert_earned(mall, mall.bill(pointsProvider="ALIPAYCN"), 138)

    assert "different wallets" in caplog.text


@pytest.mark.parametrize("provider", ["ALIPAYJP", "alipayhk", "ALIPAY HK"])
def test_b102_another_provider_waits_for_staff(mall: Wallet, provider: str) -> None:
    kept = assert_doubted(mall, mall.bill(pointsProvider=provider), "PROVIDER_UNKNOWN")

    assert confirmed(kept).state == "PROCESSED"


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "=HYPERLINK(1)", "\u202egnp.exe", "🍜 麵家 👨‍👩‍👧", "{{7*7}}", "line\nend"],
)
def test_b103_a_merchants_name_is_kept_as_it_is(mall: Wallet, name: str) -> None:
    award = assert_earned(mall, mall.bill(merchantName=name), 138)

    assert award.transaction.merchant_name == name
