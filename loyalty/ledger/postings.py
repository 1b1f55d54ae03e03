"""Moves points: every posting is written here, under one row lock, the member's account.

The two statements of the hot path lock and append at once: `UPDATE … RETURNING` locks, the rest of the statement
appends; `lapse` and `free` take many accounts in one. Callers own the atomic block. Lots are chosen here and in
`expiry.py` and `redemptions.py`.
"""

from collections.abc import Collection, Iterator, Sequence
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
    WHERE line.points <> 0 OR %(usable)s::bigint + %(held)s = 0
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

# A lot that points went back to (a redemption released or returned) can lapse again: its source counts how often.
LAPSE = """
WITH due AS (
    SELECT nextval(pg_get_serial_sequence('ledger_posting', 'id')) AS posting_id, lot.id, lot.account_id,
        lot.remaining AS points, expired.program_id, expired.id AS expired_id, concat(
            'lot/', lot.id, '/', to_char(lot.expires_at AT TIME ZONE 'Asia/Hong_Kong', 'YYYY-MM-DD'),
            '/'::text || nullif(filled.times, 0)) AS source
    FROM ledger_pointlot lot
    JOIN ledger_pointaccount account ON account.id = lot.account_id
    JOIN ledger_pointaccount expired ON expired.program_id = account.program_id AND expired.kind = 'EXPIRED',
    LATERAL (SELECT count(*) AS times FROM ledger_redemptionpart part
             JOIN ledger_redemption redemption ON redemption.id = part.redemption_id
             WHERE part.lot_id = lot.id AND redemption.state IN ('RELEASED', 'RETURNED')) filled
    WHERE lot.account_id = ANY(%(account_ids)s::bigint[]) AND lot.remaining > 0 AND NOT lot.is_held
        AND lot.expires_at < %(as_of)s
), posting AS (
    INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT posting_id, program_id, 'EXPIRE', source, %(now)s FROM due
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting_id, account_id, -points FROM due UNION ALL SELECT posting_id, expired_id, points FROM due
), lots AS (
    UPDATE ledger_pointlot lot SET remaining = 0 FROM due WHERE lot.id = due.id
), accounts AS (
    UPDATE ledger_pointaccount account
    SET balance = account.balance - sums.points, version = account.version + sums.times, changed_at = %(now)s
    FROM (SELECT account_id, sum(points)::bigint AS points, count(*) AS times FROM due GROUP BY account_id) sums
    WHERE account.id = sums.account_id
)
SELECT count(*) FROM due
"""

# A balance below zero is settled first, by the holds that end first; only the rest stays in their lots.
FREE = """
WITH due AS (
    SELECT CASE WHEN lot.remaining > 0 THEN nextval(pg_get_serial_sequence('ledger_posting', 'id')) END AS posting_id,
        lot.id, lot.account_id, lot.remaining AS points, account.program_id, pending.id AS pending_id,
        account.balance + sum(lot.remaining) OVER (
            PARTITION BY lot.account_id ORDER BY lot.held_until_at, lot.id) AS balance
    FROM ledger_pointlot lot
    JOIN ledger_pointaccount account ON account.id = lot.account_id
    JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
    WHERE lot.account_id = ANY(%(account_ids)s::bigint[]) AND lot.is_held AND lot.held_until_at <= %(as_of)s
), moved AS (
    SELECT * FROM due WHERE points > 0
), posting AS (
    INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT posting_id, program_id, 'RELEASE', concat('lot/', id, '/release'), %(now)s FROM moved
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting_id, account_id, points FROM moved UNION ALL SELECT posting_id, pending_id, -points FROM moved
), lots AS (
    UPDATE ledger_pointlot lot
    SET is_held = false, held_until_at = NULL, remaining = greatest(0, least(due.points, due.balance))
    FROM due WHERE lot.id = due.id
), accounts AS (
    UPDATE ledger_pointaccount account
    SET balance = account.balance + sums.points, version = account.version + sums.times, changed_at = %(now)s
    FROM (SELECT account_id, sum(points)::bigint AS points, count(*) AS times FROM moved GROUP BY account_id
          UNION ALL SELECT pending_id, -sum(points)::bigint, count(*) FROM moved GROUP BY pending_id) sums
    WHERE account.id = sums.account_id
)
SELECT count(*) FROM due
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


def shift(
    *, program: Program, kind: str, source: str, points: int, given_by: str, given_to: str, now: datetime
) -> Posting:
    """Post points between two of the program's own accounts; no member's balance moves."""
    accounts = open_program_accounts(program=program, now=now)
    posting = Posting.objects.create(program=program, kind=kind, source=source, posted_at=now)
    PointEntry.objects.bulk_create(
        [
            PointEntry(posting=posting, account=accounts[given_by], points=-points),
            PointEntry(posting=posting, account=accounts[given_to], points=points),
        ]
    )
    return posting


def lapse(*, account_ids: Sequence[int], as_of: datetime, now: datetime) -> int:
    """Expire what is left of these members' lots whose last moment is before `as_of`; returns how many lots."""
    return _post_many(LAPSE, account_ids=account_ids, as_of=as_of, now=now)


def free(*, account_ids: Sequence[int], as_of: datetime, now: datetime) -> int:
    """Make usable these members' lots on hold until `as_of` or before; returns how many lots."""
    return _post_many(FREE, account_ids=account_ids, as_of=as_of, now=now)


def _post_many(statement: str, *, account_ids: Sequence[int], as_of: datetime, now: datetime) -> int:
    """Lock first, in ascending id; only a statement begun after that sees what the locks protect."""
    accounts = PointAccount.objects.select_for_update(no_key=True).filter(pk__in=account_ids).order_by("pk")
    programs = {account.program_id for account in accounts}
    for program in Program.objects.filter(pk__in=programs):
        open_program_accounts(program=program, now=now)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"account_ids": list(account_ids), "as_of": as_of, "now": now})
        return int(cursor.fetchone()[0])


def lock(*, member_id: int) -> PointAccount:
    """The member's account under its row lock, until the caller's block ends."""
    return _locked().get(member_id=member_id)


def lock_all(*, member_ids: Collection[int]) -> None:
    """The accounts of several members, in one order for everybody, until the caller's block ends."""
    accounts = PointAccount.objects.select_for_update(no_key=True).filter(member__in=member_ids)
    list(accounts.order_by("pk").values_list("pk"))


def lock_account(*, account_id: int) -> PointAccount:
    return _locked().get(pk=account_id)


def take_lock(*, account_id: int) -> None:
    """The row lock alone, for the hot path."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM ledger_pointaccount WHERE id = %(id)s FOR NO KEY UPDATE", {"id": account_id}
        )


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
