"""Brings a provider's lines and the ledger together, all lines in one statement each. Reads purchases, writes lines.

A line is about a purchase of ours by the payment number, whichever kind it is claimed as, else by what the shop's
own system called it. A refund names its payment by the original number, or by the shop's own number of a payment
that stands in a file of the mall.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from loyalty.review.models import Finding, Reconciliation
from pms.clock import HONG_KONG

# The same payment on two lines: the first stands, unless they disagree; then nobody can tell which is right.
DOUBLED = """
WITH doubled AS (
    SELECT id, row_number() OVER one AS place, first_value(line) OVER one AS first, count(*) OVER whole AS times,
        min(amount_cents) OVER whole <> max(amount_cents) OVER whole AND kind = 'PAYMENT' AS differs
    FROM review_providerrow WHERE reconciliation_id = %(file)s AND kind IN ('PAYMENT', 'REFUND', 'CANCEL')
    WINDOW one AS (PARTITION BY kind, number, CASE WHEN kind = 'PAYMENT' THEN '' ELSE
                       concat_ws('/', payment, partner, amount_cents, happened_at) END ORDER BY line),
           whole AS (PARTITION BY kind, number, CASE WHEN kind = 'PAYMENT' THEN '' ELSE
                       concat_ws('/', payment, partner, amount_cents, happened_at) END)
)
UPDATE review_providerrow one SET kind = 'FAULTY', faults = jsonb_build_array(jsonb_build_object(
    'field', 'number', 'code', CASE WHEN differs THEN 'DOUBLED_OTHERWISE' ELSE 'DOUBLED' END, 'line', doubled.first))
FROM doubled WHERE doubled.id = one.id AND times > 1 AND (differs OR place > 1)
"""

NAME_PAYMENTS = """
UPDATE review_providerrow back SET payment = coalesce((
    SELECT paid.number FROM review_providerrow paid
    JOIN review_reconciliation file ON file.id = paid.reconciliation_id
    WHERE back.partner <> '' AND paid.partner = back.partner AND paid.kind = 'PAYMENT' AND file.mall_id = %(mall)s
    ORDER BY (paid.reconciliation_id = %(file)s) DESC, paid.id DESC LIMIT 1), back.number)
WHERE back.reconciliation_id = %(file)s AND back.kind IN ('REFUND', 'CANCEL') AND back.payment = ''
"""

FIND_PURCHASES = """
UPDATE review_providerrow one SET transaction_id = found.transaction_id
FROM (
    SELECT DISTINCT ON (line.id) line.id, claim.transaction_id
    FROM review_providerrow line
    CROSS JOIN LATERAL (VALUES (1, 'PAYMENT', line.payment), (2, 'MAINLAND', line.payment),
                               (3, 'ACQUIRER', line.payment), (4, 'ACQUIRER', line.partner))
        AS asked (place, kind, number)
    JOIN earning_numberclaim claim ON claim.group_id = %(group)s AND claim.kind = asked.kind
        AND claim.number = asked.number
    WHERE line.reconciliation_id = %(file)s AND asked.number <> '' AND line.kind IN ('PAYMENT', 'REFUND', 'CANCEL')
    ORDER BY line.id, asked.place
) found
WHERE found.id = one.id AND one.transaction_id IS DISTINCT FROM found.transaction_id
"""

# Each gives: line, number, refund's number, time, purchase, user, store, merchant, in the file, in the ledger,
# difference (cents), currency.
UNAWARDED = """
SELECT paid.line, paid.number, '', paid.happened_at, paid.transaction_id, paid.user_id, paid.store_label,
    paid.merchant_id, paid.amount_cents, 0, paid.amount_cents - coalesce(back.cents, 0), paid.currency
FROM review_providerrow paid
LEFT JOIN earning_transaction purchase ON purchase.id = paid.transaction_id
LEFT JOIN (SELECT payment, sum(amount_cents)::bigint AS cents FROM review_providerrow
           WHERE reconciliation_id = %(file)s AND kind IN ('REFUND', 'CANCEL') GROUP BY payment) back
    ON back.payment = paid.payment
WHERE paid.reconciliation_id = %(file)s AND paid.kind = 'PAYMENT'
    AND (purchase.id IS NULL OR purchase.state IN ('PARKED', 'HELD'))
    AND paid.amount_cents > coalesce(back.cents, 0)
    AND (paid.user_id = '' OR EXISTS (SELECT FROM members_pass card WHERE card.program_id = %(program)s
                                      AND card.user_id = paid.user_id))
ORDER BY paid.line
"""

DIFFERENT = """
SELECT paid.line, paid.number, '', paid.happened_at, purchase.id, paid.user_id, paid.store_label, paid.merchant_id,
    paid.amount_cents, purchase.amount_cents, abs(paid.amount_cents - purchase.amount_cents), paid.currency
FROM review_providerrow paid
JOIN earning_transaction purchase ON purchase.id = paid.transaction_id
WHERE paid.reconciliation_id = %(file)s AND paid.kind = 'PAYMENT'
    AND purchase.state IN ('EARNED', 'FLAGGED', 'NOTHING')
    AND (paid.amount_cents, paid.currency) <> (purchase.amount_cents, purchase.currency)
ORDER BY paid.line
"""

# Whatever another file of the mall in force has of it was paid as well.
UNPAID = """
SELECT NULL, upper(purchase.payment_number), '', purchase.paid_at, purchase.id, '', purchase.store_label,
    purchase.merchant_id, 0, purchase.amount_cents, purchase.amount_cents, purchase.currency
FROM earning_transaction purchase
LEFT JOIN pms_store store ON store.id = purchase.store_id
WHERE purchase.mall_id = %(mall)s AND purchase.state IN ('EARNED', 'FLAGGED') AND purchase.payment_number <> ''
    AND purchase.paid_at >= %(since)s AND purchase.paid_at < %(until)s
    AND (%(merchant)s = '' OR %(merchant)s IN (purchase.merchant_id, store.merchant_id))
    AND NOT EXISTS (
        SELECT FROM review_providerrow paid
        JOIN review_reconciliation file ON file.id = paid.reconciliation_id
        WHERE paid.payment = upper(purchase.payment_number) AND paid.kind = 'PAYMENT' AND file.mall_id = %(mall)s
            AND (file.id = %(file)s OR file.state = 'DONE'))
    AND NOT EXISTS (SELECT FROM review_providerrow paid WHERE paid.reconciliation_id = %(file)s
                    AND paid.kind = 'PAYMENT' AND paid.transaction_id = purchase.id)
ORDER BY purchase.paid_at, purchase.id
"""

# The refunds of a purchase on the file's lines against those recorded within a day of them; never more than is left.
UNREFUNDED = """
SELECT * FROM (
    SELECT back.line, back.payment, back.number, back.happened_at, purchase.id, back.user_id, back.store_label,
        back.merchant_id, back.cents, known.cents, least(back.cents - known.cents,
                                                         purchase.amount_cents - known.in_all) AS missing,
        purchase.currency
    FROM (SELECT min(line) AS line, min(payment) AS payment, transaction_id, min(user_id) AS user_id,
              min(store_label) AS store_label, min(merchant_id) AS merchant_id, sum(amount_cents)::bigint AS cents,
              max(happened_at) AS happened_at, min(happened_at) AS first_at,
              CASE WHEN count(*) = 1 THEN min(number) ELSE '' END AS number
          FROM review_providerrow WHERE reconciliation_id = %(file)s AND kind IN ('REFUND', 'CANCEL')
              AND transaction_id IS NOT NULL GROUP BY transaction_id) back
    JOIN earning_transaction purchase ON purchase.id = back.transaction_id AND purchase.state IN ('EARNED', 'FLAGGED')
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_cents) FILTER (
                WHERE refunded_at BETWEEN back.first_at - interval '1 day' AND back.happened_at + interval '1 day'),
            0)::bigint AS cents, coalesce(sum(amount_cents), 0)::bigint AS in_all
        FROM earning_refund WHERE transaction_id = purchase.id) known
) one WHERE missing > 0 ORDER BY line
"""
STATEMENTS = {
    Finding.Kind.PAID_NOT_AWARDED: UNAWARDED,
    Finding.Kind.AWARDED_NOT_PAID: UNPAID,
    Finding.Kind.REFUNDED_NOT_CLAWED_BACK: UNREFUNDED,
    Finding.Kind.AMOUNT_DIFFERS: DIFFERENT,
}
# A day belongs to a file whose name tells none if so many of its payments were made on it.
SHARE_OF_A_DAY = 20
DAYS = """
SELECT min(day), max(day) FROM (
    SELECT (happened_at AT TIME ZONE 'Asia/Hong_Kong')::date AS day, count(*) AS times, sum(count(*)) OVER () AS whole
    FROM review_providerrow WHERE reconciliation_id = %(file)s AND kind = ANY(%(kinds)s) GROUP BY 1) counted
WHERE times * %(share)s >= whole
"""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference, in the order of the statements' columns."""

    line: int | None
    number: str
    refund_number: str
    happened_at: datetime
    transaction_id: int | None
    user_id: str
    store_label: str
    merchant_id: str
    file_cents: int
    ledger_cents: int
    cents: int
    currency: str


def link(file: Reconciliation) -> None:
    """Say of every line which payment and which purchase of ours it is about; again, if the ledger moved on."""
    values = {"file": file.pk, "mall": file.mall_id, "group": file.mall.group_id}
    with connection.cursor() as cursor:
        for statement in (DOUBLED, NAME_PAYMENTS, FIND_PURCHASES):
            cursor.execute(statement, values)
        cursor.execute("ANALYZE review_providerrow")


def days(file: Reconciliation) -> tuple[date, date] | None:
    """The days that the file's payments are from, or its refunds where it has no payments."""
    for kinds in (["PAYMENT"], ["REFUND", "CANCEL"]):
        with connection.cursor() as cursor:
            cursor.execute(DAYS, {"file": file.pk, "kinds": kinds, "share": SHARE_OF_A_DAY})
            first, last = cursor.fetchone()
        if first:
            return first, last
    return None


def mismatches(file: Reconciliation, kind: str, *, program_id: int) -> list[Mismatch]:
    if file.business_date is None or file.last_date is None:
        return []
    midnight = datetime.combine(file.business_date, time(), HONG_KONG)
    values: dict[str, Any] = {
        "file": file.pk,
        "mall": file.mall_id,
        "program": program_id,
        "merchant": file.merchant_id,
        "since": midnight,
        "until": datetime.combine(file.last_date + timedelta(days=1), time(), HONG_KONG),
    }
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS[Finding.Kind(kind)], values)
        return [Mismatch(*row) for row in cursor.fetchall()]
