"""Refunds and users who join, and what makes two messages the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alipayhk import payloads
from tests.alipayhk.samples import LIMIT, NOW, bill, card, refund, sample


def test_a_refund_is_read_into_our_words() -> None:
    assert refund(cnRelateBillNo="cn1", pmsLabel="PMS0001") == payloads.RefundNotice(
        user_id="21601234567890",
        payment_number="2023042122001432271433274247",
        payment_number_text="2023042122001432271433274247",
        mainland_payment_number="CN1",
        mainland_payment_number_text="cn1",
        refund_number="R20240506000123",
        refund_number_text="R20240506000123",
        merchant_id="21609876543945",
        merchant_name="Openrice",
        amount_cents=1800,
        currency="HKD",
        refunded_at=datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC),
        refunded_at_text="2024-05-06 10:49:51",
        provider="ALIPAYHK",
        pms_label="PMS0001",
        doubt="",
    )


def test_a_refund_is_known_by_its_number() -> None:
    notice = refund(relateBillNo="p1", refundOutBillNo="r1")

    assert notice.key == "P1:R1"
    assert refund(relateBillNo="p1", refundOutBillNo="r1", refundTime="2024-05-06 11:00:00").key == notice.key


def test_b132_a_refund_without_a_number_is_known_by_time_currency_and_amount() -> None:
    first = refund(refundOutBillNo=None)

    assert first.key == "2023042122001432271433274247::2024-05-06T02:49:51+00:00:HKD:1800"
    assert refund(refundOutBillNo=None, refundTime="2024-05-06T02:49:51Z").key == first.key
    assert refund(refundOutBillNo=None, refundTime="2024-05-06 10:49:52").key != first.key
    assert refund(refundOutBillNo=None, refundAmount={"currency": "HKD", "value": 1801}).key != first.key
    assert refund(refundOutBillNo=None, refundAmount={"currency": "USD", "value": 1800}).key != first.key


def test_the_longest_key_of_a_refund_fits_its_column() -> None:
    assert len(refund(relateBillNo="9" * 128, refundOutBillNo="9" * 128).key) <= 400


@pytest.mark.parametrize(
    "raw", ["852-98765432", "+852 9876 5432", "98765432", "９８７６５４３２", "85298765432"]
)
def test_b146_a_telephone_number_is_brought_into_one_form_and_kept_raw(raw: str) -> None:
    assert (card(mobileNo=raw).phone, card(mobileNo=raw).phone_raw) == ("+85298765432", raw)


def test_a_mainland_number_keeps_its_country() -> None:
    assert card(mobileNo="86-13800138000").phone == "+8613800138000"


@pytest.mark.parametrize("raw", ["9" * 40, "letters", "98765432x", "1", "852-", "+", "13800138000"])
def test_b147_what_is_no_telephone_number_is_kept_raw_only(raw: str) -> None:
    assert (card(mobileNo=raw).phone, card(mobileNo=raw).phone_raw) == ("", raw)


def test_b148_only_the_user_id_is_required() -> None:
    assert payloads.read_card({"userId": "2160120037098191"}) == payloads.CardRequest(
        user_id="2160120037098191", phone_raw="", phone="", email="", channel="", name=""
    )


def test_b148_the_channel_may_be_any_word() -> None:
    assert card(createCardChannel="ANYTHING").channel == "ANYTHING"


@pytest.mark.parametrize(
    "email",
    ["a@b.hk\r\nBcc: c@d.hk", "a@b@c.hk", "a" * 292 + "@mail.hk", "nobody", "@", "a @b.hk", "a@b.hk\n"],
)
def test_b149_what_is_no_email_address_is_refused(email: str) -> None:
    with pytest.raises(payloads.FieldRefused, match="userEmail"):
        card(userEmail=email)


@pytest.mark.parametrize("user_id", ["2160/1", "2160%31", "2160\x00", "2" * 129])
def test_b149_a_strange_user_id_is_refused(user_id: str) -> None:
    with pytest.raises(payloads.FieldRefused, match="userId"):
        card(userId=user_id)


def test_b152_a_name_is_cut_and_never_refused() -> None:
    assert card(name="王" * 10_000).name == "王" * 60
    assert card(name="<b>Ann</b>").name == "<b>Ann</b>"
    assert card(name=17).name == ""


def test_b050_the_order_of_the_fields_is_no_content() -> None:
    turned = dict(reversed(sample("bill_notify").items()))
    notice = payloads.read_bill(turned, now=NOW + timedelta(days=1), amount_limit_cents=LIMIT)

    assert payloads.content_hash(notice) == payloads.content_hash(bill())


SAME_BILL: dict[str, dict[str, object]] = {
    "B108 other name": {"merchantName": "Open Rice"},
    "B108 unknown field": {"remark": "x"},
    "amount as digits": {"orderAmount": {"value": "1800", "currency": "HKD"}},
    "time in another form": {"payTime": "2024-05-06T02:49:51.000Z"},
    "option empty": {"cnBillNo": ""},
}


@pytest.mark.parametrize("changed", SAME_BILL.values(), ids=SAME_BILL.keys())
def test_a_resend_in_other_dress_has_the_same_content(changed: dict[str, object]) -> None:
    assert payloads.content_hash(bill(**changed)) == payloads.content_hash(bill())


OTHER_BILL: dict[str, dict[str, object]] = {
    "B106 value": {"orderAmount": {"currency": "HKD", "value": 1801}},
    "B106 currency": {"orderAmount": {"currency": "USD", "value": 1800}},
    "B107 userId": {"userId": "21601234567891"},
    "B107 payTime": {"payTime": "2024-05-06 10:49:52"},
    "B107 pointsProvider": {"pointsProvider": "ALIPAYCN"},
    "B107 merchantId": {"merchantId": "21609876543946"},
    "B107 pmsLabel": {"pmsLabel": "PMS0002"},
    "B107 cnBillNo": {"cnBillNo": "1"},
    "B107 outBillNo": {"outBillNo": "A1"},
}


@pytest.mark.parametrize("changed", OTHER_BILL.values(), ids=OTHER_BILL.keys())
def test_any_other_field_is_content(changed: dict[str, object]) -> None:
    assert payloads.content_hash(bill(**changed)) != payloads.content_hash(bill())


def test_values_that_move_to_another_field_are_other_content() -> None:
    assert payloads.content_hash(bill(merchantId="1", pmsLabel="2")) != payloads.content_hash(
        bill(merchantId="2", pmsLabel="1")
    )
    assert payloads.content_hash(bill(merchantId="1", pmsLabel="")) != payloads.content_hash(
        bill(merchantId="", pmsLabel="1")
    )


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({"merchantName": "x"}, True),
        ({"refundAmount": {"currency": "HKD", "value": 1}}, False),
        ({"userId": "2160"}, False),
        ({"refundTime": "2024-05-06 10:49:52"}, False),
        ({"cnRelateBillNo": "1"}, False),
    ],
)
def test_b131_the_content_of_a_refund_is_what_was_read(changed: dict[str, object], is_same: bool) -> None:
    assert (payloads.content_hash(refund(**changed)) == payloads.content_hash(refund())) is is_same


def test_b153_another_telephone_number_is_other_content_and_another_spelling_is_not() -> None:
    assert payloads.content_hash(card(mobileNo="98765432")) == payloads.content_hash(card())
    assert payloads.content_hash(card(name="Ann")) == payloads.content_hash(card())
    assert payloads.content_hash(card(mobileNo="91234567")) != payloads.content_hash(card())


def test_a_doubt_is_no_content() -> None:
    notice = bill()

    assert payloads.content_hash(replace(notice, doubt="TIME_IMPLAUSIBLE")) == payloads.content_hash(notice)
