"""A past of any length, written by SQL: purchases of every door over two years, and the duplicates among them.

`python -m tests.bench.long_past 5000000` fills the migrated, empty database of DATABASE_OWNER_URL, for the desks and
the reports to be measured on by `tests.bench.desks`. Points have postings but no entries, so `prove` is not for it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

DAYS, STORES, PURCHASES_EACH = 730, 600, 25
# One purchase in so many comes again.
REPEATED = 72
FILLED = (
    "earning_transaction", "earning_numberclaim", "earning_award", "earning_duplicatecase", "ledger_posting",
    "members_member", "members_pass", "ledger_pointaccount", "review_decision",
)  # fmt: skip
# What slows a fill: it is made anew at its end, over all rows at once.
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = ANY(%s::regclass[]) ORDER BY conname
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    AND NOT indisunique ORDER BY 1
"""
PEOPLE = (
    """INSERT INTO members_member (program_id, card_number, name, phone, phone_raw, email, state, joined_at)
    SELECT %(program)s, (6000000000000000 + n)::text, 'Member ' || n, '+8529' || lpad(n::text, 7, '0'), '', '',
        'ACTIVE', %(since)s FROM generate_series(1, %(members)s) n""",
    """INSERT INTO members_pass (program_id, member_id, mall_id, wallet, user_id, serial, external_id, state, joined_at)
    SELECT program_id, id, %(mall)s, 'ALIPAYHK', (2160120000000000 + id)::text, md5(id::text),
        '2026112119027102' || lpad(id::text, 15, '0'), 'ACTIVE', joined_at FROM members_member""",
    """INSERT INTO ledger_pointaccount (program_id, kind, member_id, balance, version, changed_at)
    SELECT program_id, 'MEMBER', id, 0, 0, joined_at FROM members_member""",
)
# Few shops take most of the money, few members spend most of it, and prices like to end in .00 and .90.
PURCHASES = (
    "SELECT setseed(0.2026)",
    """CREATE TEMP TABLE shop AS SELECT row_number() OVER (ORDER BY id) - 1 AS at, id, mall_id, pms_label
    FROM pms_store""",
    """CREATE TEMP TABLE payer AS SELECT row_number() OVER (ORDER BY member.id) - 1 AS at, member.id, pass.id AS pass_id
    FROM members_member member JOIN members_pass pass ON pass.member_id = member.id""",
    """CREATE TEMP TABLE purchase AS
    SELECT n AS id, NULL::bigint AS earlier_id, shop.id AS store_id, shop.mall_id, shop.pms_label,
        payer.id AS member_id, payer.pass_id, cents, paid_at,
        CASE WHEN door < 0.80 THEN 'WALLET' WHEN door < 0.88 THEN 'COUNTER' WHEN door < 0.94 THEN 'IMPORT'
             WHEN door < 0.98 THEN 'PARTNER' ELSE 'UPLOAD' END AS channel,
        CASE WHEN cents >= 10000 THEN 'EARNED' ELSE 'NOTHING' END AS state
    FROM (
        SELECT n, (power(random(), 2) * %(stores)s)::int %% %(stores)s AS shop_at,
            (power(random(), 1.6) * %(members)s)::int %% %(members)s AS payer_at, random() AS door,
            (exp(random() * 5.3) * 6000)::bigint / 100 * 100 + (ARRAY[0, 0, 0, 90, 90, 50])[1 + (random() * 5)::int]
                AS cents,
            %(since)s::timestamptz + make_interval(
                days => (n::bigint * %(days)s / (%(count)s + 1))::int, secs => 36000 + random() * 43000) AS paid_at
        FROM generate_series(1, %(count)s) n
    ) drawn
    JOIN shop ON shop.at = shop_at JOIN payer ON payer.at = payer_at""",
    "ANALYZE purchase",
    # The same again by a door at which people speak, soon after. People keep up with all but the last month.
    """INSERT INTO purchase
    SELECT %(count)s + row_number() OVER (ORDER BY id), id, store_id, mall_id, pms_label, member_id, pass_id, cents,
        paid_at + make_interval(mins => (turn %% 4 + 1)::int),
        (ARRAY['COUNTER', 'IMPORT', 'PARTNER', 'UPLOAD'])[1 + turn %% 4],
        CASE WHEN turn %% 7 > 2 AND turn %% 2 = 0 AND id > %(count)s / %(days)s * (%(days)s - 30)
             THEN CASE WHEN turn %% 7 > 4 THEN 'FLAGGED' ELSE 'HELD' END
             WHEN turn %% 7 = 5 THEN 'EARNED' ELSE 'DUPLICATE' END
    FROM (SELECT *, id / %(repeated)s AS turn FROM purchase WHERE id %% %(repeated)s = 0) found
    WHERE channel = 'WALLET' AND state = 'EARNED'""",
    """INSERT INTO earning_transaction (id, group_id, mall_id, store_id, member_id, wallet_pass_id, channel, state,
        amount_cents, currency, paid_at, recorded_at, payment_number, mainland_number, acquirer_number, receipt_number,
        store_label, merchant_id, merchant_name, tender, item)
    SELECT id, %(group)s, mall_id, store_id, member_id, CASE WHEN channel = 'WALLET' THEN pass_id END, channel, state,
        cents, 'HKD', paid_at, paid_at + interval '2 minutes', CASE WHEN channel IN ('WALLET', 'UPLOAD')
            THEN to_char(paid_at, 'YYYYMMDD') || '22001432' || lpad(id::text, 12, '0') ELSE '' END, '', '',
        CASE WHEN channel NOT IN ('WALLET', 'UPLOAD') THEN lpad((id %% 1000000)::text, 6, '0') ELSE '' END,
        pms_label, '', '', '', ''
    FROM purchase ORDER BY paid_at""",
    """INSERT INTO earning_numberclaim (group_id, kind, number, transaction_id)
    SELECT group_id, 'PAYMENT', payment_number, id FROM earning_transaction WHERE payment_number <> ''
    UNION ALL
    SELECT group_id, 'RECEIPT', concat_ws('/', store_id, (paid_at AT TIME ZONE 'Asia/Hong_Kong')::date,
        receipt_number), id FROM earning_transaction WHERE receipt_number <> ''
    ON CONFLICT DO NOTHING""",
    """INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT id, %(program)s, 'EARN', 'transaction/' || id, recorded_at FROM earning_transaction
    WHERE state IN ('EARNED', 'FLAGGED')""",
    """INSERT INTO earning_award (transaction_id, posting_id, points, pending_points, counted_cents, facts, versions,
        rooms, lines, reasons, conditions, awarded_at)
    SELECT id, CASE WHEN has_points THEN id END, CASE WHEN has_points THEN amount_cents / 100 ELSE 0 END, 0,
        amount_cents, '{}', '[]', '{}', '[]', CASE
            WHEN has_points THEN jsonb_build_array(jsonb_build_object('code', 'EARNED_BASE', 'values',
                jsonb_build_object('points', amount_cents / 100, 'amount', amount_cents / 100)))
            WHEN state = 'DUPLICATE' THEN '[{"code": "CONFIRMED_DUPLICATE", "values": {}}]'::jsonb
            ELSE '[{"code": "BELOW_MIN_SPEND", "values": {"minimum": "100.00"}}]'::jsonb END, '[]', recorded_at
    FROM (SELECT *, state IN ('EARNED', 'FLAGGED') AS has_points
        FROM earning_transaction WHERE state <> 'HELD') judged""",
)
CASES = (
    """INSERT INTO earning_duplicatecase (group_id, mall_id, transaction_id, earlier_id, verdict, state, score, parts,
        points_at_stake, points_saved, cents_saved, opened_at, decided_at, decided_by_id)
    SELECT %(group)s, mall_id, id, earlier_id, verdict, answer, 100, %(parts)s, points,
        CASE WHEN answer = 'SAME' THEN points ELSE 0 END, CASE WHEN answer = 'SAME' THEN points * 100 / 250 ELSE 0 END,
        opened_at, CASE WHEN answer <> 'OPEN' THEN opened_at + make_interval(hours => (turn %% 40)::int) END,
        CASE WHEN answer <> 'OPEN' AND verdict <> 'NUMBER' THEN %(user)s::bigint END
    FROM (
        SELECT *, cents / 100 AS points, paid_at + interval '2 minutes' AS opened_at,
            CASE WHEN turn %% 7 < 3 THEN 'NUMBER' WHEN turn %% 7 < 5 THEN 'HELD' ELSE 'FLAGGED' END AS verdict,
            CASE state WHEN 'DUPLICATE' THEN 'SAME' WHEN 'EARNED' THEN 'DIFFERENT' ELSE 'OPEN' END AS answer
        FROM (SELECT *, earlier_id / %(repeated)s AS turn FROM purchase WHERE earlier_id IS NOT NULL) one
    ) found ORDER BY opened_at""",
    """INSERT INTO review_decision (case_id, answer, decided_by_id, note, points_before, points_after,
        earlier_points_before, earlier_points_after, decided_at)
    SELECT id, state, decided_by_id, '', 0, 0, points_at_stake, points_at_stake, decided_at
    FROM earning_duplicatecase WHERE decided_by_id IS NOT NULL ORDER BY decided_at""",
    "SELECT setval(pg_get_serial_sequence('earning_transaction', 'id'), (SELECT max(id) FROM earning_transaction))",
    "SELECT setval(pg_get_serial_sequence('ledger_posting', 'id'), (SELECT max(id) FROM ledger_posting))",
)
PARTS = """[{"code": "SAME_MEMBER", "points": 40, "values": {}}, {"code": "SAME_STORE", "points": 25, "values": {}},
    {"code": "SAME_AMOUNT", "points": 25, "values": {"amount": "688.00"}},
    {"code": "WITHIN_MINUTES", "points": 10, "values": {"minutes": 3}}]"""


def fill(purchases: int, *, owner_url: str, place: dict[str, Any]) -> None:
    values = place | {
        "count": purchases, "days": DAYS, "stores": STORES, "repeated": REPEATED, "parts": PARTS,
        "members": max(purchases // PURCHASES_EACH, 100),
    }  # fmt: skip
    with psycopg.connect(owner_url) as owner, owner.cursor() as cursor, _unchecked(cursor):
        cursor.execute(
            "SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SET synchronous_commit = off"
        )
        for statement in (*PEOPLE, *PURCHASES, *CASES):
            cursor.execute(statement, values)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


@contextmanager
def _unchecked(cursor: psycopg.Cursor[Any]) -> Iterator[None]:
    """Without foreign keys and plain indexes meanwhile; all are back, and hold, before it is committed."""
    keys = cursor.execute(FOREIGN_KEYS, [list(FILLED)]).fetchall()
    indexes = cursor.execute(INDEXES, [list(FILLED)]).fetchall()
    for table, name, _definition in keys:
        cursor.execute(_named("ALTER TABLE {} DROP CONSTRAINT {}", table, name))
    for name, _definition in indexes:
        cursor.execute(_named("DROP INDEX {}", name))
    yield
    for _name, definition in indexes:
        cursor.execute(definition)
    for table, name, definition in keys:
        cursor.execute(_named("ALTER TABLE {} ADD CONSTRAINT {} ", table, name) + sql.SQL(definition))


def _named(statement: Any, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def place() -> dict[str, Any]:
    """One group of three malls, their shops, and somebody of the group's staff; Django is connected as the app."""
    from loyalty.ledger import postings
    from pms import clock
    from tests import factories

    malls = [factories.MallFactory.create(tag="lumina-plaza")]
    malls += factories.MallFactory.create_batch(2, group=malls[0].group)
    program = factories.ProgramFactory.create(group=malls[0].group)
    for number in range(STORES):
        factories.StoreFactory.create(mall=malls[number % 3])
    postings.open_program_accounts(program=program, now=clock.now())
    staff = factories.MallStaffFactory.create(mall=None, group=malls[0].group)
    return {
        "group": malls[0].group_id, "mall": malls[0].pk, "program": program.pk, "user": staff.user_id,
        "since": clock.now().astimezone(clock.HONG_KONG).replace(hour=0, minute=0, second=0, microsecond=0)
        - timedelta(days=DAYS - 1),
    }  # fmt: skip


if __name__ == "__main__":
    import django

    django.setup()
    fill(int(sys.argv[1]), owner_url=os.environ["DATABASE_OWNER_URL"], place=place())
