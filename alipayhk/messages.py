"""A genuine message, from raw bytes to a notice in our words, or the reason why it cannot be read."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.conf import settings

from alipayhk import encryption, keyring, payloads, strict_json, wire_time
from alipayhk.models import Credential, CredentialKey, Notification
from alipayhk.payloads import BillNotice, CardRequest, RefundNotice

WALLET = "ALIPAYHK"


class Unreadable(Exception):
    """The message is genuine but cannot be taken; `code` is a reason code, the text says what is wrong with it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A genuine message as it came; `kind` follows from the address it was sent to."""

    kind: str
    group_id: int
    mall_id: int
    credential_id: int
    encryption: str
    target: bytes
    body: bytes
    headers: dict[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def sent_at(self) -> datetime:
        """When its sender says it was signed; a resend signed anew has a new time, a replay cannot have one."""
        return wire_time.check_header_time(self.headers["Request-Time"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A notice and what identifies it: `key` within its kind, `content_hash` over the fields that count."""

    notice: BillNotice | RefundNotice | CardRequest
    key: str
    content_hash: str


def of(notification: Notification) -> Message:
    """The message a stored notification keeps, to read it again; encryption is as the credential says today."""
    return Message(
        kind=notification.kind,
        group_id=notification.group_id,
        mall_id=notification.mall_id,
        credential_id=notification.credential_id,
        encryption=notification.credential.encryption,
        target=bytes(notification.raw_target),
        body=bytes(notification.raw_body),
        headers=notification.headers,
    )


def read(message: Message, *, now: datetime) -> Reading:
    """Raise Unreadable, or return the notice. Touches the database for the keys of encrypted messages only."""
    headers = message.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise Unreadable("MALFORMED", "the body is compressed")
    try:
        sealed_key = encryption.read_encrypt_header(headers.get("Encrypt", ""))
        body = _decrypt(message, sealed_key) if sealed_key else message.body
        charset = strict_json.charset_of(headers.get("Content-Type", ""), encrypted=sealed_key is not None)
        return _reading(message.kind, strict_json.read(body, charset=charset), now=now)
    except (strict_json.Malformed, payloads.FieldRefused, encryption.DecryptionFailed) as error:
        raise Unreadable("MALFORMED", str(error) or str(error.__doc__)) from error


def _decrypt(message: Message, header: encryption.EncryptHeader) -> bytes:
    if message.encryption not in (Credential.Encryption.IN, Credential.Encryption.BOTH):
        raise Unreadable(
            "ENCRYPTION_OFF", "the body is encrypted and encryption is switched off for this mall"
        )
    for key in _our_keys(message.credential_id):
        try:
            return encryption.decrypt(message.body, header=header, key=key)
        except encryption.DecryptionFailed:
            continue
    raise encryption.DecryptionFailed("none of our keys decrypts the body")


def _our_keys(credential_id: int) -> list[RSAPrivateKey]:
    keys = CredentialKey.objects.filter(credential_id=credential_id, side=CredentialKey.Side.OURS)
    usable = keys.exclude(state=CredentialKey.State.REVOKED).order_by("-version")
    return [keyring.private_key(key_id) for key_id in usable.values_list("pk", flat=True)]


def _reading(kind: str, fields: dict[str, object], *, now: datetime) -> Reading:
    limit = settings.ALIPAYHK_AMOUNT_LIMIT_CENTS
    notice: BillNotice | RefundNotice | CardRequest
    if kind == Notification.Kind.BILL:
        notice = payloads.read_bill(fields, now=now, amount_limit_cents=limit)
        key = notice.number
    elif kind == Notification.Kind.REFUND:
        notice = payloads.read_refund(fields, now=now, amount_limit_cents=limit)
        key = notice.key
    else:
        notice = payloads.read_card(fields)
        # Another phone under one user id is news, not a conflict (B153).
        key = f"{notice.user_id}:{payloads.content_hash(notice)[:16]}"
    return Reading(notice=notice, key=key, content_hash=payloads.content_hash(notice))
