"""What users let mini-apps do: the codes of `my.getAuthCode`, and the tokens that applyToken gives for them; wire §6.3.

A call that comes again within a few seconds is the same request and gets the same tokens; later a used code or
refresh token is refused. Kept in memory only.
"""

import secrets
import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from alipayhk.simulator import times
from alipayhk.simulator.cards import PassRefused
from alipayhk.simulator.clients import Client
from alipayhk.simulator.notices import NoticeRefused

CODE_SECONDS = 600.0
SCOPES = ("auth_base", "SCOPE_USER_BILL")
# Never to be shown: their values are masked wherever a call is noted.
SECRETS = ("authCode", "accessToken", "refreshToken")
_MASK = "•••".encode()


@dataclass(frozen=True)
class Life:
    """How many seconds tokens live, and how long after its first use a code or refresh token may be repeated."""

    access_seconds: float = 7200.0
    refresh_seconds: float = 30 * 86400.0
    repeat_seconds: float = 15.0


@dataclass(frozen=True)
class Grant:
    """What one user let one mini-app do."""

    client_id: str
    app_id: str
    user_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Tokens:
    """What applyToken gave for a grant."""

    grant: Grant
    access_token: str
    refresh_token: str
    access_expires_at: datetime
    refresh_expires_at: datetime


@dataclass
class Key:
    """A code or a refresh token: what it opens, until when, and what it gave at its first use."""

    grant: Grant
    expires_at: datetime
    used_at: datetime | None = None
    gave: Tokens | None = field(default=None, repr=False)


class Authorizations:
    """All codes and tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.life = Life()
        self._codes: dict[str, Key] = {}
        self._refreshes: dict[str, Key] = {}
        self._tokens: dict[str, Tokens] = {}

    def grant(
        self,
        *,
        client_id: str,
        app_id: str,
        user_id: str,
        scopes: Collection[str],
        seconds: float = CODE_SECONDS,
    ) -> str:
        """A code as `my.getAuthCode` returns it."""
        code = f"28101113{secrets.token_hex(12)}"
        made = Grant(client_id=client_id, app_id=app_id, user_id=user_id, scopes=tuple(scopes))
        with self._lock:
            self._codes[code] = Key(made, times.now() + timedelta(seconds=seconds))
        return code

    def revoke(self, user_id: str) -> int:
        """The user takes everything back; returns how many tokens died."""
        with self._lock:
            gone = [token for token, one in self._tokens.items() if one.grant.user_id == user_id]
            for token in gone:
                del self._tokens[token]
            for keys in (self._codes, self._refreshes):
                for name in [name for name, key in keys.items() if key.grant.user_id == user_id]:
                    del keys[name]
        return len(gone)

    def expire(self, user_id: str) -> int:
        """The user's access tokens end now, before their time; what refreshes them lives on."""
        with self._lock:
            gone = [token for token, one in self._tokens.items() if one.grant.user_id == user_id]
            for token in gone:
                del self._tokens[token]
        return len(gone)

    def clear(self) -> None:
        with self._lock:
            self._codes.clear()
            self._refreshes.clear()
            self._tokens.clear()
            self.life = Life()

    def listing(self, *, user_id: str | None = None) -> list[dict[str, Any]]:
        """What is in force, without the tokens."""
        with self._lock:
            live = [one for one in self._tokens.values() if user_id in (None, one.grant.user_id)]
        return [
            {
                "user_id": one.grant.user_id,
                "client_id": one.grant.client_id,
                "app_id": one.grant.app_id,
                "scopes": list(one.grant.scopes),
                "access_expires_at": one.access_expires_at.isoformat(),
                "refresh_expires_at": one.refresh_expires_at.isoformat(),
            }
            for one in live
        ]

    def is_live(self, access_token: str, *, user_id: str) -> bool:
        """Whether the token opens this user's payments now."""
        with self._lock:
            found = self._tokens.get(access_token)
        return found is not None and found.grant.user_id == user_id and found.access_expires_at > times.now()

    def user_of(self, content: dict[str, Any]) -> str:
        """Whose code or token a call brings; empty if there is none such."""
        given = str(content.get("authCode") or content.get("refreshToken"))
        found = self._codes.get(given) or self._refreshes.get(given)
        return found.grant.user_id if found else ""

    def apply(self, content: dict[str, Any], client: Client) -> dict[str, Any]:
        """What a complete applyToken gets beside its result."""
        kind = content.get("grantType")
        if kind == "AUTHORIZATION_CODE":
            name, keys, gone, used = "authCode", self._codes, "AUTH_CODE_EXPIRED", "INVALID_AUTHCODE"
            unknown = "INVALID_AUTHCODE"
        elif kind == "REFRESH_TOKEN":
            name, keys, gone, used = "refreshToken", self._refreshes, "EXPIRED_CODE", "USED_REFRESH_TOKEN"
            unknown = "EXPIRED_CODE"
        else:
            raise PassRefused("PARAM_ILLEGAL", "grantType is AUTHORIZATION_CODE or REFRESH_TOKEN")
        given = content.get(name)
        if not isinstance(given, str) or not given:
            raise PassRefused("PARAM_ILLEGAL", f"{name} is required text")
        with self._lock:
            key = keys.get(given)
            if key is None or not _is_of(key.grant, content, client):
                raise PassRefused(unknown, f"no such {name}")
            return _answer(self._use(key, gone=gone, used=used))

    def _use(self, key: Key, *, gone: str, used: str) -> Tokens:
        now = times.now()
        if key.gave and key.used_at:
            if now - key.used_at >= timedelta(seconds=self.life.repeat_seconds):
                raise PassRefused(used, "used before")
            return key.gave
        if key.expires_at <= now:
            raise PassRefused(gone, "too late")
        key.used_at, key.gave = now, self._give(key.grant, now)
        return key.gave

    def _give(self, grant: Grant, now: datetime) -> Tokens:
        """New tokens; a user's older access tokens at the mini-app end with them."""
        for token in [token for token, one in self._tokens.items() if one.grant == grant]:
            del self._tokens[token]
        made = Tokens(
            grant=grant,
            access_token=f"28{secrets.token_hex(24)}",
            refresh_token=f"29{secrets.token_hex(24)}",
            access_expires_at=now + timedelta(seconds=self.life.access_seconds),
            refresh_expires_at=now + timedelta(seconds=self.life.refresh_seconds),
        )
        self._tokens[made.access_token] = made
        self._refreshes[made.refresh_token] = Key(grant, made.refresh_expires_at)
        return made


def read_order(order: dict[str, Any], client: Client) -> dict[str, Any]:
    """What `POST /control/authorizations` asks for, as `Authorizations.grant` takes it."""
    user_id, scopes = str(order.get("user_id") or ""), order.get("scopes", list(SCOPES))
    if not user_id:
        raise NoticeRefused("user_id is missing")
    if not isinstance(scopes, list) or not scopes or not all(isinstance(one, str) for one in scopes):
        raise NoticeRefused("scopes must be a list of texts")
    return {
        "client_id": client.client_id,
        "app_id": str(order.get("app_id") or client.app_id),
        "user_id": user_id,
        "scopes": scopes,
        "seconds": _seconds(order.get("seconds", CODE_SECONDS), "seconds"),
    }


def read_life(order: dict[str, Any], known: Life) -> Life:
    """The lives that `POST /control/token-life` names; the others stay."""
    names = [name for name in Life.__dataclass_fields__ if name in order]
    if unknown := set(order) - set(Life.__dataclass_fields__):
        raise NoticeRefused(f"there is no {', '.join(sorted(unknown))}")
    return replace(known, **{name: _seconds(order[name], name) for name in names})


def masked(body: bytes, content: dict[str, Any]) -> bytes:
    """A request's or an answer's bytes as the list of calls may show them."""
    for name in SECRETS:
        secret = content.get(name)
        if isinstance(secret, str) and secret:
            body = body.replace(secret.encode(), _MASK)
    return body


def _is_of(grant: Grant, content: dict[str, Any], client: Client) -> bool:
    """The client that the user authorized, and its mini-app if the call names one."""
    return grant.client_id == client.client_id and content.get("appId") in (None, grant.app_id)


def _answer(tokens: Tokens) -> dict[str, Any]:
    return {
        "accessToken": tokens.access_token,
        "accessTokenExpiryTime": _time(tokens.access_expires_at),
        "refreshToken": tokens.refresh_token,
        "refreshTokenExpiryTime": _time(tokens.refresh_expires_at),
        "customerId": tokens.grant.user_id,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(times.HONG_KONG).isoformat(timespec="seconds")


def _seconds(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise NoticeRefused(f"{name} must be a number")
    return float(value)
