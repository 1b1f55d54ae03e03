"""The life of a receipt file: taken in, checked, and imported when somebody says so; each row once, whoever dies.

The check writes rows of the job and nothing else. The import commits a batch at a time, points and progress together,
so that a job taken up again goes on where the last batch ended.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import IO

from django.db import OperationalError
from django.db.models import Count, F, Sum
from django.db.transaction import atomic

from loyalty.doors import receipt_lanes, receipt_rows, receipt_work
from loyalty.doors.kept_files import Kind
from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_lanes import ALL, Beside, LaneFailed, P
from loyalty.doors.receipt_work import Canceled, Work
from loyalty.earning import awards
from pms import clock as machine_clock
from pms.garbage import rarely_swept
from pms.models import Mall, User

State = ImportJob.State
Fate = ImportRow.Fate
OPEN = receipt_rows.OPEN
FILES = Kind(
    model=ImportJob,
    pieces=ImportChunk,
    owner="job",
    moving=(State.CHECKING, State.RUNNING),
    gone=(State.REFUSED, State.CANCELED, State.FAILED),
    # The database or the process beside is away, or others are always faster.
    passing=(OperationalError, LaneFailed, awards.Overtaken),
    lock=0x1A9C,
)


def accept(
    *, mall: Mall, file: IO[bytes], name: str, by: User | None, now: datetime
) -> tuple[ImportJob, bool]:
    """The job of this file, and whether it is a new one: the same file is one job, however often it is sent."""
    return FILES.accept(mall=mall, file=file, name=name, by=by, now=now, began_at=now)


@rarely_swept()
def check(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Say what would become of every row. The message may come any number of times."""
    with FILES.taken_up(job_id, State.CHECKING, clock) as job:
        if job:
            _check(job, clock)


def _check(job: ImportJob, clock: Callable[[], datetime]) -> None:
    is_large = receipt_lanes.is_large(job)
    ahead = clock() - machine_clock.now()
    with FILES.guarded(job, clock), receipt_lanes.beside(job, is_many=is_large, ahead=ahead) as other:
        ImportRow.objects.filter(job=job).delete()
        receipt_work.move(job, State.CHECKING, now=clock(), row_count=0, done_count=0)
        work = Work(job, clock)
        _share("read", receipt_work.pieces(job), work, other)
        receipt_rows.find_doubles(job)
        _begin_foresight(job, now=clock())
        _share("foresee", receipt_lanes.shares(job) if other else [ALL], work, other)
        _end_check(job, now=clock())


def assist(
    orders: Iterable[bytes], *, job_id: int, attempt: int, clock: Callable[[], datetime]
) -> Iterator[str]:
    """What a process beside the worker that has taken the job does of it; yields what it has done."""
    job = ImportJob.objects.select_related("mall__group").get(pk=job_id)
    job.attempt_count = attempt
    own = Work(job, clock)
    for order in orders:
        work, part = receipt_lanes.read(order)
        # If it comes too late, nothing; the worker finds that too.
        with suppress(Canceled):
            own.do(work, part)
        yield work


def approve(*, job: ImportJob, now: datetime) -> bool:
    """Let it be imported; False if it is not waiting for that."""
    checked = ImportJob.objects.filter(pk=job.pk, state=State.CHECKED)
    to_do = ImportRow.objects.filter(job=job, fate__in=OPEN).count()
    done = F("row_count") - to_do
    begun = {"done_count": done, "began_count": done, "began_at": now, "moved_at": now, "attempt_count": 0}
    return bool(checked.update(state=State.RUNNING, **begun))


@rarely_swept()
def run(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Import what was checked. The message may come any number of times."""
    with FILES.taken_up(job_id, State.RUNNING, clock) as job:
        if job:
            _run(job, clock)


def _run(job: ImportJob, clock: Callable[[], datetime]) -> None:
    shares = receipt_lanes.shares(job) if receipt_lanes.is_long(job) else [ALL]
    ahead = clock() - machine_clock.now()
    with FILES.guarded(job, clock), receipt_lanes.beside(job, is_many=len(shares) > 1, ahead=ahead) as other:
        work = Work(job, clock)
        _share("earn", shares, work, other)
        # And what a process that has ended since had its hands on.
        work.earn(ALL)
        ImportJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
            state=State.DONE, ended_at=clock(), moved_at=clock()
        )


def cancel(*, job: ImportJob, now: datetime) -> bool:
    """Stop at the end of a batch; what was recorded stays."""
    is_open = ImportJob.objects.filter(pk=job.pk, state__in=[State.CHECKING, State.CHECKED, State.RUNNING])
    is_canceled = bool(is_open.update(state=State.CANCELED, ended_at=now, moved_at=now))
    if is_canceled:
        FILES.pieces_of(job).delete()
    return is_canceled


def lost(*, now: datetime) -> list[tuple[int, str]]:
    """Jobs whose worker died, or that no worker was told of."""
    return FILES.lost(now=now)


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
    rows = ImportRow.objects.filter(job=job).order_by()
    by_fate = list(rows.values_list("fate").annotate(Count("pk"), Sum("points", default=0)))
    recorded = rows.filter(fate=Fate.RECORDED).values_list("transaction__state")
    by_state = list(recorded.annotate(Count("pk"), Sum("transaction__award__points", default=0)))
    return {
        **{fate: count for fate, count, _foreseen in by_fate},
        **{f"RECORDED_{state}": count for state, count, _points in by_state},
        "points": sum(points for _state, _count, points in by_state),
        "points_foreseen": sum(foreseen for _fate, _count, foreseen in by_fate),
    }


def _share(name: str, parts: Iterable[P], work: Work, other: Beside | None) -> None:
    """By two processes at once, if there are two."""
    do = partial(work.do, name)
    if other:
        other.share(name, parts, do)
        return
    for part in parts:
        do(part)


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
    FILES.pieces_of(job).delete()
