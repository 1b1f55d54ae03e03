"""What a gateway's answer comes to (bad inputs B172-B181, B184-B191): every row is a call over a real socket."""

import socket
from typing import Any

import pytest

from alipayhk import client, passes
from alipayhk.models import CardTemplate
from members.models import Pass
from tests.alipayhk import gateway as outbound
from tests.alipayhk import raw_gateway as raw
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.raw_gateway import RawGateway, Request, result

pytestmark = pytest.mark.django_db

OTHER_PASS = "2020091119027102160530200000039"
HOUR = 3600


@pytest.mark.parametrize("wrapper", ["result", "resultInfo"])
def test_b172_a_genuine_success_is_done(raw_gateway: RawGateway, wrapper: str) -> None:
    raw_gateway.says(result("SUCCESS", wrapper=wrapper))

    wallet_pass = raw.push(raw_gateway.mall())

    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]
    assert (update.acknowledged_version, update.acknowledged_points, update.due_at) == (1, 138, None)


def test_b173_an_earlier_answer_is_no_success(raw_gateway: RawGateway) -> None:
    raw_gateway.says(result("SUCCESS"), seconds_old=HOUR)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, "ANSWER_OLD")


def test_b173_the_signature_of_an_earlier_answer_is_no_success(raw_gateway: RawGateway) -> None:
    body = result("SUCCESS")

    def answer(connection: socket.socket, request: Request) -> None:
        old = raw.earlier_signature(raw_gateway, request, body)
        connection.sendall(raw_gateway.genuine(request, body, Signature=old))

    raw_gateway.answer = answer

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, "SIGNATURE_UNVERIFIED")


@pytest.mark.parametrize(
    ("manner", "code"),
    [
        ({"Signature": None}, "SIGNATURE_UNVERIFIED"),
        ({"Signature": ""}, "SIGNATURE_UNVERIFIED"),
        ({"Signature": "algorithm=RSA256,keyVersion=2,signature="}, "SIGNATURE_UNVERIFIED"),
        ({"Signature": "algorithm=RSA256,keyVersion=2,signature=%%%"}, "SIGNATURE_UNVERIFIED"),
        ({"Signature": "algorithm=ECC224,keyVersion=2,signature=AAAA"}, "SIGNATURE_UNVERIFIED"),
        ({"key": "old"}, "SIGNATURE_UNVERIFIED"),
        ({"Client_Id": "2110200000009999"}, "ANSWER_TO_OTHER_CLIENT"),
        ({"Client_Id": None}, "ANSWER_UNSIGNED"),
        ({"Response_Time": None}, "SIGNATURE_UNVERIFIED"),
    ],
)
def test_b174_an_answer_that_is_not_verifiable_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture, manner: dict[str, Any], code: str
) -> None:
    raw_gateway.says(result("SUCCESS"), **manner)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, code)
    assert raw.alarms(caplog, code) == 1


def test_an_answer_by_the_next_key_is_genuine(raw_gateway: RawGateway) -> None:
    raw_gateway.says(result("SUCCESS"), key="next")

    wallet_pass = raw.push(raw_gateway.mall())

    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


@pytest.mark.parametrize("status", ["F", "U"])
def test_b175_an_unsigned_refusal_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    raw_gateway.says(result("SIGNATURE_INVALID", status), Signature=None, Client_Id=None, Response_Time=None)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, "ANSWER_UNSIGNED")
    assert raw.alarms(caplog, "ANSWER_UNSIGNED") == 1


@pytest.mark.parametrize(
    ("body", "manner", "code"),
    [
        (b"<html>Maintenance</html>", {}, "ANSWER_UNREADABLE"),
        (b"<html>Maintenance</html>", {"Content_Type": "text/html"}, "ANSWER_UNREADABLE"),
        (b"", {}, "ANSWER_UNREADABLE"),
        (b'["SUCCESS"]', {}, "ANSWER_UNREADABLE"),
        (b'{"result":{"resultCode":"SUC', {}, "ANSWER_UNREADABLE"),
        (b'{"passId":"1"}', {}, "RESULT_UNREADABLE"),
        (b'{"result":{"resultCode":"SUCCESS","resultStatus":"S"}}', {"status": 500}, "HTTP_500"),
        (b"Bad Gateway", {"status": 502}, "HTTP_502"),
    ],
)
def test_b176_an_answer_that_is_no_answer_is_unknown(
    raw_gateway: RawGateway, body: bytes, manner: dict[str, Any], code: str
) -> None:
    raw_gateway.says(body, **manner)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, code)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SYSTEM_ERROR", "U"), ("SYSTEM_ERROR", "F"), ("UNKNOWN_EXCEPTION", "U"), ("PARAM_ILLEGAL", "U")],
)
def test_b177_system_errors_and_status_u_are_unknown(raw_gateway: RawGateway, code: str, status: str) -> None:
    raw_gateway.says(result(code, status))

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (result("SUCCESS", "F"), "CONTRADICTION"),
        (result("PARAM_ILLEGAL", "S"), "CONTRADICTION"),
        (result("SUCCESS", "S", passId=OTHER_PASS), "OTHER_PASS"),
    ],
)
def test_b178_a_contradiction_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture, body: dict[str, Any], code: str
) -> None:
    raw_gateway.says(body)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, code)
    assert raw.alarms(caplog, code) == 1


def test_b179_illegal_parameters_end_the_attempts_and_leave_the_card_alive(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("PARAM_ILLEGAL", "F"))

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_refused(wallet_pass, "PARAM_ILLEGAL", state=Pass.State.ACTIVE)
    assert raw.alarms(caplog, "PARAM_ILLEGAL") == 1


@pytest.mark.parametrize(
    "code",
    [
        "PASS_TEMPLATE_HAS_NOT_EXIT",
        "PASS_TEMPLATE_HAS_NOT_EXIST",
        "PASS_TYPE_NOT_MATCH",
        "PASS_PRODUCT_TYPE_NOT_MATCH",
    ],
)
def test_b180_a_fault_of_the_template_pauses_it(raw_gateway: RawGateway, code: str) -> None:
    raw_gateway.says(result(code, "F"))
    credential = raw_gateway.mall()

    wallet_pass = raw.push(credential, is_active=False)

    template = CardTemplate.objects.get(credential=credential)
    raw.assert_refused(wallet_pass, code, state=Pass.State.WAITING)
    assert template.paused_at is not None
    assert template.pause_code == code


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_b181_a_redirect_is_not_followed(raw_gateway: RawGateway, gateway: Gateway, status: int) -> None:
    calls_before = gateway.twin.ring.last_number()
    raw_gateway.says(b"", status=status, Location=f"{gateway.url}{client.UPDATE_PASS}")

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, f"HTTP_{status}")
    assert len(raw_gateway.requests) == 1
    assert gateway.twin.ring.last_number() == calls_before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("86400", 1800),
        ("-1", 2),
        ("1", 2),
        ("tomorrow", 2),
        ("Wed, 21 Oct 2037 07:28:00 GMT", 1800),
    ],
)
@pytest.mark.parametrize("status", [429, 200])
def test_b184_we_wait_as_long_as_asked_but_not_for_ever(
    raw_gateway: RawGateway, text: str, seconds: int, status: int
) -> None:
    raw_gateway.says(result("REQUEST_TRAFFIC_EXCEED_LIMIT", "F"), status=status, Retry_After=text)

    wallet_pass = raw.push(raw_gateway.mall())
    outbound.earn(wallet_pass, 1)

    update = outbound.update(wallet_pass)
    assert update.due_at is not None
    assert update.called_at is not None
    assert (update.due_at - update.called_at).total_seconds() == pytest.approx(seconds, abs=1.5)
    assert update.attempts == 1


@pytest.mark.parametrize("code", ["PASS_HAS_EXIT", "PASS_HAS_EXIST"])
def test_b185_a_card_that_exists_with_its_id_is_done_and_then_updated(
    raw_gateway: RawGateway, code: str
) -> None:
    def answer(connection: socket.socket, request: Request) -> None:
        is_creation = request.target.endswith(b"createPass")
        body = result(code, "F", passId=OTHER_PASS) if is_creation else result("SUCCESS")
        connection.sendall(raw_gateway.genuine(request, body))

    raw_gateway.answer = answer
    wallet_pass = outbound.member(raw_gateway.mall(), points=138)
    passes.notice_new()

    calls = passes.drain()

    wallet_pass.refresh_from_db()
    assert calls == 2
    assert outbound.outcomes(wallet_pass) == [f"DONE {code}", "DONE SUCCESS"]
    assert (wallet_pass.state, wallet_pass.external_id) == (Pass.State.ACTIVE, OTHER_PASS)
    assert outbound.update(wallet_pass).acknowledged_version == 1


def test_b186_a_card_that_exists_without_its_id_waits_for_staff(raw_gateway: RawGateway) -> None:
    raw_gateway.says(result("PASS_HAS_EXIT", "F"))

    wallet_pass = raw.push(raw_gateway.mall(), is_active=False)

    raw.assert_refused(wallet_pass, "PASS_HAS_EXIT", state=Pass.State.EXISTS_UNKNOWN)
    assert len(raw_gateway.requests) == 1


def test_b187_a_creation_without_an_id_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("SUCCESS"))

    wallet_pass = raw.push(raw_gateway.mall(), is_active=False)

    raw.assert_unknown(wallet_pass, "PASS_ID_MISSING")
    assert raw.alarms(caplog, "PASS_ID_MISSING") == 1


def test_an_id_that_another_card_has_is_unknown(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    other = raw.active(credential)
    raw_gateway.says(result("SUCCESS", passId=other.external_id))

    wallet_pass = outbound.member(credential)
    passes.notice_new()
    passes.drain()

    wallet_pass.refresh_from_db()
    raw.assert_unknown(wallet_pass, "PASS_ID_TAKEN")
    assert wallet_pass.external_id == ""
    assert outbound.outcomes(other) == ["DONE SUCCESS"]


@pytest.mark.parametrize(
    "code",
    [
        "PASS_HAS_NOT_EXIST",
        "PASS_IS_NULL",
        "PASS_USED_OCCUPIED",
        "PASS_UPDATE_FAIL",
        "USER_NOT_EXSITS",
        "USER_NOT_EXIST",
    ],
)
def test_b188_b189_a_card_that_is_gone_is_not_called_again(raw_gateway: RawGateway, code: str) -> None:
    raw_gateway.says(result(code, "F"))

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_refused(wallet_pass, code, state=Pass.State.INVALID)


def test_b190_an_unknown_code_with_status_f_is_final(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("MOON_IN_CANCER", "F"))
    credential = raw_gateway.mall()

    first, second = raw.push(credential), raw.push(credential)

    raw.assert_refused(first, "MOON_IN_CANCER", state=Pass.State.ACTIVE)
    raw.assert_refused(second, "MOON_IN_CANCER", state=Pass.State.ACTIVE)
    assert raw.alarms(caplog, "MOON_IN_CANCER") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (result("MOON_IN_CANCER", ""), "MOON_IN_CANCER"),
        (result("MOON_IN_CANCER", None), "MOON_IN_CANCER"),
        (result("success", "S"), "RESULT_UNREADABLE"),
        (result(" SUCCESS ", "S"), "RESULT_UNREADABLE"),
        (result("SUCCESS", "s"), "CONTRADICTION"),
        (result(200, "S"), "RESULT_UNREADABLE"),
    ],
)
def test_b191_a_code_that_nobody_knows_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture, body: dict[str, Any], code: str
) -> None:
    raw_gateway.says(body)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, code)
    assert raw.alarms(caplog, code) == 1
