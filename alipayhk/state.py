"""What the installation holds right now, as operators and black-box tests read it. Writes nothing.

Counts come from aggregates and partial indexes; lists are made by one query a table, whatever their length.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from alipayhk.models import Notification, PassUpdate
from loyalty.earning import standing
from loyalty.earning.duplicates import canonical
from loyalty.earning.models import NumberClaim, Refund, Transaction
from loyalty.ledger.models import PointAccount, PointEntry
from members.models import Pass
from pms.models import MallGroup

Json = dict[str, Any]

READ_AT_ONCE = 2000

# Cards that can still be brought up to date and do not show the newest points (or do not exist yet).
BEHIND = """
SELECT count(*), min(coalesce(account.changed_at, card.joined_at))
FROM members_pass card
JOIN members_member member ON member.id = card.member_id
LEFT JOIN ledger_pointaccount account ON account.member_id = card.member_id
LEFT JOIN alipayhk_passupdate state ON state.wallet_pass_id = card.id
WHERE card.state IN ('WAITING', 'ACTIVE') AND member.state <> 'CLOSED'
  AND (state.acknowledged_version IS NULL OR state.acknowledged_version < account.version)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Whose lists to add; nothing asked for, no lists."""

    member: str = ""
    transaction: str = ""
    notification: str = ""
    is_all: bool = False

    @property
    def has_lists(self) -> bool:
        return bool(self.member or self.transaction or self.notification or self.is_all)


def read(*, now: datetime, wanted: Wanted) -> Json:
    """The whole answer; consistent only inside `snapshot.one_snapshot()`."""
    found: Json = {"at": now.isoformat(), "notifications": _notification_counts(), "queues": _queues(now)}
    if wanted.has_lists:
        found |= _lists(wanted)
    return found


def _notification_counts() -> Json:
    """Most notifications are processed: those are counted as all that are not something else."""
    states = Notification.State
    others = [state for state in states if state != states.PROCESSED]
    counts = {state.value: Notification.objects.filter(state=state).count() for state in others}
    repeats = Notification.objects.filter(repeats__gt=0).aggregate(total=Sum("repeats"))["total"] or 0
    processed = Notification.objects.count() - sum(counts.values())
    return {states.PROCESSED.value: processed, **counts, "repeats": repeats}


def _queues(now: datetime) -> Json:
    with connection.cursor() as cursor:
        cursor.execute(BEHIND)
        behind, since = cursor.fetchone()
    return {
        "passes_behind": behind,
        "oldest_behind_seconds": max(0, int((now - since).total_seconds())) if since else 0,
        "parked": Notification.objects.filter(state=Notification.State.PARKED).count(),
        "dead_letters": PassUpdate.objects.filter(dead_at__isnull=False).count(),
    }


def _lists(wanted: Wanted) -> Json:
    if wanted.is_all:
        return {"members": _members(Q()), "transactions": _transactions(Q())}
    members, transactions = _asked_for(wanted)
    found: Json = {"members": _members(Q(member_id__in=members)), "transactions": _transactions(transactions)}
    if wanted.notification:
        found["notifications_found"] = [
            _notification(row) for row in _find_notifications(wanted.notification)
        ]
    return found


def _asked_for(wanted: Wanted) -> tuple[set[int], Q]:
    """Members asked for, with all their transactions; transactions asked for, with the members they belong to."""
    members = set(Pass.objects.filter(user_id=wanted.member).values_list("member_id", flat=True))
    named = Q(pk__in=_transaction_ids(wanted.transaction) | _noticed_ids(wanted.notification))
    owners = Transaction.objects.filter(named).values_list("member_id", flat=True)
    return members | set(owners), named | Q(member_id__in=members)


def _noticed_ids(number: str) -> set[int]:
    """Transactions of the notifications of this number."""
    notices = _find_notifications(number) if number else []
    found = {row.refund.transaction_id if row.refund else row.transaction_id for row in notices}
    return {pk for pk in found if pk is not None}


def _transaction_ids(number: str) -> set[int]:
    """By any of its numbers; a loser's own claims are another's, so its payment number is looked up as well."""
    if not number:
        return set()
    groups = list(MallGroup.objects.values_list("pk", flat=True))
    claims = NumberClaim.objects.filter(
        group_id__in=groups, kind__in=NumberClaim.Kind.values, number=canonical(number)
    )
    named = Transaction.objects.filter(group_id__in=groups, payment_number__iexact=number)
    return {*claims.values_list("transaction_id", flat=True), *named.values_list("pk", flat=True)}


def _find_notifications(number: str) -> list[Notification]:
    """By the number of a payment, of a refund, or of the payment that a refund belongs to; or by a new card's user."""
    groups = list(MallGroup.objects.values_list("pk", flat=True))
    upper = number.upper()
    refunds = Q(kind=Notification.Kind.REFUND) & (
        Q(key__startswith=f"{upper}:") | Q(key__endswith=f":{upper}")
    )
    rows = Notification.objects.filter(
        Q(kind__in=Notification.Kind.values, key__in={number, upper}) | refunds
    )
    return list(rows.filter(group_id__in=groups).select_related("refund").order_by("received_at", "pk"))


def _notification(row: Notification) -> Json:
    return {
        "number": row.key,
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason,
        "waits_for": row.waits_for,
        "repeats": row.repeats,
    }


def _members(which: Q) -> list[Json]:
    """`which` filters accounts of members. Ids stay in the database: a list of them has no limit."""
    accounts = PointAccount.objects.filter(which, kind=PointAccount.Kind.MEMBER)
    member_ids = accounts.values("member_id")
    entries = PointEntry.objects.filter(account__in=accounts.values("pk"))
    refunds = Refund.objects.filter(transaction__member__in=member_ids, uncollected__gt=0)
    sums = dict(entries.values_list("account_id").annotate(Sum("points")))
    uncollected = dict(refunds.values_list("transaction__member_id").annotate(Sum("uncollected")))
    cards = _cards(Pass.objects.filter(member__in=member_ids))
    return [
        {
            "user_ids": [user_id for user_id, _ in cards[member_id]],
            "balance": balance,
            "pending": pending or 0,
            "uncollected": uncollected.get(member_id, 0),
            "entries_sum": sums.get(account_id, 0),
            "version": version,
            "passes": [card for _, card in cards[member_id]],
        }
        for account_id, member_id, balance, version, pending in accounts.order_by("member_id").values_list(
            "pk", "member_id", "balance", "version", "pending__balance"
        )
    ]


def _cards(passes: QuerySet[Pass]) -> dict[int, list[tuple[str, Json]]]:
    """By member, with the wallet's user id. What AlipayHK never acknowledged counts as 0, as the state says WAITING."""
    fields = ("member_id", "user_id", "external_id", "state")
    progress = ("acknowledged_version", "acknowledged_points", "attempts", "due_at", "last_code")
    found: dict[int, list[tuple[str, Json]]] = defaultdict(list)
    rows = passes.order_by("pk").values_list(*fields, *(f"update__{name}" for name in progress))
    for member_id, user_id, pass_id, state, version, points, attempts, due_at, code in rows.iterator():
        card = {
            "pass_id": pass_id,
            "state": state,
            "acknowledged_version": version or 0,
            "acknowledged_points": points or 0,
            "attempts": attempts or 0,
            "due_at": due_at.isoformat() if due_at else None,
            "last_code": code or "",
        }
        found[member_id].append((user_id, card))
    return found


def _transactions(which: Q) -> list[Json]:
    """`points` is what the purchase earned; what refunds took back stands with them."""
    rows = Transaction.objects.filter(which)
    refunds = defaultdict(list)
    for refund in Refund.objects.filter(transaction__in=rows.values("pk")).order_by("pk").iterator():
        line = {"number": refund.number, "amount_cents": refund.amount_cents, "points": refund.points}
        refunds[refund.transaction_id].append(line)
    parked = _parked_reasons(rows)
    return [
        {
            "numbers": row.numbers,
            "channel": row.channel,
            "state": row.state,
            "amount_cents": row.amount_cents,
            "refunds": refunds[row.pk],
            **_judgement(row, parked),
        }
        for row in rows.select_related("award")
        .prefetch_related("corrections")
        .order_by("pk")
        .iterator(READ_AT_ONCE)
    ]


def _judgement(row: Transaction, parked: dict[int | None, list[str]]) -> Json:
    judged = standing.judgement_of(row)
    codes = [entry["code"] for entry in judged.reasons] if judged else parked[row.pk]
    return {"points": standing.earned(row), "reasons": codes}


def _parked_reasons(rows: QuerySet[Transaction]) -> dict[int | None, list[str]]:
    """Why those without an award wait, as their notifications say."""
    found: dict[int | None, list[str]] = defaultdict(list)
    waiting = Notification.objects.filter(
        transaction__in=rows.filter(state=Transaction.State.PARKED).values("pk"), kind=Notification.Kind.BILL
    )
    for transaction_id, reason in waiting.exclude(reason="").values_list("transaction_id", "reason"):
        found[transaction_id].append(reason)
    return found
