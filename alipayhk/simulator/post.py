"""One notice over the wire: posts it, waits 3 seconds, and judges the answer as AlipayHK would."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from alipayhk import signature
from alipayhk.simulator.notices import Envelope

# AlipayHK's front end gives up after 3 s (wire §8.4).
PATIENCE_SECONDS = 3.0
_PIECES = 8
_SESSIONS = threading.local()


@dataclass(frozen=True)
class Answer:
    """What came back, if anything did. `status` 0 means no answer within the patience."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """An answer judged: only a verified SUCCESS/S with HTTP 200 acknowledges."""

    acknowledged: bool
    signed: bool
    code: str
    why: str


def send(envelope: Envelope, *, slow_seconds: float = 0.0) -> Answer:
    """Post the envelope as it is; with `slow_seconds` the body goes out in pieces over that time."""
    began = time.monotonic()
    try:
        answer = _slowly(envelope, slow_seconds) if slow_seconds > 0 else _at_once(envelope)
    except (requests.RequestException, OSError, HTTPException) as error:
        return Answer(seconds=round(time.monotonic() - began, 4), error=type(error).__name__)
    seconds = round(time.monotonic() - began, 4)
    if seconds - slow_seconds > PATIENCE_SECONDS:
        return Answer(seconds=seconds, error="TooLate")
    return Answer(status=answer.status, headers=answer.headers, body=answer.body, seconds=seconds)


def judge(answer: Answer, *, envelope: Envelope, keys: list[RSAPublicKey]) -> Verdict:
    """What AlipayHK makes of the answer to this envelope."""
    if answer.error:
        return Verdict(False, False, "", f"no answer ({answer.error})")
    code, status = _result(answer.body)
    signed = _is_signed(answer, envelope=envelope, keys=keys)
    if answer.status != 200:
        return Verdict(False, signed, code, f"HTTP {answer.status}")
    if not signed:
        return Verdict(False, False, code, "the answer's signature cannot be verified")
    if (code, status) != ("SUCCESS", "S"):
        return Verdict(False, True, code, f"{code or 'no result'} / {status or '-'}")
    return Verdict(True, True, code, "acknowledged")


def _at_once(envelope: Envelope) -> Answer:
    response = _session().post(
        envelope.url,
        data=envelope.body,
        headers=envelope.headers,
        timeout=PATIENCE_SECONDS,
        allow_redirects=False,
    )
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status_code, headers=headers, body=response.content)


def _slowly(envelope: Envelope, seconds: float) -> Answer:
    address = urlsplit(envelope.url)
    connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE_SECONDS + seconds)
    try:
        connection.putrequest("POST", address.path, skip_accept_encoding=True)
        for name, value in {**envelope.headers, "Content-Length": str(len(envelope.body))}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for piece in _pieces(envelope.body):
            time.sleep(seconds / _PIECES)
            connection.send(piece)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read())
    finally:
        connection.close()


def _pieces(body: bytes) -> list[bytes]:
    size = max(1, -(-len(body) // _PIECES))
    return [body[start : start + size] for start in range(0, len(body), size)]


def _session() -> requests.Session:
    """One pooled session per thread, deaf to proxies in the environment."""
    if not hasattr(_SESSIONS, "session"):
        _SESSIONS.session = requests.Session()
        _SESSIONS.session.trust_env = False
    session: requests.Session = _SESSIONS.session
    return session


def _is_signed(answer: Answer, *, envelope: Envelope, keys: list[RSAPublicKey]) -> bool:
    client_id, moment = answer.headers.get("client-id", ""), answer.headers.get("response-time", "")
    if client_id != envelope.client_id or not moment:
        return False
    try:
        signature.verify(
            keys=keys,
            signature=signature.read_header(answer.headers.get("signature", "")),
            target=envelope.target,
            client_id=client_id,
            time=moment,
            body=answer.body,
        )
    except signature.SignatureInvalid:
        return False
    return True


def _result(body: bytes) -> tuple[str, str]:
    try:
        content = json.loads(body)
        result = content.get("result") or content.get("resultInfo") or {}
        return str(result.get("resultCode", "")), str(result.get("resultStatus", ""))
    except (ValueError, AttributeError):
        return "", ""
