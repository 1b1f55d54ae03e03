"""Asks AlipayHK for tokens, by a mini-app's code or a refresh token; once more with the same where no answer came.

Keeps nothing; no code and no token gets into an exception.
"""

import logging
import re
from datetime import datetime

from django.conf import settings

from alipayhk import client, token_payloads
from alipayhk.client import Answer, Caller
from alipayhk.models import Credential
from alipayhk.token_payloads import Granted, Party

alarm = logging.getLogger("loyalty.alarm")

CODES_OF_UNKNOWN = frozenset({"SYSTEM_ERROR", "UNKNOWN_EXCEPTION"})
TOO_MANY = "REQUEST_TRAFFIC_EXCEED_LIMIT"
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")


class Unanswered(Exception):
    """AlipayHK did not answer, or not verifiably: nobody knows whether it gave tokens. `code` says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Refused(Exception):
    """AlipayHK gives no tokens; `code` is its own."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def by_code(credential: Credential, *, auth_code: str, now: datetime) -> Granted:
    """Tokens and user of a sign-in. Raises Unanswered, Refused or client.CredentialUnusable."""
    granted = _ask(
        credential, token_payloads.code_body(auth_code=auth_code, party=_party(credential)), now=now
    )
    if not granted.user_id:
        alarm.warning("applyToken names no user")
        raise Unanswered("USER_MISSING")
    return granted


def by_refresh(credential: Credential, *, refresh_token: str, now: datetime) -> Granted:
    """New tokens for old. Raises Unanswered, Refused or client.CredentialUnusable."""
    body = token_payloads.refresh_body(refresh_token=refresh_token, party=_party(credential))
    return _ask(credential, body, now=now)


def _party(credential: Credential) -> Party:
    return Party(
        app_id=credential.app_id,
        merchant_id=credential.auth_client_id or credential.merchant_id,
        customer=settings.ALIPAYHK_TOKEN_CUSTOMER,
    )


def _ask(credential: Credential, body: bytes, *, now: datetime) -> Granted:
    """A repeat with the same code or token is the same request to AlipayHK, and gives the same tokens (wire §6.3)."""
    caller = client.caller(credential)
    answer = _once(caller, body, now=now) or _once(caller, body, now=now, is_last=True)
    if answer is None or answer.result.code == TOO_MANY:
        raise Unanswered(TOO_MANY if answer else "NO_ANSWER")
    code = answer.result.code
    if answer.result.status != "S":
        raise Refused(code if _CODE.fullmatch(code) else "RESULT_UNREADABLE")
    try:
        return token_payloads.read(answer.fields)
    except token_payloads.TokensUnreadable as error:
        alarm.warning("the answer of applyToken cannot be read: %s", error)
        raise Unanswered("ANSWER_UNREADABLE") from error


def _once(caller: Caller, body: bytes, *, now: datetime, is_last: bool = False) -> Answer | None:
    """The answer; None if it is worth asking once more."""
    try:
        answer = client.apply_token(caller, body, now=now)
    except client.OutcomeUnknown as error:
        if error.is_alarming:
            alarm.warning("applyToken had no answer that is AlipayHK's own: %s", error.code)
        if is_last or error.wait_seconds:
            raise Unanswered(error.code) from error
        return None
    is_unknown = answer.result.status == "U" or answer.result.code in CODES_OF_UNKNOWN
    if is_unknown and is_last:
        raise Unanswered(answer.result.code if _CODE.fullmatch(answer.result.code) else "RESULT_UNREADABLE")
    return None if is_unknown else answer
