"""The inbox: stores a genuine message once, and judges it in the same block (D4).

A message that cannot be judged right now is stored alone and answered all the same; `waiting.py` judges it later.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.transaction import atomic

from alipayhk import judging, messages, pass_queue
from alipayhk.messages import Message, Reading, Unreadable
from alipayhk.models import Notification
from loyalty.earning.outcomes import Outcome, Verdict

alarm = logging.getLogger("loyalty.alarm")

NOT_JUDGED = "PARKED_NOT_JUDGED"
FIRST_RETRY = timedelta(seconds=5)
# What a judgement means for the notification and for AlipayHK.
STATES: dict[Verdict, tuple[str, str]] = {
    Verdict.RECORDED: (Notification.State.PROCESSED, Notification.Answer.SUCCESS),
    Verdict.WAITING: (Notification.State.PARKED, Notification.Answer.SUCCESS),
    Verdict.ASK: (Notification.State.PARKED, Notification.Answer.SUCCESS),
    Verdict.CONFLICT: (Notification.State.CONFLICT, Notification.Answer.PARAM_ILLEGAL),
}


@dataclass(frozen=True, slots=True)
class Received:
    """The answer to give; `wakes` names what may be judged now that waited for this message, if anything."""

    answer: str
    is_new: bool = False
    wakes: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the inbox. For a repeat `is_new` is false, and `is_signed_anew` tells a resend from a replay."""

    notification_id: int
    answer: str
    is_new: bool
    is_awaited: bool = False
    is_signed_anew: bool = False


# One statement stores the message and tells whether its number is new; a number in use inserts nothing.
INSERT = """
INSERT INTO alipayhk_notification (group_id, mall_id, credential_id, kind, key, content_hash, is_first, state,
    reason, detail, waits_for, answer, raw_target, raw_body, headers, user_id, tracer_id, received_at,
    judged_at, repeats, tries, try_at, is_confirmed)
VALUES (%(group_id)s, %(mall_id)s, %(credential_id)s, %(kind)s, %(key)s, %(content_hash)s, true, %(state)s,
    %(reason)s, %(detail)s, '', %(answer)s, %(target)s, %(body)s, %(headers)s::jsonb, %(user_id)s, %(tracer_id)s,
    %(now)s, %(judged_at)s, 0, 0, %(try_at)s, false)
ON CONFLICT (group_id, kind, key) WHERE is_first DO NOTHING
RETURNING id, EXISTS (
    SELECT FROM alipayhk_notification WHERE group_id = %(group_id)s AND waits_for = %(awaited)s AND state = 'PARKED')
"""

REPEAT = """
UPDATE alipayhk_notification SET repeats = repeats + 1
WHERE group_id = %(group_id)s AND kind = %(kind)s AND key = %(key)s AND is_first AND content_hash = %(content_hash)s
RETURNING id, answer, headers ->> 'Request-Time' <> %(headers)s::jsonb ->> 'Request-Time'
"""

CONFLICT = """
INSERT INTO alipayhk_notification (group_id, mall_id, credential_id, kind, key, content_hash, is_first, state,
    reason, detail, waits_for, answer, raw_target, raw_body, headers, user_id, tracer_id, received_at,
    judged_at, repeats, tries, is_confirmed)
VALUES (%(group_id)s, %(mall_id)s, %(credential_id)s, %(kind)s, %(key)s, %(content_hash)s, false, 'CONFLICT',
    'CONFLICTING_CONTENT', '', '', 'PARAM_ILLEGAL', %(target)s, %(body)s, %(headers)s::jsonb, %(user_id)s,
    %(tracer_id)s, %(now)s, %(now)s, 0, 0, false)
ON CONFLICT (group_id, kind, key, content_hash) WHERE NOT is_first
    DO UPDATE SET repeats = alipayhk_notification.repeats + 1
RETURNING id, answer
"""

FINISH = """
UPDATE alipayhk_notification
SET state = %(state)s, reason = %(reason)s, waits_for = %(waits_for)s, judged_at = %(judged_at)s, try_at = NULL,
    answer = CASE WHEN %(is_first_answer)s THEN %(answer)s ELSE answer END,
    transaction_id = coalesce(%(transaction_id)s, transaction_id), refund_id = %(refund_id)s,
    member_id = %(member_id)s
WHERE id = %(id)s
"""

# The card's wish in the same breath, while the member's account is locked.
FINISH_AND_WANT = f"WITH wish AS ({pass_queue.WANT}) {FINISH}"


def receive(message: Message, *, now: datetime) -> Received:
    """Store and judge one message. Raises only when nothing could be stored, so that AlipayHK sends it again."""
    try:
        reading = messages.read(message, now=now)
    except Unreadable as fault:
        return _reject(message, fault, now=now)
    try:
        stored = _store_and_judge(message, reading, now=now)
    except Exception as error:  # whatever went wrong, the message alone must still be kept (D4)
        alarm.exception("message stored without being judged: %s", type(error).__name__)
        stored = _store_alone(message, reading, now=now)
    if stored.is_signed_anew and judging.may_be_another(reading.notice):
        alarm.warning("notification %d came again; two real ones would look the same", stored.notification_id)
    return Received(
        stored.answer, stored.is_new, judging.awaited(reading.notice) if stored.is_awaited else ""
    )


def _store_and_judge(message: Message, reading: Reading, *, now: datetime) -> Stored:
    with atomic():
        stored = _store(message, reading, now=now)
        if stored.is_new:
            outcome = judging.judge(reading.notice, message=message, is_confirmed=False, now=now)
            answer = finish(stored.notification_id, outcome, is_first_answer=True, now=now)
            return Stored(stored.notification_id, answer, True, stored.is_awaited)
        if stored.is_signed_anew and message.kind == Notification.Kind.CARD:
            # The same person asks again, perhaps after a withdrawal; a mere replay must not reopen a consent.
            judging.judge(reading.notice, message=message, is_confirmed=False, now=now)
    return stored


def _store_alone(message: Message, reading: Reading, *, now: datetime) -> Stored:
    if not connection.is_usable():
        connection.close()
    with atomic():
        return _store(message, reading, now=now)


def _reject(message: Message, fault: Unreadable, *, now: datetime) -> Received:
    """Keep what cannot be read, under its own digest, for repair; the detail names the field."""
    digest = message.digest
    values = _row(message, key=f"sha256:{digest}", content_hash=digest, user_id="", now=now) | {
        "state": Notification.State.REJECTED,
        "reason": fault.code,
        "detail": str(fault)[:255],
        "answer": Notification.Answer.PARAM_ILLEGAL,
        "judged_at": now,
        "try_at": None,
    }
    alarm.warning("message rejected: %s", fault)
    with atomic():
        return Received(_insert(values).answer)


def _store(message: Message, reading: Reading, *, now: datetime) -> Stored:
    """Insert as not judged yet, so that the row is right even if nothing more is written."""
    values = _row(
        message, key=reading.key, content_hash=reading.content_hash, user_id=reading.notice.user_id, now=now
    )
    return _insert(values | {"awaited": judging.awaited(reading.notice)})


def _row(message: Message, *, key: str, content_hash: str, user_id: str, now: datetime) -> dict[str, Any]:
    return {
        "group_id": message.group_id,
        "mall_id": message.mall_id,
        "credential_id": message.credential_id,
        "kind": message.kind,
        "key": key,
        "content_hash": content_hash,
        "state": Notification.State.PARKED,
        "reason": NOT_JUDGED,
        "detail": "",
        "answer": Notification.Answer.SUCCESS,
        "target": message.target,
        "body": message.body,
        "headers": json.dumps(message.headers),
        "user_id": user_id,
        "tracer_id": message.headers.get("Tracer-Id", "")[:128],
        "now": now,
        "judged_at": None,
        "try_at": now + FIRST_RETRY,
        "awaited": "",
    }


def _insert(values: dict[str, Any]) -> Stored:
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values)
        row = cursor.fetchone()
        if row:
            return Stored(row[0], str(values["answer"]), True, is_awaited=row[1])
        cursor.execute(REPEAT, values)
        row = cursor.fetchone()
        if row:
            return Stored(row[0], row[1], False, is_signed_anew=row[2])
        alarm.warning("known number with other content: %s", values["kind"])
        cursor.execute(CONFLICT, values)
        notification_id, answer = cursor.fetchone()
    return Stored(notification_id, answer, False)


def finish(notification_id: int, outcome: Outcome, *, is_first_answer: bool, now: datetime) -> str:
    """Write what became of it and mark the member's cards behind; returns the answer of the webhook."""
    state, answer = STATES[outcome.verdict]
    values: dict[str, Any] = {
        "id": notification_id,
        "state": state,
        "reason": outcome.reason,
        "waits_for": "" if outcome.verdict == Verdict.ASK else outcome.waits_for,
        "judged_at": None if state == Notification.State.PARKED else now,
        "is_first_answer": is_first_answer,
        "answer": answer,
        "transaction_id": outcome.transaction_id,
        "refund_id": outcome.refund_id,
        "member_id": outcome.member_id,
    }
    with connection.cursor() as cursor:
        if outcome.version is None:
            cursor.execute(FINISH, values)
        else:
            wish = pass_queue.wish(member_id=outcome.member_id, version=outcome.version)
            cursor.execute(FINISH_AND_WANT, values | wish)
    if outcome.verdict in (Verdict.ASK, Verdict.CONFLICT):
        alarm.warning("notification %d needs staff: %s", notification_id, outcome.reason)
    return answer
