"""Bodies and signed envelopes of the three notices, in AlipayHK's own field names; wire §3.1, §4, §9."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from alipayhk import signature
from alipayhk.simulator import secrecy, times
from alipayhk.simulator.clients import PATHS, Client
from alipayhk.simulator.keys import KeyRing

# Blocks of Hong Kong mobile numbers that are in use throughout, so every number drawn is a possible one.
_MOBILE_BLOCKS = ("61", "63", "64", "65", "69", "94", "96", "97")
# What the Encrypt header calls the key that encrypted; malls try the keys they have.
MERCHANT_KEY_VERSION = 1
STRANGER = "2110209999999999"


class NoticeRefused(Exception):
    """This notice lacks something that AlipayHK would know."""


@dataclass(frozen=True)
class Envelope:
    """A notice ready for the wire."""

    url: str
    target: bytes
    client_id: str
    headers: dict[str, str]
    body: bytes
    readable: bytes


def new_user(*, mainland: bool = False) -> str:
    """An Alipay user that nobody has met: 16 digits, Hong Kong 2160, mainland 2088."""
    return f"{'2088' if mainland else '2160'}{secrets.randbelow(10**12):012d}"


def new_bill_number() -> str:
    """28 digits that begin with the day, like the printed sample."""
    return f"{times.now().astimezone(times.HONG_KONG):%Y%m%d}22001432{secrets.randbelow(10**12):012d}"


def new_acquirer_number(letter: str) -> str:
    return f"{letter}{times.now().astimezone(times.HONG_KONG):%Y%m%d}{secrets.randbelow(10**9):09d}"


def new_mobile() -> str:
    return f"852-{secrets.choice(_MOBILE_BLOCKS)}{secrets.randbelow(10**6):06d}"


def read_kind(text: str) -> str:
    """membercard, bill or refund; the wire's own paths mean the same."""
    kind = text.removeprefix("points/").split("/")[0]
    if kind not in PATHS:
        raise NoticeRefused(f"kind must be one of {', '.join(PATHS)}")
    return kind


def complete(kind: str, fields: dict[str, Any], client: Client) -> dict[str, Any]:
    """`fields` with everything that AlipayHK would add filled in; a field given as null is left out."""
    body = {**_BODIES[kind](fields, client), **fields}
    return {name: value for name, value in body.items() if value is not None}


def reference(kind: str, body: dict[str, Any]) -> str:
    """The number by which people speak of this notice."""
    names = {"membercard": ("userId",), "bill": ("billNo",), "refund": ("refundOutBillNo", "relateBillNo")}
    return next((str(body[name]) for name in names[kind] if body.get(name)), "")


def to_bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def seal(*, kind: str, body: bytes, client: Client, keys: KeyRing, fault: str, skew: float = 0.0) -> Envelope:
    """Encrypt a notice where the mall wants it, sign it afresh and lay the fault over it."""
    readable, encrypt = body, {}
    if client.wants_encryption():
        body, encrypt["Encrypt"] = secrecy.seal(body, key=client.keys()[0], version=MERCHANT_KEY_VERSION)
    client_id = STRANGER if fault == "unknown_client" else client.client_id
    key, version = keys.signing({"old_key": "old", "next_key": "next"}.get(fault, "current"))
    time = times.header_time(times.now() + timedelta(seconds=skew))
    target = client.target(kind)
    made = signature.sign(key=key, target=target, client_id=client_id, time=time, body=body)
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "Client-Id": client_id,
        "Request-Time": time,
        "Signature": signature.header(signature=made, key_version=version),
        "Tracer-Id": secrets.token_hex(16),
        **encrypt,
    }
    envelope = Envelope(
        url=client.url(kind),
        target=target,
        client_id=client_id,
        headers=headers,
        body=body,
        readable=readable,
    )
    return _DISTORTIONS[fault](envelope) if fault in _DISTORTIONS else envelope


def _membercard(fields: dict[str, Any], _client: Client) -> dict[str, Any]:
    user_id = str(fields.get("userId") or new_user())
    if fields.get("mobileNo") or fields.get("userEmail"):
        return {"userId": user_id}
    return {"mobileNo": new_mobile(), "userId": user_id}


def _bill(fields: dict[str, Any], client: Client) -> dict[str, Any]:
    return {
        "userId": _need(fields, "userId"),
        "billNo": new_bill_number(),
        **_where(fields, client),
        "orderAmount": _need(fields, "orderAmount"),
        "payTime": times.body_time(times.now()),
        "pointsProvider": _provider(fields),
        "outBillNo": new_acquirer_number("A"),
    }


def _refund(fields: dict[str, Any], client: Client) -> dict[str, Any]:
    return {
        "userId": _need(fields, "userId"),
        "relateBillNo": _need(fields, "relateBillNo"),
        **_where(fields, client),
        "refundAmount": _need(fields, "refundAmount"),
        "refundTime": times.body_time(times.now()),
        "pointsProvider": _provider(fields),
        "refundOutBillNo": new_acquirer_number("R"),
    }


def _where(fields: dict[str, Any], client: Client) -> dict[str, Any]:
    """The shop's part of a notice; the first store that earns when nobody names one."""
    label = fields.get("pmsLabel") or next((store["pms_label"] for store in client.open_stores()), "PMS0001")
    store = next((one for one in client.stores if one.get("pms_label") == label), {})
    return {
        "merchantId": store.get("merchant_id"),
        "merchantName": store.get("name_en"),
        "pmsLabel": label,
    }


def _provider(fields: dict[str, Any]) -> str:
    return "ALIPAYHK" if str(fields.get("userId", "")).startswith("2160") else "ALIPAYCN"


def _need(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise NoticeRefused(f"fields.{name} is missing")
    return fields[name]


_BODIES = {"membercard": _membercard, "bill": _bill, "refund": _refund}


def _bad_signature(envelope: Envelope) -> Envelope:
    """Another letter in the middle of the signature: same length, still base64."""
    text = envelope.headers["Signature"]
    place = text.index("signature=") + 60
    while text[place - 2 : place + 1].count("%"):
        place += 1
    other = "A" if text[place] != "A" else "B"
    return _with_header(envelope, "Signature", text[:place] + other + text[place + 1 :])


def _missing_signature(envelope: Envelope) -> Envelope:
    headers = {name: value for name, value in envelope.headers.items() if name != "Signature"}
    return replace(envelope, headers=headers)


def _changed_body(envelope: Envelope) -> Envelope:
    return replace(envelope, body=envelope.body[:-1] + b" }")


def _old_spelling(envelope: Envelope) -> Envelope:
    """Lower-case names, sha256withrsa, blanks after commas, bare base64 and a trailing semicolon."""
    made = unquote(envelope.headers["Signature"].partition("signature=")[2])
    text = f"algorithm=sha256withrsa, keyVersion=1, signature={made};"
    headers = {name.lower(): value for name, value in envelope.headers.items()}
    return replace(envelope, headers=headers | {"signature": text})


def _with_header(envelope: Envelope, name: str, value: str) -> Envelope:
    return replace(envelope, headers=envelope.headers | {name: value})


_DISTORTIONS: dict[str, Callable[[Envelope], Envelope]] = {
    "bad_signature": _bad_signature,
    "missing_signature": _missing_signature,
    "changed_body": _changed_body,
    "old_spelling": _old_spelling,
}
