"""AlipayHK's words for authorizations: the bodies of applyToken and its answer (wire §6.3). Pure.

No page describes this very path: what its editions do not agree on is sent only where it is configured.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from alipayhk import field_rules, wire_time
from alipayhk.field_rules import KEY, Fields, Rule

TOKEN = Rule(re.compile(r"[!-~]+"), 2048, "not a token")


class TokensUnreadable(Exception):
    """The answer says success, but its tokens or its user cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """Who asks, as far as it is configured: the mini-app, the merchant it is for, and whose users these are."""

    app_id: str
    merchant_id: str
    customer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """What AlipayHK gave. An expiry is None where it was not said."""

    user_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: datetime | None
    refresh_expires_at: datetime | None


def code_body(*, auth_code: str, party: Party) -> bytes:
    """Exchange the code of a mini-app's `getAuthCode`."""
    return _encode({"grantType": "AUTHORIZATION_CODE", "authCode": auth_code}, party)


def refresh_body(*, refresh_token: str, party: Party) -> bytes:
    """Exchange a refresh token for new ones."""
    return _encode({"grantType": "REFRESH_TOKEN", "refreshToken": refresh_token}, party)


def read(fields: Fields) -> Granted:
    """Read an answer of success; the user is empty where a refresh does not repeat it."""
    try:
        return Granted(
            user_id=field_rules.optional(fields, "customerId", KEY),
            access_token=field_rules.required(fields, "accessToken", TOKEN),
            refresh_token=field_rules.optional(fields, "refreshToken", TOKEN),
            access_expires_at=_moment(fields.get("accessTokenExpiryTime")),
            refresh_expires_at=_moment(fields.get("refreshTokenExpiryTime")),
        )
    except field_rules.FieldRefused as error:
        raise TokensUnreadable(error.field) from error


def _moment(value: object) -> datetime | None:
    """A time that cannot be read is as good as none: AlipayHK says itself when a token is over."""
    if not isinstance(value, str | int):
        return None
    try:
        return wire_time.read_business_time(str(value))
    except wire_time.TimeUnreadable:
        return None


def _encode(words: Mapping[str, str], party: Party) -> bytes:
    further = {"appId": party.app_id, "authClientId": party.merchant_id, "customerBelongsTo": party.customer}
    body = words | {name: value for name, value in further.items() if value}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
