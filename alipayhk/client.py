"""Calls to AlipayHK: one function per API, signed with our newest active key, the answers verified.

An answer that cannot be verified raises OutcomeUnknown: it is neither success nor failure. Nothing of HTTP
leaves this module, and no key, token or signature gets into a log or an exception.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.conf import settings

from alipayhk import (
    encryption,
    environments,
    keyring,
    payloads,
    sealed,
    signature,
    strict_json,
    transport,
    wire_time,
)
from alipayhk.models import Credential, CredentialKey
from alipayhk.payloads import PassAnswer
from alipayhk.transport import RawAnswer

CREATE_PASS = "/api/open/alipay/v1/ipass/pass/manage/createPass"
UPDATE_PASS = "/api/open/alipay/v1/ipass/pass/manage/updatePass"
QUERY_BILLS = "/api/open/alipayhk/businessdistrict/bill/query"
SAVE_STORE = "/api/open/alipayhk/businessdistrict/circleStore/save"
QUERY_STORES = "/api/open/alipayhk/businessdistrict/circleStore/queryPage"
# One call, from its first byte to the last of its answer.
TOTAL_SECONDS = 5.0
OLDEST_ANSWER = timedelta(minutes=10)
# A batch holds many payments and a page many stores, a card one answer.
LARGEST_BATCH = 1024 * 1024
LONGEST_RETRY_AFTER = 1800.0
_SECONDS = re.compile(r"[0-9]{1,9}")


class CredentialUnusable(Exception):
    """This credential cannot call: a key is missing or cannot be read, or its gateway is not allowed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class OutcomeUnknown(Exception):
    """Nobody can tell whether AlipayHK did it: no answer came, or none that is verifiably its own."""

    def __init__(
        self, code: str, *, is_alarming: bool = False, raw: RawAnswer | None = None, wait: float = 0.0
    ) -> None:
        super().__init__(code)
        self.code, self.is_alarming, self.wait_seconds = code, is_alarming, wait
        self.http_status = raw.status if raw else None
        self.answer_body = raw.body if raw else b""
        self.tracer_id = _tracer_id(raw) if raw else ""


@dataclass(frozen=True, slots=True)
class Caller:
    """One credential, ready to call: key objects instead of texts. Never logged."""

    credential_id: int
    client_id: str
    client_ids: frozenset[str]
    gateway_url: str
    agent_token: str = field(repr=False)
    key: RSAPrivateKey = field(repr=False)
    key_version: int
    peer_keys: tuple[RSAPublicKey, ...]
    peer_key_version: int
    encrypts: bool
    decrypts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A verified answer. `body` is plain, `fields` the same read, `wait_seconds` what AlipayHK asked us to wait."""

    result: PassAnswer
    fields: Mapping[str, object] = field(repr=False)
    http_status: int
    body: bytes
    tracer_id: str
    wait_seconds: float


def caller(credential: Credential) -> Caller:
    """Read what a credential needs to call, once for many calls; raises CredentialUnusable."""
    ours, theirs = _keys(credential)
    if not ours or not theirs:
        raise CredentialUnusable("NO_ACTIVE_KEY")
    try:
        environments.check_gateway(credential.gateway_url)
        return Caller(
            credential_id=credential.pk,
            client_id=credential.client_id,
            client_ids=frozenset({credential.client_id, *credential.client_ids}),
            gateway_url=credential.gateway_url.rstrip("/"),
            agent_token=sealed.unseal(credential.sealed_agent_token) if credential.sealed_agent_token else "",
            key=keyring.private_key(ours[0].pk),
            key_version=ours[0].version,
            peer_keys=tuple(keyring.public_key(key.pk) for key in theirs),
            peer_key_version=theirs[0].version,
            encrypts=credential.encryption in (Credential.Encryption.OUT, Credential.Encryption.BOTH),
            decrypts=credential.encryption in (Credential.Encryption.IN, Credential.Encryption.BOTH),
        )
    except environments.GatewayRefused as error:
        raise CredentialUnusable("GATEWAY_NOT_ALLOWED") from error
    except (sealed.SealBroken, signature.UnreadableKey) as error:
        raise CredentialUnusable("KEY_UNREADABLE") from error


def create_pass(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Put a card into a wallet; `body` from `payloads.create_pass_body`. Raises OutcomeUnknown."""
    return _call(caller, CREATE_PASS, body, now)


def update_pass(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Show new values on a card; `body` from `payloads.update_pass_body`. Raises OutcomeUnknown."""
    return _call(caller, UPDATE_PASS, body, now)


def query_bills(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Fetch what a member picked for a manual upload; `body` from `payloads.query_bills_body`. Raises OutcomeUnknown.

    It only reads, so it may be repeated freely. The body holds the member's access token: it is kept nowhere.
    """
    return _call(caller, QUERY_BILLS, body, now, largest=LARGEST_BATCH)


def apply_token(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Ask for a member's tokens; `body` from `token_payloads`. Raises OutcomeUnknown.

    Body and answer hold secrets of the member: they are kept nowhere.
    """
    return _call(caller, settings.ALIPAYHK_APPLY_TOKEN_PATH, body, now)


def save_store(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Hand over one store; `body` from `store_payloads`. Raises OutcomeUnknown."""
    return _call(caller, SAVE_STORE, body, now)


def query_stores(caller: Caller, body: bytes, *, now: datetime) -> Answer:
    """Read one page of the stores AlipayHK lists; it may be repeated freely. Raises OutcomeUnknown."""
    return _call(caller, QUERY_STORES, body, now, largest=LARGEST_BATCH)


def _keys(credential: Credential) -> tuple[list[CredentialKey], list[CredentialKey]]:
    """Our active keys and those of AlipayHK that still verify, each newest first, active before retiring."""
    state, side = CredentialKey.State, CredentialKey.Side
    kept = credential.keys.exclude(state=state.REVOKED).only("side", "state", "version")
    newest = sorted(kept, key=lambda key: (key.state == state.ACTIVE, key.version), reverse=True)
    ours = [key for key in newest if key.side == side.OURS and key.state == state.ACTIVE]
    return ours, [key for key in newest if key.side == side.ALIPAYHK]


def _call(
    caller: Caller, path: str, body: bytes, now: datetime, *, largest: int = transport.LARGEST_ANSWER
) -> Answer:
    url = caller.gateway_url + path
    target = urlsplit(url).path.encode()
    sent, headers = _dressed(caller, target, body, now)
    try:
        raw = transport.post(url, headers=headers, body=sent, seconds=TOTAL_SECONDS, largest=largest)
    except transport.Failed as error:
        raise OutcomeUnknown(error.code, is_alarming=error.code == "TLS_FAILED") from error
    return _read(caller, target, raw, now)


def _dressed(caller: Caller, target: bytes, body: bytes, now: datetime) -> tuple[bytes, dict[str, str]]:
    """The body as it goes out and its headers; encrypted first, then signed."""
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    if caller.encrypts:
        made = encryption.encrypt(body, key=caller.peer_keys[0], key_version=caller.peer_key_version)
        body, headers["Encrypt"] = made.body, made.header
    if caller.agent_token:
        headers["Agent-Token"] = caller.agent_token
    time = wire_time.format_header_time(now)
    made_signature = signature.sign(
        key=caller.key, target=target, client_id=caller.client_id, time=time, body=body
    )
    headers |= {
        "Client-Id": caller.client_id,
        "Request-Time": time,
        "Signature": signature.header(signature=made_signature, key_version=caller.key_version),
    }
    return body, headers


def _read(caller: Caller, target: bytes, raw: RawAnswer, now: datetime) -> Answer:
    wait = _retry_after(raw.headers.get("retry-after", ""), now)
    if raw.status != 200:
        raise OutcomeUnknown(f"HTTP_{raw.status}", raw=raw, wait=wait)

    def doubt(code: str) -> OutcomeUnknown:
        return OutcomeUnknown(code, is_alarming=True, raw=raw, wait=wait)

    _verify(caller, target, raw, now, doubt)
    plain = _plain(caller, raw, doubt)
    try:
        fields = strict_json.read(plain, charset=strict_json.charset_of(raw.headers.get("content-type", "")))
    except strict_json.Malformed as error:
        raise doubt("ANSWER_UNREADABLE") from error
    return Answer(
        result=payloads.read_pass_answer(fields),
        fields=fields,
        http_status=raw.status,
        body=plain,
        tracer_id=_tracer_id(raw),
        wait_seconds=wait,
    )


Doubt = Callable[[str], OutcomeUnknown]


def _verify(caller: Caller, target: bytes, raw: RawAnswer, now: datetime, doubt: Doubt) -> None:
    """An answer is AlipayHK's own, to this very client and target, and not an old one."""
    client_id = raw.headers.get("client-id") or raw.headers.get("clientid", "")
    time = raw.headers.get("response-time", "")
    if client_id not in caller.client_ids:
        raise doubt("ANSWER_TO_OTHER_CLIENT" if client_id else "ANSWER_UNSIGNED")
    try:
        header = signature.read_header(raw.headers.get("signature", ""))
        signature.verify(
            keys=caller.peer_keys,
            signature=header,
            target=target,
            client_id=client_id,
            time=time,
            body=raw.body,
        )
        is_old = now - wire_time.check_header_time(time) > OLDEST_ANSWER
    except signature.SignatureInvalid as error:
        raise doubt("SIGNATURE_UNVERIFIED") from error
    except wire_time.TimeUnreadable as error:
        raise doubt("RESPONSE_TIME_UNREADABLE") from error
    if is_old:
        raise doubt("ANSWER_OLD")


def _plain(caller: Caller, raw: RawAnswer, doubt: Doubt) -> bytes:
    header = encryption.read_encrypt_header(raw.headers.get("encrypt", ""))
    if header is None:
        return raw.body
    if not caller.decrypts:
        raise doubt("ANSWER_ENCRYPTED")
    try:
        return encryption.decrypt(raw.body, header=header, key=caller.key)
    except encryption.DecryptionFailed as error:
        raise doubt("ANSWER_NOT_DECRYPTED") from error


def _retry_after(text: str, now: datetime) -> float:
    """Seconds that AlipayHK asks us to wait, at most 30 minutes; 0 when it asks nothing that can be read."""
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _tracer_id(raw: RawAnswer) -> str:
    found = raw.headers.get("tracer-id") or raw.headers.get("tracerid", "")
    return "".join(letter for letter in found if letter.isprintable())[:128]
