"""Judges what had to wait: when its missing half comes, on every sweep, and when staff say so.

Each notification is judged in a block of its own, under its row's lock, by the same function as in the webhook.
"""

import logging
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic

from alipayhk import inbox, judging, messages, replays
from alipayhk.messages import Message, Unreadable
from alipayhk.models import Notification
from loyalty.earning import places, purchases
from loyalty.earning.models import Transaction
from loyalty.earning.outcomes import Outcome, Verdict
from pms import store_labels
from pms.models import User

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

MOST_JUDGED_IN_A_WEBHOOK = 20
LONGEST_RETRY = timedelta(hours=1)
# AlipayHK sends again for a little more than 24 hours.
LONGEST_USUAL_WAIT = timedelta(hours=26)

AWAITED = "substr(n.waits_for, 7)"
PAID_DATE = "(t.paid_at AT TIME ZONE 'Asia/Hong_Kong')::date"
MALL_THEN = purchases.mall_then(store="s", date=PAID_DATE)
# Whether a recorded purchase that waits has its one store now, in the mall where that was on the day.
HAS_STORE = f"""
(SELECT count(*) = 1 AND bool_and(s.state = 'ACTIVE' AND m.state = 'ACTIVE')
 FROM ({store_labels.leading(group="t.group_id", label="t.store_label", merchant="t.merchant_id")}) named
 JOIN pms_store s ON s.id = named.id JOIN pms_mall m ON m.id = {MALL_THEN}
 JOIN pms_mall called ON called.id = t.mall_id AND called.state = 'ACTIVE')
"""  # noqa: S608  (put together from constants alone)


def _may_have_store(label: str, merchant: str) -> str:
    """Of what was not recorded, as its store was suspended: judging it reads the day, so any mall of its will do."""
    return f"""
    (SELECT count(*) = 1 AND bool_and(s.state = 'ACTIVE' AND EXISTS (
         SELECT FROM pms_mall m WHERE m.state = 'ACTIVE' AND (m.id = s.mall_id
             OR m.id IN (SELECT move.from_mall_id FROM pms_storemove move WHERE move.store_id = s.id))))
     FROM ({store_labels.leading(group="n.group_id", label=label, merchant=merchant)}) named
     JOIN pms_store s ON s.id = named.id)
    """  # noqa: S608  (put together from constants alone)


# Parked rows whose missing half exists now, whichever door it came by.
READY = f"""
SELECT n.id FROM alipayhk_notification n
WHERE n.state = 'PARKED' AND (
    n.try_at <= %(now)s
    OR n.waits_for LIKE 'USER:%%' AND EXISTS (
        SELECT FROM members_pass p JOIN members_program g ON g.id = p.program_id
        WHERE g.group_id = n.group_id AND p.user_id = substr(n.waits_for, 6))
    OR n.waits_for LIKE 'PAYMENT:%%' AND EXISTS (
        SELECT FROM earning_transaction t
        WHERE t.group_id = n.group_id AND upper(t.payment_number) = substr(n.waits_for, 9)
            AND t.state NOT IN ('PARKED', 'HELD'))
    OR n.waits_for LIKE 'STORE:_%%' AND CASE WHEN n.transaction_id IS NULL
        THEN {_may_have_store(AWAITED, "''")} OR {_may_have_store("''", AWAITED)}
        ELSE (SELECT {HAS_STORE} FROM earning_transaction t WHERE t.id = n.transaction_id) END
    OR n.waits_for LIKE 'MALL:%%' AND EXISTS (
        SELECT FROM pms_mall m WHERE m.id::text = substr(n.waits_for, 6) AND m.state = 'ACTIVE'))
ORDER BY n.received_at LIMIT %(limit)s
"""  # noqa: S608  (put together from constants alone)

STRAYS = f"""
SELECT t.id FROM earning_transaction t
WHERE t.state = 'PARKED' AND t.channel = 'UPLOAD' AND NOT EXISTS (
        SELECT FROM alipayhk_notification n
        WHERE n.transaction_id = t.id AND n.kind = 'BILL' AND n.state = 'PARKED')
    AND {HAS_STORE}
ORDER BY t.paid_at, t.id LIMIT %(limit)s
"""  # noqa: S608  (put together from constants alone)


def sweep(*, now: datetime, limit: int = 1000) -> int:
    """Judge every parked notification that can be judged now; returns how many are parked no longer."""
    replays.forget(now=now)
    with connection.cursor() as cursor:
        cursor.execute(READY, {"now": now, "limit": limit})
        ready = [row[0] for row in cursor.fetchall()]
    judged = sum(_judge_safely(notification_id, now=now) for notification_id in ready)
    return judged + sum(judge_purchase(transaction_id, now=now) for transaction_id in _strays(limit))


def _strays(limit: int) -> list[int]:
    """Purchases without a message that wait for a store that is known now: uploads whose store was mapped wrongly."""
    with connection.cursor() as cursor:
        cursor.execute(STRAYS, {"limit": limit})
        return [row[0] for row in cursor.fetchall()]


def judge_waiting(*, group_id: int, waits_for: str, now: datetime) -> int:
    """Judge what waits for `USER:<id>` or `PAYMENT:<number>`, oldest first; the sweep takes what is too many."""
    waiting = Notification.objects.filter(
        group_id=group_id, waits_for=waits_for, state=Notification.State.PARKED
    ).order_by("received_at")
    judged = 0
    for notification_id in list(waiting.values_list("pk", flat=True)[:MOST_JUDGED_IN_A_WEBHOOK]):
        try:
            judged += _judge(notification_id, now=now)
        except Exception as error:
            _put_off(notification_id, error, now=now)
            break  # AlipayHK waits for its answer: one lock not had is enough
    return judged


def try_again(*, notification: Notification, by: User, now: datetime) -> Notification:
    """Staff ask for another judgement of a parked or rejected notification."""
    log.info("%s has notification %d judged again", by.get_username(), notification.pk)
    _judge(notification.pk, now=now)
    notification.refresh_from_db()
    return notification


def confirm(*, notification: Notification, by: User, now: datetime) -> Notification:
    """Staff stand by what made the notification doubtful; it is judged as it reads."""
    Notification.objects.filter(pk=notification.pk).update(is_confirmed=True)
    return try_again(notification=notification, by=by, now=now)


def acknowledge(*, notification: Notification, by: User) -> None:
    """Staff have seen a conflict and leave the first message standing; it waits for nobody any more."""
    conflict = Notification.objects.filter(pk=notification.pk, state=Notification.State.CONFLICT)
    conflict.update(is_confirmed=True)
    log.info("%s has seen conflict %d", by.get_username(), notification.pk)


def judge_purchase(transaction_id: int, *, now: datetime) -> bool:
    """One that waits for its store, through the message that brought it; a member's upload came without one."""
    parked = Notification.objects.filter(
        transaction=transaction_id, kind=Notification.Kind.BILL, state=Notification.State.PARKED
    )
    notification_id = parked.values_list("pk", flat=True).first()
    if notification_id is not None:
        return _judge_safely(notification_id, now=now)
    try:
        return _judge_alone(transaction_id, now=now)
    except Exception as error:
        alarm.exception("purchase %d could not be judged: %s", transaction_id, type(error).__name__)
        return False


@atomic
def _judge_alone(transaction_id: int, *, now: datetime) -> bool:
    transaction = places.locked(transaction_id)
    if transaction.state != Transaction.State.PARKED:
        return False
    return places.place(transaction=transaction, now=now).verdict == Verdict.RECORDED


def _judge_safely(notification_id: int, *, now: datetime) -> bool:
    """One that fails must not hold up the others; it is tried again, later each time."""
    try:
        return _judge(notification_id, now=now)
    except Exception as error:
        _put_off(notification_id, error, now=now)
        return False


def _put_off(notification_id: int, error: Exception, *, now: datetime) -> None:
    """Ordinary outcomes are values, so whatever was raised is unexpected."""
    alarm.exception("notification %d could not be judged: %s", notification_id, type(error).__name__)
    notification = Notification.objects.get(pk=notification_id)
    wait = min(inbox.FIRST_RETRY * 2 ** min(notification.tries, 10), LONGEST_RETRY)
    Notification.objects.filter(pk=notification_id).update(tries=notification.tries + 1, try_at=now + wait)


def _judge(notification_id: int, *, now: datetime) -> bool:
    """Whether the notification is parked no longer. One that somebody else is judging is left to them."""
    with atomic():
        rows = Notification.objects.select_for_update(of=("self",), skip_locked=True).select_related(
            "credential"
        )
        notification = rows.filter(pk=notification_id, state__in=("PARKED", "REJECTED")).first()
        if notification is None:
            return False
        try:
            outcome = _outcome(notification, now=now)
        except Unreadable as fault:
            log.info("notification %d is still unreadable: %s", notification_id, fault.code)
            return False
        inbox.finish(notification_id, outcome, is_first_answer=False, now=now)
    return inbox.STATES[outcome.verdict][0] != Notification.State.PARKED


def _outcome(notification: Notification, *, now: datetime) -> Outcome:
    if notification.transaction_id is not None and notification.kind == Notification.Kind.BILL:
        transaction = places.locked(notification.transaction_id)
        if transaction.state == Transaction.State.PARKED:
            return places.place(transaction=transaction, now=now)
    message: Message = messages.of(notification)
    reading = messages.read(message, now=notification.received_at)
    return judging.judge(reading.notice, message=message, is_confirmed=notification.is_confirmed, now=now)


def overdue(*, now: datetime) -> QuerySet[Notification]:
    """What has waited longer than AlipayHK goes on sending: its missing half will not come by itself (B129)."""
    parked = Notification.objects.filter(
        state=Notification.State.PARKED, received_at__lt=now - LONGEST_USUAL_WAIT
    )
    return parked.order_by("received_at")
