"""A call ends in time and in size, whatever the other side does (bad inputs B181-B183), over real sockets."""

import gzip
import socket
import time
from typing import Any

import pytest

from alipayhk import passes
from alipayhk.models import Credential, PassCall
from tests.alipayhk import gateway as outbound
from tests.alipayhk import raw_gateway as raw
from tests.alipayhk.raw_gateway import RawGateway, Request, result

pytestmark = pytest.mark.django_db

OTHER_PASS = "2020091119027102160530200000039"
HOUR = 3600


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

    wallet_pass = raw.push(raw_gateway.mall())

    assert time.monotonic() - began < 3
    raw.assert_unknown(wallet_pass, code)


def test_an_answer_that_a_proxy_compressed_is_read(raw_gateway: RawGateway) -> None:
    body = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"ok"}}'

    def answer(connection: socket.socket, request: Request) -> None:
        plain = raw_gateway.genuine(request, body)
        head, _, _ = plain.partition(b"\r\n\r\n")
        packed = gzip.compress(body)
        head = head.replace(b"Content-Length: %d" % len(body), b"Content-Length: %d" % len(packed))
        connection.sendall(head + b"\r\nContent-Encoding: gzip\r\n\r\n" + packed)

    raw_gateway.answer = answer

    wallet_pass = raw.push(raw_gateway.mall())

    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


def test_b183_a_refused_connection_is_unknown(raw_gateway: RawGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    credential = raw_gateway.mall()
    Credential.objects.update(gateway_url=f"http://127.0.0.1:{port}")

    wallet_pass = raw.push(credential)

    raw.assert_unknown(wallet_pass, "NOT_CONNECTED")


def test_b183_a_reset_is_unknown(raw_gateway: RawGateway) -> None:
    raw_gateway.answer = lambda connection, request: connection.close()

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, "CONNECTION_LOST")


def test_b183_a_broken_tls_is_unknown_and_alarming(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    credential = raw_gateway.mall()
    Credential.objects.update(gateway_url=f"https://127.0.0.1:{raw_gateway.port}")

    wallet_pass = raw.push(credential)

    raw.assert_unknown(wallet_pass, "TLS_FAILED")
    assert raw.alarms(caplog, "TLS_FAILED") == 1


def test_a_proxy_of_the_environment_is_not_used(
    raw_gateway: RawGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    raw_gateway.says(result("SUCCESS"), Set_Cookie="a=b")
    credential = raw_gateway.mall()

    raw.push(credential)
    raw.push(credential)

    assert len(raw_gateway.requests) == 2
    assert not any("cookie" in request.headers for request in raw_gateway.requests)
