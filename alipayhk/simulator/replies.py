"""Answers of the gateway: the signed envelope, and the manner in which the server delivers it."""

import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from alipayhk import signature
from alipayhk.simulator import times

Manner = Literal["plain", "drip", "hang", "reset"]
JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Reply:
    """What to send, after how many seconds, and how: at once, byte by byte, never, or a cut line."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    manner: Manner = "plain"
    seconds: float = 0.0


@dataclass(frozen=True)
class Envelope:
    """What a signed answer repeats of the request it answers."""

    target: bytes
    client_id: str


def result_body(code: str, status: str, message: str, **more: Any) -> bytes:
    result = {"resultCode": code, "resultStatus": status, "resultMessage": message}
    return json.dumps({"result": result, **more}, ensure_ascii=False, separators=(",", ":")).encode()


def signed(
    body: bytes, envelope: Envelope, *, key: RSAPrivateKey, version: int, seconds_old: float = 0.0
) -> Reply:
    """A genuine answer. `seconds_old` makes one that was signed that long ago."""
    time = times.header_time(times.now() - timedelta(seconds=seconds_old))
    made = signature.sign(key=key, target=envelope.target, client_id=envelope.client_id, time=time, body=body)
    headers = {
        "Content-Type": JSON_TYPE,
        "Client-Id": envelope.client_id,
        "Response-Time": time,
        "Signature": signature.header(signature=made, key_version=version),
        "Tracer-Id": secrets.token_hex(16),
    }
    return Reply(status=200, body=body, headers=headers)


def unsigned(body: bytes, *, status: int = 200) -> Reply:
    return Reply(status=status, body=body, headers={"Content-Type": JSON_TYPE})


def delivered(reply: Reply, manner: Manner, seconds: float = 0.0) -> Reply:
    """The same answer in another manner."""
    return replace(reply, manner=manner, seconds=seconds)
