"""`./run bench --receipts`: a receipt file of a busy month, checked and imported by the command, on the clock.

The file has 40 stores, 10 rows a member over 30 days, 1% faulty rows and 1% that stand there twice. Only memory has a
limit here; the times are for people. The command runs in a process of its own, so that its memory is its own.
"""

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
from django.db import connection

from loyalty.local.environment import ROOT
from pms import clock
from tests.bench import world

ROWS_A_MEMBER = 10
STORES = world.STORES[:40]
TENDERS = ("CARD", "ALIPAYHK", "CASH", "FPS", "")
COLUMNS = ("number", "store", "amount", "paid_at", "member", "tender")
WRONG = (("store", "NOWHERE"), ("amount", "1,234.50"), ("paid_at", "31/11/2026"), ("member", "0"))
# Joined long before, and a window as wide as the file.
MOST_MB = 300


class ReceiptsFailed(Exception):
    """The command did not end well."""


SETTLED = """
UPDATE members_member SET joined_at = joined_at - interval '1 year';
UPDATE members_program SET manual_window_days = 31;
"""


def fill(rows: int) -> None:
    world.make(max(1, rows // ROWS_A_MEMBER))
    with connection.cursor() as cursor:
        cursor.execute(SETTLED)
        cursor.execute("ANALYZE")
    connection.close()


def lines(rows: int) -> Iterator[dict[str, str]]:
    """The same for the same number of rows, but for the days."""
    chance = random.Random(rows)
    start = clock.now().astimezone(clock.HONG_KONG).replace(hour=10, minute=0) - timedelta(days=30)
    members = max(1, rows // ROWS_A_MEMBER)
    line: dict[str, str] = {}
    for number in range(rows):
        fate = chance.random()
        if fate < 0.01 and line:
            yield line
            continue
        moment = start + timedelta(days=chance.randrange(30), minutes=chance.randrange(720))
        line = {
            "number": f"R{number:08d}",
            "store": chance.choice(STORES),
            "amount": f"{int(chance.lognormvariate(5.3, 1))}.{chance.randrange(10)}0",
            "paid_at": f"{moment:%Y-%m-%d %H:%M}",
            "member": str(8000000000000000 + chance.randrange(members)),
            "tender": chance.choice(TENDERS),
        }
        yield line | dict([chance.choice(WRONG)]) if fate > 0.99 else line


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(lines(rows))


def write_xlsx(path: Path, rows: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(COLUMNS)
    for line in lines(rows):
        sheet.append([line[name] for name in COLUMNS])
    book.save(path)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file, and the database it is imported into."""

    file: str
    database: str
    write: Callable[[Path, int], None]


KINDS = (
    Kind("receipts.csv", "loyalty_bench_csv", write_csv),
    Kind("receipts.xlsx", "loyalty_bench_xlsx", write_xlsx),
)


def measure(rows: int) -> bool:
    """Prints what a CSV file and the same as XLSX take; false if memory grew beyond what is allowed."""
    fill(rows)
    owner, app = os.environ["DATABASE_OWNER_URL"], os.environ["DATABASE_URL"]
    print(f"{rows:,} rows: wall seconds, processor seconds of Python, peak MB", flush=True)
    told = []
    with tempfile.TemporaryDirectory() as folder, world.copies(owner, *(kind.database for kind in KINDS)):
        for kind in KINDS:
            path = Path(folder, kind.file)
            kind.write(path, rows)
            url = world.named(app, kind.database)
            told += [_told(path, url, "--dry-run"), _told(path, url)]
    return all(one["peak_mb"] <= MOST_MB for one in told)


def _told(path: Path, url: str, *options: str) -> dict[str, Any]:
    """A dry run checks; the command again then only imports. What it said, and what it took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [
        sys.executable,
        "manage.py",
        "import_receipts",
        str(path),
        "--mall",
        world.TAG,
        "--json",
        *options,
    ]
    environment = os.environ | {"DATABASE_URL": url}
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        raise ReceiptsFailed(child.stderr)
    told: dict[str, Any] = json.loads(child.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told["peak_mb"] = after.ru_maxrss // 1024
    what = "check " if options else "import"
    print(
        f"  {path.suffix[1:]:4} {what} {seconds:6.1f} s  {cpu:6.1f} s  {told['peak_mb']:4} MB   "
        f"{told['recorded']:,} recorded, {told['faulty']:,} refused, {told['points_foreseen']:,} points foreseen, "
        f"{told['points']:,} given",
        flush=True,
    )
    return told
