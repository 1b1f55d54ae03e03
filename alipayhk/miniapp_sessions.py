"""Sessions of the mini-app: begun by a sign-in, found by their token, ended by staff, removed when they are over.

The token is ours and says nothing; AlipayHK's tokens never leave the back-office.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from alipayhk.models import Credential, MiniAppSession
from members.models import Pass
from pms import scoping
from pms.models import Mall

PREFIX = "lms_"
LOOK = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def begin(*, wallet_pass: Pass, credential: Credential, now: datetime) -> tuple[MiniAppSession, str]:
    """The session's row, and its token, which nobody can ask for again."""
    token = PREFIX + secrets.token_urlsafe(32)
    session = MiniAppSession.objects.create(
        wallet_pass=wallet_pass,
        credential=credential,
        token_hash=_digest(token),
        began_at=now,
        expires_at=now + timedelta(seconds=settings.MINIAPP_SESSION_SECONDS),
    )
    return session, token


def holder_of(token: str, *, tag: str, now: datetime) -> MiniAppSession | None:
    """The session that this token opens in this mall; a stranger's, an ended or another mall's opens none.

    Nor does any where the mall is suspended, or has a mini-app no longer.
    """
    if not (LOOK.fullmatch(token) and scoping.is_searchable(tag)):
        return None
    found = MiniAppSession.objects.select_related("credential__mall", "wallet_pass__member")
    here = found.filter(credential__mall__tag=tag, credential__mall__state=Mall.State.ACTIVE).exclude(
        credential__app_id=""
    )
    return here.filter(token_hash=_digest(token), ended_at=None, expires_at__gt=now).first()


def end(*, session: MiniAppSession, now: datetime) -> bool:
    """False if it was over already. It bites at the next request."""
    live = MiniAppSession.objects.filter(pk=session.pk, ended_at=None, expires_at__gt=now)
    return bool(live.update(ended_at=now))


def remove_old(*, now: datetime) -> int:
    """Remove sessions that are over; returns how many."""
    return MiniAppSession.objects.filter(Q(expires_at__lte=now) | Q(ended_at__lte=now)).delete()[0]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
