"""A receipt file takes no more memory for being long, in either of its two processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests import source
from tests.databases import Database
from tests.loyalty.doors import files, test_receipt_lanes
from tests.loyalty.doors.desk import Desk

SHORT, LONG = 1_000, 10_000
# Of both processes; and what a process may differ by from one run to the next.
MOST_MB, ALIKE_MB = 300, 15


@pytest.fixture
def place(fresh_database: Database) -> Iterator[Desk]:
    yield test_receipt_lanes.crowd()
    connection.close()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_ten_times_as_long_is_checked_in_the_same_memory(
    place: Desk, fresh_database: Database, tmp_path: Path, kind: str
) -> None:
    connection.close()
    short, long = (
        peak_mb(place, fresh_database, written(place, tmp_path / f"{rows}.{kind}", rows))
        for rows in (SHORT, LONG)
    )

    assert long <= short + ALIKE_MB
    assert 2 * long <= MOST_MB


def written(place: Desk, file: Path, rows: int) -> Path:
    write = files.as_csv if file.suffix == ".csv" else files.as_xlsx
    lines = test_receipt_lanes.lines(place, rows)
    file.write_bytes(write(*lines, columns=test_receipt_lanes.COLUMNS))
    return file


# What a process had at its largest is asked of itself: to its parent it is told together with the parent's own.
CHECK = test_receipt_lanes.COMMAND.replace("{mall!r})", '{mall!r}, "--dry-run")')
OWN_PEAK = """
import resource
from pathlib import Path
[own] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def peak_mb(place: Desk, database: Database, file: Path) -> int:
    """Of the larger process."""
    code = CHECK.format(file=str(file), mall=place.mall.tag) + OWN_PEAK
    environment = {**os.environ, "DATABASE_URL": database.url, "DATABASE_OWNER_URL": database.owner_url}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, cwd=source.ROOT, stdout=subprocess.PIPE, check=True)
    return int(told.stdout.split()[-1]) // 1024
