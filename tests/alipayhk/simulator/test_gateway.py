"""The gateway: who may call, what it insists on, one card per serial, and everything a card ever showed."""

from typing import Any

import pytest
import requests

from alipayhk import signature
from alipayhk.simulator import notices, times
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import GATEWAY, FakeMall, faces

NOW = 1_790_000_000_000


def create_body(mall: FakeMall, **changes: Any) -> dict[str, Any]:
    body = {
        "merchantId": mall.wire["merchant_id"],
        "userId": notices.new_user(),
        "templateCode": mall.wire["card_template"]["code"],
        "bizSerialId": notices.new_bill_number(),
        "bizSerialType": "OUT_PLAT_FORM",
        "startDate": NOW,
        "endDate": NOW + 1,
        "bizCreate": NOW,
        "type": "COUPON",
        "product": "GIFT_CARD",
        "dataInfo": faces(0),
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def update_body(mall: FakeMall, created: dict[str, Any], pass_id: str, **changes: Any) -> dict[str, Any]:
    body = {
        "merchantId": mall.wire["merchant_id"],
        "userId": created["userId"],
        "templateCode": created["templateCode"],
        "passId": pass_id,
        "status": "UPDATE",
        "updateDetailType": "UPDATE_DATA_INFO",
        "dataInfo": faces(0),
    } | changes
    return {name: value for name, value in body.items() if value is not None}


def issue(mall: FakeMall) -> tuple[dict[str, Any], str]:
    created = create_body(mall)
    _, answer = mall.call("createPass", created)
    return created, answer["passId"]


def test_a_card_keeps_what_it_shows_and_all_it_ever_showed(simulator: Simulator, mall: FakeMall) -> None:
    created, pass_id = issue(mall)

    codes = [
        mall.call("updatePass", update_body(mall, created, pass_id, dataInfo=faces(points)))[0]
        for points in (138, 120)
    ]

    card = simulator.control("GET", f"cards/{pass_id}")
    assert codes == ["SUCCESS", "SUCCESS"]
    assert (card["points"], card["status"], card["updates"]) == (120, "ACTIVE", 2)
    assert [(entry["event"], entry["points"]) for entry in card["history"]] == [
        ("CREATED", 0),
        ("UPDATED", 138),
        ("UPDATED", 120),
    ]
    assert card["faces"]["zh_HK"]["$name$"] == "Chan T M"


def test_the_same_serial_makes_one_card_and_answers_pass_has_exit(
    simulator: Simulator, mall: FakeMall
) -> None:
    created, pass_id = issue(mall)

    code, answer = mall.call("createPass", created)

    assert (code, answer["passId"]) == ("PASS_HAS_EXIT", pass_id)
    assert len(simulator.control("GET", f"cards?user_id={created['userId']}")["cards"]) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"merchantId": "2160999999999999"}, "PARAM_ILLEGAL"),
        ({"merchantId": None}, "PARAM_ILLEGAL"),
        ({"userId": None}, "PARAM_ILLEGAL"),
        ({"userId": "1234567890123456"}, "USER_NOT_EXSITS"),
        ({"templateCode": "9" * 32}, "PASS_TEMPLATE_HAS_NOT_EXIT"),
        ({"bizSerialId": None}, "PARAM_ILLEGAL"),
        ({"bizSerialId": "9" * 129}, "PARAM_ILLEGAL"),
        ({"bizSerialType": "OTHER"}, "PARAM_ILLEGAL"),
        ({"startDate": "2026-01-01 00:00:00"}, "PARAM_ILLEGAL"),
        ({"endDate": NOW - 1}, "PARAM_ILLEGAL"),
        ({"type": "CARD"}, "PASS_TYPE_NOT_MATCH"),
        ({"product": "PASS"}, "PASS_PRODUCT_TYPE_NOT_MATCH"),
        ({"dataInfo": None}, "PARAM_ILLEGAL"),
        ({"dataInfo": {"$points_zh_HK$": "0"}}, "PARAM_ILLEGAL"),
    ],
)
def test_an_incomplete_creation_is_refused_and_makes_no_card(
    simulator: Simulator, mall: FakeMall, changes: dict[str, Any], code: str
) -> None:
    before = len(simulator.control("GET", "cards")["cards"])

    assert mall.call("createPass", create_body(mall, **changes))[0] == code

    assert len(simulator.control("GET", "cards")["cards"]) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"passId": None}, "PASS_IS_NULL"),
        ({"passId": "1" * 31}, "PASS_HAS_NOT_EXIST"),
        ({"userId": "2160000000000001"}, "PASS_HAS_NOT_EXIST"),
        ({"status": "MELTED"}, "PARAM_ILLEGAL"),
        ({"updateDetailType": None}, "PARAM_ILLEGAL"),
        ({"dataInfo": {}}, "PARAM_ILLEGAL"),
        ({"templateCode": "9" * 32}, "PARAM_ILLEGAL"),
    ],
)
def test_a_wrong_update_is_refused_and_the_card_stays(
    simulator: Simulator, mall: FakeMall, changes: dict[str, Any], code: str
) -> None:
    created, pass_id = issue(mall)

    assert mall.call("updatePass", update_body(mall, created, pass_id, **changes))[0] == code

    assert len(simulator.control("GET", f"cards/{pass_id}")["history"]) == 1


def test_a_closed_card_is_updated_no_more(simulator: Simulator, mall: FakeMall) -> None:
    created, pass_id = issue(mall)
    closing = update_body(mall, created, pass_id, status="CLOSED", dataInfo=None, updateDetailType=None)

    codes = [
        mall.call("updatePass", body)[0] for body in (closing, closing, update_body(mall, created, pass_id))
    ]

    assert codes == ["SUCCESS", "PASS_UPDATE_FAIL", "PASS_UPDATE_FAIL"]
    assert simulator.control("GET", f"cards/{pass_id}")["status"] == "CLOSED"


def test_a_flat_template_reads_the_locale_inside_the_key(simulator: Simulator, mall: FakeMall) -> None:
    document = simulator.document()
    document["mall"]["tag"], document["alipayhk"]["client_id"] = "flat-mall", "2110200000000045"
    document["alipayhk"]["card_template"]["shape"] = "FLAT"
    simulator.control("POST", "clients", {"register": document, "mall_url": "http://127.0.0.1:9"})
    flat = FakeMall(document)

    body = create_body(flat, dataInfo={"$points_zh_HK$": "1,234", "$points_en_US$": "1,234"})
    code, answer = flat.call("createPass", body)
    flat.stop()

    assert code == "SUCCESS"
    assert simulator.control("GET", f"cards/{answer['passId']}")["points"] == 1234


def test_a_stranger_gets_an_unsigned_refusal_and_makes_no_card(simulator: Simulator, mall: FakeMall) -> None:
    body = create_body(mall)
    headers = {"Client-Id": mall.wire["client_id"], "Request-Time": times.header_time(times.now())}

    answers = [
        requests.post(f"{simulator.url}{GATEWAY}createPass", json=body, headers=headers | more, timeout=5)
        for more in (
            {},
            {"Signature": "algorithm=RSA256,keyVersion=1,signature=AAAA"},
            {"Client-Id": "2110299999999999"},
        )
    ]

    assert [answer.json()["result"]["resultCode"] for answer in answers] == ["SIGNATURE_INVALID"] * 3
    assert all("Signature" not in answer.headers for answer in answers)
    assert simulator.control("GET", f"cards?user_id={body['userId']}")["cards"] == []


def test_a_body_changed_after_signing_is_refused(simulator: Simulator, mall: FakeMall) -> None:
    target, moment = f"{GATEWAY}createPass".encode(), times.header_time(times.now())
    client_id = mall.wire["client_id"]
    made = signature.sign(key=mall.key, target=target, client_id=client_id, time=moment, body=b'{"a": 1}')
    headers = {
        "Client-Id": client_id,
        "Request-Time": moment,
        "Signature": signature.header(signature=made, key_version=1),
    }

    answer = requests.post(f"{simulator.url}{GATEWAY}createPass", b'{"a": 2}', headers=headers, timeout=5)

    assert answer.json()["result"]["resultCode"] == "SIGNATURE_INVALID"
