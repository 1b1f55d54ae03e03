"""The life of a receipt file: taken in, checked, and imported when somebody says so; each row once, whoever dies.

The check writes rows of the job and nothing else. The import commits a batch at a time, points and progress together,
so that a job taken up again goes on where the last batch ended.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any

from django.db import IntegrityError, OperationalError
from django.db.models import Count, F, Q, Sum
from django.db.transaction import atomic

from loyalty.doors import kept_files, receipt_lanes, receipt_rows, receipt_work
from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_lanes import Beside, LaneFailed, Order, Share
from loyalty.doors.receipt_work import Canceled
from loyalty.earning import awards
from pms import table_files
from pms.models import Mall, User
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

State = ImportJob.State
Fate = ImportRow.Fate
OPEN = receipt_rows.OPEN
MOST_TAKE_UPS = 3
# New objects before Python looks for cycles among them: batches make many, and no cycles.
SWEPT_AFTER = 1_000_000
# Of advisory locks: the first half of a job's.
LOCK = 0x1A9C
# Only then worth a look; whether its worker is dead, the job's lock tells.
LOST_AFTER = timedelta(seconds=5)


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
    is_large = receipt_lanes.is_large(job)
    with _guarded(job, clock), receipt_lanes.beside(job, is_many=is_large) as other:
        ImportRow.objects.filter(job=job).delete()
        receipt_work.move(job, State.CHECKING, now=clock(), row_count=0, done_count=0)
        _shared("read", job, other, receipt_lanes.HALVES, clock)
        receipt_rows.find_doubles(job)
        _begin_foresight(job, now=clock())
        _shared("foresee", job, other, receipt_lanes.shares(job) if other else None, clock)
        _end_check(job, now=clock())


def assist(order: Order, *, job_id: int, attempt: int, clock: Callable[[], datetime]) -> None:
    """What a process beside the worker that has taken the job does of it; if it comes too late, nothing."""
    job = ImportJob.objects.select_related("mall__group").get(pk=job_id)
    job.attempt_count = attempt
    # That the file is refused, the worker finds too.
    with suppress(Canceled, FileRefused):
        receipt_work.BY_NAME[order.work](job, order.share, clock)


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
    shares = receipt_lanes.shares(job) if receipt_lanes.is_long(job) else None
    with _guarded(job, clock), receipt_lanes.beside(job, is_many=bool(shares)) as other:
        if shares:
            _shared("earn", job, other, shares, clock)
        # And what a process that has ended since had its hands on.
        receipt_work.earn(job, receipt_lanes.ALL, clock)
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
    job.attempt_count += 1
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
    except (OperationalError, LaneFailed, awards.Overtaken):
        # The database or the process beside is away, or others are always faster: it is taken up again as it is.
        raise
    except Exception:
        log.exception("receipt file %d failed", job.pk)
        _end(job, State.FAILED, now=clock())


def _end(job: ImportJob, state: ImportJob.State, *, now: datetime, **values: Any) -> None:
    moving = ImportJob.objects.filter(pk=job.pk, state__in=[State.CHECKING, State.RUNNING])
    if moving.update(state=state, ended_at=now, moved_at=now, **values):
        ImportChunk.objects.filter(job=job).delete()


def _shared(
    work: str,
    job: ImportJob,
    other: Beside | None,
    shares: tuple[Share, Share] | None,
    clock: Callable[[], datetime],
) -> None:
    """By two processes at once, if there are two and the rows can be parted."""
    if other is None or shares is None:
        receipt_work.BY_NAME[work](job, receipt_lanes.ALL, clock)
        return
    mine, theirs = shares
    with other.doing(work, theirs, now=clock()):
        receipt_work.BY_NAME[work](job, mine, clock)


def _begin_foresight(job: ImportJob, *, now: datetime) -> None:
    rows = ImportRow.objects.filter(job=job).count()
    done = rows - ImportRow.objects.filter(job=job, fate__in=OPEN).count()
    receipt_work.move(
        job, State.CHECKING, now=now, row_count=rows, done_count=done, began_count=done, began_at=now
    )


@atomic
def _end_check(job: ImportJob, *, now: datetime) -> None:
    rows = ImportRow.objects.filter(job=job).count()
    receipt_work.move(job, State.CHECKING, now=now, row_count=rows, state=State.CHECKED)
    ImportChunk.objects.filter(job=job).delete()
