"""Batches for a manual upload: what bill/query answers, to whom, and which faults it meets."""

from typing import Any

import pytest

from alipayhk.simulator import notices
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall

QUERY = "/api/open/alipayhk/businessdistrict/bill/query"


def amount(cents: int) -> dict[str, Any]:
    return {"orderAmount": {"currency": "HKD", "value": cents}}


def make(simulator: Simulator, **order: Any) -> dict[str, Any]:
    order = {"user_id": notices.new_user(), "bills": [amount(13890), amount(20000)]} | order
    made: dict[str, Any] = simulator.control("POST", "batches", order)["batch"]
    return made


def query(batch: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {
        "businessDistrictSubject": {"mallGroupLabel": "20230316", "mallLabel": ""},
        "batchNo": batch["batch_no"],
        "accessToken": batch["access_token"],
        "appId": batch["app_id"],
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def test_a_batch_answers_the_payments_that_were_put_into_it(simulator: Simulator, mall: FakeMall) -> None:
    batch = make(simulator)

    code, answer = mall.call(QUERY, query(batch))

    assert code == "SUCCESS"
    assert [bill["orderAmount"]["value"] for bill in answer["billList"]] == [13890, 20000]
    assert {bill["userId"] for bill in answer["billList"]} == {batch["user_id"]}
    assert all(bill["billNo"] and bill["payTime"] and bill["pmsLabel"] for bill in answer["billList"])
    assert mall.call(QUERY, query(batch))[1] == answer


def test_a_payment_that_was_notified_can_be_picked_too(simulator: Simulator, mall: FakeMall) -> None:
    user_id = notices.new_user()
    order = {"kind": "bill", "fields": {"userId": user_id} | amount(13890)}
    notice = simulator.control("POST", "send", order)["notice"]

    batch = make(simulator, user_id=user_id, bills=[{"notice": notice["number"]}])

    assert mall.call(QUERY, query(batch))[1]["billList"] == [notice["body"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"businessDistrictSubject": None}, "PARAM_ILLEGAL"),
        ({"businessDistrictSubject": {"mallLabel": ""}}, "PARAM_ILLEGAL"),
        ({"businessDistrictSubject": {"mallGroupLabel": "20230316"}}, "PARAM_ILLEGAL"),
        ({"batchNo": None}, "PARAM_ILLEGAL"),
        ({"accessToken": None}, "PARAM_ILLEGAL"),
        ({"appId": None}, "PARAM_ILLEGAL"),
        ({"batchNo": "1"}, "PROCESS_FAIL"),
        ({"appId": "2102020132609999"}, "PROCESS_FAIL"),
        ({"accessToken": "another"}, "EXPIRED_ACCESS_TOKEN"),
    ],
)
def test_an_incomplete_or_strange_query_gets_no_payments(
    simulator: Simulator, mall: FakeMall, changes: dict[str, Any], code: str
) -> None:
    said, answer = mall.call(QUERY, query(make(simulator), **changes))

    assert said == code
    assert "billList" not in answer


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hang", "UNKNOWN"),
        ("reset_before", "UNKNOWN"),
        ("system_error_before", "SYSTEM_ERROR"),
        ("unsigned", "UNKNOWN"),
        ("http_500", "UNKNOWN"),
        ("oversized", "SUCCESS"),
    ],
)
def test_a_query_meets_the_faults_planned_for_its_user_once(
    simulator: Simulator, mall: FakeMall, fault: str, code: str
) -> None:
    batch = make(simulator)
    plan = {"api": "bill/query", "fault": fault, "user_id": batch["user_id"]}

    assert simulator.control("POST", "faults", plan)["http"] == 200

    assert mall.call(QUERY, query(batch))[0] == code
    assert mall.call(QUERY, query(batch))[0] == "SUCCESS"


def test_the_list_of_calls_shows_the_query_without_its_token(simulator: Simulator, mall: FakeMall) -> None:
    batch = make(simulator)
    mall.call(QUERY, query(batch))

    (call,) = simulator.control("GET", f"calls?user_id={batch['user_id']}")["calls"]

    assert (call["api"], call["outcome"], call["code"]) == ("bill/query", "DONE", "SUCCESS")
    assert batch["batch_no"] in call["request"]
    assert batch["access_token"] not in str(call)


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ({"user_id": ""}, "user_id"),
        ({"bills": {}}, "bills"),
        ({"bills": ["5"]}, "bill"),
        ({"bills": [{}]}, "orderAmount"),
        ({"bills": [{"notice": 10**9}]}, "book"),
    ],
)
def test_an_order_that_makes_no_batch_says_what_it_lacks(
    simulator: Simulator, order: dict[str, Any], word: str
) -> None:
    answer = simulator.control("POST", "batches", {"user_id": "2160120037098191", "bills": []} | order)

    assert answer["http"] == 400
    assert word in answer["error"]


def test_an_exact_batch_holds_whatever_it_was_given(simulator: Simulator, mall: FakeMall) -> None:
    batch = make(simulator, exact=True, bills=["nonsense", {"billNo": 5}, None])

    _, answer = mall.call(QUERY, query(batch))

    assert answer["billList"] == ["nonsense", {"billNo": 5}, None]
