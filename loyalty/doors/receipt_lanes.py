"""A receipt file's rows in two processes at once: which rows belong together, and the process beside the worker.

Never parted is what depends on the order of rows: one member's, and those of members whose rows may be one purchase.
What the other process does is committed a batch at a time as the worker's own, so it may be killed at any moment.
There are two and no more: together they have to stay under 300 MB.
"""

import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Max, Min, QuerySet, Sum, Window
from django.db.models.functions import Length, RowNumber
from django.db.transaction import atomic

from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_rows import OPEN
from loyalty.earning import duplicates, likeness, rulesets
from members.models import Program
from pms.table_files import Line

# Below these, starting a process costs more than it saves.
MANY_BYTES = 300_000
MANY_ROWS = 5_000
# A little less than ten batches of earning, and four of foresight.
ROWS_OF_A_SHARE = 3_900
# What the other process is at, and the next: it never waits for the worker.
TOLD_AHEAD = 2
# Bytes: of two parts of a file, as a rule.
ROOM_FOR_ORDERS = 512 * 1024

# Rows of different members: with a number that one of them calls another kind, or with one amount at one store at
# nearly one time. A receipt's number alone means nothing: each shop begins anew every day.
TIED = """
WITH sound AS (
    SELECT member_id, upper(number) AS number, kind, coalesce(store.merged_into_id, store.id) AS store_id,
        amount_cents, paid_at
    FROM doors_importrow row JOIN pms_store store ON store.id = row.store_id
    WHERE job_id = %(job_id)s AND fate IN ('READY', 'CONFLICT')
), numbers AS (
    SELECT number FROM sound GROUP BY number
    HAVING count(DISTINCT member_id) > 1 AND bool_or(kind <> 'RECEIPT' OR length(number) > %(longest)s)
), equal AS (
    SELECT member_id, lag(member_id) OVER one AS before, paid_at - lag(paid_at) OVER one AS apart
    FROM sound WINDOW one AS (PARTITION BY store_id, amount_cents ORDER BY paid_at)
)
UPDATE doors_importrow SET is_tied = true WHERE job_id = %(job_id)s AND NOT is_tied AND member_id IN (
    SELECT member_id FROM sound WHERE number IN (SELECT number FROM numbers)
    UNION SELECT unnest(ARRAY[member_id, before]) FROM equal WHERE before <> member_id AND apart <= %(reach)s
)
"""


class LaneFailed(Exception):
    """The process beside the worker did not come to the end of its part; what it has not committed was not done."""


@dataclass(frozen=True, slots=True)
class Share:
    """Rows that one process does: those who are tied, or those who are not, from the member `first` to before `end`."""

    is_tied: bool | None = None
    first: int | None = None
    end: int | None = None

    def of(self, rows: QuerySet[ImportRow]) -> QuerySet[ImportRow]:
        asked = {"is_tied": self.is_tied, "member__gte": self.first, "member__lt": self.end}
        return rows.filter(**{name: value for name, value in asked.items() if value is not None})


ALL = Share()
# What one of the two does at a time: rows as they stand in the file, or those of a share.
Part = Sequence[Line] | Share
P = TypeVar("P", bound=Part)


def order(work: str, part: Part) -> bytes:
    """What the other process is told to do, on one line."""
    return orjson.dumps({"work": work, "part": part}, default=list) + b"\n"


def read(line: bytes) -> tuple[str, Part]:
    said: dict[str, Any] = orjson.loads(line)
    part = said["part"]
    if isinstance(part, list):
        return said["work"], [Line(**one | {"typed": frozenset(one["typed"])}) for one in part]
    return said["work"], Share(**part)


class Beside:
    """The other process; it waits for orders until it is told of no more."""

    def __init__(self, job: ImportJob, *, ahead: timedelta) -> None:
        place = connection.settings_dict
        names = [str(place["NAME"]), str(place["USER"])]
        numbers = [str(job.pk), str(job.attempt_count), str(os.getpid()), f"{ahead.total_seconds():.6f}"]
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "receipt_lane", *numbers, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pipesize=ROOM_FOR_ORDERS,
            cwd=settings.BASE_DIR,
        )
        assert self._process.stdin is not None  # as asked for
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._heard = select.poll()
        self._heard.register(self._answers)
        self._told: deque[str] = deque()

    def share(self, work: str, parts: Iterable[P], do: Callable[[P], None]) -> None:
        """Each part is done by whoever is free first; at the end all are."""
        for part in parts:
            while self._told and self._has_answered():
                self._hear()
            if len(self._told) < TOLD_AHEAD:
                self._tell(work, part)
            else:
                do(part)
        while self._told:
            self._hear()

    def close(self) -> None:
        """What it still does is undone: nobody waits for it any more."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, work: str, part: Part) -> None:
        left = memoryview(order(work, part))
        try:
            while left:
                left = left[self._orders.write(left) :]
        except BrokenPipeError as error:
            raise LaneFailed("it ended before it was told what to do.") from error
        self._told.append(work)

    def _has_answered(self) -> bool:
        return bool(self._heard.poll(0))

    def _hear(self) -> None:
        if self._answers.readline().strip().decode() != self._told.popleft():
            raise LaneFailed(f"it ended with status {self._process.wait()}.")


@contextmanager
def beside(job: ImportJob, *, is_many: bool, ahead: timedelta) -> Iterator[Beside | None]:
    """Nobody where the work is little. `ahead` is the worker's clock, of the machine's."""
    if not is_many:
        yield None
        return
    other = Beside(job, ahead=ahead)
    try:
        yield other
    finally:
        other.close()


def is_large(job: ImportJob) -> bool:
    """A file that nobody has read yet."""
    size = ImportChunk.objects.filter(job=job).aggregate(size=Sum(Length("content"), default=0))["size"]
    return bool(size >= MANY_BYTES)


def is_long(job: ImportJob) -> bool:
    """A file that was checked."""
    return ImportRow.objects.filter(job=job, fate__in=OPEN).count() >= MANY_ROWS


def shares(job: ImportJob) -> list[Share]:
    """Those who are tied, then many small ones; one of all where they all draw on a campaign's budget in turn."""
    rows = ImportRow.objects.filter(job=job, fate__in=OPEN)
    program = Program.objects.get(group_id=job.mall.group_id)
    days = rows.aggregate(since=Min("paid_at"), until=Max("paid_at"))
    if days["since"] is None or rulesets.are_budgeted(program_id=program.pk, **days):
        return [ALL]
    _tie(job, reach=likeness.reach(program.duplicate_flag_score))
    free = rows.filter(is_tied=False)
    placed = free.annotate(place=Window(RowNumber(), order_by="member_id"))
    begins = placed.filter(place__in=range(1, free.count() + 1, ROWS_OF_A_SHARE))
    firsts = sorted(set(begins.values_list("member_id", flat=True)))
    return [
        Share(is_tied=True),
        *(Share(False, first, end) for first, end in pairwise([*firsts, None])),
    ]


def _tie(job: ImportJob, *, reach: timedelta) -> None:
    """Of a table just filled PostgreSQL knows nothing, and would compare each row with each: minutes, not a moment."""
    values: dict[str, Any] = {"job_id": job.pk, "longest": duplicates.LONGEST_OF_A_TILL, "reach": reach}
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(TIED, values)
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")
