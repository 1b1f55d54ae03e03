"""What the fields of a payment become, which are refused, and by what name."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from alipayhk import payloads, strict_json
from tests.alipayhk.samples import LIMIT, NOW, bill, refund, sample


def test_a_payment_is_read_into_our_words() -> None:
    assert bill(cnBillNo="2024cn-a_1") == payloads.BillNotice(
        user_id="21601234567890",
        number="2023042122001432271433274247",
        number_text="2023042122001432271433274247",
        mainland_number="2024CN-A_1",
        mainland_number_text="2024cn-a_1",
        acquirer_number="A20240506000123",
        acquirer_number_text="A20240506000123",
        merchant_id="21609876543945",
        merchant_name="Openrice",
        amount_cents=1800,
        currency="HKD",
        paid_at=datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC),
        paid_at_text="2024-05-06 10:49:51",
        provider="ALIPAYHK",
        pms_label="PMS0001",
        doubt="",
    )


def test_b077_unknown_fields_are_passed_over() -> None:
    extra = {"points": 9, "mallId": 1, "memberId": 1, "is_staff": True, "version": 2, "payTimes": None}

    assert bill(**extra) == bill()


BILL_OPTIONS = ["cnBillNo", "merchantId", "merchantName", "outBillNo", "pmsLabel"]


@pytest.mark.parametrize("name", BILL_OPTIONS)
def test_b078_an_optional_field_may_be_null_or_empty_or_absent(name: str) -> None:
    fields = {key: value for key, value in sample("bill_notify").items() if key != name}

    absent = payloads.read_bill(fields, now=NOW, amount_limit_cents=LIMIT)

    assert bill(**{name: None}) == bill(**{name: ""}) == absent


BILL_MUSTS = ["userId", "billNo", "orderAmount", "payTime", "pointsProvider"]
REFUND_MUSTS = ["userId", "relateBillNo", "refundAmount", "refundTime", "pointsProvider"]
MUSTS = [
    *(("bill_notify", name) for name in BILL_MUSTS),
    *(("refund_notify", name) for name in REFUND_MUSTS),
    ("membercard_create", "userId"),
]


def read(message: str, fields: Mapping[str, object]) -> object:
    if message == "bill_notify":
        return payloads.read_bill(fields, now=NOW, amount_limit_cents=LIMIT)
    if message == "refund_notify":
        return payloads.read_refund(fields, now=NOW, amount_limit_cents=LIMIT)
    return payloads.read_card(fields)


@pytest.mark.parametrize(("message", "name"), MUSTS)
@pytest.mark.parametrize(
    "flaw", ["missing", "null", "empty", "other case", "blank in name", "full-width name"]
)
def test_b075_a_mandatory_field_is_there_under_its_own_name(message: str, name: str, flaw: str) -> None:
    fields = sample(message)
    value = fields.pop(name)
    flawed: dict[str, dict[str, object]] = {
        "missing": {},
        "null": {name: None},
        "empty": {name: ""},
        "other case": {name.upper(): value},
        "blank in name": {f"{name} ": value},
        "full-width name": {chr(ord(name[0]) + 0xFEE0) + name[1:]: value},
    }

    with pytest.raises(payloads.FieldRefused) as refused:
        read(message, fields | flawed[flaw])

    assert refused.value.field == name
    assert refused.value.sentence == (flaw if flaw in ("null", "empty") else "missing")


@pytest.mark.parametrize(("message", "name"), [must for must in MUSTS if "Amount" not in must[1]])
@pytest.mark.parametrize("value", [1, 2023042122001432271433274247, 1.5, True, [], ["a"], {}, {"a": "b"}])
def test_b076_b098_a_text_is_not_a_number_nor_a_structure(message: str, name: str, value: object) -> None:
    with pytest.raises(payloads.FieldRefused) as refused:
        read(message, sample(message) | {name: value})

    assert refused.value.field == name
    assert refused.value.sentence == "not a text"


@pytest.mark.parametrize("name", BILL_OPTIONS)
def test_an_optional_text_is_not_a_number_either(name: str) -> None:
    with pytest.raises(payloads.FieldRefused, match=name):
        bill(**{name: 12})


TOO_LONG = {
    "billNo": "9" * 65_536,
    "userId": "2" * 129,
    "cnBillNo": "9" * 129,
    "outBillNo": "A" * 129,
    "merchantId": "2" * 129,
    "merchantName": "x" * 257,
    "pmsLabel": "P" * 129,
    "pointsProvider": "A" * 129,
    "payTime": "2" * 129,
}


@pytest.mark.parametrize(("name", "value"), TOO_LONG.items())
def test_b079_a_text_longer_than_its_rule_is_refused(name: str, value: str) -> None:
    with pytest.raises(payloads.FieldRefused, match=f"{name}: longer than"):
        bill(**{name: value})


def test_a_text_as_long_as_its_rule_is_read() -> None:
    assert bill(billNo="9" * 128, merchantName="x" * 256).number == "9" * 128


WHOLE = {"B080 number": 1800, "B080 digits": "1800"}


@pytest.mark.parametrize("value", WHOLE.values(), ids=WHOLE.keys())
def test_whole_cents_are_read(value: object) -> None:
    notice = bill(orderAmount={"currency": "HKD", "value": value})

    assert (notice.amount_cents, notice.currency, notice.doubt) == (1800, "HKD", "")


def test_b081_b125_a_bare_number_is_read_as_hkd_cents_and_doubted() -> None:
    paid, given_back = bill(orderAmount=1800), refund(refundAmount=1800)

    assert (paid.amount_cents, paid.currency, paid.doubt) == (1800, "HKD", "AMOUNT_UNREADABLE")
    assert (given_back.amount_cents, given_back.currency, given_back.doubt) == (
        1800,
        "HKD",
        "AMOUNT_UNREADABLE",
    )


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
    "B083 line end": '"12\\n"',
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
    "B084 minus zero, a number": "-0",
    "B088 two to the 63rd": "9223372036854775808",
    "B088 forty nines": "9" * 40,
    "B088 forty nines, digits": f'"{"9" * 40}"',
    "B088 sixteen digits": "1000000000000000",
}


@pytest.mark.parametrize("written", NOT_CENTS.values(), ids=NOT_CENTS.keys())
def test_what_is_not_whole_cents_is_refused(written: str) -> None:
    amount = strict_json.read(f'{{"currency": "HKD", "value": {written}}}'.encode())

    with pytest.raises(payloads.FieldRefused) as paid:
        bill(orderAmount=amount)
    with pytest.raises(payloads.FieldRefused) as given_back:
        refund(refundAmount=amount)

    assert (paid.value.field, given_back.value.field) == ("orderAmount.value", "refundAmount.value")


@pytest.mark.parametrize("amount", [18.5, -1, True, "1800", [], [1800], "", None, {}, {"value": 1}])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    with pytest.raises(payloads.FieldRefused, match="orderAmount"):
        bill(orderAmount=amount)


def test_b085_b126_nothing_at_all_is_an_amount() -> None:
    assert bill(orderAmount={"currency": "HKD", "value": 0}).amount_cents == 0
    assert refund(refundAmount={"currency": "HKD", "value": "0"}).amount_cents == 0


@pytest.mark.parametrize(
    ("cents", "doubt"), [(LIMIT, ""), (LIMIT + 1, "AMOUNT_UNREADABLE"), (2**31, "AMOUNT_UNREADABLE")]
)
def test_b087_an_amount_above_the_limit_is_read_and_doubted(cents: int, doubt: str) -> None:
    notice = bill(orderAmount={"currency": "HKD", "value": cents})

    assert (notice.amount_cents, notice.doubt) == (cents, doubt)


@pytest.mark.parametrize("currency", ["JPY", "USD", "CNY"])
def test_b089_a_known_foreign_currency_is_kept_in_its_smallest_unit(currency: str) -> None:
    notice = bill(orderAmount={"currency": currency, "value": LIMIT + 1})

    assert (notice.amount_cents, notice.currency, notice.doubt) == (LIMIT + 1, currency, "")


def test_b090_an_unknown_currency_is_doubted() -> None:
    assert bill(orderAmount={"currency": "ZZZ", "value": 1}).doubt == "CURRENCY_UNKNOWN"


@pytest.mark.parametrize("currency", ["hkd", "HK$", "HKDX", "HK", "", "ＨＫＤ", "HKD\n", None, 344])
def test_b091_what_is_no_currency_is_refused(currency: object) -> None:
    with pytest.raises(payloads.FieldRefused, match=r"orderAmount\.currency"):
        bill(orderAmount={"currency": currency, "value": 1})


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06 10:49:51",
        "2024-05-06T02:49:51Z",
        "2024-05-06T10:49:51.000+08:00",
        "1714963791",
        "1714963791000",
    ],
)
def test_b092_b127_all_forms_of_a_time_mean_one_moment(text: str) -> None:
    moment = datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC)

    assert (bill(payTime=text).paid_at, bill(payTime=text).paid_at_text) == (moment, text)
    assert (refund(refundTime=text).refunded_at, refund(refundTime=text).refunded_at_text) == (moment, text)


@pytest.mark.parametrize("text", ["06/05/2024", "2024-02-31 10:00:00", "now", "2024-05-06", " "])
def test_b093_b127_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(payloads.FieldRefused, match="payTime"):
        bill(payTime=text)
    with pytest.raises(payloads.FieldRefused, match="refundTime"):
        refund(refundTime=text)


PLAUSIBLE = {
    "B094 tomorrow": ("2024-05-07 12:00:00", "TIME_IMPLAUSIBLE"),
    "B094 the first second of tomorrow": ("2024-05-07 00:00:00", "TIME_IMPLAUSIBLE"),
    "B094 ten years ago": ("2014-05-06 12:00:00", "TIME_IMPLAUSIBLE"),
    "B094 far future": ("9999-12-31 23:59:59", "TIME_IMPLAUSIBLE"),
    "B095 last second of today": ("2024-05-06 23:59:59", ""),
    "B095 yesterday": ("2024-05-05 23:59:59", ""),
    "four years ago": ("2020-05-06 12:00:00", ""),
}


@pytest.mark.parametrize(("text", "doubt"), PLAUSIBLE.values(), ids=PLAUSIBLE.keys())
def test_an_implausible_time_is_read_and_doubted(text: str, doubt: str) -> None:
    assert bill(payTime=text).doubt == doubt
    assert refund(refundTime=text).doubt == doubt


def test_a_till_may_run_an_hour_ahead_over_midnight() -> None:
    just_before_midnight = datetime(2024, 5, 6, 15, 50, tzinfo=UTC)
    fields = sample("bill_notify") | {"payTime": "2024-05-07 00:10:00"}

    notice = payloads.read_bill(fields, now=just_before_midnight, amount_limit_cents=LIMIT)

    assert notice.doubt == ""


DRESSED = [
    "A\u200bB",
    "１２３",
    "12\u00003",
    "12 3",
    "12\n",
    " 12",
    "12 ",
    "12/3",
    "12%33",
    "é1",
    "12:3",
    "\u202e12",
]


@pytest.mark.parametrize("name", ["billNo", "userId", "cnBillNo", "outBillNo"])
@pytest.mark.parametrize("text", DRESSED)
def test_b096_b097_a_number_in_fancy_dress_is_refused(name: str, text: str) -> None:
    with pytest.raises(payloads.FieldRefused, match=name):
        bill(**{name: text})


@pytest.mark.parametrize("name", ["relateBillNo", "userId", "cnRelateBillNo", "refundOutBillNo"])
@pytest.mark.parametrize("text", DRESSED)
def test_b096_and_so_it_is_in_a_refund(name: str, text: str) -> None:
    with pytest.raises(payloads.FieldRefused, match=name):
        refund(**{name: text})


def test_b097_a_number_in_other_case_is_the_same_number() -> None:
    upper, lower = bill(billNo="AB12"), bill(billNo="ab12")

    assert upper.number == lower.number == "AB12"
    assert lower.number_text == "ab12"
    assert payloads.content_hash(upper) == payloads.content_hash(lower)


@pytest.mark.parametrize("user_id", ["21601234567890", "2160120037098191", "2188000000000001"])
def test_b099_a_user_id_has_no_length_of_its_own(user_id: str) -> None:
    assert bill(userId=user_id).user_id == user_id


FOREIGN = {
    "B100 mainland both": ("ALIPAYCN", "208801234567890", False),
    "B101 mainland user, Hong Kong provider": ("ALIPAYHK", "208801234567890", True),
    "B101 Hong Kong user, mainland provider": ("ALIPAYCN", "21601234567890", True),
    "another prefix": ("ALIPAYHK", "9999", False),
    "another provider": ("ALIPAYMO", "21601234567890", False),
}


@pytest.mark.parametrize(("provider", "user_id", "is_foreign"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_provider_and_a_user_of_different_wallets_are_told(
    provider: str, user_id: str, is_foreign: bool
) -> None:
    assert bill(pointsProvider=provider, userId=user_id).has_foreign_user is is_foreign
    assert refund(pointsProvider=provider, userId=user_id).has_foreign_user is is_foreign


@pytest.mark.parametrize("provider", ["ALIPAYMO", "alipayhk", "支付寶"])
def test_b102_another_provider_is_read_and_doubted(provider: str) -> None:
    assert bill(pointsProvider=provider).doubt == "PROVIDER_UNKNOWN"


@pytest.mark.parametrize("name", ["<b>x</b>", '=HYPERLINK("x")', "\u202egnp.exe", "🍜👨‍👩‍👧", "two\nlines"])
def test_b103_a_shop_may_be_called_anything(name: str) -> None:
    assert bill(merchantName=name).merchant_name == name


def test_a_label_stays_on_one_line() -> None:
    assert bill(pmsLabel="PMS 1/2 海港").pms_label == "PMS 1/2 海港"

    with pytest.raises(payloads.FieldRefused, match="pmsLabel"):
        bill(pmsLabel="PMS\r\n1")
