"""A call ends in time and in size, whatever the other side does (bad inputs B181-B183), over real sockets."""

import gzip
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from alipayhk import passes, signature, transport
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


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, for this address or host, and its key."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    known = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_text(signature.private_pem(key))
    return folder / "cert.pem", folder / "key.pem"


def over_tls(folder: Path, name: str, pieces: list[bytes], pause: float) -> tuple[str, threading.Thread]:
    """A server of one TLS connection that answers in pieces, with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, name))
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as plain:
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    # All of it: closing on unread bytes would reset the line.
                    heard = b""
                    while not heard.endswith(b"\r\n\r\n{}") and (piece := connection.recv(65536)):
                        heard += piece
                    for part in pieces:
                        time.sleep(pause)
                        connection.sendall(part)
            except OSError:
                # The caller hung up, as it should.
                return

    thread = threading.Thread(target=serve)
    thread.start()
    return f"https://127.0.0.1:{server.getsockname()[1]}/", thread


def post_from_a_fresh_thread(url: str, seconds: float) -> tuple[str, float]:
    """What came of a call by a thread that has no session yet, and how long it took."""

    def call() -> str:
        try:
            return transport.post(url, headers={}, body=b"{}", seconds=seconds).body.decode()
        except transport.Failed as failure:
            return failure.code
        finally:
            transport._hang_up()

    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(), time.monotonic() - began


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def test_an_answer_over_tls_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, server = over_tls(tmp_path, "127.0.0.1", [ANSWER], 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    found, _ = post_from_a_fresh_thread(url, 5)

    server.join()
    assert found == "hello"


def test_b182_a_drip_over_tls_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, server = over_tls(tmp_path, "127.0.0.1", [bytes([letter]) for letter in ANSWER], 0.3)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    found, seconds = post_from_a_fresh_thread(url, 1.5)

    server.join()
    assert found == "TIMEOUT"
    assert seconds < 3


@pytest.mark.parametrize(("name", "is_trusted"), [("other.example", True), ("127.0.0.1", False)])
def test_b183_a_wrong_name_or_a_stranger_fails_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_trusted: bool
) -> None:
    url, server = over_tls(tmp_path, name, [ANSWER], 0)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    found, _ = post_from_a_fresh_thread(url, 5)

    server.join()
    assert found == "TLS_FAILED"


def test_a_silent_name_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2))

    found, seconds = post_from_a_fresh_thread("http://gateway.example/", 0.5)

    assert found == "TIMEOUT"
    assert seconds < 1.5


def test_a_name_that_nobody_knows_is_no_connection() -> None:
    found, _ = post_from_a_fresh_thread("http://gateway.invalid/", 4)

    assert found == "NOT_CONNECTED"
