"""Moves points: every posting is written here, under one row lock, the member's account.

The two statements of the hot path lock and append at once: `UPDATE … RETURNING` locks, the rest of the statement
appends. Callers own the atomic block. Lots are chosen here and in `expiry.py` and `redemptions.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.db.transaction import atomic

from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from members.models import Member, Program


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting, and the member's spendable balance and version after it."""

    posting_id: int
    balance: int
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLot:
    """Points of a posting with one expiry; held ones cannot be spent before `held_until_at`."""

    points: int
    expires_at: datetime | None = None
    is_held: bool = False
    held_until_at: datetime | None = None


# A balance below zero is settled first; only the rest of the usable points becomes a lot.
EARN = """
WITH account AS (
    UPDATE ledger_pointaccount
    SET balance = balance + %(usable)s, version = version + 1, changed_at = %(now)s
    WHERE id = %(account_id)s
    RETURNING id, balance, version
), pending AS (
    UPDATE ledger_pointaccount SET balance = balance + %(held)s, version = version + 1, changed_at = %(now)s
    WHERE %(held)s > 0 AND spendable_id = %(account_id)s
    RETURNING id
), posting AS (
    INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT %(posting_id)s, %(program_id)s, 'EARN', %(source)s, %(now)s FROM account
    RETURNING id
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting.id, line.account_id, line.points
    FROM posting, (SELECT %(account_id)s::bigint AS account_id, %(usable)s::bigint AS points
                   UNION ALL SELECT id, %(held)s FROM pending
                   UNION ALL SELECT %(issued_id)s, -%(usable)s::bigint - %(held)s) line
    WHERE line.points <> 0
), lots AS (
    INSERT INTO ledger_pointlot (account_id, posting_id, points, remaining, expires_at, is_held, held_until_at)
    SELECT account.id, posting.id, given.points, given.points, lot.expires_at, lot.is_held, lot.held_until_at
    FROM account, posting, unnest(%(points)s::bigint[], %(expiries)s::timestamptz[], %(are_held)s::boolean[],
                                  %(holds)s::timestamptz[]) AS lot (points, expires_at, is_held, held_until_at),
         LATERAL (SELECT CASE WHEN lot.is_held THEN lot.points
                              ELSE least(lot.points, account.balance) END AS points) given
    WHERE given.points > 0
)
SELECT %(posting_id)s::bigint, balance, version FROM account
"""

# What the award still holds goes first, then its own lot, then the lots that expire soonest.
CLAW_BACK = """
WITH account AS (
    UPDATE ledger_pointaccount
    SET balance = balance - %(usable)s, version = version + 1, changed_at = %(now)s
    WHERE id = %(account_id)s
    RETURNING id, balance, version
), pending AS (
    UPDATE ledger_pointaccount SET balance = balance - %(held)s, version = version + 1, changed_at = %(now)s
    WHERE %(held)s > 0 AND spendable_id = %(account_id)s
    RETURNING id
), posting AS (
    INSERT INTO ledger_posting (program_id, kind, source, posted_at)
    SELECT %(program_id)s, 'CLAW_BACK', %(source)s, %(now)s FROM account
    RETURNING id
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting.id, line.account_id, line.points
    FROM posting, (SELECT %(account_id)s::bigint AS account_id, -%(usable)s::bigint AS points
                   UNION ALL SELECT id, -%(held)s::bigint FROM pending
                   UNION ALL SELECT %(issued_id)s, %(usable)s::bigint + %(held)s) line
    WHERE line.points <> 0
), queue AS (
    SELECT lot.id, lot.is_held, lot.remaining, sum(lot.remaining) OVER (
        PARTITION BY lot.is_held
        ORDER BY (lot.posting_id = %(award_posting_id)s) DESC, lot.expires_at ASC NULLS LAST, lot.id
    ) - lot.remaining AS before
    FROM ledger_pointlot lot, account
    WHERE lot.account_id = account.id AND lot.remaining > 0
        AND (NOT lot.is_held OR lot.posting_id = %(award_posting_id)s)
), lots AS (
    UPDATE ledger_pointlot lot
    SET remaining = lot.remaining - least(lot.remaining, share.points - queue.before)
    FROM queue, LATERAL (SELECT CASE WHEN queue.is_held THEN %(held)s ELSE %(usable)s END::bigint AS points) share
    WHERE lot.id = queue.id AND queue.before < share.points
)
SELECT (SELECT id FROM posting), balance, version FROM account
"""


def earn(
    *,
    posting_id: int,
    account_id: int,
    issued_id: int,
    program_id: int,
    lots: Sequence[NewLot],
    source: str,
    now: datetime,
) -> Posted:
    """Give a member the points of `lots`. `posting_id` comes from the sequence, so that the award can name it."""
    return _post(
        EARN,
        {
            "posting_id": posting_id,
            "account_id": account_id,
            "issued_id": issued_id,
            "program_id": program_id,
            "usable": sum(lot.points for lot in lots if not lot.is_held),
            "held": sum(lot.points for lot in lots if lot.is_held),
            "points": [lot.points for lot in lots],
            "expiries": [lot.expires_at for lot in lots],
            "are_held": [lot.is_held for lot in lots],
            "holds": [lot.held_until_at for lot in lots],
            "source": source,
            "now": now,
        },
    )


def claw_back(
    *, account: PointAccount, usable: int, held: int, award_posting_id: int, source: str, now: datetime
) -> Posted:
    """Take back points of one award: `held` of those it still holds, `usable` of the spendable ones.

    The caller holds the account's lock and has applied the program's policy.
    """
    return _post(
        CLAW_BACK,
        {
            "account_id": account.pk,
            "issued_id": open_program_accounts(program=account.program, now=now)[PointAccount.Kind.ISSUED].pk,
            "program_id": account.program_id,
            "usable": usable,
            "held": held,
            "award_posting_id": award_posting_id,
            "source": source,
            "now": now,
        },
    )


def _post(statement: str, values: dict[str, Any]) -> Posted:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    if row is None:
        raise PointAccount.DoesNotExist(f"account {values['account_id']}")
    return Posted(*row)


def move(
    *, account: PointAccount, kind: str, source: str, points: int, against: str, now: datetime
) -> Posted:
    """Post `points` to a member's account, and their opposite to the account of kind `against`; off the hot path.

    The caller holds the account's lock and settles the lots.
    """
    if against == PointAccount.Kind.PENDING:
        other = open_pending(account=account, now=now)
        PointAccount.objects.filter(pk=other.pk).update(
            balance=F("balance") - points, version=F("version") + 1, changed_at=now
        )
    else:
        other = open_program_accounts(program=account.program, now=now)[against]
    posting = Posting.objects.create(program_id=account.program_id, kind=kind, source=source, posted_at=now)
    PointEntry.objects.bulk_create(
        [
            PointEntry(posting=posting, account=account, points=points),
            PointEntry(posting=posting, account=other, points=-points),
        ]
    )
    PointAccount.objects.filter(pk=account.pk).update(
        balance=F("balance") + points, version=F("version") + 1, changed_at=now
    )
    account.refresh_from_db()
    return Posted(posting.pk, account.balance or 0, account.version)


def lock(*, member_id: int) -> PointAccount:
    """The member's account under its row lock, until the caller's block ends."""
    return _locked().get(member_id=member_id)


def lock_account(*, account_id: int) -> PointAccount:
    return _locked().get(pk=account_id)


def _locked() -> QuerySet[PointAccount]:
    return PointAccount.objects.select_for_update(of=("self",), no_key=True).select_related("program")


@contextmanager
def locked_lot(lot_id: int) -> Iterator[PointLot]:
    """One lot in a block of its own, under its account's lock."""
    with atomic():
        account_id = PointLot.objects.values_list("account_id", flat=True).get(pk=lot_id)
        account = lock_account(account_id=account_id)
        lot = PointLot.objects.get(pk=lot_id)
        lot.account = account
        yield lot


def open_account(*, member: Member, now: datetime) -> PointAccount:
    """The member's account, made at the first call."""
    account, _ = PointAccount.objects.get_or_create(
        member=member,
        defaults={
            "program": member.program,
            "kind": PointAccount.Kind.MEMBER,
            "balance": 0,
            "changed_at": now,
        },
    )
    return account


def open_pending(*, account: PointAccount, now: datetime) -> PointAccount:
    """The account of a member's points on hold, made at the first call."""
    pending, _ = PointAccount.objects.get_or_create(
        spendable=account,
        defaults={
            "program_id": account.program_id,
            "kind": PointAccount.Kind.PENDING,
            "balance": 0,
            "changed_at": now,
        },
    )
    return pending


def open_program_accounts(*, program: Program, now: datetime) -> dict[str, PointAccount]:
    """The program's own accounts by kind, made at the first call."""
    found = {
        account.kind: account
        for account in PointAccount.objects.filter(program=program, member=None, spendable=None)
    }
    for kind in PointAccount.Kind.values:
        if kind not in (PointAccount.Kind.MEMBER, PointAccount.Kind.PENDING) and kind not in found:
            found[kind], _ = PointAccount.objects.get_or_create(
                program=program, kind=kind, member=None, spendable=None, defaults={"changed_at": now}
            )
    return found


def reference(kind: str, number: int) -> str:
    """The `source` of a posting, such as `transaction/42`: one cause posts once."""
    return f"{kind}/{number}"
