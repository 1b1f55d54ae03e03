"""Who is calling: verifies the raw target and the raw body with the mall's AlipayHK keys, before anything is parsed.

Strangers leave a counter and nothing else.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound, Throttled
from rest_framework.request import Request

from alipayhk import keyring, rates, replays, signature, wire_time
from alipayhk.models import Credential, CredentialKey
from pms import clock, visitor

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")
SKEW_WORTH_AN_ALARM_SECONDS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """AlipayHK, calling one mall under one credential; `target` and `body` are what it signed."""

    mall_id: int
    group_id: int
    credential_id: int
    encryption: str
    client_id: str
    target: bytes
    body: bytes
    request_time: str
    signature: bytes
    signing_key_id: int | None
    signing_key_version: int | None

    is_authenticated = True


class Candidate(NamedTuple):
    """One row of `CREDENTIALS`, in its order; the credential is empty for a mall that has none."""

    mall_id: int
    group_id: int
    credential_id: int | None
    client_id: str
    client_ids: list[str]
    path_prefix: str
    encryption: str
    verifying_key_ids: list[int] | None
    signing_key_id: int | None
    signing_key_version: int | None


# Read at every request, so that a new mall is served and a revoked key refused at once, by every process.
CREDENTIALS = """
SELECT mall.id, mall.group_id, credential.id, credential.client_id, array(
           SELECT jsonb_array_elements_text(credential.client_ids)), credential.path_prefix, credential.encryption,
       array(SELECT id FROM alipayhk_credentialkey WHERE credential_id = credential.id
             AND side = 'ALIPAYHK' AND state <> 'REVOKED' ORDER BY version DESC),
       ours.id, ours.version
FROM pms_mall mall
LEFT JOIN alipayhk_credential credential ON credential.mall_id = mall.id
LEFT JOIN LATERAL (
    SELECT id, version FROM alipayhk_credentialkey WHERE credential_id = credential.id
        AND side = 'OURS' AND state = 'ACTIVE' ORDER BY version DESC LIMIT 1
) ours ON true
WHERE mall.tag = %s
"""


class SignatureAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, None]:
        message = request._request
        address = visitor.address(message)
        if rates.is_spent("bad-signature", address, limit=settings.ALIPAYHK_BAD_SIGNATURES_PER_MINUTE):
            raise Throttled
        try:
            return _verified(message, tag=request.parser_context["kwargs"]["tag"]), None
        except signature.SignatureInvalid as refusal:
            rates.count("bad-signature", address)
            log.info("refused a call from %s: %s", address, refusal)
            raise AuthenticationFailed from refusal

    def authenticate_header(self, request: Request) -> str:
        return "Signature"


def _verified(message: HttpRequest, *, tag: str) -> Caller:
    meta = message.META
    candidates = _candidates(tag)
    # `clientId` without a hyphen is a slip of AlipayHK's pages; some sender may have copied it.
    client_id = meta.get("HTTP_CLIENT_ID", meta.get("HTTP_CLIENTID", ""))
    found = next((row for row in candidates if _accepts(row, client_id)), None)
    if found is None or found.credential_id is None:
        _warn_of_other_mall(client_id, tag)
        raise signature.SignatureInvalid(f"Client-Id {client_id[:64]!r} is not one of this mall's")
    header = signature.read_header(meta.get("HTTP_SIGNATURE", ""))
    time = meta.get("HTTP_REQUEST_TIME", "")
    sent_at = _read_time(time)
    caller = Caller(
        mall_id=found.mall_id,
        group_id=found.group_id,
        credential_id=found.credential_id,
        encryption=found.encryption,
        client_id=client_id,
        target=found.path_prefix.encode() + meta["RAW_URI"].encode("latin-1"),
        body=message.body,
        request_time=time,
        signature=header.signature,
        signing_key_id=found.signing_key_id,
        signing_key_version=found.signing_key_version,
    )
    try:
        _verify(caller, header, found.verifying_key_ids or [])
    except signature.SignatureInvalid:
        _warn_of_revoked_key(caller, header)
        raise
    _check_skew(sent_at)
    if settings.ALIPAYHK_REQUEST_WINDOW and not replays.is_first_use(caller.signature, now=clock.now()):
        alarm.warning("a signature was used a second time within the window")
        raise signature.SignatureInvalid("the signature was used before")
    return caller


def _verify(caller: Caller, header: signature.SignatureHeader, key_ids: list[int]) -> None:
    signature.verify(
        keys=[keyring.public_key(key_id) for key_id in key_ids],
        signature=header,
        target=caller.target,
        client_id=caller.client_id,
        time=caller.request_time,
        body=caller.body,
    )


def _warn_of_revoked_key(caller: Caller, header: signature.SignatureHeader) -> None:
    """Whoever still signs with a revoked key has either missed the change or stolen the key."""
    revoked = CredentialKey.objects.filter(
        credential_id=caller.credential_id,
        side=CredentialKey.Side.ALIPAYHK,
        state=CredentialKey.State.REVOKED,
    )
    try:
        _verify(caller, header, list(revoked.values_list("pk", flat=True)))
    except signature.SignatureInvalid:
        return
    alarm.warning("refused a message that a revoked key of AlipayHK signed, at mall %d", caller.mall_id)


def _warn_of_other_mall(client_id: str, tag: str) -> None:
    if client_id and Credential.objects.filter(client_id=client_id).exists():
        alarm.warning("refused a call to %s by the Client-Id of another mall", tag)


def _accepts(candidate: Candidate, client_id: str) -> bool:
    return bool(client_id) and (client_id == candidate.client_id or client_id in candidate.client_ids)


def _candidates(tag: str) -> list[Candidate]:
    try:
        rows = _read_candidates(tag)
    except (OperationalError, InterfaceError):
        # A connection that PostgreSQL's restart cut: one fresh one, then the error stands.
        connection.close()
        rows = _read_candidates(tag)
    if not rows:
        raise NotFound
    return rows


def _read_candidates(tag: str) -> list[Candidate]:
    if "\0" in tag:
        return []  # no text for PostgreSQL, so no tag either
    with connection.cursor() as cursor:
        cursor.execute(CREDENTIALS, [tag])
        return [Candidate(*row) for row in cursor.fetchall()]


def _read_time(text: str) -> datetime:
    try:
        return wire_time.check_header_time(text)
    except wire_time.TimeUnreadable as error:
        raise signature.SignatureInvalid("Request-Time is missing or not a time") from error


def _check_skew(sent_at: datetime) -> None:
    skew = abs((clock.now() - sent_at).total_seconds())
    if settings.ALIPAYHK_REQUEST_WINDOW and skew > settings.ALIPAYHK_REQUEST_WINDOW:
        alarm.warning("Request-Time is %d s from our clock, outside the window", skew)
        raise signature.SignatureInvalid("Request-Time is outside the window")
    if skew > SKEW_WORTH_AN_ALARM_SECONDS:
        alarm.warning("Request-Time is %d s from our clock", skew)
