"""Ends what time ends, for many members' lots in one statement: they expire, or their hold is over.

Written like `postings`, under the locks of the members' accounts. `expiry` says when.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from loyalty.ledger import postings
from loyalty.ledger.models import PointAccount
from members.models import Program

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
        postings.open_program_accounts(program=program, now=now)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"account_ids": list(account_ids), "as_of": as_of, "now": now})
        return int(cursor.fetchone()[0])
