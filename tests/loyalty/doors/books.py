"""What a receipt file leaves behind, to the last point, so that two ways of importing it can be compared."""

from typing import Any

from django.db import connection

from loyalty.doors.models import ImportJob

# By the file's lines: no numbers that only say in which order rows were written.
BOOKS = """
SELECT row.line, row.fate, row.faults::text, earlier.receipt_number, tx.state, tx.amount_cents, tx.receipt_number,
    tx.payment_number, award.points, award.pending_points, award.counted_cents,
    (award.facts - 'submitted_at')::text, award.versions::text, award.rooms::text, award.lines::text,
    regexp_replace(award.reasons::text, '"transaction": [0-9]+', ''), award.conditions::text,
    (SELECT string_agg(concat(account.kind, entry.points), ',' ORDER BY account.kind, entry.points)
     FROM ledger_pointentry entry JOIN ledger_pointaccount account ON account.id = entry.account_id
     WHERE entry.posting_id = award.posting_id),
    (SELECT string_agg(concat(lot.points, '/', lot.remaining, lot.expires_at, lot.is_held, lot.held_until_at), ','
                       ORDER BY lot.points) FROM ledger_pointlot lot WHERE lot.posting_id = award.posting_id),
    (SELECT string_agg(concat(claim.kind, claim.number), ',' ORDER BY claim.kind) FROM earning_numberclaim claim
     WHERE claim.transaction_id = tx.id),
    (SELECT string_agg(concat(found.verdict, found.points_at_stake, '#', other.receipt_number, other.payment_number,
                              found.score, found.parts), ',' ORDER BY found.id)
     FROM earning_duplicatecase found JOIN earning_transaction other ON other.id = found.earlier_id
     WHERE found.transaction_id = tx.id)
FROM doors_importrow row
LEFT JOIN earning_transaction tx ON tx.id = row.transaction_id
LEFT JOIN earning_transaction earlier ON earlier.id = row.earlier_id
LEFT JOIN earning_award award ON award.transaction_id = tx.id
WHERE row.job_id = %s ORDER BY row.line
"""
STANDS = """
SELECT account.member_id, account.kind, account.balance, account.version, spendable.member_id
FROM ledger_pointaccount account LEFT JOIN ledger_pointaccount spendable ON spendable.id = account.spendable_id
ORDER BY account.member_id, account.kind, spendable.member_id
"""
LIMITS = """
SELECT account.member_id, use.key, use.used FROM earning_capuse use
JOIN ledger_pointaccount account ON account.id = use.account_id ORDER BY account.member_id, use.key
"""
BUDGETS = "SELECT rule_id, used FROM earning_budgetuse ORDER BY rule_id"
TIERS = "SELECT member_id, tier_id FROM members_membertier ORDER BY member_id, tier_id"


def of(job: ImportJob) -> list[Any]:
    asked: list[tuple[str, list[int]]] = [
        (BOOKS, [job.pk]),
        (STANDS, []),
        (LIMITS, []),
        (BUDGETS, []),
        (TIERS, []),
    ]
    found = []
    with connection.cursor() as cursor:
        for statement, values in asked:
            cursor.execute(statement, values)
            found.append(cursor.fetchall())
    return found
