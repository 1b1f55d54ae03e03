"""What a gateway may answer to a call (bad inputs B172-B191), over real sockets, and what a call looks like."""

import gzip
import logging
import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from alipayhk import client, encryption, passes, sealed, signature
from alipayhk.models import CardTemplate, Credential, CredentialKey, PassCall
from members.models import Pass
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk import raw_gateway as raw
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.raw_gateway import RawGateway, Request, result

pytestmark = pytest.mark.django_db

OTHER_PASS = "2020091119027102160530200000039"
HOUR = 3600


def push(credential: Credential, *, is_active: bool = True) -> Pass:
    """One card of this mall, called about once."""
    wallet_pass = raw.active(credential) if is_active else outbound.member(credential, points=138)
    passes.notice_new()
    assert passes.drain() == 1
    wallet_pass.refresh_from_db()
    return wallet_pass


def assert_unknown(wallet_pass: Pass, code: str) -> None:
    """Counted, tried again in two seconds, to be confirmed later; nothing else changed."""
    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == [f"UNKNOWN {code}"]
    assert (update.attempts, update.confirmations_due, update.dead_at) == (1, 2, None)
    assert (update.acknowledged_version, update.lease) == (None, None)
    assert update.due_at is not None
    assert update.called_at is not None
    assert update.due_at - update.called_at < timedelta(seconds=5.5)
    assert wallet_pass.state in (Pass.State.ACTIVE, Pass.State.WAITING)


def assert_refused(wallet_pass: Pass, code: str, *, state: str) -> None:
    """A dead letter at once, and no further attempts."""
    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == [f"PERMANENT {code}"]
    assert update.dead_at is not None
    assert (update.due_at, update.acknowledged_version) == (None, None)
    assert wallet_pass.state == state
    assert passes.drain() == 0


def alarms(caplog: pytest.LogCaptureFixture, code: str) -> int:
    return sum(record.name == "loyalty.alarm" and code in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("wrapper", ["result", "resultInfo"])
def test_b172_a_genuine_success_is_done(raw_gateway: RawGateway, wrapper: str) -> None:
    raw_gateway.says(result("SUCCESS", wrapper=wrapper))

    wallet_pass = push(raw_gateway.mall())

    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]
    assert (update.acknowledged_version, update.acknowledged_points, update.due_at) == (1, 138, None)


def test_b173_an_earlier_answer_is_no_success(raw_gateway: RawGateway) -> None:
    raw_gateway.says(result("SUCCESS"), seconds_old=HOUR)

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, "ANSWER_OLD")


def test_b173_the_signature_of_an_earlier_answer_is_no_success(raw_gateway: RawGateway) -> None:
    body = result("SUCCESS")

    def answer(connection: socket.socket, request: Request) -> None:
        old = raw.earlier_signature(raw_gateway, request, body)
        connection.sendall(raw_gateway.genuine(request, body, Signature=old))

    raw_gateway.answer = answer

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, "SIGNATURE_UNVERIFIED")


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

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, code)
    assert alarms(caplog, code) == 1


def test_an_answer_by_the_next_key_is_genuine(raw_gateway: RawGateway) -> None:
    raw_gateway.says(result("SUCCESS"), key="next")

    wallet_pass = push(raw_gateway.mall())

    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


@pytest.mark.parametrize("status", ["F", "U"])
def test_b175_an_unsigned_refusal_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    raw_gateway.says(result("SIGNATURE_INVALID", status), Signature=None, Client_Id=None, Response_Time=None)

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, "ANSWER_UNSIGNED")
    assert alarms(caplog, "ANSWER_UNSIGNED") == 1


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

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, code)


@pytest.mark.parametrize(
    ("code", "status"),
    [("SYSTEM_ERROR", "U"), ("SYSTEM_ERROR", "F"), ("UNKNOWN_EXCEPTION", "U"), ("PARAM_ILLEGAL", "U")],
)
def test_b177_system_errors_and_status_u_are_unknown(raw_gateway: RawGateway, code: str, status: str) -> None:
    raw_gateway.says(result(code, status))

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, code)


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

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, code)
    assert alarms(caplog, code) == 1


def test_b179_illegal_parameters_end_the_attempts_and_leave_the_card_alive(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("PARAM_ILLEGAL", "F"))

    wallet_pass = push(raw_gateway.mall())

    assert_refused(wallet_pass, "PARAM_ILLEGAL", state=Pass.State.ACTIVE)
    assert alarms(caplog, "PARAM_ILLEGAL") == 1


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

    wallet_pass = push(credential, is_active=False)

    template = CardTemplate.objects.get(credential=credential)
    assert_refused(wallet_pass, code, state=Pass.State.WAITING)
    assert template.paused_at is not None
    assert template.pause_code == code


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_b181_a_redirect_is_not_followed(raw_gateway: RawGateway, gateway: Gateway, status: int) -> None:
    calls_before = gateway.twin.ring.last_number()
    raw_gateway.says(b"", status=status, Location=f"{gateway.url}{client.UPDATE_PASS}")

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, f"HTTP_{status}")
    assert len(raw_gateway.requests) == 1
    assert gateway.twin.ring.last_number() == calls_before


def _drip_body(gateway: RawGateway, connection: socket.socket, request: Request) -> None:
    whole = gateway.genuine(request, result("SUCCESS"))
    connection.sendall(whole[:-20])
    for place in range(len(whole) - 20, len(whole)):
        if gateway.stopping.wait(1):
            return
        connection.sendall(whole[place : place + 1])


def _drip_headers(gateway: RawGateway, connection: socket.socket, request: Request) -> None:
    for letter in gateway.genuine(request, result("SUCCESS")):
        if gateway.stopping.wait(1):
            return
        connection.sendall(bytes([letter]))


def _endless_informational(gateway: RawGateway, connection: socket.socket, _request: Request) -> None:
    while not gateway.stopping.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _silence(gateway: RawGateway, _connection: socket.socket, _request: Request) -> None:
    gateway.stopping.wait(20)


def test_b182_a_call_ends_after_five_seconds_whatever_comes(raw_gateway: RawGateway, settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 60.0]
    slow = [_drip_body, _drip_headers, _endless_informational, _silence]
    malls = [raw_gateway.mall() for _ in slow]
    by_client = {mall.client_id: answer for mall, answer in zip(malls, slow, strict=True)}
    raw_gateway.answer = lambda connection, request: by_client[request.headers["client-id"]](
        raw_gateway, connection, request
    )
    cards = [raw.active(mall) for mall in malls]
    passes.notice_new()

    calls = passes.drain()

    durations = PassCall.objects.filter(update__wallet_pass__in=cards).values_list("duration_ms", flat=True)
    assert calls == len(slow)
    assert all(4900 < duration < 5600 for duration in durations), durations
    assert [outbound.outcomes(card) for card in cards] == [["UNKNOWN TIMEOUT"]] * len(slow)
    assert [outbound.update(card).acknowledged_version for card in cards] == [None] * len(slow)


def _huge(gateway: RawGateway, connection: socket.socket, _request: Request) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b" " * 100_000)


def _bomb(gateway: RawGateway, connection: socket.socket, request: Request) -> None:
    packed = gzip.compress(b" " * 10_000_000)
    connection.sendall(gateway.genuine(request, packed, Content_Encoding="gzip"))


def _long_header(gateway: RawGateway, connection: socket.socket, request: Request) -> None:
    connection.sendall(gateway.genuine(request, result("SUCCESS"), Tracer_Id="x" * 1_000_000))


@pytest.mark.parametrize(
    ("answer", "code"),
    [(_huge, "ANSWER_TOO_LARGE"), (_bomb, "ANSWER_TOO_LARGE"), (_long_header, "CONNECTION_LOST")],
)
def test_b182_an_answer_is_cut_at_64_kb(raw_gateway: RawGateway, answer: Any, code: str) -> None:
    raw_gateway.answer = lambda connection, request: answer(raw_gateway, connection, request)
    began = time.monotonic()

    wallet_pass = push(raw_gateway.mall())

    assert time.monotonic() - began < 3
    assert_unknown(wallet_pass, code)


def test_an_answer_that_a_proxy_compressed_is_read(raw_gateway: RawGateway) -> None:
    body = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"ok"}}'

    def answer(connection: socket.socket, request: Request) -> None:
        plain = raw_gateway.genuine(request, body)
        head, _, _ = plain.partition(b"\r\n\r\n")
        packed = gzip.compress(body)
        head = head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(packed))
        connection.sendall(head + b"\r\nContent-Encoding: gzip\r\n\r\n" + packed)

    raw_gateway.answer = answer

    wallet_pass = push(raw_gateway.mall())

    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


def test_b183_a_refused_connection_is_unknown(raw_gateway: RawGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    credential = raw_gateway.mall()
    Credential.objects.update(gateway_url=f"http://127.0.0.1:{port}")

    wallet_pass = push(credential)

    assert_unknown(wallet_pass, "NOT_CONNECTED")


def test_b183_a_reset_is_unknown(raw_gateway: RawGateway) -> None:
    raw_gateway.answer = lambda connection, request: connection.close()

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, "CONNECTION_LOST")


def test_b183_a_broken_tls_is_unknown_and_alarming(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    credential = raw_gateway.mall()
    Credential.objects.update(gateway_url=f"https://127.0.0.1:{raw_gateway.port}")

    wallet_pass = push(credential)

    assert_unknown(wallet_pass, "TLS_FAILED")
    assert alarms(caplog, "TLS_FAILED") == 1


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

    wallet_pass = push(raw_gateway.mall())
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

    wallet_pass = push(raw_gateway.mall(), is_active=False)

    assert_refused(wallet_pass, "PASS_HAS_EXIT", state=Pass.State.EXISTS_UNKNOWN)
    assert len(raw_gateway.requests) == 1


def test_b187_a_creation_without_an_id_is_unknown(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("SUCCESS"))

    wallet_pass = push(raw_gateway.mall(), is_active=False)

    assert_unknown(wallet_pass, "PASS_ID_MISSING")
    assert alarms(caplog, "PASS_ID_MISSING") == 1


def test_an_id_that_another_card_has_is_unknown(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    other = raw.active(credential)
    raw_gateway.says(result("SUCCESS", passId=other.external_id))

    wallet_pass = outbound.member(credential)
    passes.notice_new()
    passes.drain()

    wallet_pass.refresh_from_db()
    assert_unknown(wallet_pass, "PASS_ID_TAKEN")
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

    wallet_pass = push(raw_gateway.mall())

    assert_refused(wallet_pass, code, state=Pass.State.INVALID)


def test_b190_an_unknown_code_with_status_f_is_final(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    raw_gateway.says(result("MOON_IN_CANCER", "F"))
    credential = raw_gateway.mall()

    first, second = push(credential), push(credential)

    assert_refused(first, "MOON_IN_CANCER", state=Pass.State.ACTIVE)
    assert_refused(second, "MOON_IN_CANCER", state=Pass.State.ACTIVE)
    assert alarms(caplog, "MOON_IN_CANCER") == 1


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

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, code)
    assert alarms(caplog, code) == 1


def test_a_call_is_signed_by_our_newest_active_key(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    newest: RSAPrivateKey = factories.key_pair("OURS 2")
    factories.CredentialKeyFactory.create(credential=credential, ours=True, version=2, pair=newest)
    factories.CredentialKeyFactory.create(
        credential=credential, ours=True, version=3, state=CredentialKey.State.RETIRING
    )
    raw_gateway.says(result("SUCCESS"))

    push(credential)

    (request,) = raw_gateway.requests
    header = signature.read_header(request.headers["signature"])
    signature.verify(
        keys=[newest.public_key()],
        signature=header,
        target=client.UPDATE_PASS.encode(),
        client_id=credential.client_id,
        time=request.headers["request-time"],
        body=request.body,
    )
    assert (request.target.decode(), header.key_version) == (client.UPDATE_PASS, 2)
    assert "agent-token" not in request.headers
    assert "encrypt" not in request.headers


def test_an_agent_token_is_sent_and_kept_nowhere(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    credential = raw_gateway.mall(sealed_agent_token=sealed.seal("planted-agent-token"))
    raw_gateway.says(result("SUCCESS"))

    wallet_pass = push(credential)

    kept = PassCall.objects.get(update__wallet_pass=wallet_pass)
    texts = [str(vars(kept)), caplog.text, repr(client.caller(credential))]
    header = raw_gateway.requests[0].headers["signature"]
    assert raw_gateway.requests[0].headers["agent-token"] == "planted-agent-token"
    assert not any("planted-agent-token" in text or header in text or "PRIVATE" in text for text in texts)


@pytest.mark.parametrize("is_answer_encrypted", [False, True])
def test_bodies_are_encrypted_when_the_mall_says_so(
    raw_gateway: RawGateway, is_answer_encrypted: bool
) -> None:
    credential = raw_gateway.mall(encryption=Credential.Encryption.BOTH)
    plain: list[bytes] = []

    def answer(connection: socket.socket, request: Request) -> None:
        header = encryption.read_encrypt_header(request.headers["encrypt"])
        assert header is not None
        plain.append(encryption.decrypt(request.body, header=header, key=raw_gateway.ring.next))
        body = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S"}}'
        made = encryption.encrypt(body, key=raw_gateway.ring.merchant.public_key(), key_version=1)
        is_cipher = is_answer_encrypted
        connection.sendall(
            raw_gateway.genuine(
                request, made.body if is_cipher else body, Encrypt=made.header if is_cipher else None
            )
        )

    raw_gateway.answer = answer

    wallet_pass = push(credential)

    assert b'"passId"' in plain[0]
    assert b"passId" not in raw_gateway.requests[0].body
    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


def test_an_encrypted_answer_is_unknown_while_encryption_is_off(raw_gateway: RawGateway) -> None:
    made = encryption.encrypt(b"{}", key=raw_gateway.ring.merchant.public_key(), key_version=1)
    raw_gateway.says(made.body, Encrypt=made.header)

    wallet_pass = push(raw_gateway.mall())

    assert_unknown(wallet_pass, "ANSWER_ENCRYPTED")


def test_a_gateway_that_is_not_allowed_is_not_called(raw_gateway: RawGateway, settings: Any) -> None:
    credential = raw_gateway.mall()
    settings.ALIPAYHK_GATEWAY_HOSTS = ["open.alipay.hk"]

    wallet_pass = push(credential)

    assert_unknown(wallet_pass, "GATEWAY_NOT_ALLOWED")
    assert raw_gateway.requests == []


def test_a_mall_without_an_active_key_does_not_call(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    credential.keys.filter(side=CredentialKey.Side.OURS).update(state=CredentialKey.State.RETIRING)

    wallet_pass = push(credential)

    assert_unknown(wallet_pass, "NO_ACTIVE_KEY")
    assert raw_gateway.requests == []


def test_a_proxy_of_the_environment_is_not_used(
    raw_gateway: RawGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    raw_gateway.says(result("SUCCESS"), Set_Cookie="a=b")
    credential = raw_gateway.mall()

    push(credential)
    push(credential)

    assert len(raw_gateway.requests) == 2
    assert not any("cookie" in request.headers for request in raw_gateway.requests)
