"""The life of a payment provider's daily file: taken in, read into lines, and compared with the ledger.

The same file is one reconciliation, however often it is sent. Nothing here moves points, so a worker that died is
followed by one that begins again.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import islice
from typing import IO, Any

from django.db import connection
from django.db.transaction import atomic

from loyalty.doors import kept_files, provider_columns
from loyalty.doors.kept_files import Kind, NotOurs
from loyalty.review import reconciliation
from loyalty.review.models import ProviderRow, Reconciliation, ReconciliationPiece
from members.models import Program
from pms import table_files
from pms.models import Mall, Store, User

State = Reconciliation.State
READ_AT_ONCE = 5000
# How providers name their files: merchant, what it is, day.
NAME = re.compile(
    r"(?:(?P<merchant>\d{8,32})_)?[A-Za-z_]*?(?P<day>20\d{6})(?:_\d+)?\.(?:csv|txt|xlsx)", re.IGNORECASE
)
COPIED = (
    "reconciliation_id", "line", "kind", "faults", "number", "payment", "partner", "amount_cents", "currency",
    "happened_at", "user_id", "store_label", "merchant_id",
)  # fmt: skip
FILES = Kind(
    model=Reconciliation,
    pieces=ReconciliationPiece,
    rows=ProviderRow,
    owner="reconciliation",
    moving=(State.READING,),
    gone=(State.REFUSED, State.FAILED),
    lock=0x1A9D,
)


def accept(
    *, mall: Mall, file: IO[bytes], name: str, by: User | None, now: datetime
) -> tuple[Reconciliation, bool]:
    """The reconciliation of this file, and whether it is a new one."""
    merchant_id = _merchant(mall, name)
    return FILES.accept(mall=mall, file=file, name=name, by=by, now=now, merchant_id=merchant_id)


def work(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Read the file and compare it. The message may come any number of times."""
    with FILES.taken_up(job_id, State.READING, clock) as file:
        if file:
            with FILES.guarded(file, clock):
                _read(file, clock)
                _compare(file, now=clock())


def compare_again(*, job_id: int, now: datetime) -> None:
    """With the ledger as it is now; one that a newer file has replaced stays as it is."""
    with FILES.taken(job_id, State.DONE) as file:
        if file:
            reconciliation.again(file=file, now=now)


def lost(*, now: datetime) -> list[int]:
    """Those whose worker died, or that no worker was told of."""
    return [pk for pk, _state in FILES.lost(now=now)]


def named_date(name: str) -> date | None:
    """The day in a file's name, such as 2160…_fptrade_20261121.csv."""
    found = NAME.fullmatch(name)
    try:
        return datetime.strptime(found["day"], "%Y%m%d").date() if found else None  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        return None


def _merchant(mall: Mall, name: str) -> str:
    """A file of one merchant's shops says nothing about the others; the mall's own merchant ID stands for all."""
    found = NAME.fullmatch(name)
    merchant = found["merchant"] if found else None
    shops = Store.objects.filter(mall=mall, merchant_id=merchant or "-")
    return merchant if merchant and shops.exists() else ""


def _read(file: Reconciliation, clock: Callable[[], datetime]) -> None:
    ProviderRow.objects.filter(reconciliation=file).delete()
    columns = provider_columns.columns_of(Program.objects.get(group_id=file.mall.group_id))
    done = 0
    with kept_files.content(FILES.pieces_of(file)) as raw, table_files.lines(raw, columns.form) as found:
        while batch := list(islice(found, READ_AT_ONCE)):
            rows = [provider_columns.read(line, columns, now=clock()) for line in batch]
            done += len(rows)
            with atomic():
                _copy(file, rows)
                _move(file, now=clock(), done_count=done)
    file.row_count = file.done_count = done


@atomic
def _compare(file: Reconciliation, *, now: datetime) -> None:
    _move(file, now=now, row_count=file.row_count)
    reconciliation.compare(file=file, named_date=named_date(file.file_name), now=now)
    FILES.pieces_of(file).delete()


def _copy(file: Reconciliation, rows: Iterable[ProviderRow]) -> None:
    with connection.cursor() as cursor:
        statement = f"COPY review_providerrow ({', '.join(COPIED)}) FROM STDIN"
        with cursor.cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(
                    (
                        file.pk, row.line, row.kind, json.dumps(row.faults), row.number, row.payment, row.partner,
                        row.amount_cents, row.currency, row.happened_at, row.user_id, row.store_label,
                        row.merchant_id,
                    )
                )  # fmt: skip


def _move(file: Reconciliation, *, now: datetime, **values: Any) -> None:
    if not Reconciliation.objects.filter(pk=file.pk, state=State.READING).update(moved_at=now, **values):
        raise NotOurs
