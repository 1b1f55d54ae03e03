"""AlipayHK's own SDK as the other side: it signs for us and verifies what we sign, and where it cannot."""

import base64
import json
import subprocess
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from alipayhk import payloads, signature, wire_time

PEER = Path(__file__).with_name("vendor_sdk_peer.py")
CLIENT_ID = "211020000000000000044"
TARGET = "/merchant/api/alipayhk/points/bill/notify"
TIME = "2026-11-21T20:30:17+00:00"
BODY = '{\n   "merchantName": "海港麵家"\n}'
OURS = rsa.generate_private_key(65537, 2048)
THEIRS = rsa.generate_private_key(65537, 2048)


def pkcs1(key: rsa.RSAPrivateKey) -> str:
    """Bare base64 PKCS#1, a form that every version of the SDK reads."""
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return base64.b64encode(der).decode()


def ask(python: Path, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, PEER], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=60
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def verify_job(header: str, *, body: str = BODY) -> dict[str, Any]:
    return {
        "do": "verify_webhook",
        "path": TARGET,
        "client_id": CLIENT_ID,
        "time": TIME,
        "body": body,
        "header": header,
        "public_key": signature.public_base64(OURS.public_key()),
    }


def our_signature(*, body: str = BODY) -> str:
    return signature.sign(
        key=OURS, target=TARGET.encode(), client_id=CLIENT_ID, time=TIME, body=body.encode()
    )


def test_we_accept_what_the_sdk_signs(sdk_python: Path) -> None:
    job = {"do": "sign", "path": TARGET, "client_id": CLIENT_ID, "time": TIME, "body": BODY}

    [answer] = ask(sdk_python, job | {"private_key": pkcs1(THEIRS)})

    signature.verify(
        keys=[THEIRS.public_key()],
        signature=signature.read_header(f"algorithm=RSA256,keyVersion=1,signature={answer['value']}"),
        target=TARGET.encode(),
        client_id=CLIENT_ID,
        time=TIME,
        body=BODY.encode(),
    )
    wire_time.check_header_time(TIME)


def test_the_sdk_signs_the_very_same_letters_as_we_do(sdk_python: Path) -> None:
    job = {"do": "sign", "path": TARGET, "client_id": CLIENT_ID, "time": TIME, "body": BODY}

    [answer] = ask(sdk_python, job | {"private_key": pkcs1(OURS)})

    assert answer == {"value": our_signature()}


def test_the_sdk_accepts_what_we_sign_and_nothing_else(sdk_python: Path) -> None:
    header = signature.header(signature=our_signature(), key_version=1)

    genuine, changed = ask(sdk_python, verify_job(header), verify_job(header, body=BODY + " "))

    assert genuine == {"value": True}
    assert changed["error"].startswith("VerificationError")


def test_the_sdk_chokes_on_an_unescaped_plus_and_we_do_not(sdk_python: Path) -> None:
    """Why we escape what we send, and read both (wire §4.6)."""
    body = next(BODY + " " * count for count in range(99) if "%2B" in our_signature(body=BODY + " " * count))
    header = f"algorithm=RSA256,keyVersion=1,signature={unquote(our_signature(body=body))}"

    [answer] = ask(sdk_python, verify_job(header, body=body))

    assert "error" in answer
    signature.verify(
        keys=[OURS.public_key()],
        signature=signature.read_header(header),
        target=TARGET.encode(),
        client_id=CLIENT_ID,
        time=TIME,
        body=body.encode(),
    )


def test_the_sdk_reads_past_rubbish_behind_the_padding_and_we_do_not(sdk_python: Path) -> None:
    """It takes all that follows `signature=`, and its lenient base64 stops at the padding."""
    last = signature.header(signature=our_signature(), key_version=1)
    first = f"signature={our_signature()},algorithm=RSA256,keyVersion=1"

    answers = ask(sdk_python, verify_job(first), verify_job(f"{last}rubbish"))

    assert answers == [{"value": True}, {"value": True}]
    assert signature.read_header(first) == signature.read_header(last)
    with pytest.raises(signature.SignatureInvalid):
        signature.read_header(f"{last}rubbish")


def test_the_sdk_cannot_read_the_pem_that_we_can(sdk_python: Path) -> None:
    """It wraps PKCS#8 PEM a second time; so its key must be handed over bare or as PKCS#1."""
    job = {"do": "sign", "path": TARGET, "client_id": CLIENT_ID, "time": TIME, "body": BODY}

    [answer] = ask(sdk_python, job | {"private_key": signature.private_pem(OURS)})

    assert "error" in answer
    assert signature.read_private_key(signature.private_pem(OURS)) is not None


class Merchant(BaseHTTPRequestHandler):
    """The least merchant there is: verifies the notice and answers it, by the wire's own modules."""

    answer_key = OURS

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        client_id, target = self.headers["Client-Id"], self.path.encode()
        signature.verify(
            keys=[THEIRS.public_key()],
            signature=signature.read_header(self.headers["Signature"]),
            target=target,
            client_id=client_id,
            time=self.headers["Request-Time"],
            body=body,
        )
        time = wire_time.format_header_time(datetime.now(UTC))
        signed = signature.sign(
            key=self.answer_key, target=target, client_id=client_id, time=time, body=payloads.SUCCESS
        )
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(payloads.SUCCESS)))
        self.send_header("Client-Id", client_id)
        self.send_header("Response-Time", time)
        self.send_header("Signature", signature.header(signature=signed, key_version=1))
        self.end_headers()
        self.wfile.write(payloads.SUCCESS)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: a test's output is its failures."""


class Impostor(Merchant):
    """Answers under a key that is not ours."""

    answer_key = THEIRS


def posted(python: Path, handler: type[Merchant]) -> dict[str, Any]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        job = {
            "do": "post",
            "host": "127.0.0.1",
            "port": server.server_port,
            "path": TARGET,
            "client_id": CLIENT_ID,
            "body": BODY,
            "private_key": pkcs1(THEIRS),
            "public_key": signature.public_base64(OURS.public_key()),
        }
        return ask(python, job)[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_sdks_client_posts_a_notice_and_finds_our_answer_genuine(sdk_python: Path) -> None:
    assert posted(sdk_python, Merchant) == {"value": payloads.SUCCESS.decode()}


def test_the_sdks_client_refuses_an_answer_under_another_key(sdk_python: Path) -> None:
    assert "response verify failed" in posted(sdk_python, Impostor)["error"]
