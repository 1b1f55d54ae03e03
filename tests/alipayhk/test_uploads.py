"""A manual upload from the gateway's socket to points: each line's verdict, repeats, overlap, and every fault."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db.transaction import atomic

from alipayhk import uploads
from alipayhk.models import PassUpdate
from alipayhk.uploads import Verdict
from loyalty.earning import settlement, suspects
from loyalty.earning.models import DuplicateCase, Transaction
from members.models import Member, Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes
from tests.alipayhk.picking import TOKEN, Picker, an_hour_ago, bill, exact, verdicts
from tests.alipayhk.raw_gateway import RawGateway, result

pytestmark = pytest.mark.django_db


@contextmanager
def fails(error: type[uploads.UploadFailed], code: str, *, keeps: str = "") -> Iterator[None]:
    """The upload fails so, and has changed nothing but the table `keeps`."""
    with changes.only(*filter(None, [keeps])), pytest.raises(error) as caught:
        yield
    assert caught.value.code == code
    assert TOKEN not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_picked_payments_earn_their_points_and_the_card_is_to_show_them(picker: Picker) -> None:
    PassUpdate.objects.create(wallet_pass=picker.wallet_pass)

    told = picker.upload(picker.batch(bill("UP-1"), bill("UP-2", 20000, outBillNo="A-2")))

    assert verdicts(told) == ["ACCEPTED", "ACCEPTED"]
    assert [one.points for one in told] == [138, 200]
    assert picker.balance() == 338
    assert PassUpdate.objects.get(wallet_pass=picker.wallet_pass).wanted_version == 2
    second = Transaction.objects.get(payment_number="UP-2")
    assert second.numbers == {"PAYMENT": "UP-2", "ACQUIRER": "A-2"}
    assert (second.channel, second.member_id) == ("UPLOAD", picker.wallet_pass.member_id)


def test_payments_picked_before_a_card_became_anothers_earn_for_its_member_now(picker: Picker) -> None:
    before = picker.wallet_pass
    batch = picker.batch(bill("UP-1"))
    now_theirs = factories.MemberFactory.create(program=before.program, joined_at=before.member.joined_at)
    factories.PointAccountFactory.create(member=now_theirs)
    Pass.objects.filter(pk=before.pk).update(member=now_theirs)
    Member.objects.filter(pk=before.member_id).update(state=Member.State.CLOSED)

    told = picker.upload(batch, wallet_pass=before)

    assert verdicts(told) == ["ACCEPTED"]
    assert Transaction.objects.get(payment_number="UP-1").member == now_theirs


def test_the_same_batch_again_tells_the_same_and_changes_nothing(picker: Picker) -> None:
    picker.pays("SEEN-1")
    batch = picker.batch(bill("UP-1"), bill("SEEN-1"), bill("UP-3", pmsLabel="NOBODY-KNOWS"))
    first = picker.upload(batch)

    with changes.only("alipayhk_uploadbatch"):
        again = picker.upload(batch)

    assert verdicts(again) == verdicts(first) == ["ACCEPTED", "ALREADY_EARNED", "PARKED"]
    assert [one.is_repeat for one in first] == [False, False, False]
    assert [one.is_repeat for one in again] == [True, True, True]
    assert [one.transaction_id for one in again] == [one.transaction_id for one in first]


def test_a_payment_that_was_notified_first_earns_once_and_the_first_record_is_named(picker: Picker) -> None:
    notified = picker.pays("SEEN-1")

    (told,) = picker.upload(picker.batch(bill("seen-1")))

    assert (told.verdict, told.points, told.earlier) == (Verdict.ALREADY_EARNED, 0, notified)
    assert picker.balance() == 138
    said = uploads.document(told)
    assert said["earlier"] == {
        "transaction": notified.pk,
        "door": "WALLET",
        "recorded_at": notified.recorded_at.astimezone(clock.HONG_KONG).isoformat(timespec="seconds"),
    }
    assert said["reason"] == "DUPLICATE_NUMBER"
    assert str(said["message_en"]).startswith("Already recorded on ")
    assert str(said["message_zh"]).startswith("此交易已於 ")


def test_a_notice_after_the_upload_earns_nothing_more(picker: Picker) -> None:
    picker.upload(picker.batch(bill("UP-1")))

    notified = picker.pays("UP-1")

    assert notified.state == "DUPLICATE" or Transaction.objects.get(pk=notified.pk).state == "DUPLICATE"
    assert picker.balance() == 138


def test_a_number_known_with_another_amount_waits_for_staff(picker: Picker) -> None:
    picker.pays("SEEN-1")

    (told,) = picker.upload(picker.batch(bill("SEEN-1", 99900)))

    assert told.verdict == Verdict.ALREADY_EARNED
    assert [entry["code"] for entry in told.reasons] == ["DUPLICATE_NUMBER", "CONFLICTING_CONTENT"]
    assert DuplicateCase.objects.get(transaction=told.transaction_id).state == "OPEN"
    assert picker.balance() == 138


def test_each_refusal_has_its_own_verdict_and_says_why_in_both_languages(picker: Picker) -> None:
    window = picker.wallet_pass.program.manual_window_days
    mall = picker.wallet_pass.mall
    factories.StoreFactory.create(mall=mall, code="X", pms_label="LP-X", is_excluded=True)
    factories.StoreFactory.create(pms_label="ELSEWHERE-1")
    batch = picker.batch(
        bill("UP-1", at=an_hour_ago() - timedelta(days=window + 2)),
        bill("UP-2", pmsLabel="ELSEWHERE-1"),
        bill("UP-3", pmsLabel="LP-X"),
        bill("UP-4", pmsLabel="NOBODY-KNOWS"),
        bill("UP-5", 5),
        bill("UP-6", at=an_hour_ago() + timedelta(days=9)),
        bill("UP-7", userId="2160999999999999"),
    )

    told = picker.upload(batch)

    expected = ["TOO_LATE", "WRONG_MALL", "EXCLUDED", "PARKED", "NO_POINTS", "DOUBTED", "OTHER_PAYER"]
    assert verdicts(told) == expected
    assert [one.points for one in told] == [0] * 7
    documents = [uploads.document(one) for one in told]
    assert all(said["message_en"] and said["message_zh"] for said in documents)
    assert documents[0]["message_en"] == f"Submitted more than {window} days after payment."
    assert documents[6]["message_zh"] == "此交易並非由此會員付款。"
    assert picker.balance() == 0
    assert not Transaction.objects.filter(payment_number__in=["UP-6", "UP-7"]).exists()


def test_a_payment_without_any_store_claims_nothing_so_that_its_notice_earns(picker: Picker) -> None:
    batch = picker.batch(exact(picker, "UP-1", pmsLabel=None), exact=True)

    with changes.only("alipayhk_uploadbatch"):
        (told,) = picker.upload(batch)
    picker.pays("UP-1")

    assert (told.verdict, told.transaction_id) == (Verdict.PARKED, None)
    assert picker.balance() == 138
    assert verdicts(picker.upload(batch)) == ["ALREADY_EARNED"]


def test_consent_is_not_asked_of_who_hands_a_payment_in(picker: Picker) -> None:
    picker.wallet_pass.consents.all().update(ended_at=clock.now() - timedelta(days=2))

    assert verdicts(picker.upload(picker.batch(bill("UP-1")))) == ["ACCEPTED"]


@pytest.mark.parametrize(
    ("cents", "tender", "state", "score"),
    [(73800, "", "HELD", 87), (68800, "CARD", "EARNED", 60)],
    ids=["what a coupon of the wallet leaves", "paid otherwise"],
)
def test_a_receipt_after_an_upload_is_compared_with_a_record_of_the_wallet(
    picker: Picker, cents: int, tender: str, state: str, score: int
) -> None:
    at = an_hour_ago()
    picker.upload(picker.batch(bill("UP-1", 68800, at=at)))

    receipt = picker.shopper.hands_in(
        cents,
        at=at + timedelta(minutes=2),
        tender=tender,
        member_id=picker.wallet_pass.member_id,
        wallet="",
        user_id="",
        submitted_at=clock.now(),
    )

    near = suspects.nearest(receipt)
    assert near is not None
    assert (receipt.state, near.score, near.earlier.payment_number) == (state, score, "UP-1")


def test_an_upload_that_was_held_back_is_asked_for_no_consent_when_it_is_cleared(picker: Picker) -> None:
    picker.wallet_pass.consents.all().update(ended_at=clock.now() - timedelta(days=2))
    picker.shopper.hands_in(13890, at=an_hour_ago(), member_id=picker.wallet_pass.member_id, wallet="")
    (told,) = picker.upload(picker.batch(bill("UP-1")))
    held = Transaction.objects.get(payment_number="UP-1")

    with atomic():
        settlement.grant(transaction=held, now=clock.now())

    assert (told.verdict, held.state, held.award.points) == (Verdict.HELD, "EARNED", 138)
    assert picker.balance() == 276


def test_malformed_lines_are_named_by_their_place_and_the_others_earn(picker: Picker) -> None:
    good = exact(picker, "UP-1")
    batch = picker.batch(
        "nonsense", good, exact(picker, "UP-2", billNo=7), exact(picker, "UP-3", payTime="soon"), exact=True
    )

    told = picker.upload(batch)

    assert verdicts(told) == ["MALFORMED", "ACCEPTED", "MALFORMED", "MALFORMED"]
    assert [one.index for one in told] == [0, 1, 2, 3]
    assert [one.field for one in told] == ["", "", "billNo", "payTime"]
    assert all(one.detail for one in told if one.verdict == Verdict.MALFORMED)
    assert picker.balance() == 138


def test_an_empty_batch_is_no_fault(picker: Picker) -> None:
    with changes.only("alipayhk_uploadbatch"):
        assert picker.upload(picker.batch()) == []


def test_the_fields_are_read_where_the_settings_say(picker: Picker, settings: Any) -> None:
    settings.ALIPAYHK_UPLOAD_LINES = ["nowhere", "billList"]
    settings.ALIPAYHK_UPLOAD_FIELDS = {
        "billNo": ["trade.no", "tradeNo"],
        "orderAmount": ["nothing"],
        "orderAmount.value": ["cents"],
        "orderAmount.currency": ["unit"],
        "payTime": ["at"],
        "pmsLabel": ["shop"],
    }
    at = int(an_hour_ago().timestamp() * 1000)
    line = {"tradeNo": "UP-1", "cents": "13890", "unit": "HKD", "at": at, "shop": "LP-S12"}

    (told,) = picker.upload(picker.batch(line, exact=True))

    assert (told.verdict, told.number, picker.balance()) == (Verdict.ACCEPTED, "UP-1", 138)


@pytest.mark.parametrize(
    ("fault", "more", "error", "code"),
    [
        ("reset_before", {}, uploads.NoAnswer, "CONNECTION_LOST"),
        ("drip", {}, uploads.NoAnswer, "TIMEOUT"),
        ("unsigned", {}, uploads.NoAnswer, "ANSWER_UNSIGNED"),
        ("wrong_signature", {}, uploads.NoAnswer, "SIGNATURE_UNVERIFIED"),
        ("http_500", {}, uploads.NoAnswer, "HTTP_500"),
        ("oversized", {}, uploads.AnswerTooLarge, "ANSWER_TOO_LARGE"),
        ("system_error_before", {}, uploads.Busy, "SYSTEM_ERROR"),
        ("permanent", {"code": "EXPIRED_ACCESS_TOKEN"}, uploads.TokenExpired, "EXPIRED_ACCESS_TOKEN"),
        ("permanent", {"code": "ACCESS_DENIED"}, uploads.Refused, "ACCESS_DENIED"),
    ],
)
def test_a_fault_of_the_gateway_changes_nothing_and_the_batch_can_be_fetched_again(
    picker: Picker, fault: str, more: dict[str, Any], error: type[uploads.UploadFailed], code: str
) -> None:
    batch = picker.batch(bill("UP-1"))
    picker.gateway.fault(fault, user_id=picker.wallet_pass.user_id, **more)

    with fails(error, code):
        picker.upload(batch)

    assert verdicts(picker.upload(batch)) == ["ACCEPTED"]
    assert picker.balance() == 138


def test_an_answer_that_lists_no_payments_where_it_should_is_unreadable(
    picker: Picker, raw_gateway: RawGateway
) -> None:
    picker.credential.gateway_url = raw_gateway.url
    raw_gateway.says(result("SUCCESS", billList={"0": bill("UP-1")}))

    with fails(uploads.AnswerUnreadable, "LINES_MISSING", keeps="alipayhk_uploadbatch"):
        picker.upload(picker.batch())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"batch_number": ""}, "BATCH_NUMBER_UNREADABLE"),
        ({"batch_number": "1\n2"}, "BATCH_NUMBER_UNREADABLE"),
        ({"access_token": ""}, "ACCESS_TOKEN_UNREADABLE"),
        ({"access_token": "with blank"}, "ACCESS_TOKEN_UNREADABLE"),
    ],
)
def test_an_order_that_cannot_be_one_is_not_sent(picker: Picker, changed: dict[str, str], code: str) -> None:
    batch = picker.batch(bill("UP-1"))

    with fails(uploads.OrderRefused, code):
        picker.upload(batch, **changed)

    assert picker.gateway.calls(picker.wallet_pass) == []


def test_a_card_of_another_group_opens_nothing(picker: Picker) -> None:
    stranger = factories.PassFactory.create()

    with fails(uploads.OrderRefused, "CARD_OF_ANOTHER_GROUP"):
        picker.upload(picker.batch(bill("UP-1")), wallet_pass=stranger)


def test_manual_upload_is_off_until_it_is_set_up(picker: Picker, settings: Any) -> None:
    batch = picker.batch(bill("UP-1"))

    settings.ALIPAYHK_UPLOAD_FIELDS = {"bilNo": ["tradeNo"]}
    with fails(uploads.UploadsOff, "FIELDS_UNKNOWN"):
        picker.upload(batch)
    settings.ALIPAYHK_UPLOAD_LINES = [""]
    with fails(uploads.UploadsOff, "LINES_NOT_CONFIGURED"):
        picker.upload(batch)


def test_a_mall_without_a_mini_app_uploads_nothing(picker: Picker) -> None:
    batch = picker.batch(bill("UP-1"))
    picker.credential.app_id = ""

    with fails(uploads.UploadsOff, "NO_MINI_APP"):
        picker.upload(batch)


def test_the_access_token_is_neither_logged_nor_kept(
    picker: Picker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    batch = picker.batch(bill("UP-1"))
    picker.gateway.fault("unsigned", user_id=picker.wallet_pass.user_id)

    with pytest.raises(uploads.NoAnswer):
        picker.upload(batch)
    told = picker.upload(batch)

    texts = [
        caplog.text,
        repr(picker.order(batch)),
        repr(told),
        *map(str, picker.gateway.calls(picker.wallet_pass)),
    ]
    assert verdicts(told) == ["ACCEPTED"]
    assert not any(TOKEN in text for text in texts)
