"""Moves points: every posting is written here, under one row lock, the member's account.

The two statements of the hot path lock and append at once: `UPDATE … RETURNING` locks, the rest of the statement
appends; `earn_all` takes many accounts in one, as `endings` does. Callers own the atomic block. Lots are chosen here
and in `endings.py`, `expiry.py` and `redemptions.py`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet

from loyalty.ledger.models import PointAccount, PointEntry, Posting
from members.models import Member, Program
from pms import columns


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting, and the member's spendable balance and version after it."""

    posting_id: int
    balance: int
    version: int


@dataclass(kw_only=True, slots=True)
class NewLot:
    """Points of a posting with one expiry; held ones cannot be spent before `held_until_at`."""

    points: int
    expires_at: datetime | None = None
    is_held: bool = False
    held_until_at: datetime | None = None


@dataclass(kw_only=True, slots=True)
class Earning:
    """One posting to make. `posting_id` comes from the sequence, so that the award can name it."""

    posting_id: int
    account_id: int
    issued_id: int
    program_id: int
    lots: Sequence[NewLot]
    source: str

    @property
    def usable(self) -> int:
        return sum(lot.points for lot in self.lots if not lot.is_held)

    @property
    def held(self) -> int:
        return sum(lot.points for lot in self.lots if lot.is_held)


# A balance below zero is settled first; only the rest of the usable points becomes a lot. An account that several
# postings move is moved once, and each posting's balance and version are those it would have had by itself.
EARN = """
WITH due AS MATERIALIZED (
    SELECT asked.*, coalesce(sum(usable) OVER later, 0)::bigint AS usable_later, count(*) OVER later AS times_later
    FROM (SELECT * FROM unnest(%(posting_ids)s::bigint[], %(account_ids)s::bigint[], %(issued_ids)s::bigint[],
            %(program_ids)s::bigint[], %(usable)s::bigint[], %(held)s::bigint[], %(sources)s::text[])
        WITH ORDINALITY LIMIT %(all)s)
        AS asked (posting_id, account_id, issued_id, program_id, usable, held, source, place)
    WINDOW later AS (PARTITION BY account_id ORDER BY place ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
), sums AS (
    SELECT account_id, sum(usable)::bigint AS usable, count(*) AS times, sum(held)::bigint AS held,
        count(*) FILTER (WHERE held > 0) AS times_held
    FROM due GROUP BY account_id
), account AS (
    UPDATE ledger_pointaccount account
    SET balance = account.balance + sums.usable, version = account.version + sums.times, changed_at = %(now)s
    FROM sums WHERE account.id = sums.account_id
    RETURNING account.id, account.balance, account.version
), pending AS (
    UPDATE ledger_pointaccount pending
    SET balance = pending.balance + sums.held, version = pending.version + sums.times_held, changed_at = %(now)s
    FROM sums WHERE sums.held > 0 AND pending.spendable_id = sums.account_id
    RETURNING pending.id, pending.spendable_id
), made AS (
    SELECT due.*, pending.id AS pending_id, account.balance - due.usable_later AS balance,
        account.version - due.times_later AS version
    FROM due JOIN account ON account.id = due.account_id
    LEFT JOIN pending ON pending.spendable_id = due.account_id AND due.held > 0
), posting AS (
    INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT posting_id, program_id, 'EARN', source, %(now)s FROM made ORDER BY place
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT made.posting_id, line.account_id, line.points
    FROM made, LATERAL (VALUES (1, made.account_id, made.usable), (2, made.pending_id, made.held),
                               (3, made.issued_id, -made.usable - made.held)) AS line (place, account_id, points)
    WHERE line.account_id IS NOT NULL AND (line.points <> 0 OR made.usable + made.held = 0)
    ORDER BY made.place, line.place
), lots AS (
    INSERT INTO ledger_pointlot (account_id, posting_id, points, remaining, expires_at, is_held, held_until_at)
    SELECT made.account_id, made.posting_id, given.points, given.points, lot.expires_at, lot.is_held,
        lot.held_until_at
    FROM (SELECT * FROM unnest(%(lots_of)s::bigint[], %(points)s::bigint[], %(expiries)s::timestamptz[],
                %(are_held)s::boolean[], %(holds)s::timestamptz[]) LIMIT %(all)s)
         AS lot (posting_id, points, expires_at, is_held, held_until_at)
    JOIN made ON made.posting_id = lot.posting_id,
         LATERAL (SELECT CASE WHEN lot.is_held THEN lot.points
                              ELSE least(lot.points, made.balance) END AS points) given
    WHERE given.points > 0
)
SELECT posting_id, balance, version FROM made ORDER BY place
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

TAKE_LOCKS = """
SELECT FROM ledger_pointaccount WHERE id IN (SELECT unnest(%(ids)s::bigint[]) LIMIT %(all)s)
ORDER BY id FOR NO KEY UPDATE
"""
OPEN_PENDINGS = """
INSERT INTO ledger_pointaccount (program_id, kind, spendable_id, balance, version, changed_at)
SELECT program_id, 'PENDING', id, 0, 0, %(now)s FROM ledger_pointaccount WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id
ON CONFLICT DO NOTHING
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
    """Give a member the points of `lots`."""
    earning = Earning(
        posting_id=posting_id,
        account_id=account_id,
        issued_id=issued_id,
        program_id=program_id,
        lots=lots,
        source=source,
    )
    return earn_all([earning], now=now)[0]


def earn_all(earnings: Sequence[Earning], *, now: datetime) -> list[Posted]:
    """Give the points of many, one after the other; whoever brings several has locked their accounts."""
    lots = [(one.posting_id, lot) for one in earnings for lot in one.lots]
    values: dict[str, Any] = {
        "posting_ids": columns.numbers(one.posting_id for one in earnings),
        "account_ids": columns.numbers(one.account_id for one in earnings),
        "issued_ids": columns.numbers(one.issued_id for one in earnings),
        "program_ids": columns.numbers(one.program_id for one in earnings),
        "usable": columns.numbers(one.usable for one in earnings),
        "held": columns.numbers(one.held for one in earnings),
        "sources": columns.texts(one.source for one in earnings),
        "lots_of": columns.numbers(posting_id for posting_id, _lot in lots),
        "points": columns.numbers(lot.points for _posting_id, lot in lots),
        "expiries": columns.moments(lot.expires_at for _posting_id, lot in lots),
        "are_held": columns.flags(lot.is_held for _posting_id, lot in lots),
        "holds": columns.moments(lot.held_until_at for _posting_id, lot in lots),
        "all": columns.ALL,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(EARN, values)
        rows = cursor.fetchall()
    if len(rows) != len(earnings):
        raise PointAccount.DoesNotExist(f"one of the accounts {values['account_ids']}")
    return [Posted(*row) for row in rows]


def claw_back(
    *, account: PointAccount, usable: int, held: int, award_posting_id: int, source: str, now: datetime
) -> Posted:
    """Take back points of one award: `held` of those it still holds, `usable` of the spendable ones.

    The caller holds the account's lock and has applied the program's policy.
    """
    values: dict[str, Any] = {
        "account_id": account.pk,
        "issued_id": open_program_accounts(program=account.program, now=now)[PointAccount.Kind.ISSUED].pk,
        "program_id": account.program_id,
        "usable": usable,
        "held": held,
        "award_posting_id": award_posting_id,
        "source": source,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAW_BACK, values)
        row = cursor.fetchone()
    if row is None:
        raise PointAccount.DoesNotExist(f"account {account.pk}")
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


def lock(*, member_id: int) -> PointAccount:
    """The member's account under its row lock, until the caller's block ends."""
    return _locked().get(member_id=member_id)


def lock_account(*, account_id: int) -> PointAccount:
    return _locked().get(pk=account_id)


def take_locks(*, account_ids: Collection[int]) -> None:
    """The row locks alone, for the hot path; of several in one order for everybody, until the caller's block ends."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_LOCKS, {"ids": columns.numbers(sorted(account_ids)), "all": columns.ALL})


def _locked() -> QuerySet[PointAccount]:
    return PointAccount.objects.select_for_update(of=("self",), no_key=True).select_related("program")


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


def open_pendings(*, account_ids: Collection[int], now: datetime) -> None:
    """The same for several members, whose accounts the caller has locked."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_PENDINGS, {"ids": columns.numbers(account_ids), "now": now})


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
