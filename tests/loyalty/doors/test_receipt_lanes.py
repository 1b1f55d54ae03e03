"""A receipt file in two processes comes to what one process comes to, whichever dies, and ties stay together."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection

from loyalty.doors import receipt_lanes, receipt_work, receipts
from loyalty.doors.models import ImportJob
from loyalty.doors.receipt_lanes import LaneFailed, P, Share
from loyalty.earning import likeness
from loyalty.earning.models import Transaction
from members.models import Member
from pms import clock
from pms.table_files import Line
from tests import databases, factories, source
from tests.databases import Database
from tests.loyalty.doors import books, files, test_receipt_batches
from tests.loyalty.doors.desk import Desk
from tests.loyalty.earning import programs

COLUMNS = ("number", "store", "amount", "paid_at", "member", "tender", "number_kind")
# Few rows a member, so that most members are tied to nobody.
ROWS = 1500
MEMBERS = 600
NOW = clock.now()
CHECKED = """
SELECT line, fate, faults::text, store_id, member_id, number, kind, claim, amount_cents, paid_at, tender, points,
    earlier_id FROM doors_importrow WHERE job_id = %s ORDER BY line
"""


def crowd(name: str = "verdant") -> Desk:
    """People of long standing under rules with limits, but no campaign."""
    shopper = programs.shopper(name)
    program = shopper.wallet_pass.program
    joined = NOW - timedelta(days=400)
    members = Member.objects.bulk_create(
        factories.MemberFactory.build_batch(MEMBERS, program=program, joined_at=joined)
    )
    return Desk(shopper, members[0], shopper.stores["S12"])


def lines(place: Desk, many: int = ROWS, *, seed: int = 11) -> list[list[Any]]:
    """Most are alone; some are faulty, doubled, alike, or called by a number that another kind has."""
    chance = random.Random(seed)
    cards = list(
        place.member.program.members.exclude(card_number="")
        .order_by("pk")
        .values_list("card_number", flat=True)
    )
    start, stores = NOW - timedelta(days=5), [store.code for store in place.shopper.stores.values()]
    found: list[list[Any]] = []
    for number in range(many):
        line = [
            f"R{number}",
            chance.choice(stores),
            f"{chance.randrange(20, 3000)}.{chance.randrange(100):02}",
            _written(start + timedelta(minutes=chance.randrange(6000))),
            chance.choice(cards),
            chance.choice(["CARD", "CASH", ""]),
            "",
        ]
        if found and (fate := chance.random()) < 0.1:
            line = _odd(line, chance.choice(found), int(fate * 60))
        found.append(line)
    return [*found, *found[:5]]


def _odd(line: list[Any], other: list[Any], way: int) -> list[Any]:
    number, store, amount, paid_at, member, tender, _kind = line
    return [
        ["", store, amount, paid_at, member, tender, ""],
        [number, store, "x", paid_at, "nobody", tender, ""],
        [other[0], *line[1:]],
        [number, *other[1:4], member, tender, ""],
        [number, *other[1:4], member, tender, ""],
        [other[0], store, amount, paid_at, member, tender, "PAYMENT"],
    ][way]


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}"


@pytest.fixture
def place(fresh_database: Database) -> Iterator[Desk]:
    yield crowd()
    connection.close()


def rows_of(job: ImportJob) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(CHECKED, [job.pk])
        return list(cursor.fetchall())


def test_two_processes_say_of_every_row_what_one_says(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    known = lines(place, 20, seed=3)
    files.imported(place, files.as_csv(*known, columns=COLUMNS))
    content = files.as_csv(*lines(place), *known, columns=COLUMNS)
    monkeypatch.setattr(receipt_work, "FORESEEN_AT_ONCE", 10 * ROWS)
    alone = files.checked(place, content)
    foretold = rows_of(alone)
    receipts.cancel(job=alone, now=clock.now())

    monkeypatch.setattr(receipt_work, "FORESEEN_AT_ONCE", 600)
    monkeypatch.setattr(receipt_lanes, "MANY_BYTES", 1)
    monkeypatch.setattr(receipt_lanes, "ROWS_OF_A_SHARE", 100)
    monkeypatch.setattr(receipt_work, "READ_AT_ONCE", 100)
    monkeypatch.setattr(receipt_lanes, "Beside", Counted)
    together = files.checked(place, content)

    assert rows_of(together) == foretold
    assert (together.state, together.row_count, together.done_count) == (
        "CHECKED",
        len(foretold),
        len(foretold),
    )
    assert {row[1] for row in foretold} == {"READY", "KNOWN", "FAULTY"}
    assert min(Counted.parts["read"], Counted.parts["foresee"]) >= receipt_lanes.TOLD_AHEAD


class Counted(receipt_lanes.Beside):
    """Counts what it has done."""

    parts: ClassVar = Counter[str]()

    def _hear(self) -> None:
        self.parts[self._told[0]] += 1
        super()._hear()


# The command as it is, but for how many rows are many.
COMMAND = """
import django; django.setup()
from django.core.management import call_command
from loyalty.doors import receipt_lanes, receipt_work
receipt_lanes.MANY_BYTES = receipt_lanes.MANY_ROWS = 1
receipt_lanes.ROWS_OF_A_SHARE = receipt_work.READ_AT_ONCE = 100
call_command("import_receipts", {file!r}, "--mall", {mall!r})
"""


def killed_again_and_again(place: Desk, database: Database, file: Path) -> int:
    """Imports by two processes, but the worker dies in the check and in the import; how often."""
    code = COMMAND.format(file=str(file), mall=place.mall.tag)
    environment = {**os.environ, "DATABASE_URL": database.url, "DATABASE_OWNER_URL": database.owner_url}
    kills = 0
    for state in ("CHECKING", "RUNNING", None):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, cwd=source.ROOT, stdout=subprocess.DEVNULL
        )
        if state and is_under_way(state, process):
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    return kills


def is_under_way(state: str, process: subprocess.Popen[bytes]) -> bool:
    """Waits until some of the rows are done; false if the process ended first."""
    some = ImportJob.objects.filter(state=state, done_count__gte=random.randrange(100, ROWS // 2))
    while process.poll() is None:
        if some.exists():
            return True
        time.sleep(0.005)
    return False


def test_two_processes_killed_again_and_again_leave_the_books_of_one_clean_run(
    place: Desk, tmp_path: Path
) -> None:
    content = files.as_csv(*lines(place), columns=COLUMNS)
    alone = books.of(files.imported(place, content))

    with other_database() as database:
        again = crowd()
        file = tmp_path / "receipts.csv"
        file.write_bytes(files.as_csv(*lines(again), columns=COLUMNS))
        kills = killed_again_and_again(again, database, file)
        job = ImportJob.objects.get()
        together, counted, breaches = books.of(job), receipts.counts(job), programs.breaches()

    assert (job.state, kills, breaches) == ("DONE", 2, [])
    for mine, theirs in zip(alone, together, strict=True):
        assert mine == theirs
    assert counted["points_foreseen"] == counted["points"] > 0


@contextmanager
def other_database() -> Iterator[Database]:
    database = databases.copy()
    with databases.used(database):
        yield database
        connection.close()
    databases.drop(database.name)


def test_a_file_whose_other_process_dies_is_taken_up_again(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = files.checked(place, files.as_csv(*lines(place, 100), columns=COLUMNS))
    monkeypatch.setattr(receipt_lanes, "MANY_ROWS", 1)
    receipts.approve(job=job, now=clock.now())
    with monkeypatch.context() as patch:
        patch.setattr(receipt_lanes, "Beside", Doomed)
        with pytest.raises(LaneFailed):
            receipts.run(job_id=job.pk, clock=clock.now)
    job.refresh_from_db()
    before = (job.state, Transaction.objects.count() < job.row_count)

    receipts.run(job_id=job.pk, clock=clock.now)

    job.refresh_from_db()
    assert (before, job.state, job.done_count) == (("RUNNING", True), "DONE", job.row_count)
    assert programs.breaches() == []


class Doomed(receipt_lanes.Beside):
    """Dies as soon as it has something to do."""

    def share(self, work: str, parts: Iterable[P], do: Callable[[P], None]) -> None:
        self._process.kill()
        self._process.wait()
        super().share(work, parts, do)


@pytest.mark.parametrize(
    "part",
    [
        [
            Line(2, {"number": "R1", "store": "海港麵家\n\x1e"}),
            Line(3, {"number": "7"}, typed=frozenset({"number"})),
            Line(4, {}, fault="COLUMNS"),
        ],
        Share(is_tied=True),
        Share(False, 7, None),
        receipt_lanes.ALL,
    ],
)
def test_an_order_is_one_line_and_reads_as_it_was_said(part: receipt_lanes.Part) -> None:
    order = receipt_lanes.order("read", part)

    assert order.count(b"\n") == 1
    assert receipt_lanes.read(order) == ("read", part)


@pytest.mark.django_db
def test_rows_that_draw_on_one_budget_are_not_parted() -> None:
    place = test_receipt_batches.crowd("verdant")
    job = files.checked(place, files.as_csv(*test_receipt_batches.lines(place), columns=COLUMNS))

    assert receipt_lanes.shares(job) == [receipt_lanes.ALL]


@pytest.mark.django_db
def test_every_row_is_in_one_share_and_no_members_rows_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    place = crowd()
    job = files.checked(place, files.as_csv(*lines(place, 200), columns=COLUMNS))
    monkeypatch.setattr(receipt_lanes, "ROWS_OF_A_SHARE", 10)

    tied, *free = (list(share.of(job.rows.all())) for share in receipt_lanes.shares(job))

    open_rows = set(job.rows.filter(fate__in=receipts.OPEN))
    assert sorted(row.pk for rows in (tied, *free) for row in rows if row in open_rows) == sorted(
        row.pk for row in open_rows
    )
    assert all(row.is_tied for row in tied)
    members = [{row.member_id for row in rows} for rows in free]
    assert len(members) > 5
    assert all(members)
    assert sum(map(len, members)) == len(set().union(*members))


@pytest.mark.parametrize(("flag_score", "minutes"), [(57, 24 * 60), (61, 30), (65, 5), (66, -5)])
def test_receipts_of_two_members_reach_a_flag_only_so_near(flag_score: int, minutes: int) -> None:
    assert likeness.reach(flag_score) == timedelta(minutes=minutes)
