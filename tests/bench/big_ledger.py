"""A ledger of any size, judged by the real rules and written by SQL: what the proof is measured on.

`python -m tests.bench.big_ledger 1000000` fills the migrated, empty database of DATABASE_OWNER_URL.
"""

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

PURCHASES_EACH, SETS = 25, 4
FIRST_DAY = (2026, 3, 1)

TEMPLATES = """
CREATE TEMP TABLE template (kind int, slot int, cents bigint, paid_at timestamptz, points bigint, counted bigint,
    facts jsonb, versions jsonb, rooms jsonb, lines jsonb, reasons jsonb, conditions jsonb, uses jsonb)
"""
# One number a purchase for all of its rows; every member has one of the sets of purchases.
STATEMENTS = (
    "ALTER TABLE ledger_pointentry DISABLE TRIGGER ledger_pointentry_balanced",
    """INSERT INTO members_member (program_id, card_number, name, phone, phone_raw, email, state, joined_at)
    SELECT %(program)s, (7000000000000000 + n)::text, '', '', '', '', 'ACTIVE', now()
    FROM generate_series(1, %(members)s) n""",
    """INSERT INTO ledger_pointaccount (program_id, kind, member_id, balance, version, changed_at)
    SELECT program_id, 'MEMBER', id, 0, 0, now() FROM members_member""",
    # Everybody pays at another second, so that no two judgements have the same facts.
    """CREATE TEMP TABLE purchase AS SELECT row_number() OVER () AS n, account.id AS account_id, account.member_id,
        template.kind, slot, cents, template.paid_at + late AS paid_at, points, counted,
        facts || jsonb_build_object('paid_at', template.paid_at + late) AS facts, versions, rooms, lines, reasons,
        conditions, uses
    FROM ledger_pointaccount account JOIN template ON template.kind = account.member_id %% %(sets)s,
        LATERAL (SELECT make_interval(secs => (account.member_id * 7 + slot) %% 2400) AS late) one
    WHERE account.kind = 'MEMBER'""",
    """INSERT INTO earning_transaction (id, group_id, mall_id, store_id, member_id, channel, state, amount_cents,
        currency, paid_at, recorded_at, payment_number, mainland_number, acquirer_number, receipt_number,
        store_label, merchant_id, merchant_name, tender, item)
    SELECT n, %(group)s, %(mall)s, %(store)s, member_id, 'WALLET',
        CASE WHEN points > 0 THEN 'EARNED' ELSE 'NOTHING' END,
        cents, 'HKD', paid_at, paid_at, 'B' || n, '', '', '', 'S', '', '', '', '' FROM purchase""",
    """INSERT INTO earning_numberclaim (group_id, kind, number, transaction_id)
    SELECT %(group)s, 'PAYMENT', 'B' || n, n FROM purchase""",
    """INSERT INTO ledger_posting (id, program_id, kind, source, posted_at)
    SELECT n, %(program)s, 'EARN', 'transaction/' || n, paid_at FROM purchase WHERE points > 0""",
    """INSERT INTO ledger_pointentry (posting_id, account_id, points)
    SELECT n, line.account_id, line.points FROM purchase,
        LATERAL (VALUES (account_id, points), (%(issued)s, -points)) line (account_id, points)
    WHERE purchase.points > 0 ORDER BY n""",
    """INSERT INTO ledger_pointlot (account_id, posting_id, points, remaining, is_held)
    SELECT account_id, n, points, points, false FROM purchase WHERE points > 0""",
    """INSERT INTO earning_award (transaction_id, posting_id, points, pending_points, counted_cents, facts, versions,
        rooms, lines, reasons, conditions, awarded_at)
    SELECT n, CASE WHEN points > 0 THEN n END, points, 0, counted, facts, versions, rooms, lines, reasons, conditions,
        paid_at FROM purchase""",
    """UPDATE ledger_pointaccount account SET balance = sums.points, version = sums.number
    FROM (SELECT account_id, sum(points) AS points, count(*) AS number FROM purchase GROUP BY account_id) sums
    WHERE sums.account_id = account.id""",
    """INSERT INTO earning_capuse (account_id, key, used)
    SELECT account_id, use.key, sum(use.value::bigint) FROM purchase, jsonb_each_text(uses) use
    WHERE use.key NOT LIKE '%%/budget' GROUP BY account_id, use.key""",
    """INSERT INTO earning_budgetuse (rule_id, used)
    SELECT split_part(use.key, '/', 1)::bigint, sum(use.value::bigint) FROM purchase, jsonb_each_text(uses) use
    WHERE use.key LIKE '%%/budget' GROUP BY 1""",
    "SELECT setval(pg_get_serial_sequence('ledger_posting', 'id'), (SELECT max(id) FROM ledger_posting))",
    "SELECT setval(pg_get_serial_sequence('earning_transaction', 'id'), (SELECT max(id) FROM earning_transaction))",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "ALTER TABLE ledger_pointentry ENABLE ALWAYS TRIGGER ledger_pointentry_balanced",
)


def fill(entries: int, *, owner_url: str) -> None:
    """Django is connected to the same database, as the app."""
    place = _place()
    templates = list(_templates(place))
    members = entries // (2 * PURCHASES_EACH)
    with psycopg.connect(owner_url) as owner, owner.cursor() as cursor:
        cursor.execute(TEMPLATES)
        cursor.executemany(f"INSERT INTO template VALUES ({', '.join(['%s'] * 13)})", templates)
        for statement in STATEMENTS:
            cursor.execute(statement, place | {"members": members, "sets": SETS})
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def _place() -> dict[str, Any]:
    """Lumina with its rules."""
    from loyalty.earning import program_files
    from loyalty.ledger import postings
    from pms import clock
    from tests import factories

    mall = factories.MallFactory.create(tag="lumina-plaza")
    program = factories.ProgramFactory.create(group=mall.group)
    stores = [
        factories.StoreFactory.create(mall=mall, category=category)
        for category in ("DINING", "SUPERMARKET", "JEWELLERY")
    ]
    file = Path(program_files.__file__).parent / "programs" / "lumina.json"
    program_files.load(document=json.loads(file.read_text()), program=program, now=clock.now())
    issued = postings.open_program_accounts(program=program, now=clock.now())["ISSUED"]
    return {
        "group": mall.group_id,
        "mall": mall.pk,
        "store": stores[0].pk,
        "program": program.pk,
        "issued": issued.pk,
    }


def _templates(place: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Purchases of all kinds: dinners, campaign days with their limit, below the minimum, above the ceiling."""
    from loyalty.earning import decisions, rules, trials
    from loyalty.earning.decisions import Decision
    from loyalty.earning.rule_terms import Facts
    from members.models import Program
    from pms.clock import HONG_KONG

    first = datetime(*FIRST_DAY, 19, 10, tzinfo=HONG_KONG)
    program = Program.objects.get(pk=place["program"])
    for number in range(SETS * PURCHASES_EACH):
        paid_at = first + timedelta(days=9 * (number % PURCHASES_EACH))
        cents = 1_900_000 if number % 23 == 0 else 10_000 + number * 7_919 % 290_000
        facts = Facts(
            amount_cents=cents,
            currency="HKD",
            paid_at=paid_at,
            is_member_open=True,
            is_consented=True,
            first_consent_at=first - timedelta(days=90),
            joining_grace_days=1,
            is_store_excluded=False,
            store="LP-210",
            category="SUPERMARKET" if number % 11 == 0 else "DINING",
            mall="lumina-plaza",
            tier="MEMBER",
            tier_name="Member",
        )
        ruleset = trials.in_force(program, paid_at)
        limited = rules.limited(facts, ruleset)
        rooms = {
            key: 0 if terms.code == "R4" else 10**9 if "budget" in key else 25
            for key, terms in limited.items()
        }
        judgement = rules.judge(facts, ruleset, rooms)
        kept = decisions.kept(Decision(judgement=judgement, facts=facts, ruleset=ruleset, rooms=rooms))
        yield (
            number // PURCHASES_EACH,
            number % PURCHASES_EACH,
            cents,
            paid_at,
            kept["points"],
            kept["counted_cents"],
            *(
                json.dumps(kept[name])
                for name in ("facts", "versions", "rooms", "lines", "reasons", "conditions")
            ),
            json.dumps(dict(judgement.uses)),
        )


if __name__ == "__main__":
    import django

    django.setup()
    fill(int(sys.argv[1]), owner_url=os.environ["DATABASE_OWNER_URL"])
