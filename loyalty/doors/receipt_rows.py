"""From a file's lines to rows with a fate: what each says, what is wrong with it, who holds its number already.

Reads the ledger's side and writes nothing.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from loyalty.doors import slips
from loyalty.doors.models import ImportJob, ImportRow
from loyalty.doors.receipt_files import NAMED, REQUIRED
from loyalty.doors.slips import FieldRefused, Slip, Stores
from loyalty.earning import duplicates
from loyalty.earning.models import Transaction
from pms import columns, formats
from pms.models import Store
from pms.table_files import Line

Fate = ImportRow.Fate
OPEN = (Fate.READY, Fate.CONFLICT)

# The same number in two rows of one file: the first stands, unless they disagree, then nobody can tell which is right.
DOUBLED = """
WITH doubled AS (
    SELECT id, row_number() OVER one AS place, first_value(line) OVER one AS first,
        min(concat_ws('/', amount_cents, member_id, store_id)) OVER whole
            <> max(concat_ws('/', amount_cents, member_id, store_id)) OVER whole AS differs,
        count(*) OVER whole AS times
    FROM doors_importrow WHERE job_id = %(job_id)s AND claim <> '' AND fate <> 'FAULTY'
    WINDOW one AS (PARTITION BY claim ORDER BY line), whole AS (PARTITION BY claim)
)
UPDATE doors_importrow SET fate = 'FAULTY', faults = jsonb_build_array(jsonb_build_object(
    'field', 'number', 'code', CASE WHEN differs THEN 'DOUBLED_OTHERWISE' ELSE 'DOUBLED' END, 'line', doubled.first))
FROM doubled WHERE doubled.id = doors_importrow.id AND times > 1 AND (differs OR place > 1)
"""

INSERTED = """
INSERT INTO doors_importrow (job_id, line, fate, faults, store_id, member_id, number, kind, claim, amount_cents,
    paid_at, tender, earlier_id)
SELECT %(job_id)s, line, fate, faults::jsonb, store_id, member_id, number, kind, claim, amount_cents, paid_at, tender,
    earlier_id
FROM unnest(%(lines)s::int[], %(fates)s::text[], %(faults)s::text[], %(stores)s::bigint[], %(members)s::bigint[],
    %(numbers)s::text[], %(kinds)s::text[], %(claims)s::text[], %(amounts)s::bigint[], %(paid_ats)s::timestamptz[],
    %(tenders)s::text[], %(earlier)s::bigint[])
    AS row (line, fate, faults, store_id, member_id, number, kind, claim, amount_cents, paid_at, tender, earlier_id)
"""
FORETOLD = """
UPDATE doors_importrow saved SET points = row.points
FROM unnest(%(ids)s::bigint[], %(points)s::bigint[]) AS row (id, points) WHERE saved.id = row.id
"""
# What of a stored row is worked on.
COLUMNS = (
    "id",
    "line",
    "fate",
    "store_id",
    "member_id",
    "number",
    "kind",
    "amount_cents",
    "paid_at",
    "tender",
)
SAVED = """
UPDATE doors_importrow saved
SET fate = row.fate, earlier_id = row.earlier_id, transaction_id = row.transaction_id, faults = row.faults::jsonb
FROM unnest(%(ids)s::bigint[], %(fates)s::text[], %(earlier)s::bigint[], %(transactions)s::bigint[],
    %(faults)s::text[]) AS row (id, fate, earlier_id, transaction_id, faults)
WHERE saved.id = row.id
"""


@dataclass(slots=True)
class Row:
    """One line while it is worked on: what `ImportRow` keeps of it, a tenth as dear to make. Faulty ones have no more.

    The first fields are `COLUMNS`.
    """

    pk: int
    line: int
    fate: str
    store_id: int | None = None
    member_id: int | None = None
    number: str = ""
    kind: str = ""
    amount_cents: int | None = None
    paid_at: datetime | None = None
    tender: str = ""
    store: Store | None = None
    merged: tuple[int, ...] = ()
    claim: str = ""
    earlier: Transaction | None = None
    transaction_id: int | None = None
    faults: list[dict[str, str]] = field(default_factory=list)


def judge(job: ImportJob, found: Collection[Line], stores: Stores, *, now: datetime) -> list[Row]:
    """The rows of these lines, unsaved."""
    texts = {line.cells.get("member", "") for line in found if not line.fault}
    named = slips.members_named([text for text in texts if text], group_id=job.mall.group_id)
    known = _Known(stores, named, now)
    rows = [_row(line, known) for line in found]
    settle([row for row in rows if row.fate != Fate.FAULTY], group_id=job.mall.group_id)
    return rows


def settle(rows: Collection[Row], *, group_id: int) -> set[tuple[int, str, str]]:
    """Whether each is new, known, or at odds with what is known, as it is now; returns the numbers that are held."""
    asked = [(row, _asked(row)) for row in rows]
    held = duplicates.holders({pair for _row, pairs in asked for pair in pairs}, group_id=group_id)
    for row, pairs in asked:
        row.earlier = duplicates.first(held[pair] for pair in pairs if pair in held)
        row.fate = Fate.READY.value
        if row.earlier:
            row.fate = (Fate.KNOWN if slips.is_same(slip_of(row), row.earlier) else Fate.CONFLICT).value
    _settle_conflicts([row for row in rows if row.fate == Fate.CONFLICT], group_id=group_id)
    return {(group_id, *pair) for pair in held}


def held(rows: Collection[Row], *, group_id: int) -> set[tuple[int, str, str]]:
    """The numbers of these that others hold; only of what was at odds when it was settled may there be any."""
    asked = {(group_id, *pair) for row in rows if row.fate == Fate.CONFLICT for pair in _asked(row)}
    return duplicates.held(asked) if asked else set()


def slip_of(row: Row, *, by_id: int | None = None) -> Slip:
    assert row.store is not None  # a row without faults has all of them
    assert row.member_id is not None
    assert row.amount_cents is not None
    return Slip(
        store=row.store,
        member_id=row.member_id,
        channel=Transaction.Channel.IMPORT,
        amount_cents=row.amount_cents,
        paid_at=_paid(row),
        number=row.number,
        kind=row.kind,
        tender=row.tender,
        by_id=by_id,
    )


def next_open(rows: QuerySet[ImportRow], stores: Stores, many: int) -> list[Row]:
    """The first of these that are to be recorded, by member and line, as their index has them."""
    open_rows = rows.filter(fate__in=OPEN).order_by("member_id", "line").values_list(*COLUMNS)[:many]
    found = [Row(*row) for row in open_rows]
    for row in found:
        store = stores.by_id[row.store_id or 0]
        # Merged since the file was checked.
        row.store = store.merged_into or store
        row.store_id, row.merged = row.store.pk, stores.merged_into(row.store)
    return found


def apart(rows: Sequence[Row]) -> list[Row]:
    """The first of these, up to one that could be held to be another of them: it is settled once that is recorded."""
    claimed: set[tuple[str, str]] = set()
    for place, row in enumerate(rows):
        if not claimed.isdisjoint(_asked(row)):
            return list(rows[:place])
        claimed.update(_claims(row))
    return list(rows)


def insert(rows: Sequence[Row], *, job_id: int) -> None:
    """New rows, in one statement; model by model it took half of a check."""
    values: dict[str, Any] = {
        "job_id": job_id,
        "lines": columns.numbers(row.line for row in rows),
        "fates": columns.texts(row.fate for row in rows),
        "faults": columns.texts(_faults(row) for row in rows),
        "stores": columns.numbers(row.store_id for row in rows),
        "members": columns.numbers(row.member_id for row in rows),
        "numbers": columns.texts(row.number for row in rows),
        "kinds": columns.texts(row.kind for row in rows),
        "claims": columns.texts(row.claim for row in rows),
        "amounts": columns.numbers(row.amount_cents for row in rows),
        "paid_ats": columns.moments(row.paid_at for row in rows),
        "tenders": columns.texts(row.tender for row in rows),
        "earlier": columns.numbers(row.earlier.pk if row.earlier else None for row in rows),
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERTED, values)


def foretell(rows: Sequence[Row], points: Sequence[int]) -> None:
    """Save the points foreseen."""
    values = {"ids": columns.numbers(row.pk for row in rows), "points": columns.numbers(points)}
    with connection.cursor() as cursor:
        cursor.execute(FORETOLD, values)


def save(rows: Sequence[Row]) -> None:
    """What has become of them, in one statement."""
    values: dict[str, Any] = {
        "ids": columns.numbers(row.pk for row in rows),
        "fates": columns.texts(row.fate for row in rows),
        "earlier": columns.numbers(row.earlier.pk if row.earlier else None for row in rows),
        "transactions": columns.numbers(row.transaction_id for row in rows),
        "faults": columns.texts(_faults(row) for row in rows),
    }
    with connection.cursor() as cursor:
        cursor.execute(SAVED, values)


def find_doubles(job: ImportJob) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DOUBLED, {"job_id": job.pk})


class _Known(NamedTuple):
    """What lines are read with. `named`: members by what a batch's lines call them."""

    stores: Stores
    named: Mapping[str, set[int]]
    now: datetime


def _row(line: Line, known: _Known) -> Row:
    row = Row(0, line.number, Fate.READY.value)
    faults = [{"field": "line", "code": line.fault}] if line.fault else _unsound(line)
    faults = faults or list(_read(row, line.cells, known))
    if not row.number and not faults:
        faults = [{"field": "number", "code": "MISSING"}]
    if faults:
        return Row(0, line.number, Fate.FAULTY.value, faults=faults)
    [(kind, number), *_others] = _claims(row)
    row.claim = f"{kind}/{number}"
    return row


def _read(row: Row, cells: Mapping[str, str], known: _Known) -> Iterator[dict[str, str]]:
    for column, read in READERS:
        try:
            read(row, cells, known)
        except FieldRefused as refused:
            yield {"field": column, "code": refused.code}


def _read_number(row: Row, cells: Mapping[str, str], _known: _Known) -> None:
    row.number = slips.read_number(cells["number"])


def _read_kind(row: Row, cells: Mapping[str, str], _known: _Known) -> None:
    row.kind = slips.read_kind(cells.get("number_kind", ""))


def _read_store(row: Row, cells: Mapping[str, str], known: _Known) -> None:
    row.store = known.stores.named(cells["store"], day=slips.day_of(cells["paid_at"], now=known.now))
    row.store_id, row.merged = row.store.pk, known.stores.merged_into(row.store)


def _read_amount(row: Row, cells: Mapping[str, str], _known: _Known) -> None:
    row.amount_cents = slips.read_dollars(cells["amount"])


def _read_moment(row: Row, cells: Mapping[str, str], known: _Known) -> None:
    row.paid_at = slips.read_moment(cells["paid_at"], now=known.now)


def _read_member(row: Row, cells: Mapping[str, str], known: _Known) -> None:
    row.member_id = slips.the_member(cells["member"], known.named)


def _read_tender(row: Row, cells: Mapping[str, str], _known: _Known) -> None:
    row.tender = slips.read_tender(cells.get("tender", ""))


# By column: each reads what it decides of a row.
READERS: Sequence[tuple[str, Callable[[Row, Mapping[str, str], _Known], None]]] = (
    ("number", _read_number),
    ("number_kind", _read_kind),
    ("store", _read_store),
    ("amount", _read_amount),
    ("paid_at", _read_moment),
    ("member", _read_member),
    ("tender", _read_tender),
)


def _faults(row: Row) -> str:
    return json.dumps(row.faults) if row.faults else "[]"


def _unsound(line: Line) -> list[dict[str, str]]:
    """What is wrong with the cells before anybody asks what they mean."""
    cells = line.cells
    faults = [{"field": name, "code": "MISSING"} for name in REQUIRED if not cells[name].strip()]
    faults += [{"field": name, "code": "FORMULA"} for name in NAMED if _is_formula(name, cells.get(name, ""))]
    # A number cell has lost its leading zeros, and digits beyond the fifteenth.
    faults += [{"field": "number", "code": "NUMBER_LOST_DIGITS"}] * ("number" in line.typed)
    return faults


def _is_formula(name: str, text: str) -> bool:
    """A phone begins with + and a negative amount with -; they have sentences of their own."""
    if not text.startswith(formats.FORMULA_SIGNS):
        return False
    rest = text[1:].replace(" ", "").replace("-", "")
    if name == "member" and text.startswith("+") and rest.isascii() and rest.isdigit():
        return False
    return not (name == "amount" and text.startswith("-") and rest.replace(".", "", 1).isdigit())


def _asked(row: Row) -> duplicates.Numbers:
    return duplicates.asked({row.kind: row.number}, **_where(row))


def _claims(row: Row) -> duplicates.Numbers:
    return duplicates.claims({row.kind: row.number}, **_where(row))


def _where(row: Row) -> dict[str, Any]:
    return {"store": row.store_id, "paid_at": _paid(row), "merged": row.merged}


def _settle_conflicts(rows: Collection[Row], *, group_id: int) -> None:
    """A conflict that was recorded by an earlier file is known, and not put before people again."""
    for row in rows:
        stores = [row.store_id, *_where(row)["merged"]]
        column = "receipt_number" if row.kind == "RECEIPT" else f"{row.kind.lower()}_number"
        same = Transaction.objects.filter(
            **{f"{column}__iexact": row.number}, group_id=group_id, store__in=stores,
            member=row.member_id, amount_cents=row.amount_cents or 0, paid_at=_paid(row),
            channel=Transaction.Channel.IMPORT,
        )  # fmt: skip
        recorded = same.order_by("pk").first()
        if recorded:
            row.fate, row.earlier = Fate.KNOWN.value, recorded


def _paid(row: Row) -> datetime:
    assert row.paid_at is not None  # read before anything is asked
    return row.paid_at
