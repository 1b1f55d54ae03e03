"""Keeps members' tokens sealed, and gives out one that AlipayHK still takes.

Whoever refreshes one is alone with it, so two at once are one refresh; the wait holds no transaction. An
authorization that was refused for good ends the consent too: nothing else tells us that somebody withdrew it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic

from alipayhk import client, sealed, token_calls
from alipayhk.models import Credential, WalletToken
from alipayhk.token_payloads import Granted
from members import enrollment
from members.models import Consent, Pass

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

State = WalletToken.State
# A token this near its end is exchanged before it is used.
EARLY = timedelta(minutes=2)
LAPSES_SOON = timedelta(days=7)
RENEWING_AT_MOST = timedelta(hours=3)
# AlipayHK is asked no further with a credential that it did not take so often: it is not one member's token then.
MISSES_IN_ROW = 3
NONE_KEPT, TOO_OLD, SEALED_OFF = "NO_AUTHORIZATION", "AUTHORIZATION_EXPIRED", "TOKEN_UNREADABLE"
SUPERSEDED = "USED_REFRESH_TOKEN"
# The user, or AlipayHK for the user, took it back. Other refusals are a matter of configuration.
TAKEN_BACK = frozenset(
    {
        *("AUTH_CODE_EXPIRED", "INVALID_AUTHCODE", "EXPIRED_CODE", "INVALID_CODE"),
        *("EXPIRED_REFRESH_TOKEN", "INVALID_REFRESH_TOKEN", "USER_NOT_EXIST", "USER_STATUS_ABNORMAL"),
    }
)
# Of advisory locks: the first half of a token's.
LOCK = 4107
WAIT_SECONDS, PAUSE_SECONDS = 12.0, 0.05


class AuthorizationEnded(Exception):
    """The member must sign in again; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TokenUnavailable(Exception):
    """AlipayHK cannot be asked for a new token now; nothing has changed, and it may be tried again."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@atomic
def keep(
    *, wallet_pass: Pass, credential: Credential, granted: Granted, has_bill_scope: bool, now: datetime
) -> None:
    """The tokens of a sign-in take the place of older ones, unless those open payments and these do not."""
    known = (
        WalletToken.objects.select_for_update().filter(wallet_pass=wallet_pass, credential=credential).first()
    )
    if known and known.state == State.ACTIVE and known.has_bill_scope and not has_bill_scope:
        return
    WalletToken.objects.update_or_create(
        wallet_pass=wallet_pass,
        credential=credential,
        defaults={
            **_sealed(granted),
            "has_bill_scope": has_bill_scope,
            "obtained_at": now,
            "state": State.ACTIVE,
            "ended_at": None,
            "ended_reason": "",
        },
    )


def access_token(*, wallet_pass: Pass, credential: Credential, now: datetime) -> str:
    """A token for calls about this member, exchanged first if it is about to end.

    Raises AuthorizationEnded or TokenUnavailable. Must not run inside the caller's atomic block.
    """
    token = _active(wallet_pass, credential)
    if not _is_ending(token, now + EARLY):
        return _opened(token.sealed_access_token)
    return _exchanged(token, credential, is_stale=lambda one: _is_ending(one, now + EARLY), now=now)


def refresh_after_expiry(*, wallet_pass: Pass, credential: Credential, refused: str, now: datetime) -> str:
    """A token in place of one that AlipayHK refused; whoever comes second gets what the first one got."""

    def is_refused(one: WalletToken) -> bool:
        return _opened(one.sealed_access_token) == refused

    token = _active(wallet_pass, credential)
    return _exchanged(token, credential, is_stale=is_refused, is_refused=True, now=now)


def renew_ending(*, clock: Callable[[], datetime], longest: timedelta = RENEWING_AT_MOST) -> int:
    """Exchange the refresh tokens that would lapse soon, so that members need not sign in for that; returns how many.

    Also tells whose authorization was taken back meanwhile. Each is asked for once a night, those that lapse first
    before the others; a credential that AlipayHK cannot be asked with costs no other mall its turn. What the time did
    not suffice for is left to the next night.
    """
    until, renewed = clock() + longest, 0
    missed: Counter[int] = Counter()
    for token_id, credential_id in _lapsing(clock()):
        if clock() >= until:
            alarm.warning("the night was too short to renew all authorizations")
            break
        if missed[credential_id] >= MISSES_IN_ROW:
            continue
        try:
            renewed += _renew(token_id, now=clock())
            missed[credential_id] = 0
        except TokenUnavailable as error:
            missed[credential_id] += 1
            log.info("authorization %d is not renewed: %s", token_id, error.code)
    return renewed


def _lapsing(now: datetime) -> list[tuple[int, int]]:
    """Tokens and their credentials; the numbers alone, so that all of a night fit into memory."""
    lapsing = WalletToken.objects.filter(
        state=State.ACTIVE, refresh_expires_at__gt=now, refresh_expires_at__lte=now + LAPSES_SOON
    )
    return list(lapsing.order_by("refresh_expires_at", "pk").values_list("pk", "credential_id"))


def _renew(token_id: int, *, now: datetime) -> bool:
    token = WalletToken.objects.select_related("wallet_pass", "credential__mall").get(pk=token_id)
    try:
        _exchanged(token, token.credential, is_stale=_is_lapsing(now), is_refused=True, now=now)
    except AuthorizationEnded:
        return False
    return True


def _is_lapsing(now: datetime) -> Callable[[WalletToken], bool]:
    return lambda one: one.refresh_expires_at is not None and one.refresh_expires_at <= now + LAPSES_SOON


def _active(wallet_pass: Pass, credential: Credential) -> WalletToken:
    token = WalletToken.objects.filter(wallet_pass=wallet_pass, credential=credential).first()
    if token is None:
        raise AuthorizationEnded(NONE_KEPT)
    if token.state == State.ENDED:
        raise AuthorizationEnded(token.ended_reason)
    return token


def _opened(text: str) -> str:
    """A key of ours that is gone takes no consent with it: the next sign-in brings tokens that can be read."""
    try:
        return sealed.unseal(text)
    except sealed.SealBroken as error:
        alarm.warning("a member's token cannot be unsealed: a key of LOYALTY_KEYS is missing")
        raise AuthorizationEnded(SEALED_OFF) from error


def _is_ending(token: WalletToken, moment: datetime) -> bool:
    return token.access_expires_at is not None and token.access_expires_at <= moment


def _exchanged(
    token: WalletToken,
    credential: Credential,
    *,
    is_stale: Callable[[WalletToken], bool],
    now: datetime,
    is_refused: bool = False,
) -> str:
    with _alone(token.pk):
        token = _active(token.wallet_pass, credential)
        if not is_stale(token):
            return _opened(token.sealed_access_token)
        try:
            return _exchange(token, credential, now=now)
        except TokenUnavailable:
            if is_refused or _is_ending(token, now):
                raise
            return _opened(token.sealed_access_token)


def _exchange(token: WalletToken, credential: Credential, *, now: datetime) -> str:
    is_over = token.refresh_expires_at is not None and token.refresh_expires_at <= now
    if is_over or not token.sealed_refresh_token:
        _end(token, reason=TOO_OLD, is_taken_back=False, now=now)
        raise AuthorizationEnded(TOO_OLD)
    refresh_token = _opened(token.sealed_refresh_token)
    try:
        granted = token_calls.by_refresh(credential, refresh_token=refresh_token, now=now)
    except (token_calls.Unanswered, client.CredentialUnusable) as error:
        raise TokenUnavailable(error.code) from error
    except token_calls.Refused as refusal:
        raise _judged(token, refusal, now=now) from refusal
    return _replace(token, granted, now=now)


def _judged(
    token: WalletToken, refusal: token_calls.Refused, *, now: datetime
) -> AuthorizationEnded | TokenUnavailable:
    """A token that was used before says nothing of the member's will, so that consent stays."""
    if refusal.code not in TAKEN_BACK and refusal.code != SUPERSEDED:
        alarm.warning("AlipayHK refuses to renew an authorization: %s", refusal.code)
        return TokenUnavailable(refusal.code)
    _end(token, reason=refusal.code, is_taken_back=refusal.code in TAKEN_BACK, now=now)
    return AuthorizationEnded(refusal.code)


def _replace(token: WalletToken, granted: Granted, *, now: datetime) -> str:
    """Unless a sign-in brought newer tokens meanwhile: those stay, and these serve for once."""
    values = _sealed(granted)
    if not granted.refresh_token:
        del values["sealed_refresh_token"], values["refresh_expires_at"]
    _unchanged(token).update(**values, obtained_at=now)
    return granted.access_token


@atomic
def _end(token: WalletToken, *, reason: str, is_taken_back: bool, now: datetime) -> None:
    ended = _unchanged(token).update(
        state=State.ENDED,
        ended_at=now,
        ended_reason=reason,
        sealed_access_token="",
        sealed_refresh_token="",
    )
    if ended and is_taken_back:
        enrollment.withdraw(
            wallet_pass=token.wallet_pass, now=now, reason=Consent.EndedReason.AUTHORIZATION_ENDED
        )
    log.info("authorization %d ended: %s", token.pk, reason)


def _unchanged(token: WalletToken) -> QuerySet[WalletToken]:
    return WalletToken.objects.filter(pk=token.pk, sealed_access_token=token.sealed_access_token)


def _sealed(granted: Granted) -> dict[str, object]:
    return {
        "sealed_access_token": sealed.seal(granted.access_token),
        "sealed_refresh_token": sealed.seal(granted.refresh_token) if granted.refresh_token else "",
        "access_expires_at": granted.access_expires_at,
        "refresh_expires_at": granted.refresh_expires_at,
    }


@contextmanager
def _alone(token_id: int) -> Iterator[None]:
    """A lock of the connection, not of a transaction; asked for again, as long waits in the database are cut off."""
    key = [LOCK, token_id % 2147483647]
    until = time.monotonic() + WAIT_SECONDS
    while not _said("SELECT pg_try_advisory_lock(%s, %s)", key):
        if time.monotonic() > until:
            raise TokenUnavailable("BEING_RENEWED")
        time.sleep(PAUSE_SECONDS)
    try:
        yield
    finally:
        _said("SELECT pg_advisory_unlock(%s, %s)", key)


def _said(statement: str, key: list[int]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, key)
        return bool(cursor.fetchone()[0])
