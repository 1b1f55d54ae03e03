"""Recounts what every past transaction deserves under its frozen rules, and compares it with what was posted.

Reads only what is kept on transactions, awards and refunds. Writes nothing.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain

from django.conf import settings
from django.db import connection

from loyalty.earning import entitlements
from loyalty.earning.models import Award, CapUse, Correction, Refund, Transaction
from loyalty.ledger import proof
from loyalty.ledger.proof import Breach, Promise


class RecountFailed(Exception):
    """A part of the recount did not come to its end, so nothing is proved."""


PROMISES = (
    Promise(
        "earning_award",
        "it gave {} points and {} on hold, its posting moved {} and {}.",
        """SELECT * FROM (
            SELECT award.id, award.points - award.pending_points AS usable, award.pending_points AS held,
                coalesce(entry.points, 0) AS moved, coalesce(held_entry.points, 0) AS moved_held
            FROM earning_award award
            JOIN earning_transaction purchase ON purchase.id = award.transaction_id
            LEFT JOIN ledger_pointaccount account ON account.member_id = purchase.member_id
            LEFT JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
            LEFT JOIN ledger_pointentry entry
                ON entry.posting_id = award.posting_id AND entry.account_id = account.id
            LEFT JOIN ledger_pointentry held_entry
                ON held_entry.posting_id = award.posting_id AND held_entry.account_id = pending.id) one
        WHERE usable <> moved OR held <> moved_held""",
    ),
    Promise(
        "earning_refund",
        "it took back {} points, its posting moved {}.",
        """SELECT * FROM (
            SELECT refund.id, refund.points, coalesce((
                SELECT sum(entry.points) FROM ledger_pointentry entry
                JOIN ledger_pointaccount account ON account.id = entry.account_id
                LEFT JOIN ledger_pointaccount spendable ON spendable.id = account.spendable_id
                WHERE entry.posting_id = refund.posting_id
                    AND purchase.member_id IN (account.member_id, spendable.member_id)), 0) AS moved
            FROM earning_refund refund
            JOIN earning_transaction purchase ON purchase.id = refund.transaction_id) one
        WHERE points <> -moved""",
    ),
    Promise(
        "earning_correction",
        "it gave or took {} points, its posting moved {}.",
        """SELECT * FROM (
            SELECT correction.id, correction.points, coalesce((
                SELECT sum(entry.points) FROM ledger_pointentry entry
                JOIN ledger_pointaccount account ON account.id = entry.account_id
                LEFT JOIN ledger_pointaccount spendable ON spendable.id = account.spendable_id
                WHERE entry.posting_id = correction.posting_id
                    AND purchase.member_id IN (account.member_id, spendable.member_id)), 0) AS moved
            FROM earning_correction correction
            JOIN earning_transaction purchase ON purchase.id = correction.transaction_id) one
        WHERE points <> moved""",
    ),
    Promise(
        "ledger_posting",
        "no award, refund or correction stands behind this {} of {}.",
        """SELECT posting.id, posting.kind, posting.source FROM ledger_posting posting
        LEFT JOIN earning_award award ON award.posting_id = posting.id
        LEFT JOIN earning_refund refund ON refund.posting_id = posting.id
        LEFT JOIN earning_correction correction ON correction.posting_id = posting.id
        WHERE correction.id IS NULL AND (
            posting.kind = 'EARN' AND award.id IS NULL OR posting.kind = 'CLAW_BACK' AND refund.id IS NULL)""",
    ),
    # Claims are unique, so a purchase that earned and holds all its numbers is the only one that earned on them.
    Promise(
        "earning_transaction",
        "it earned points but holds only {} of its {} numbers.",
        """SELECT * FROM (
            SELECT purchase.id, coalesce(claimed.number, 0) AS held,
                (purchase.payment_number <> '')::int + (purchase.mainland_number <> '')::int
                + (purchase.acquirer_number <> '')::int + (purchase.receipt_number <> '')::int AS has
            FROM earning_award award JOIN earning_transaction purchase ON purchase.id = award.transaction_id
            LEFT JOIN (SELECT transaction_id, count(*) AS number FROM earning_numberclaim GROUP BY transaction_id)
                claimed ON claimed.transaction_id = purchase.id
            WHERE purchase.state IN ('EARNED', 'FLAGGED')) numbered
        WHERE held < has""",
    ),
    Promise(
        "earning_transaction",
        "its state is {}, its award gave {} points.",
        """SELECT purchase.id, purchase.state, award.points FROM earning_transaction purchase
        JOIN earning_award award ON award.transaction_id = purchase.id
        WHERE (award.points > 0) <> (purchase.state IN ('EARNED', 'FLAGGED'))
            AND NOT EXISTS (SELECT FROM earning_correction one WHERE one.transaction_id = purchase.id)""",
    ),
    Promise(
        "earning_transaction",
        "its state is {}, but the last decision on its points was to {}.",
        """SELECT DISTINCT ON (purchase.id) purchase.id, purchase.state, correction.kind
        FROM earning_correction correction
        JOIN earning_transaction purchase ON purchase.id = correction.transaction_id
        WHERE correction.id = (SELECT max(id) FROM earning_correction one WHERE one.transaction_id = purchase.id)
            AND (correction.kind = 'TAKE') <> (purchase.state IN ('DUPLICATE', 'HELD', 'PARKED'))
        ORDER BY purchase.id""",
    ),
    Promise(
        "earning_duplicatecase",
        "it waits for a decision on transaction {}, whose state is {}.",
        """SELECT one.id, purchase.id, purchase.state FROM earning_duplicatecase one
        JOIN earning_transaction purchase ON purchase.id = one.transaction_id
        WHERE one.state IN ('OPEN', 'ASKED') AND one.verdict IN ('HELD', 'FLAGGED')
            AND purchase.state NOT IN (one.verdict, 'PARKED')""",
    ),
    # Tied by a case, by two cases to one earlier record, or by a case to a record that another one ties.
    Promise(
        "earning_duplicatecase",
        "it was decided as one purchase, but transactions {} and {} both keep points.",
        """WITH same AS (SELECT * FROM earning_duplicatecase WHERE state = 'SAME'),
        kept AS (
            SELECT same.id, same.transaction_id, same.earlier_id FROM same
            JOIN earning_transaction purchase ON purchase.id = same.transaction_id
            WHERE purchase.state IN ('EARNED', 'FLAGGED')
        ), twice AS (
            SELECT id, transaction_id AS one, earlier_id AS other FROM kept
            UNION ALL SELECT later.id, later.transaction_id, first.transaction_id FROM kept first
                JOIN kept later ON later.earlier_id = first.earlier_id AND later.id > first.id
            UNION ALL SELECT later.id, later.transaction_id, first.earlier_id FROM kept later
                JOIN same first ON first.transaction_id = later.earlier_id
        )
        SELECT twice.id, twice.one, twice.other FROM twice
        JOIN earning_transaction other ON other.id = twice.other
        WHERE other.state IN ('EARNED', 'FLAGGED') ORDER BY twice.id""",
    ),
    Promise(
        "earning_transaction",
        "its state is {}, but nothing says why.",
        """SELECT purchase.id, purchase.state FROM earning_transaction purchase
        LEFT JOIN earning_award award ON award.transaction_id = purchase.id
        WHERE award.id IS NULL AND purchase.state NOT IN ('PARKED', 'HELD')""",
    ),
    Promise(
        "earning_transaction",
        "{} cents were refunded of {}.",
        """SELECT purchase.id, sum(refund.amount_cents), purchase.amount_cents FROM earning_refund refund
        JOIN earning_transaction purchase ON purchase.id = refund.transaction_id
        GROUP BY purchase.id HAVING sum(refund.amount_cents) > purchase.amount_cents""",
    ),
)

# Below this, starting processes costs more than it saves.
MANY_AWARDS = 20_000
PROCESSES = 2


def breaches() -> Iterator[Breach]:
    """Every award, refund and transaction that is not what its frozen rules say, and every limit used otherwise."""
    yield from broken()
    recounted = entitlements.Recount()
    yield from recounted.breaches()
    yield from entitlements.overdrawn(recounted.budgets)


def broken() -> Iterator[Breach]:
    for promise in PROMISES:
        yield from proof.broken(promise)


def counts() -> Mapping[str, int]:
    return {
        "transactions": Transaction.objects.count(),
        "awards": Award.objects.count(),
        "refunds": Refund.objects.count(),
        "corrections": Correction.objects.count(),
        "limits": CapUse.objects.count(),
    }


@contextmanager
def beside() -> Iterator[Iterator[Breach]]:
    """The same breaches, recounted by processes of their own meanwhile; inside `one_snapshot`, which they share."""
    if Award.objects.count() < MANY_AWARDS:
        yield breaches()
        return
    with ExitStack() as started:
        shares = [started.enter_context(_process(share)) for share in range(PROCESSES)]
        yield chain(broken(), _collected(shares))


def _process(share: int) -> subprocess.Popen[str]:
    """Recounts one share in the snapshot of this transaction; the database is named anew, as tests choose theirs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
    place = connection.settings_dict
    names = [str(place["NAME"]), str(place["USER"])]
    command = [sys.executable, "manage.py", "recount_share", snapshot, str(share), str(PROCESSES), *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=settings.BASE_DIR)


def _collected(shares: list[subprocess.Popen[str]]) -> Iterator[Breach]:
    budgets: Counter[str] = Counter()
    for share in shares:
        assert share.stdout is not None  # as _process asks
        for line in share.stdout:
            said = json.loads(line)
            if "breach" in said:
                yield Breach(*said["breach"])
            else:
                budgets.update(said["budgets"])
        if share.wait():
            raise RecountFailed(f"a process that recounts ended with status {share.returncode}.")
    yield from entitlements.overdrawn(budgets)
