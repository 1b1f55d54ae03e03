"""The answers: signed last, over exactly their bytes, shared within a moment, and nothing to strangers."""

import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alipayhk.models import CredentialKey, Notification
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import SUCCESS, Answer, Wallet

pytestmark = pytest.mark.django_db
# Who calls; BEGIN; store; facts; record; post; card; finish; COMMIT. In a test the last two are savepoints.
MOST_STATEMENTS = 9


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def test_a_payment_costs_a_handful_of_statements(mall: Wallet) -> None:
    mall.send("BILL", mall.bill())

    with CaptureQueriesContext(connection) as found:
        answer = mall.send("BILL", mall.bill(outBillNo="A1", cnBillNo="C1"))

    assert answer.verdict == SUCCESS
    assert len(found) <= MOST_STATEMENTS, [query["sql"][:80] for query in found]


def test_answers_of_one_moment_share_a_signature(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_SHARED_SIGNATURE_MS = 60_000

    answers = [mall.send("BILL", mall.bill()) for _ in range(3)]

    times = {answer.headers["Response-Time"] for answer in answers}
    assert len({answer.headers["Signature"] for answer in answers}) == len(times)
    assert all(moment.endswith(".000+08:00") for moment in times)


def test_without_sharing_every_moment_has_its_own(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_SHARED_SIGNATURE_MS = 0

    first = mall.send("BILL", mall.bill())
    time.sleep(0.002)
    second = mall.send("BILL", mall.bill())

    assert first.headers["Response-Time"] < second.headers["Response-Time"]
    assert first.verdict == second.verdict == SUCCESS


def test_a_signature_is_never_shared_with_another_answer(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_SHARED_SIGNATURE_MS = 60_000

    taken, refused = mall.send("BILL", mall.bill()), mall.send("BILL", b"hello")
    elsewhere = mall.send("CARD", mall.card())

    assert len({answer.headers["Signature"] for answer in (taken, refused, elsewhere)}) == 3
    assert all(answer.is_signed for answer in (taken, refused, elsewhere))


def test_without_a_key_of_ours_the_message_is_kept_and_the_answer_unsigned(mall: Wallet) -> None:
    CredentialKey.objects.filter(credential=mall.credential, side="OURS").delete()

    answer = mall.send("BILL", mall.bill())

    assert (answer.status, answer.is_signed) == (200, False)
    assert Notification.objects.get().state == "PROCESSED"


@pytest.mark.parametrize(
    "length", ["", "abc", "-1", "+2", "0x10", "1" * 30, "65537"],
    ids=["none", "letters", "negative", "plus", "hexadecimal", "30 digits", "64 KB and a byte"],
)  # fmt: skip
def test_a_length_that_is_none_or_too_much_is_refused(mall: Wallet, length: str) -> None:
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")

    with changes.only():
        answer = mall.post(target, body, mall.sign(target, body) | {"Content-Length": length})

    assert answer.status in {400, 401, 413}
    assert not answer.is_signed


def test_b031_b032_what_is_not_addressed_to_us_is_refused(mall: Wallet) -> None:
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")
    headers = mall.sign(target, body)

    with changes.only():
        answer = mall.post(target, body, headers | {"Host": "evil.example"})

    assert (answer.status, answer.body, answer.is_signed) == (400, b"", False)


def test_the_tracer_and_the_headers_that_matter_are_kept_and_no_other(mall: Wallet) -> None:
    mall.send("BILL", mall.bill(), Tracer_Id="abcdefg135202000000000263818", Cookie="secret", X_Other="1")

    kept = changes.latest()
    assert kept.tracer_id == "abcdefg135202000000000263818"
    assert set(kept.headers) == {"Client-Id", "Request-Time", "Signature", "Content-Type", "Tracer-Id"}


def test_nothing_of_what_came_in_is_in_an_answer(mall: Wallet) -> None:
    planted = "PLANTED-77"
    answers: list[Answer] = [
        mall.send("BILL", mall.bill(billNo=planted, merchantName=planted)),
        mall.send("BILL", mall.bill(payTime=planted)),
        mall.send("BILL", planted.encode()),
        mall.post(mall.path("BILL") + f"?{planted}", planted.encode(), {"Client-Id": planted}),
        mall.post(f"/{planted}/points/bill/notify", b"", {}),
        mall.post(f"/{planted}", b"", {}),
    ]

    for answer in answers:
        assert planted.encode() not in answer.body
        assert planted not in str(answer.headers)
