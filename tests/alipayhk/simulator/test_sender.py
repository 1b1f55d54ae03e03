"""The sender: genuine notices verify, forged ones do not, and the ladder climbs until somebody acknowledges."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from alipayhk.simulator import notices, post, sender
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall


def bill(**changes: Any) -> dict[str, Any]:
    fields = {"userId": notices.new_user(), "orderAmount": {"currency": "HKD", "value": 13_890}}
    return {"kind": "bill", "fields": fields, **changes}


def send(simulator: Simulator, order: dict[str, Any]) -> dict[str, Any]:
    notice: dict[str, Any] = simulator.control("POST", "send", order)["notice"]
    return notice


def read_until(
    simulator: Simulator, notice: dict[str, Any], enough: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    end = time.monotonic() + 5
    while not enough(notice) and time.monotonic() < end:
        time.sleep(0.02)
        notice = simulator.control("GET", f"book/{notice['number']}")
    return notice


def test_a_payment_notice_carries_every_documented_field(simulator: Simulator, mall: FakeMall) -> None:
    notice = send(simulator, bill())

    body = notice["body"]
    assert notice["state"] == "ACKNOWLEDGED"
    assert len(body["billNo"]) == 28
    assert (body["pointsProvider"], body["pmsLabel"], body["merchantName"]) == (
        "ALIPAYHK",
        "PMS0001",
        "Harbour Noodles",
    )
    assert set(body) == {
        "userId",
        "billNo",
        "merchantId",
        "merchantName",
        "orderAmount",
        "payTime",
        "pointsProvider",
        "outBillNo",
        "pmsLabel",
    }


def test_a_given_field_wins_and_null_leaves_a_field_out(simulator: Simulator, mall: FakeMall) -> None:
    order = bill()
    order["fields"] |= {"outBillNo": None, "payTime": "1726000000000"}

    body = send(simulator, order)["body"]

    assert "outBillNo" not in body
    assert body["payTime"] == "1726000000000"


@pytest.mark.parametrize(
    "fault", ["bad_signature", "missing_signature", "changed_body", "old_key", "unknown_client"]
)
def test_a_forged_notice_is_refused_once_and_not_sent_again(
    simulator: Simulator, mall: FakeMall, fault: str
) -> None:
    notice = send(simulator, bill(fault=fault))

    assert [attempt["status"] for attempt in notice["attempts"]] == [401]
    assert (notice["state"], notice["acknowledged_at"]) == ("REFUSED", None)
    assert notice["reference"] not in mall.books.bills


@pytest.mark.parametrize("fault", ["none", "next_key", "old_spelling", "clock_skew"])
def test_an_unusual_but_genuine_notice_is_acknowledged(
    simulator: Simulator, mall: FakeMall, fault: str
) -> None:
    notice = send(simulator, bill(fault=fault))

    assert notice["state"] == "ACKNOWLEDGED"
    assert notice["reference"] in mall.books.bills


@pytest.mark.parametrize(
    ("fault", "more", "attempts"),
    [("duplicate", {}, 8), ("parallel", {}, 4), ("replay", {}, 2), ("duplicate", {"count": 3}, 3)],
)
def test_repeats_are_sent_as_often_as_asked(
    simulator: Simulator, mall: FakeMall, fault: str, more: dict[str, Any], attempts: int
) -> None:
    notice = send(simulator, bill(fault=fault, **more))

    assert [attempt["code"] for attempt in notice["attempts"]] == ["SUCCESS"] * attempts


def test_a_replay_repeats_the_very_bytes_and_a_resend_signs_anew(
    simulator: Simulator, mall: FakeMall
) -> None:
    replayed = send(simulator, bill(fault="replay"))
    repeated = send(simulator, bill(fault="duplicate", count=2))

    traces = {
        user_id: {call["tracer_id"] for call in simulator.control("GET", f"calls?user_id={user_id}")["calls"]}
        for user_id in (replayed["user_id"], repeated["user_id"])
    }
    assert len(traces[replayed["user_id"]]) == 1
    assert len(traces[repeated["user_id"]]) == 2


def test_the_ladder_is_that_of_the_documents() -> None:
    assert [seconds / 60 for seconds in sender.LADDER_SECONDS] == [2, 10, 10, 60, 120, 360, 900]
    assert sum(sender.LADDER_SECONDS) == 24 * 3600 + 22 * 60


def test_the_ladder_climbs_at_its_scale_until_it_is_acknowledged(
    simulator: Simulator, mall: FakeMall
) -> None:
    mall.answers_signed = False
    began = time.monotonic()
    notice = send(simulator, bill(ladder_scale=0.0003))
    first_state = notice["state"]
    notice = read_until(simulator, notice, lambda one: len(one["attempts"]) >= 3)
    mall.answers_signed = True
    notice = read_until(simulator, notice, lambda one: one["state"] == "ACKNOWLEDGED")

    assert first_state == "WAITING"
    assert notice["attempts"][0]["why"] == "the answer's signature cannot be verified"
    assert (notice["state"], notice["next_at"]) == ("ACKNOWLEDGED", None)
    assert time.monotonic() - began >= (120 + 600 + 600) * 0.0003


def test_the_ladder_ends_after_seven_resends(simulator: Simulator, mall: FakeMall) -> None:
    mall.answers_signed = False
    notice = send(simulator, bill(ladder_scale=0.000001))
    notice = read_until(simulator, notice, lambda one: one["state"] == "GIVEN_UP")
    mall.answers_signed = True

    assert len(notice["attempts"]) == 8
    assert (notice["state"], notice["acknowledged_at"]) == ("GIVEN_UP", None)


def test_joining_has_no_ladder_because_the_user_waits(simulator: Simulator, mall: FakeMall) -> None:
    mall.answers_signed = False
    notice = send(simulator, {"kind": "membercard", "ladder_scale": 0.000001})
    mall.answers_signed = True

    assert (notice["state"], len(notice["attempts"])) == ("REFUSED", 1)


def test_a_lost_acknowledgement_is_sent_again(simulator: Simulator, mall: FakeMall) -> None:
    notice = send(simulator, bill(fault="lost_acknowledgement", lost=2, ladder_scale=0.0001))
    notice = read_until(simulator, notice, lambda one: one["state"] == "ACKNOWLEDGED")

    reasons = [attempt["why"] for attempt in notice["attempts"]]
    assert reasons == ["acknowledgement lost", "acknowledgement lost", "acknowledged"]


def test_a_refund_can_go_before_its_payment(simulator: Simulator, mall: FakeMall) -> None:
    notice = send(simulator, bill(fault="refund_first", refund_cents=5_000))

    book = simulator.control("GET", f"book?user_id={notice['user_id']}")["notices"]
    assert [one["kind"] for one in book] == ["bill", "refund"]
    assert book[1]["body"]["relateBillNo"] == notice["reference"]
    assert book[1]["body"]["refundAmount"]["value"] == 5_000


def send_to(simulator: Simulator, url: str, client_id: str) -> dict[str, Any]:
    """A payment notice to a mall at another address."""
    document = simulator.document()
    document["alipayhk"]["client_id"] = client_id
    simulator.control("POST", "clients", {"register": document, "mall_url": url})
    return send(simulator, bill(client_id=client_id, ladder_scale=1000))


def test_a_mall_that_does_not_listen_is_left_to_the_ladder(simulator: Simulator, mall: FakeMall) -> None:
    notice = send_to(simulator, "http://127.0.0.1:9", "2110200000000046")

    assert (notice["state"], notice["attempts"][0]["status"]) == ("WAITING", 0)
    assert notice["attempts"][0]["why"] == "no answer (ConnectionError)"


def test_a_silent_mall_is_given_up_after_the_patience(
    simulator: Simulator, mall: FakeMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post.PATIENCE_SECONDS == 3.0
    monkeypatch.setattr(post, "PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notice = send_to(simulator, f"http://127.0.0.1:{silent.getsockname()[1]}", "2110200000000048")

    assert notice["state"] == "WAITING"
    assert notice["attempts"][0]["why"] == "no answer (ReadTimeout)"


def test_a_notice_of_the_book_can_be_sent_once_more(simulator: Simulator, mall: FakeMall) -> None:
    notice = send(simulator, bill())

    again = simulator.control("POST", f"resend/{notice['number']}")["notice"]

    assert [attempt["code"] for attempt in again["attempts"]] == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "nonsense"},
        {"kind": "bill", "fields": {"userId": "2160000000000001"}},
        bill(fault="nonsense"),
        bill(count="8"),
        bill(count=0),
        bill(client_id="nobody"),
    ],
)
def test_an_order_that_cannot_be_sent_is_refused(simulator: Simulator, order: dict[str, Any]) -> None:
    before = len(simulator.control("GET", "book")["notices"])

    answer = simulator.control("POST", "send", order)

    assert answer["http"] == 400
    assert len(simulator.control("GET", "book")["notices"]) == before
