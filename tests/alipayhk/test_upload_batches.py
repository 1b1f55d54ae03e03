"""What is kept of a manual upload, and what of it waits for a person."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from alipayhk import upload_batches, uploads
from alipayhk.models import UploadBatch
from pms import clock
from pms.models import MallStaff, User
from tests import factories
from tests.alipayhk.picking import TOKEN, Picker, an_hour_ago, bill, exact, verdicts
from tests.alipayhk.raw_gateway import RawGateway, result

pytestmark = pytest.mark.django_db
LIST = "/admin/alipayhk/uploadbatch/"


def staff(picker: Picker, role: str = MallStaff.Role.OPERATOR) -> User:
    mall = picker.credential.mall
    return factories.MallStaffFactory.create(mall=mall, group=mall.group, role=role).user


def opened(client: Client, batch: UploadBatch) -> str:
    return client.get(f"{LIST}{batch.pk}/change/").content.decode()


def test_the_answer_is_kept_as_it_came_with_the_verdict_of_each_payment(picker: Picker) -> None:
    picker.upload(picker.batch(bill("UP-1"), bill("UP-2", 5)))

    batch = UploadBatch.objects.get()
    answer = json.loads(bytes(batch.raw_answer))
    assert (batch.state, batch.fetches, batch.wallet_pass) == ("DONE", 1, picker.wallet_pass)
    assert [line["billNo"] for line in answer["billList"]] == ["UP-1", "UP-2"]
    assert [(line["verdict"], line["points"]) for line in batch.lines] == [
        ("ACCEPTED", 138),
        ("NO_POINTS", 0),
    ]
    assert TOKEN.encode() not in bytes(batch.raw_answer)


def test_the_same_batch_again_is_the_same_row(picker: Picker) -> None:
    batch = picker.batch(bill("UP-1"))
    picker.upload(batch)

    picker.upload(batch)

    kept = UploadBatch.objects.get()
    assert (kept.fetches, kept.state, kept.lines[0]["is_repeat"]) == (2, "DONE", True)


def test_a_payment_that_looks_like_another_one_is_held_and_its_case_waits(picker: Picker) -> None:
    """E13 the other way round: the counter was first."""
    at = an_hour_ago()
    earlier = picker.shopper.hands_in(68800, at=at)

    (told,) = picker.upload(picker.batch(bill("UP-1", 68800, at=at + timedelta(minutes=3))))

    assert (told.verdict.value, told.points, told.earlier) == ("HELD", 0, earlier)
    assert uploads.document(told)["reason"] == "HELD_AS_DUPLICATE"
    assert UploadBatch.objects.get().state == "DONE"


def test_what_nobody_recorded_waits_until_a_person_has_seen_to_it(picker: Picker, client: Client) -> None:
    by = staff(picker)
    order = picker.batch(exact(picker, "UP-1"), exact(picker, "UP-2", userId="2160000000000000"), exact=True)
    told = picker.upload(order)
    batch = UploadBatch.objects.get()
    client.force_login(by)

    shown = client.get(LIST).content.decode()
    client.post(f"{LIST}{batch.pk}/do/seen/")

    assert verdicts(told) == ["ACCEPTED", "OTHER_PAYER"]
    assert (batch.state, batch.number in shown) == ("OPEN", True)
    batch.refresh_from_db()
    assert (batch.state, batch.seen_by) == ("SEEN", by)
    assert batch.number not in client.get(LIST).content.decode()
    picker.upload(order)
    batch.refresh_from_db()
    assert (batch.state, batch.seen_by) == ("SEEN", by)


def test_a_new_fault_in_a_batch_that_was_seen_to_waits_again(picker: Picker) -> None:
    by = staff(picker)
    batch = factories.UploadBatchFactory.create(
        wallet_pass=picker.wallet_pass, state="SEEN", seen_by=by, lines=[_line(0, "MALFORMED")]
    )

    upload_batches.judged(batch=batch, lines=[_line(0, "MALFORMED"), _line(1, "OTHER_PAYER")])

    batch.refresh_from_db()
    assert (batch.state, batch.seen_by) == ("OPEN", None)


def _line(index: int, verdict: str) -> dict[str, object]:
    return {"line": index, "verdict": verdict, "transaction": None}


def test_of_two_people_one_has_seen_to_it_and_the_other_is_told(picker: Picker, client: Client) -> None:
    batch = factories.UploadBatchFactory.create(
        wallet_pass=picker.wallet_pass, mall=picker.credential.mall, state="OPEN"
    )
    first = staff(picker)

    answers = [upload_batches.see(batch=batch, by=first), upload_batches.see(batch=batch, by=staff(picker))]

    batch.refresh_from_db()
    assert (answers, batch.seen_by) == ([True, False], first)


def test_an_answer_that_cannot_be_read_is_kept_for_whoever_sets_the_fields_up(
    picker: Picker, raw_gateway: RawGateway, client: Client
) -> None:
    picker.credential.gateway_url = raw_gateway.url
    raw_gateway.says(result("SUCCESS", trades=[{"tradeNo": "SOMEWHERE-ELSE"}]))
    client.force_login(staff(picker))

    with pytest.raises(uploads.AnswerUnreadable):
        picker.upload(picker.batch())

    batch = UploadBatch.objects.get()
    assert (batch.state, batch.fault) == ("UNREADABLE", "LINES_MISSING")
    assert "SOMEWHERE-ELSE" in opened(client, batch)


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_the_page_tells_each_payment_in_both_languages(picker: Picker, client: Client, language: str) -> None:
    picker.upload(picker.batch(bill("UP-1"), bill("UP-2", pmsLabel="NOBODY-KNOWS")))
    client.force_login(staff(picker))

    page = client.get(
        f"{LIST}{UploadBatch.objects.get().pk}/change/", headers={"accept-language": language}
    ).content.decode()

    assert ("138 points for spending" in page) == (language == "en")
    assert ("獲 138 分" in page) == (language == "zh-hant")


def test_staff_of_another_mall_see_nothing_and_counter_clerks_cannot_close_it(
    picker: Picker, client: Client
) -> None:
    batch = factories.UploadBatchFactory.create(wallet_pass=picker.wallet_pass, mall=picker.credential.mall)
    stranger: Any = factories.MallStaffFactory.create(role=MallStaff.Role.OPERATOR).user

    client.force_login(stranger)
    assert client.get(f"{LIST}{batch.pk}/change/").status_code == 404
    client.force_login(staff(picker, MallStaff.Role.COUNTER))
    assert client.post(f"{LIST}{batch.pk}/do/seen/").status_code == 403

    batch.refresh_from_db()
    assert batch.state == "DONE"
    assert batch.fetched_at < clock.now()
