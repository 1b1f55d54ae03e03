"""The life of a receipt file: taken in, checked, and imported when somebody says so; each row once, whoever dies.

The check writes rows of the job and nothing else. The import commits a batch at a time, points and progress together,
so that a job taken up again goes on where the last batch ended.
"""

import gc
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, Any

from django.db import IntegrityError, OperationalError, connection
from django.db.models import Count, F, Q, Sum
from django.db.transaction import atomic

from loyalty.doors import kept_files, receipt_files, receipt_rows, slips
from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_rows import Row
from loyalty.doors.slips import FieldRefused
from loyalty.earning import awards
from pms import table_files
from pms.models import Mall, User
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

State = ImportJob.State
Fate = ImportRow.Fate
OPEN = receipt_rows.OPEN
CHECKED_AT_ONCE = 1000
# Members, and stores' equal amounts, are locked for one batch, and a wallet's notice waits 300 ms for one.
EARNED_AT_ONCE = 400
ATTEMPTS = 6
# Seconds; the next pauses are random too, and twice as long at most.
PAUSE = 0.02
MOST_TAKE_UPS = 3
# Plans kept for single payments are slow for hundreds, the more so if they were made when the tables were empty.
# The checks at the end of the block look at one row each again.
# What a batch touches is in memory for the most part: without a word PostgreSQL reads whole tables for some rows.
FOR_MANY = """
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '1.1', true)
"""
AS_EVER = "SET LOCAL plan_cache_mode TO DEFAULT"
# New objects before Python looks for cycles among them: batches make many, and no cycles.
SWEPT_AFTER = 1_000_000
# Of advisory locks: the first half of a job's.
LOCK = 0x1A9C
# Only then worth a look; whether its worker is dead, the job's lock tells.
LOST_AFTER = timedelta(seconds=5)


class Canceled(Exception):
    """Somebody canceled the job, or another worker has taken it."""


def accept(
    *, mall: Mall, file: IO[bytes], name: str, by: User | None, now: datetime
) -> tuple[ImportJob, bool]:
    """The job of this file, and whether it is a new one: the same file is one job, however often it is sent."""
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


@contextmanager
def _rarely_swept() -> Iterator[None]:
    """Looking for cycles takes a tenth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(SWEPT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@_rarely_swept()
def check(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Say what would become of every row. The message may come any number of times."""
    with _taken(job_id, State.CHECKING) as job:
        if job and _is_worth_a_try(job, now=clock()):
            _check(job, clock)


def _check(job: ImportJob, clock: Callable[[], datetime]) -> None:
    with _guarded(job, clock):
        ImportRow.objects.filter(job=job).delete()
        with (
            kept_files.content(ImportChunk.objects.filter(job=job)) as file,
            table_files.lines(file, receipt_files.RECEIPTS) as found,
        ):
            _check_all(job, found, clock)
        receipt_rows.find_doubles(job)
        _foresee(job, clock)
        _end_check(job, now=clock())


def approve(*, job: ImportJob, now: datetime) -> bool:
    """Let it be imported; False if it is not waiting for that."""
    checked = ImportJob.objects.filter(pk=job.pk, state=State.CHECKED)
    to_do = ImportRow.objects.filter(job=job, fate__in=OPEN).count()
    done = F("row_count") - to_do
    begun = {"done_count": done, "began_count": done, "began_at": now, "moved_at": now, "attempt_count": 0}
    return bool(checked.update(state=State.RUNNING, **begun))


@_rarely_swept()
def run(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Import what was checked. The message may come any number of times."""
    with _taken(job_id, State.RUNNING) as job:
        if job and _is_worth_a_try(job, now=clock()):
            _run(job, clock)


def _run(job: ImportJob, clock: Callable[[], datetime]) -> None:
    with _guarded(job, clock):
        stores = slips.Stores(job.mall)
        while _batch(job, stores, clock):
            pass
        ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
            state=State.DONE, ended_at=clock(), moved_at=clock()
        )


def cancel(*, job: ImportJob, now: datetime) -> bool:
    """Stop at the end of a batch; what was recorded stays."""
    is_open = ImportJob.objects.filter(pk=job.pk, state__in=[State.CHECKING, State.CHECKED, State.RUNNING])
    is_canceled = bool(is_open.update(state=State.CANCELED, ended_at=now, moved_at=now))
    if is_canceled:
        ImportChunk.objects.filter(job=job).delete()
    return is_canceled


def lost(*, now: datetime) -> list[tuple[int, str]]:
    """Jobs whose worker died, or that no worker was told of."""
    moving = Q(state__in=[State.CHECKING, State.RUNNING])
    found = ImportJob.objects.filter(moving, moved_at__lt=now - LOST_AFTER)
    return list(found.values_list("pk", "state"))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the work under way is, and how long it will still take; None until that can be said."""

    rows_per_second: int
    left: timedelta | None


def pace(job: ImportJob) -> Pace | None:
    """Of a job that is worked on; while a file is read nobody knows how many rows it has."""
    taken = (job.moved_at - job.began_at).total_seconds() if job.began_at else 0
    done = job.done_count - job.began_count
    if taken <= 0 or done <= 0:
        return None
    left = timedelta(seconds=(job.row_count - job.done_count) * taken / done) if job.row_count else None
    return Pace(round(done / taken), left)


def counts(job: ImportJob) -> dict[str, int]:
    """Rows by fate, those recorded by their transaction's state, the points they gave, and those foreseen."""
    rows = ImportRow.objects.filter(job=job)
    by_fate = rows.order_by().values_list("fate").annotate(Count("pk"))
    recorded = rows.filter(fate=Fate.RECORDED).order_by()
    by_state = recorded.values_list("transaction__state").annotate(Count("pk"))
    points = recorded.aggregate(points=Sum("transaction__award__points", default=0))
    foreseen = rows.aggregate(points_foreseen=Sum("points", default=0))
    return {
        **dict(by_fate),
        **{f"RECORDED_{state}": count for state, count in by_state},
        **points,
        **foreseen,
    }


def _known(mall: Mall, digest: str) -> ImportJob | None:
    gone = [State.REFUSED, State.CANCELED, State.FAILED]
    return ImportJob.objects.filter(mall=mall, digest=digest).exclude(state__in=gone).first()


@atomic
def _accept(
    mall: Mall, file: IO[bytes], digest: str, name: str, by: User | None, *, now: datetime
) -> ImportJob:
    job = ImportJob.objects.create(
        mall=mall,
        file_name=kept_files.shown(name),
        digest=digest,
        asked_by=by,
        asked_at=now,
        moved_at=now,
        began_at=now,
    )
    for number, piece in kept_files.pieces(file):
        ImportChunk.objects.create(job=job, number=number, content=piece)
    return job


@contextmanager
def _taken(job_id: int, state: ImportJob.State) -> Iterator[ImportJob | None]:
    """The job, for one worker at a time; else None."""
    with kept_files.taken(LOCK, job_id) as is_ours:
        jobs = ImportJob.objects.select_related("mall__group").filter(pk=job_id, state=state)
        yield jobs.first() if is_ours else None


def _is_worth_a_try(job: ImportJob, *, now: datetime) -> bool:
    """A file that was the end of a few workers is not given to the next one. Counted before the work, for the dead."""
    if job.attempt_count >= MOST_TAKE_UPS:
        log.error("receipt file %d failed: taken up %d times without getting on", job.pk, job.attempt_count)
        _end(job, State.FAILED, now=now)
        return False
    ImportJob.objects.filter(pk=job.pk).update(attempt_count=F("attempt_count") + 1)
    return True


@contextmanager
def _guarded(job: ImportJob, clock: Callable[[], datetime]) -> Iterator[None]:
    """A refused file is an answer, a canceled job needs none, and anything else is an engineer's."""
    try:
        yield
    except Canceled:
        return
    except FileRefused as refused:
        _end(job, State.REFUSED, now=clock(), refusal=refused.code, refusal_detail=refused.detail[:255])
    except (OperationalError, awards.Overtaken):
        # The database is away, or others are always faster; the job stays as it is and is taken up again.
        raise
    except Exception:
        log.exception("receipt file %d failed", job.pk)
        _end(job, State.FAILED, now=clock())


def _end(job: ImportJob, state: ImportJob.State, *, now: datetime, **values: Any) -> None:
    moving = ImportJob.objects.filter(pk=job.pk, state__in=[State.CHECKING, State.RUNNING])
    if moving.update(state=state, ended_at=now, moved_at=now, **values):
        ImportChunk.objects.filter(job=job).delete()


def _check_all(job: ImportJob, found: Iterator[Any], clock: Callable[[], datetime]) -> None:
    stores, done = slips.Stores(job.mall), 0
    while batch := list(islice(found, CHECKED_AT_ONCE)):
        with atomic():
            rows = receipt_rows.judge(job, batch, stores, now=clock())
            receipt_rows.insert(rows, job_id=job.pk)
            done += len(rows)
            _move(job, State.CHECKING, now=clock(), done_count=done)


def _foresee(job: ImportJob, clock: Callable[[], datetime]) -> None:
    """The points of the good rows, in the order in which they would be imported."""
    count, stores = ImportRow.objects.filter(job=job).count(), slips.Stores(job.mall)
    done = count - ImportRow.objects.filter(job=job, fate__in=OPEN).count()
    begun = {"row_count": count, "done_count": done, "began_count": done, "began_at": clock()}
    _move(job, State.CHECKING, now=clock(), **begun)
    tried: Counter[tuple[int, str]] = Counter()
    last = Row(0, 0, "", member_id=0)
    while rows := _next_members(job, stores, after=last):
        # What members before these would have taken is over; what campaigns would have given is not.
        if rows[0].member_id != last.member_id:
            tried = Counter({pair: used for pair, used in tried.items() if not pair[0]})
        points = slips.foresee_all(
            [receipt_rows.slip_of(row) for row in rows],
            now=clock(),
            tried=tried,
            held=receipt_rows.held(rows, group_id=job.mall.group_id),
        )
        done, last = done + len(rows), rows[-1]
        with atomic():
            receipt_rows.foretell(rows, points)
            _move(job, State.CHECKING, now=clock(), done_count=done)


def _next_members(job: ImportJob, stores: slips.Stores, *, after: Row) -> list[Row]:
    """Whole members, unless one has more rows than that: what looks alike is then seen together."""
    behind = ImportRow.objects.filter(job=job, member__gte=after.member_id)
    behind = behind.exclude(member=after.member_id, line__lte=after.line)
    rows = receipt_rows.next_open(behind, stores, CHECKED_AT_ONCE)
    if len(rows) < CHECKED_AT_ONCE:
        return rows
    return [row for row in rows if row.member_id != rows[-1].member_id] or rows


@atomic
def _end_check(job: ImportJob, *, now: datetime) -> None:
    count = ImportRow.objects.filter(job=job).count()
    _move(job, State.CHECKING, now=now, row_count=count, state=State.CHECKED)
    ImportChunk.objects.filter(job=job).delete()


def _batch(job: ImportJob, stores: slips.Stores, clock: Callable[[], datetime]) -> int:
    """One batch, again if it met another lock in the wrong order; 0 when nothing is left."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _earn_batch(job, stores, now=clock())
        except (OperationalError, awards.Overtaken):
            if attempt == ATTEMPTS:
                raise
            time.sleep(random.random() * PAUSE * 2**attempt)  # noqa: S311 - no secret
    raise AssertionError  # the loop returns or raises


@atomic
def _earn_batch(job: ImportJob, stores: slips.Stores, *, now: datetime) -> int:
    mine = ImportRow.objects.filter(job=job).select_for_update()
    with connection.cursor() as cursor:
        cursor.execute(FOR_MANY)
    rows = receipt_rows.apart(receipt_rows.next_open(mine, stores, EARNED_AT_ONCE))
    if not rows:
        return 0
    held = receipt_rows.settle(rows, group_id=job.mall.group_id)
    _earn([row for row in rows if row.fate != Fate.KNOWN], job, held=held, now=now)
    receipt_rows.save(rows)
    with connection.cursor() as cursor:
        cursor.execute(AS_EVER)
    _move(job, State.RUNNING, now=now, done_count=job.done_count + len(rows), attempt_count=0)
    job.done_count += len(rows)
    return len(rows)


def _earn(rows: Sequence[Row], job: ImportJob, *, held: set[tuple[int, str, str]], now: datetime) -> None:
    given = [receipt_rows.slip_of(row, by_id=job.asked_by_id) for row in rows]
    for row, one in zip(rows, slips.hand_in_all(given, now=now, held=held), strict=True):
        if isinstance(one, FieldRefused):
            row.fate, row.faults = Fate.FAULTY.value, [{"field": one.field, "code": one.code}]
        else:
            row.fate, row.transaction_id = Fate.RECORDED.value, one


def _move(job: ImportJob, during: ImportJob.State, *, now: datetime, **values: Any) -> None:
    """Progress, in the batch's own block; raises if the job is not this worker's to go on with."""
    if not ImportJob.objects.filter(pk=job.pk, state=during).update(moved_at=now, **values):
        raise Canceled
