"""Receipt files of tests: lines of CSV, and the same as XLSX."""

import io
from typing import Any

import openpyxl

from loyalty.doors import receipts
from loyalty.doors.models import ImportJob, ImportRow
from pms import clock
from tests.loyalty.doors import desk
from tests.loyalty.doors.desk import Desk

COLUMNS = ("number", "store", "amount", "paid_at", "member", "tender")


def cells(place: Desk, number: str | int = "R-1", **fields: Any) -> list[Any]:
    paid_at = f"{desk.an_hour_ago().astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}"
    values = {
        "number": number,
        "store": place.store.code,
        "amount": "688.00",
        "paid_at": paid_at,
        "member": place.member.card_number,
        "tender": "CARD",
    } | fields
    return list(values.values())


def rows(place: Desk, many: int) -> list[list[Any]]:
    """Each by another member."""
    members = enumerate(place.regulars(many), start=1)
    return [cells(place, f"R-{turn}", member=member.card_number) for turn, member in members]


def as_csv(*rows: list[Any], columns: tuple[str, ...] = COLUMNS) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in (list(columns), *rows)).encode()


def as_xlsx(*rows: list[Any], columns: tuple[str, ...] = COLUMNS) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (list(columns), *rows):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sent(place: Desk, content: bytes) -> ImportJob:
    job, _is_new = receipts.accept(
        mall=place.mall, file=io.BytesIO(content), name="receipts.csv", by=None, now=clock.now()
    )
    return job


def checked(place: Desk, content: bytes) -> ImportJob:
    job = sent(place, content)
    receipts.check(job_id=job.pk, clock=clock.now)
    job.refresh_from_db()
    return job


def imported(place: Desk, content: bytes) -> ImportJob:
    job = checked(place, content)
    receipts.approve(job=job, now=clock.now())
    receipts.run(job_id=job.pk, clock=clock.now)
    job.refresh_from_db()
    return job


def fates(job: ImportJob) -> list[str]:
    return list(ImportRow.objects.filter(job=job).order_by("line").values_list("fate", flat=True))


def faults(job: ImportJob) -> list[tuple[int, str, str]]:
    rows = ImportRow.objects.filter(job=job, fate="FAULTY").order_by("line")
    return [(row.line, fault["field"], fault["code"]) for row in rows for fault in row.faults]
