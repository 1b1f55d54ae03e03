"""A receipt file's rows in two processes at once: which rows are whose, and the process beside the worker.

Never parted is what depends on the order of rows: one member's, and those of members whose rows may be one purchase.
What the other process does is committed a batch at a time as the worker's own, so it may be killed at any moment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Length, Mod
from django.db.transaction import atomic

from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_rows import OPEN
from loyalty.earning import duplicates, likeness, rulesets
from members.models import Program

# Below these, starting a process costs more than it saves.
MANY_BYTES = 300_000
MANY_ROWS = 5_000
HUNDRED = 100

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
    """One process's rows: of a hundred members those from `first` to before `last`, and perhaps those who are tied."""

    first: int = 0
    last: int = HUNDRED
    has_tied: bool = True

    def has_piece(self, number: int) -> bool:
        """Of a file that nobody has read, so nobody knows whose rows are whose: four of seven are the worker's own.

        The other process has to start first.
        """
        return self == ALL or (number % 7 % 2 == 0) == self.has_tied

    def of(self, rows: QuerySet[ImportRow]) -> QuerySet[ImportRow]:
        if self == ALL:
            return rows
        place = rows.annotate(place=Mod(F("member_id"), HUNDRED))
        mine = Q(place__gte=self.first, place__lt=self.last, is_tied=False)
        return place.filter(mine | Q(is_tied=True) if self.has_tied else mine)

    def parts(self, rows: QuerySet[ImportRow]) -> list[QuerySet[ImportRow]]:
        """The tied ones by themselves: seen together, each sees what it is tied to."""
        mine = self.of(rows)
        is_parted = self.has_tied and self != ALL
        return [mine.filter(is_tied=is_tied) for is_tied in (True, False)] if is_parted else [mine]


ALL = Share()
HALVES = Share(0, HUNDRED // 2), Share(HUNDRED // 2, HUNDRED, has_tied=False)


class Beside:
    """The other process; it waits for orders until it is told of no more."""

    def __init__(self, job: ImportJob) -> None:
        place = connection.settings_dict
        names = [str(place["NAME"]), str(place["USER"])]
        numbers = [str(job.pk), str(job.attempt_count), str(os.getpid())]
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "receipt_lane", *numbers, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
        )

    @contextmanager
    def doing(self, work: str, share: Share, *, now: datetime) -> Iterator[None]:
        """Its part meanwhile; at the end it has done it."""
        self._say(json.dumps({"work": work, "share": asdict(share), "now": now.isoformat()}))
        yield
        if self._answer() != work:
            raise LaneFailed(f"it ended with status {self._process.wait()}.")

    def close(self) -> None:
        """What it still does is undone: nobody waits for it any more."""
        self._process.kill()
        self._process.communicate()

    def _say(self, order: str) -> None:
        assert self._process.stdin is not None  # as asked for
        try:
            print(order, file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise LaneFailed("it ended before it was told what to do.") from error

    def _answer(self) -> str:
        assert self._process.stdout is not None  # as asked for
        return self._process.stdout.readline().strip()


@contextmanager
def beside(job: ImportJob, *, is_many: bool) -> Iterator[Beside | None]:
    """Nobody where the work is little."""
    if not is_many:
        yield None
        return
    other = Beside(job)
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


def shares(job: ImportJob) -> tuple[Share, Share] | None:
    """As even as can be; None where a campaign's budget is drawn on by all, one after the other."""
    rows = ImportRow.objects.filter(job=job, fate__in=OPEN)
    program = Program.objects.get(group_id=job.mall.group_id)
    days = rows.aggregate(since=Min("paid_at"), until=Max("paid_at"))
    if days["since"] is None or rulesets.are_budgeted(program_id=program.pk, **days):
        return None
    _tie(job, reach=likeness.reach(program.duplicate_flag_score))
    counted = rows.aggregate(all=Count("pk"), tied=Count("pk", filter=Q(is_tied=True)))
    free = counted["all"] - counted["tied"]
    cut = round(HUNDRED * max(0, counted["all"] / 2 - counted["tied"]) / free) if free else 0
    return Share(0, cut), Share(cut, HUNDRED, has_tied=False)


def _tie(job: ImportJob, *, reach: timedelta) -> None:
    """Of a table just filled PostgreSQL knows nothing, and would compare each row with each: minutes, not a moment."""
    values: dict[str, Any] = {"job_id": job.pk, "longest": duplicates.LONGEST_OF_A_TILL, "reach": reach}
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(TIED, values)
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")


@dataclass(frozen=True, slots=True)
class Order:
    """What the other process is told to do."""

    work: str
    share: Share
    now: datetime


def read(line: str) -> Order:
    said: dict[str, Any] = json.loads(line)
    return Order(said["work"], Share(**said["share"]), datetime.fromisoformat(said["now"]))
