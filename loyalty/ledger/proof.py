"""Recomputes sums, balances and lots from the entries, and says which rows differ. Writes nothing.

One statement a promise, so that memory stays flat however long the ledger is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks a promise."""

    table: str
    row_id: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.table} {self.row_id}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Promise:
    """`statement` finds the rows that break it: first their id, then the values of `sentence`."""

    table: str
    sentence: str
    statement: str


PROMISES = (
    Promise(
        "ledger_posting",
        "its entries sum to {}, not to zero.",
        "SELECT posting_id, sum(points) FROM ledger_pointentry GROUP BY posting_id HAVING sum(points) <> 0",
    ),
    Promise(
        "ledger_posting",
        "it has no entries.",
        """SELECT posting.id FROM ledger_posting posting
        WHERE NOT EXISTS (SELECT FROM ledger_pointentry entry WHERE entry.posting_id = posting.id)""",
    ),
    Promise(
        "ledger_pointentry",
        "its account belongs to program {}, its posting to program {}.",
        """SELECT entry.id, account.program_id, posting.program_id FROM ledger_pointentry entry
        JOIN ledger_posting posting ON posting.id = entry.posting_id
        JOIN ledger_pointaccount account ON account.id = entry.account_id
        WHERE account.program_id <> posting.program_id""",
    ),
    Promise(
        "ledger_pointaccount",
        "its balance is {}, its entries sum to {}.",
        """SELECT account.id, account.balance, coalesce(entries.points, 0) FROM ledger_pointaccount account
        LEFT JOIN (SELECT account_id, sum(points) AS points FROM ledger_pointentry GROUP BY account_id) entries
            ON entries.account_id = account.id
        WHERE account.kind IN ('MEMBER', 'PENDING') AND account.balance <> coalesce(entries.points, 0)""",
    ),
    Promise(
        "ledger_pointaccount",
        "its version is {}, but it has {} entries.",
        """SELECT account.id, account.version, entries.number FROM ledger_pointaccount account
        JOIN (SELECT account_id, count(*) AS number FROM ledger_pointentry GROUP BY account_id) entries
            ON entries.account_id = account.id
        WHERE account.kind IN ('MEMBER', 'PENDING') AND account.version < entries.number""",
    ),
    Promise(
        "ledger_pointaccount",
        "{} points are left in its lots, its balance is {}.",
        """SELECT account.id, coalesce(lots.remaining, 0), account.balance FROM ledger_pointaccount account
        LEFT JOIN (SELECT account_id, sum(remaining) AS remaining FROM ledger_pointlot WHERE NOT is_held
                   GROUP BY account_id) lots ON lots.account_id = account.id
        WHERE account.kind = 'MEMBER' AND coalesce(lots.remaining, 0) <> greatest(account.balance, 0)""",
    ),
    Promise(
        "ledger_pointaccount",
        "{} points are left in its lots on hold, {} are on hold.",
        """SELECT account.id, coalesce(lots.remaining, 0), coalesce(pending.balance, 0)
        FROM ledger_pointaccount account
        LEFT JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
        LEFT JOIN (SELECT account_id, sum(remaining) AS remaining FROM ledger_pointlot WHERE is_held
                   GROUP BY account_id) lots ON lots.account_id = account.id
        WHERE account.kind = 'MEMBER' AND coalesce(lots.remaining, 0) <> coalesce(pending.balance, 0)""",
    ),
    Promise(
        "ledger_pointlot",
        "{} of its {} points are left.",
        "SELECT id, remaining, points FROM ledger_pointlot WHERE remaining < 0 OR remaining > points",
    ),
    Promise(
        "ledger_posting",
        "its lots hold {} points, it gave {}.",
        """SELECT lots.posting_id, lots.points, coalesce(given.points, 0)
        FROM (SELECT posting_id, sum(points) AS points FROM ledger_pointlot GROUP BY posting_id) lots
        LEFT JOIN (SELECT posting_id, sum(points) AS points FROM ledger_pointentry WHERE points > 0
                   GROUP BY posting_id) given ON given.posting_id = lots.posting_id
        WHERE lots.points > coalesce(given.points, 0)""",
    ),
    Promise(
        "ledger_posting",
        "no lot stands behind this {} of {}.",
        """SELECT posting.id, posting.kind, posting.source FROM ledger_posting posting
        WHERE posting.kind IN ('EXPIRE', 'RELEASE') AND NOT EXISTS (
            SELECT FROM ledger_pointlot lot
            WHERE lot.id = substring(posting.source FROM '^lot/([0-9]{1,18})/')::bigint)""",
    ),
    Promise(
        "ledger_posting",
        "no redemption stands behind this {} of {}.",
        """SELECT posting.id, posting.kind, posting.source FROM ledger_posting posting
        LEFT JOIN ledger_redemption reserved ON reserved.reserve_posting_id = posting.id
        LEFT JOIN ledger_redemption ended ON ended.end_posting_id = posting.id
        LEFT JOIN ledger_redemption returned ON returned.return_posting_id = posting.id
        WHERE posting.kind = 'RESERVE' AND reserved.id IS NULL OR posting.kind = 'RETURN' AND returned.id IS NULL
            OR posting.kind IN ('REDEEM', 'UNRESERVE') AND ended.id IS NULL""",
    ),
    Promise(
        "ledger_redemption",
        "it is for {} points, its posting set aside {}, its lots gave {}.",
        """SELECT * FROM (
            SELECT redemption.id, redemption.points, -coalesce((
                    SELECT entry.points FROM ledger_pointentry entry
                    WHERE entry.posting_id = redemption.reserve_posting_id
                        AND entry.account_id = redemption.account_id), 0) AS posted, coalesce((
                    SELECT sum(part.points) FROM ledger_redemptionpart part
                    WHERE part.redemption_id = redemption.id), 0) AS parts
            FROM ledger_redemption redemption) one
        WHERE points <> posted OR points <> parts""",
    ),
    Promise(
        "ledger_pointaccount",
        "{} points are set aside, open redemptions are for {}.",
        """SELECT account.id, coalesce(entries.points, 0), coalesce(open.points, 0) FROM ledger_pointaccount account
        LEFT JOIN (SELECT entry.account_id, sum(entry.points) AS points FROM ledger_pointentry entry
                   JOIN ledger_pointaccount reserved ON reserved.id = entry.account_id AND reserved.kind = 'RESERVED'
                   GROUP BY entry.account_id) entries ON entries.account_id = account.id
        LEFT JOIN (SELECT owner.program_id, sum(redemption.points) AS points FROM ledger_redemption redemption
                   JOIN ledger_pointaccount owner ON owner.id = redemption.account_id
                   WHERE redemption.state = 'RESERVED' GROUP BY owner.program_id) open
            ON open.program_id = account.program_id
        WHERE account.kind = 'RESERVED' AND coalesce(entries.points, 0) <> coalesce(open.points, 0)""",
    ),
)

COUNTS = """
SELECT (SELECT count(*) FROM ledger_pointaccount), (SELECT count(*) FROM ledger_posting),
       count(*), coalesce(sum(points), 0) FROM ledger_pointentry
"""


def breaches() -> Iterator[Breach]:
    """Every row of the ledger that breaks a promise."""
    for promise in PROMISES:
        yield from broken(promise)


def broken(promise: Promise) -> Iterator[Breach]:
    """The rows that break one promise, read with a cursor of the server's."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(promise.statement)
        for row_id, *values in cursor:
            yield Breach(promise.table, row_id, promise.sentence.format(*values))


def counts() -> Mapping[str, int]:
    """How much there was to prove; `sum` is over all entries and must be zero."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        accounts, postings, entries, total = cursor.fetchone()
    return {"accounts": accounts, "postings": postings, "entries": entries, "sum": int(total)}
