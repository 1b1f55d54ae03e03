"""The duplicates report as CSV and XLSX, which spreadsheets open with correct Chinese and run nothing of."""

import csv
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.worksheet.properties import PageSetupProperties

from loyalty.review.report_lines import Breakdown, Line
from loyalty.review.reports import Sums
from pms import clock, formats

MONEY, SHARE = '"HK$"#,##0.00', "0.0%"
FORMATS = {Decimal: MONEY, float: SHARE, int: "#,##0"}
WIDTHS = (44, 44, *(16,) * 9)

Cell = str | int | float | Decimal | None


def answer(breakdowns: Sequence[Breakdown], *, kind: str, since: date, until: date) -> HttpResponse:
    """A download whose name says the days; `kind` is one of KINDS."""
    content_type, written = KINDS[kind]
    disposition = {"Content-Disposition": f'attachment; filename="duplicates-{since}-{until}.{kind}"'}
    return HttpResponse(written(breakdowns), content_type=content_type, headers=disposition)


def as_csv(breakdowns: Sequence[Breakdown]) -> bytes:
    """With a byte order mark, without which spreadsheets misread Chinese."""
    file = StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([_("Breakdown"), *_headings()])
    for breakdown in breakdowns:
        for line in breakdown.lines:
            writer.writerow([plain(cell) for cell in (breakdown.title, *_cells(line))])
    return file.getvalue().encode("utf-8-sig")


def as_xlsx(breakdowns: Sequence[Breakdown]) -> bytes:
    """One sheet for each breakdown; figures stay figures."""
    book: Any = Workbook()
    book.remove(book.active)
    for breakdown in breakdowns:
        _fill(book.create_sheet(breakdown.title), breakdown)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _fill(sheet: Any, breakdown: Breakdown) -> None:
    sheet.freeze_panes = "A2"
    _print_whole_lines(sheet)
    for at, width in enumerate(WIDTHS):
        sheet.column_dimensions[chr(ord("A") + at)].width = width
    for row, cells in enumerate(_table(breakdown), start=1):
        for column, value in enumerate(cells, start=1):
            _put(sheet.cell(row=row, column=column), value, is_heading=row == 1)


def _print_whole_lines(sheet: Any) -> None:
    """On A4 across, under the headings, however many pages down."""
    sheet.page_setup.paperSize, sheet.page_setup.orientation = sheet.PAPERSIZE_A4, sheet.ORIENTATION_LANDSCAPE
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.page_setup.fitToHeight = False
    sheet.print_title_rows = "1:1"


def _put(cell: Any, value: Cell, *, is_heading: bool) -> None:
    """Text stays text, even if it looks like a formula."""
    if isinstance(value, str):
        cell.value = ILLEGAL_CHARACTERS_RE.sub("", value)
        cell.data_type = "s"
    elif value is not None:
        cell.value = value
        cell.number_format = FORMATS[type(value)]
    if is_heading:
        cell.font = Font(bold=True)


def _table(breakdown: Breakdown) -> Iterator[Sequence[Cell]]:
    yield _headings()
    for line in breakdown.lines:
        yield _cells(line)


def _headings() -> list[str]:
    return [
        _("Name in English"), _("Name in Chinese"), _("Cases"), _("Stopped"), _("Open"), _("Decided by people"),
        _("Different purchases"), _("False positives"), _("Points saved"), _("HK$ saved"), _("Oldest open"),
    ]  # fmt: skip


def _cells(line: Line) -> list[Cell]:
    sums = line.sums
    return [
        line.name_en, line.name_zh, sums.cases, sums.stopped, sums.waiting, sums.checked, sums.different,
        sums.false_positives, sums.points_saved, Decimal(sums.cents_saved) / 100, _oldest(sums),
    ]  # fmt: skip


def _oldest(sums: Sums) -> str:
    return f"{sums.oldest_at.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}" if sums.oldest_at else ""


def plain(cell: Cell) -> str:
    """As a cell of a CSV file: nothing that begins like a formula, but figures."""
    if isinstance(cell, float):
        return f"{cell:.1%}"
    if isinstance(cell, Decimal):
        return f"{cell:.2f}"
    text = "" if cell is None else str(cell)
    if isinstance(cell, int):
        return text
    return f"'{text}" if text.startswith(formats.FORMULA_SIGNS) else text


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS: dict[str, tuple[str, Callable[[Sequence[Breakdown]], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "xlsx": (XLSX, as_xlsx),
}
