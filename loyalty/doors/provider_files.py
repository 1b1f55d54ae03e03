"""The life of a payment provider's daily file: taken in, read into lines, and compared with the ledger.

The same file is one reconciliation, however often it is sent. Nothing here moves points, so a worker that died is
followed by one that begins again.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice
from typing import IO, Any

from django.db import IntegrityError, OperationalError, connection
from django.db.models import F
from django.db.transaction import atomic

from loyalty.doors import kept_files, provider_columns
from loyalty.review import reconciliation
from loyalty.review.models import ProviderRow, Reconciliation, ReconciliationPiece
from members.models import Program
from pms import table_files
from pms.models import Mall, Store, User
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

State = Reconciliation.State
# Of advisory locks: the first half of a reconciliation's.
LOCK = 0x1A9D
READ_AT_ONCE = 5000
LOST_AFTER = timedelta(seconds=5)
MOST_TAKE_UPS = 3
# How providers name their files: merchant, what it is, day.
NAME = re.compile(
    r"(?:(?P<merchant>\d{8,32})_)?[A-Za-z_]*?(?P<day>20\d{6})(?:_\d+)?\.(?:csv|txt|xlsx)", re.IGNORECASE
)
COPIED = (
    "reconciliation_id", "line", "kind", "faults", "number", "payment", "partner", "amount_cents", "currency",
    "happened_at", "user_id", "store_label", "merchant_id",
)  # fmt: skip


class NotOurs(Exception):
    """Somebody else has the reconciliation, or it is over."""


def accept(
    *, mall: Mall, file: IO[bytes], name: str, by: User | None, now: datetime
) -> tuple[Reconciliation, bool]:
    """The reconciliation of this file, and whether it is a new one."""
    digest, size = kept_files.measured(file)
    if size > table_files.LARGEST:
        raise FileRefused("TOO_LARGE")
    if not size:
        raise FileRefused("EMPTY")
    known = _known(mall, digest)
    if known:
        return known, False
    try:
        return _accept(mall, file, digest, name, by, now=now), True
    except IntegrityError:
        # The same file was sent a moment earlier.
        known = _known(mall, digest)
        if known is None:
            raise
        return known, False


def work(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Read the file and compare it. The message may come any number of times."""
    with kept_files.taken(LOCK, job_id) as is_ours:
        waiting = Reconciliation.objects.select_related("mall__group").filter(pk=job_id, state=State.READING)
        file = waiting.first() if is_ours else None
        if file and _is_worth_a_try(file, now=clock()):
            with _guarded(file, clock):
                _read(file, clock)
                _compare(file, now=clock())


def compare_again(*, job_id: int, now: datetime) -> None:
    """With the ledger as it is now; one that a newer file has replaced stays as it is."""
    with kept_files.taken(LOCK, job_id) as is_ours:
        done = Reconciliation.objects.select_related("mall__group").filter(pk=job_id, state=State.DONE)
        file = done.first() if is_ours else None
        if file:
            reconciliation.again(file=file, now=now)


def lost(*, now: datetime) -> list[int]:
    """Those whose worker died, or that no worker was told of."""
    waiting = Reconciliation.objects.filter(state=State.READING, moved_at__lt=now - LOST_AFTER)
    return list(waiting.values_list("pk", flat=True))


def named_date(name: str) -> date | None:
    """The day in a file's name, such as 2160…_fptrade_20261121.csv."""
    found = NAME.fullmatch(name)
    try:
        return datetime.strptime(found["day"], "%Y%m%d").date() if found else None  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        return None


def _known(mall: Mall, digest: str) -> Reconciliation | None:
    over = [State.REFUSED, State.FAILED]
    return Reconciliation.objects.filter(mall=mall, digest=digest).exclude(state__in=over).first()


@atomic
def _accept(
    mall: Mall, file: IO[bytes], digest: str, name: str, by: User | None, *, now: datetime
) -> Reconciliation:
    kept = Reconciliation.objects.create(
        mall=mall,
        file_name=kept_files.shown(name),
        merchant_id=_merchant(mall, name),
        digest=digest,
        asked_by=by,
        asked_at=now,
        moved_at=now,
    )
    for number, piece in kept_files.pieces(file):
        ReconciliationPiece.objects.create(reconciliation=kept, number=number, content=piece)
    return kept


def _merchant(mall: Mall, name: str) -> str:
    """A file of one merchant's shops says nothing about the others; the mall's own merchant ID stands for all."""
    found = NAME.fullmatch(name)
    merchant = found["merchant"] if found else None
    shops = Store.objects.filter(mall=mall, merchant_id=merchant or "-")
    return merchant if merchant and shops.exists() else ""


def _is_worth_a_try(file: Reconciliation, *, now: datetime) -> bool:
    """A file that was the end of a few workers is not given to the next one. Counted before the work, for the dead."""
    if file.attempt_count >= MOST_TAKE_UPS:
        log.error("reconciliation %d failed: taken up %d times", file.pk, file.attempt_count)
        _end(file, State.FAILED, now=now)
        return False
    Reconciliation.objects.filter(pk=file.pk).update(attempt_count=F("attempt_count") + 1)
    return True


@contextmanager
def _guarded(file: Reconciliation, clock: Callable[[], datetime]) -> Iterator[None]:
    """A refused file is an answer; anything else is an engineer's."""
    try:
        yield
    except NotOurs:
        return
    except FileRefused as refused:
        _end(file, State.REFUSED, now=clock(), refusal=refused.code, refusal_detail=refused.detail[:255])
    except OperationalError:
        # The database is away; it stays as it is and is taken up again.
        raise
    except Exception:
        log.exception("reconciliation %d failed", file.pk)
        _end(file, State.FAILED, now=clock())


def _end(file: Reconciliation, state: State, *, now: datetime, **values: Any) -> None:
    waiting = Reconciliation.objects.filter(pk=file.pk, state=State.READING)
    if waiting.update(state=state, ended_at=now, moved_at=now, **values):
        ReconciliationPiece.objects.filter(reconciliation=file).delete()
        ProviderRow.objects.filter(reconciliation=file).delete()


def _read(file: Reconciliation, clock: Callable[[], datetime]) -> None:
    ProviderRow.objects.filter(reconciliation=file).delete()
    columns = provider_columns.columns_of(Program.objects.get(group_id=file.mall.group_id))
    kept, done = ReconciliationPiece.objects.filter(reconciliation=file), 0
    with kept_files.content(kept) as raw, table_files.lines(raw, columns.form) as found:
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
    ReconciliationPiece.objects.filter(reconciliation=file).delete()


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
