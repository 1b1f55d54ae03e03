"""What a mall's mini-app asks of AlipayHK: who is it that signs in, and which payments did they pick.

AlipayHK is asked first and the answer written in one block after it, so a call without an answer leaves nothing.
Codes and tokens stay here; a mini-app never sees AlipayHK's.
"""

import logging
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError
from django.db.transaction import atomic

from alipayhk import client, messages, passes, token_calls, uploads, wallet_tokens
from alipayhk.models import Credential
from alipayhk.token_payloads import Granted
from alipayhk.uploads import Order, Told
from loyalty.earning import purchases
from loyalty.ledger import postings
from members import enrollment, registering
from members.models import Consent, Member, Pass, Program
from members.registering import RegistrationForm

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

# Between the tries of a registration, in seconds.
PAUSES = (0.05, 0.2, 0.5)
BILL_SCOPE = "SCOPE_USER_BILL"
EVIDENCE = "mini-app sign-in"
# Where the mini-app does not say which text it showed, AlipayHK's own question is all that the member answered.
AUTHORIZATION = "AlipayHK's authorization of SCOPE_USER_BILL, mini-app sign-in"
_AUTH_CODE = re.compile(r"[!-~]{1,512}")
# AlipayHK's codes for what the member can mend, in ours; any other is a matter of configuration.
REFUSALS = {
    "AUTH_CODE_EXPIRED": "AUTH_CODE_EXPIRED",
    "EXPIRED_CODE": "AUTH_CODE_EXPIRED",
    "INVALID_AUTHCODE": "AUTH_CODE_INVALID",
    "INVALID_CODE": "AUTH_CODE_INVALID",
    "PARAM_ILLEGAL": "AUTH_CODE_INVALID",
    "USER_NOT_EXIST": "USER_REFUSED",
    "USER_STATUS_ABNORMAL": "USER_REFUSED",
}


class SignInRefused(Exception):
    """Nobody was signed in, and nothing was changed. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """Who signed in. `auto_earn`: consent to share payments is in force."""

    wallet_pass: Pass
    is_new: bool
    auto_earn: bool


def sign_in(
    *,
    credential: Credential,
    auth_code: str,
    scopes: Collection[str],
    now: datetime,
    text_version: str | None = None,
) -> SignedIn:
    """Exchange the code of `my.getAuthCode`; `scopes` are those the user granted.

    `text_version` is the consent text that the member was shown, None if the mini-app does not say; one that is not
    in force any longer opens no consent.
    Raises SignInRefused: MINI_APP_OFF, AUTH_CODE_INVALID, AUTH_CODE_EXPIRED, USER_REFUSED, MEMBER_CLOSED,
    ALIPAYHK_AWAY or ALIPAYHK_REFUSED. Must not run inside the caller's atomic block.
    """
    program = Program.objects.filter(group_id=credential.mall.group_id).first()
    if not credential.app_id or program is None:
        raise SignInRefused("MINI_APP_OFF")
    if not _AUTH_CODE.fullmatch(auth_code):
        raise SignInRefused("AUTH_CODE_INVALID")
    granted = _ask(credential, auth_code, now=now)
    return _admit(credential, granted, text_version, has_bill_scope=BILL_SCOPE in scopes, now=now)


def submit_batch(
    *, wallet_pass: Pass, credential: Credential, batch_number: str, now: datetime
) -> list[Told]:
    """Judge the payments a member picked; a token that AlipayHK holds for expired is exchanged once.

    Raises uploads.UploadFailed or wallet_tokens.AuthorizationEnded. Must not run inside the caller's atomic block.
    """
    try:
        token = wallet_tokens.access_token(wallet_pass=wallet_pass, credential=credential, now=now)
        try:
            return _upload(wallet_pass, credential, batch_number, token, now=now)
        except uploads.TokenExpired:
            token = wallet_tokens.refresh_after_expiry(
                wallet_pass=wallet_pass, credential=credential, refused=token, now=now
            )
        return _upload(wallet_pass, credential, batch_number, token, now=now)
    except wallet_tokens.TokenUnavailable as error:
        raise uploads.NoAnswer(error.code) from error


def register(*, wallet_pass: Pass, form: RegistrationForm, now: datetime) -> Member:
    """Keep the member's form, and let the card show the name and number that are theirs now.

    Most fill it in while AlipayHK answers the call that made their card, and who records that answer locks the other
    way round: then it is tried again. Raises registering.RegistrationRefused, and OperationalError after the last try.
    """
    for pause in PAUSES:
        try:
            return _register(wallet_pass, form, now=now)
        except OperationalError as error:
            log.info("a registration met a lock, and is tried again: %s", error)
            time.sleep(pause)
    return _register(wallet_pass, form, now=now)


@atomic
def _register(wallet_pass: Pass, form: RegistrationForm, *, now: datetime) -> Member:
    if form.card_number:
        purchases.hold_off(member_id=registering.hold(wallet_pass=wallet_pass).member_id)
    member = registering.register(wallet_pass=wallet_pass, form=form, now=now)
    account = postings.open_account(member=member, now=now)
    passes.show_anew(wallet_pass=wallet_pass, version=account.version)
    return member


def _ask(credential: Credential, auth_code: str, *, now: datetime) -> Granted:
    try:
        return token_calls.by_code(credential, auth_code=auth_code, now=now)
    except client.CredentialUnusable as error:
        alarm.warning("nobody can sign in at mall %s: %s", credential.mall.tag, error.code)
        raise SignInRefused("MINI_APP_OFF") from error
    except token_calls.Unanswered as error:
        raise SignInRefused("ALIPAYHK_AWAY") from error
    except token_calls.Refused as error:
        if error.code not in REFUSALS:
            alarm.warning("AlipayHK refuses sign-ins of mall %s: %s", credential.mall.tag, error.code)
        raise SignInRefused(REFUSALS.get(error.code, "ALIPAYHK_REFUSED")) from error


@atomic
def _admit(
    credential: Credential, granted: Granted, shown: str | None, *, has_bill_scope: bool, now: datetime
) -> SignedIn:
    wallet_pass, is_new = enrollment.enter(
        mall=credential.mall, wallet=messages.WALLET, user_id=granted.user_id, now=now
    )
    if wallet_pass.member.state != Member.State.ACTIVE or wallet_pass.state == Pass.State.CLOSED:
        raise SignInRefused("MEMBER_CLOSED")
    if is_new:
        postings.open_account(member=wallet_pass.member, now=now)
    wallet_tokens.keep(
        wallet_pass=wallet_pass,
        credential=credential,
        granted=granted,
        has_bill_scope=has_bill_scope,
        now=now,
    )
    return SignedIn(
        wallet_pass=wallet_pass,
        is_new=is_new,
        auto_earn=_auto_earn(wallet_pass, shown, has_bill_scope=has_bill_scope, now=now),
    )


def _auto_earn(wallet_pass: Pass, shown: str | None, *, has_bill_scope: bool, now: datetime) -> bool:
    in_force = wallet_pass.program.consent_text_version
    if not has_bill_scope or (in_force and shown not in (None, in_force)):
        return Consent.objects.filter(wallet_pass=wallet_pass, ended_at=None).exists()
    return enrollment.heed_authorization(
        wallet_pass=wallet_pass,
        text_version=in_force if shown else "",
        evidence=AUTHORIZATION if shown is None else EVIDENCE,
        now=now,
    )


def _upload(
    wallet_pass: Pass, credential: Credential, batch_number: str, token: str, *, now: datetime
) -> list[Told]:
    order = Order(wallet_pass=wallet_pass, batch_number=batch_number, access_token=token)
    return uploads.upload(order=order, credential=credential, now=now)
