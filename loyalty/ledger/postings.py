"""Moves points: the only module that writes accounts, postings, entries and lots.

Each posting takes one row lock, on the member's account, and is one statement: `UPDATE … RETURNING` locks,
the rest of the statement appends. Callers own the atomic block.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from loyalty.ledger.models import PointAccount
from members.models import Member, Program


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting and the member's account after it. `lot_points` is what became spendable, deficits settled."""

    posting_id: int
    balance: int
    version: int


# A balance below zero is settled first; only the rest becomes a lot.
EARN = """
WITH account AS (
    UPDATE ledger_pointaccount
    SET balance = balance + %(points)s, version = version + 1, changed_at = %(now)s
    WHERE id = %(account_id)s
    RETURNING id, balance, version
), posting AS (
    INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT %(posting_id)s, %(program_id)s, 'EARN', %(source)s, %(now)s FROM account
    RETURNING id
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting.id, line.account_id, line.points
    FROM posting, (VALUES (%(account_id)s::bigint, %(points)s::bigint),
                          (%(issued_id)s::bigint, -%(points)s::bigint)) AS line (account_id, points)
), lot AS (
    INSERT INTO ledger_pointlot (account_id, posting_id, points, remaining)
    SELECT account.id, posting.id, least(%(points)s, account.balance), least(%(points)s, account.balance)
    FROM account, posting WHERE account.balance > 0
)
SELECT %(posting_id)s::bigint, balance, version FROM account
"""

# The award's own lot gives first, then the lots that expire soonest.
CLAW_BACK = """
WITH account AS (
    UPDATE ledger_pointaccount
    SET balance = balance - %(points)s, version = version + 1, changed_at = %(now)s
    WHERE id = %(account_id)s
    RETURNING id, balance, version
), posting AS (
    INSERT INTO ledger_posting (program_id, kind, source, posted_at)
    SELECT %(program_id)s, 'CLAW_BACK', %(source)s, %(now)s FROM account
    RETURNING id
), entries AS (
    INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT posting.id, line.account_id, line.points
    FROM posting, (VALUES (%(account_id)s::bigint, -%(points)s::bigint),
                          (%(issued_id)s::bigint, %(points)s::bigint)) AS line (account_id, points)
), queue AS (
    SELECT lot.id, lot.remaining, sum(lot.remaining) OVER (
        ORDER BY (lot.posting_id = %(award_posting_id)s) DESC, lot.expires_at ASC NULLS LAST, lot.id
    ) - lot.remaining AS before
    FROM ledger_pointlot lot, account
    WHERE lot.account_id = account.id AND lot.remaining > 0
), lots AS (
    UPDATE ledger_pointlot lot
    SET remaining = lot.remaining - least(lot.remaining, %(points)s - queue.before)
    FROM queue WHERE lot.id = queue.id AND queue.before < %(points)s
)
SELECT (SELECT id FROM posting), balance, version FROM account
"""


def earn(
    *,
    posting_id: int,
    account_id: int,
    issued_id: int,
    program_id: int,
    points: int,
    source: str,
    now: datetime,
) -> Posted:
    """Give `points` to a member. `posting_id` is taken from the sequence beforehand, so that the award can name it."""
    return _post(
        EARN,
        {
            "posting_id": posting_id,
            "account_id": account_id,
            "issued_id": issued_id,
            "program_id": program_id,
            "points": points,
            "source": source,
            "now": now,
        },
    )


def claw_back(
    *, account: PointAccount, points: int, award_posting_id: int, source: str, now: datetime
) -> Posted:
    """Take back `points` of one award; the caller holds the account's lock and has applied the program's policy."""
    return _post(
        CLAW_BACK,
        {
            "account_id": account.pk,
            "issued_id": open_program_accounts(program=account.program, now=now)[PointAccount.Kind.ISSUED].pk,
            "program_id": account.program_id,
            "points": points,
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


def lock(*, member_id: int) -> PointAccount:
    """The member's account under its row lock, until the caller's block ends."""
    return (
        PointAccount.objects.select_for_update(of=("self",), no_key=True)
        .select_related("program")
        .get(member_id=member_id)
    )


def next_posting_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('ledger_posting', 'id'))")
        return int(cursor.fetchone()[0])


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


def open_program_accounts(*, program: Program, now: datetime) -> dict[str, PointAccount]:
    """The program's own accounts by kind, made at the first call."""
    found = {account.kind: account for account in PointAccount.objects.filter(program=program, member=None)}
    for kind in PointAccount.Kind.values:
        if kind != PointAccount.Kind.MEMBER and kind not in found:
            found[kind], _ = PointAccount.objects.get_or_create(
                program=program, kind=kind, member=None, defaults={"changed_at": now}
            )
    return found


def reference(kind: str, number: int) -> str:
    """The `source` of a posting, such as `transaction/42`: one cause posts once."""
    return f"{kind}/{number}"
