"""The work on a receipt file's rows: reading them, foreseeing their points, and earning, a batch at a time.

Each batch is one block with the progress in it, so it is done once or not at all, by whichever process.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import OperationalError, connection
from django.db.models import F, QuerySet
from django.db.transaction import atomic

from loyalty.doors import kept_files, receipt_files, receipt_rows, slips
from loyalty.doors.kept_files import NotOurs
from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.doors.receipt_lanes import Share
from loyalty.doors.receipt_rows import Row
from loyalty.doors.slips import FieldRefused
from loyalty.earning import awards
from pms import table_files
from pms.table_files import Line

State = ImportJob.State
Fate = ImportRow.Fate
READ_AT_ONCE = 1000
FORESEEN_AT_ONCE = 1000
# Members, and stores' equal amounts, are locked for one batch, and a wallet's notice waits 300 ms for one.
EARNED_AT_ONCE = 400
ATTEMPTS = 6
# Seconds; the next pauses are random too, and twice as long at most.
PAUSE = 0.02
# What a batch touches is in memory for the most part: without a word PostgreSQL reads whole tables for some rows.
IN_MEMORY = "SET LOCAL random_page_cost TO 1.1"
# Plans kept for single payments are slow for hundreds, the more so if they were made when the tables were empty.
# The checks at the end of the block look at one row each again.
FOR_MANY, AS_EVER = "SET LOCAL plan_cache_mode TO force_custom_plan", "SET LOCAL plan_cache_mode TO DEFAULT"


class Canceled(NotOurs):
    """Somebody canceled the job, or another worker has taken it."""


def pieces(job: ImportJob) -> Iterator[list[Line]]:
    """The file's rows, some at a time."""
    with (
        kept_files.content(ImportChunk.objects.filter(job=job)) as file,
        table_files.lines(file, receipt_files.RECEIPTS) as found,
    ):
        while lines := list(islice(found, READ_AT_ONCE)):
            yield lines


class Work:
    """What one process does of a job, part by part; the stores are those of when it began."""

    def __init__(self, job: ImportJob, clock: Callable[[], datetime]) -> None:
        self.job, self.clock, self.stores = job, clock, slips.Stores(job.mall)

    def do(self, work: str, part: Any) -> None:
        """`work` is the name of one of those below."""
        by_name: dict[str, Callable[[Any], None]] = {
            "read": self.read,
            "foresee": self.foresee,
            "earn": self.earn,
        }
        by_name[work](part)

    @atomic
    def read(self, lines: Sequence[Line]) -> None:
        _say(IN_MEMORY)
        now = self.clock()
        rows = receipt_rows.judge(self.job, lines, self.stores, now=now)
        receipt_rows.insert(rows, job_id=self.job.pk)
        move(self.job, State.CHECKING, now=now, done_count=F("done_count") + len(rows))

    def foresee(self, share: Share) -> None:
        """The points of the good rows, in the order in which they would be imported."""
        open_rows = share.of(ImportRow.objects.filter(job=self.job))
        tried, last = Counter[tuple[int, str]](), Row(0, 0, "", member_id=0)
        while rows := _next_members(open_rows, self.stores, after=last):
            # What members before these would have taken is over; what campaigns would have given is not.
            if rows[0].member_id != last.member_id:
                tried = Counter({pair: used for pair, used in tried.items() if not pair[0]})
            self._foresee(rows, tried)
            last = rows[-1]

    @atomic
    def _foresee(self, rows: Sequence[Row], tried: Counter[tuple[int, str]]) -> None:
        _say(IN_MEMORY)
        points = slips.foresee_all(
            [receipt_rows.slip_of(row) for row in rows],
            now=self.clock(),
            tried=tried,
            held=receipt_rows.held(rows, group_id=self.job.mall.group_id),
        )
        receipt_rows.foretell(rows, points)
        move(self.job, State.CHECKING, now=self.clock(), done_count=F("done_count") + len(rows))

    def earn(self, share: Share) -> None:
        """Record what is to be recorded, member by member; those who are done are not looked through again."""
        rows = share.of(ImportRow.objects.filter(job=self.job))
        while done := _batch(self.job, rows, self.stores, self.clock):
            rows = rows.filter(member__gte=done[-1].member_id)


def _next_members(open_rows: QuerySet[ImportRow], stores: slips.Stores, *, after: Row) -> list[Row]:
    """Whole members, unless one has more rows than that: what looks alike is then seen together."""
    behind = open_rows.filter(member__gte=after.member_id)
    behind = behind.exclude(member=after.member_id, line__lte=after.line)
    rows = receipt_rows.next_open(behind, stores, FORESEEN_AT_ONCE)
    if len(rows) < FORESEEN_AT_ONCE:
        return rows
    return [row for row in rows if row.member_id != rows[-1].member_id] or rows


def _batch(
    job: ImportJob, rows: QuerySet[ImportRow], stores: slips.Stores, clock: Callable[[], datetime]
) -> list[Row]:
    """One batch, again if it met another lock in the wrong order; none when nothing is left."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return earn_batch(job, rows, stores, now=clock())
        except (OperationalError, awards.Overtaken):
            if attempt == ATTEMPTS:
                raise
            time.sleep(random.random() * PAUSE * 2**attempt)  # noqa: S311 - no secret
    raise AssertionError  # the loop returns or raises


@atomic
def earn_batch(
    job: ImportJob, open_rows: QuerySet[ImportRow], stores: slips.Stores, *, now: datetime
) -> list[Row]:
    """The next of these rows, recorded."""
    _say(IN_MEMORY, FOR_MANY)
    rows = receipt_rows.next_open(open_rows.select_for_update(of=("self",)), stores, EARNED_AT_ONCE)
    rows = receipt_rows.apart(rows)
    if not rows:
        return []
    held = receipt_rows.settle(rows, group_id=job.mall.group_id)
    _earn([row for row in rows if row.fate != Fate.KNOWN], job, held=held, now=now)
    receipt_rows.save(rows)
    _check_now()
    move(job, State.RUNNING, now=now, done_count=F("done_count") + len(rows), attempt_count=0)
    return rows


def _check_now() -> None:
    """What PostgreSQL would check at the end, while the other process waits for the job's row."""
    _say(AS_EVER, "SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED")


def _say(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _earn(rows: Sequence[Row], job: ImportJob, *, held: set[tuple[int, str, str]], now: datetime) -> None:
    given = [receipt_rows.slip_of(row, by_id=job.asked_by_id) for row in rows]
    for row, one in zip(rows, slips.hand_in_all(given, now=now, held=held), strict=True):
        if isinstance(one, FieldRefused):
            row.fate, row.faults = Fate.FAULTY.value, [{"field": one.field, "code": one.code}]
        else:
            row.fate, row.transaction_id = Fate.RECORDED.value, one


def move(job: ImportJob, during: ImportJob.State, *, now: datetime, **values: Any) -> None:
    """Progress, in the batch's own block; raises if the job is not this worker's to go on with.

    A check is begun anew by whoever takes it up; an import only goes on, and its rows have locks.
    """
    own = ImportJob.objects.filter(pk=job.pk, state=during)
    if during == State.CHECKING:
        own = own.filter(attempt_count=job.attempt_count)
    if not own.update(moved_at=now, **values):
        raise Canceled
