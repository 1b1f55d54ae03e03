"""Many judged payments at once, for what must be fast over a long past. Nothing is posted: they gave no points."""

import json

from django.db import connection

from loyalty.earning.models import Award
from tests.loyalty.earning.programs import Shopper

MEMBERS = """
INSERT INTO members_member (program_id, card_number, name, phone, phone_raw, email, state, joined_at)
SELECT %(program_id)s, (7000000000000000 + number)::text, '', '', '', '', 'ACTIVE', %(since)s
FROM generate_series(1, %(members)s) number
"""
PAYMENTS = """
WITH payer AS (
    SELECT array_agg(id ORDER BY id) AS ids FROM members_member WHERE program_id = %(program_id)s
), purchase AS (
    INSERT INTO earning_transaction (group_id, mall_id, store_id, member_id, channel, state, amount_cents, currency,
        paid_at, recorded_at, payment_number, mainland_number, acquirer_number, receipt_number, store_label,
        merchant_id, merchant_name, tender, item)
    SELECT %(group_id)s, %(mall_id)s, %(store_id)s, payer.ids[1 + number * 31 %% cardinality(payer.ids)], 'WALLET',
        'NOTHING', 1000 + number * 7919 %% 500000, 'HKD',
        %(since)s::timestamptz + number * (interval '25 days' / %(payments)s), %(since)s, 'CROWD' || number,
        '', '', '', '', '', '', '', ''
    FROM payer, generate_series(1, %(payments)s) number
    RETURNING id, amount_cents, paid_at
)
INSERT INTO earning_award (transaction_id, points, pending_points, counted_cents, facts, versions, rooms, lines,
    reasons, conditions, awarded_at)
SELECT purchase.id, 0, 0, purchase.amount_cents,
    %(facts)s::jsonb || jsonb_build_object('amount_cents', purchase.amount_cents, 'paid_at', purchase.paid_at),
    %(versions)s::jsonb, %(rooms)s::jsonb, '[]', '[{"code": "ROUNDS_TO_ZERO", "values": {}}]', '[]', purchase.paid_at
FROM purchase
"""


def gather(shopper: Shopper, award: Award, *, payments: int, members: int) -> None:
    """Payments over 25 days after `award`, judged on facts and rules like its own, by `members` more members."""
    transaction = award.transaction
    values = {
        "program_id": shopper.wallet_pass.program_id, "group_id": transaction.group_id,
        "mall_id": transaction.mall_id, "store_id": transaction.store_id, "since": transaction.paid_at,
        "facts": json.dumps(award.facts), "versions": json.dumps(award.versions), "rooms": json.dumps(award.rooms),
        "members": members, "payments": payments,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, values)
        cursor.execute(PAYMENTS, values)
        cursor.execute("ANALYZE earning_transaction, earning_award")
