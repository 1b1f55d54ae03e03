"""Cards follow balances: which are behind, bringing them up to date, and what staff may do about those that failed.

The webhooks say what is wanted, the comparison finds what nobody said, `drain` is the only way out.
"""

import logging
import re
from datetime import timedelta

from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.transaction import atomic

from alipayhk import pass_drain, pass_queue
from alipayhk.models import CardTemplate, PassUpdate
from members.models import Pass
from pms.models import User

log = logging.getLogger(__name__)

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NotSendable(Exception):
    """This card was closed; it cannot be sent again."""


class ExternalIdRefused(Exception):
    """The pass ID must be letters, digits, _ or -, at most 64, and belong to no other pass."""


def want(*, cursor: CursorWrapper, member_id: int, version: int) -> None:
    """Say that a member's cards should show this version of the account, inside the caller's own block.

    A card that has no place in the queue yet gets one by `notice_changes`.
    """
    pass_queue.want(cursor=cursor, member_id=member_id, version=version)


def show_anew(*, wallet_pass: Pass, version: int) -> None:
    """The card tells of another name, or of another account, at this version; part of the caller's own block."""
    with connection.cursor() as cursor:
        want(cursor=cursor, member_id=wallet_pass.member_id, version=version)
    _restart(PassUpdate.objects.filter(wallet_pass=wallet_pass))


def notice_new() -> int:
    """Give new passes a place in the queue, and release those whose card template came at last."""
    return pass_queue.notice_new()


def notice_changes(*, everything: bool = False, within: timedelta = pass_queue.RECENT) -> int:
    """Find the cards that are behind, whoever moved the points: lately, or ever. Returns how many."""
    new = pass_queue.notice_new(everything=everything)
    return new + pass_queue.notice_changed(everything=everything, within=within)


def drain(*, batch: int = 64, linger: float = 0.0) -> int:
    """Call AlipayHK about every card that is due, up to `batch` at once; returns how many calls were made.

    Ends when nothing is due, or after 20 s. With `linger`, waits for what is due within that many seconds.
    """
    return pass_drain.drain(batch=batch, linger=linger)


def dead_letters() -> QuerySet[PassUpdate]:
    """Cards given up on, the oldest first."""
    found = PassUpdate.objects.filter(dead_at__isnull=False)
    return found.select_related("wallet_pass__member").order_by("dead_at", "pk")


def send_again(*, update: PassUpdate, by: User | None) -> None:
    """Start a card's attempts again at once, whatever became of the last ones."""
    if update.wallet_pass.state == Pass.State.CLOSED:
        raise NotSendable(NotSendable.__doc__)
    _restart(PassUpdate.objects.filter(pk=update.pk))
    log.info("card update %d sent again by %s", update.pk, _name(by))


def replay_dead(*, updates: QuerySet[PassUpdate] | None = None, by: User | None = None) -> int:
    """Start all dead letters again, or those of `updates`; returns how many."""
    chosen = dead_letters() if updates is None else updates.filter(dead_at__isnull=False)
    count = _restart(chosen.exclude(wallet_pass__state=Pass.State.CLOSED))
    log.info("%d dead letters sent again by %s", count, _name(by))
    return count


@atomic
def set_external_id(*, update: PassUpdate, external_id: str, by: User | None) -> None:
    """Staff found out the id of a card that exists: it is updated from now on."""
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise ExternalIdRefused(ExternalIdRefused.__doc__)
    PassUpdate.objects.select_for_update().get(pk=update.pk)
    try:
        with atomic():
            Pass.objects.filter(pk=update.wallet_pass_id).exclude(state=Pass.State.CLOSED).update(
                external_id=external_id, state=Pass.State.ACTIVE
            )
    except IntegrityError as error:
        raise ExternalIdRefused(ExternalIdRefused.__doc__) from error
    _restart(PassUpdate.objects.filter(pk=update.pk))
    log.info("card update %d got its pass id by %s", update.pk, _name(by))


@atomic
def resume_template(*, template: CardTemplate, by: User | None) -> int:
    """The template was put right: its cards go on, those it made fail first. Returns how many those were."""
    code = template.pause_code
    CardTemplate.objects.filter(pk=template.pk).update(paused_at=None, pause_code="")
    template.refresh_from_db()
    count = _restart(
        dead_letters().filter(credential=template.credential_id, last_code=code)
        if code
        else PassUpdate.objects.none()
    )
    log.info("card template %d resumed by %s", template.pk, _name(by))
    return count


@atomic
def _restart(updates: QuerySet[PassUpdate]) -> int:
    """Due now, from the first attempt. Passes that were given up on live again."""
    rows = updates.order_by("pk").select_for_update(of=("self",))
    found = list(rows.values_list("pk", "wallet_pass_id"))
    revived = Pass.objects.filter(
        pk__in=[pass_id for _, pass_id in found],
        state__in=(Pass.State.INVALID, Pass.State.EXISTS_UNKNOWN),
    )
    revived.filter(external_id="").update(state=Pass.State.WAITING)
    revived.exclude(external_id="").update(state=Pass.State.ACTIVE)
    return pass_queue.restart([pk for pk, _ in found])


def _name(by: User | None) -> str:
    return by.get_username() if by else "the command line"
