"""Reads receipt files row by row: CSV in UTF-8, or XLSX. What cannot be read safely is refused as a whole, by name.

django-import-export is not used: it holds a whole file in memory and saves model by model, while a receipt is judged
by earning, a batch at a time, and may be taken up again where a worker died.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml import DefusedXmlException
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LARGEST = 200 * 1024 * 1024
# Unpacked sizes: openpyxl keeps all shared strings in memory, and streams the rest.
LARGEST_UNPACKED = 800 * 1024 * 1024
LARGEST_STRINGS = 60 * 1024 * 1024
MOST_ROWS = 500_000
LONGEST_CELL = 1000
LONGEST_HEADING = 10_000
REQUIRED = ("number", "store", "amount", "paid_at", "member")
OPTIONAL = ("number_kind", "tender")
NAMED = (*REQUIRED, *OPTIONAL)

REFUSALS: dict[str, Promise] = {
    "TOO_LARGE": _("The file is larger than 200 MB. Split it."),
    "TOO_MANY_ROWS": _("The file has more than 500,000 rows. Split it."),
    "EMPTY": _("The file has no rows."),
    "COLUMN_MISSING": _("These columns are missing:"),
    "COLUMN_DOUBLED": _("These columns stand twice:"),
    "ENCODING": _("The file is not in UTF-8; save it as “CSV UTF-8” or as XLSX. It looks like:"),
    "NOT_TEXT": _("The file holds bytes that are no text."),
    "CSV_BROKEN": _("The CSV cannot be read; often a quotation mark was never closed. Near line:"),
    "OLD_EXCEL": _("This is an old or locked Excel file; save it as XLSX without a password."),
    "MACROS": _("The file holds macros; save it as plain XLSX."),
    "UNPACKS_TOO_LARGE": _("The workbook unpacks to far more than it should."),
    "XLSX_BROKEN": _("The workbook cannot be read."),
}


class FileRefused(Exception):
    """The file is refused as a whole and nothing of it was taken; `code` is in REFUSALS."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Line:
    """One row by column. `fault` if it could not be told apart into its cells; `typed`: columns that held a number."""

    number: int
    cells: dict[str, str]
    fault: str = ""
    typed: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """Which columns a kind of file has. `name` gives headings our names; `is_outside` knows rows that are neither
    heading nor content; `delimiters` may stand between cells, the first unless a heading holds another.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    name: Callable[[list[str]], list[str]] = lambda headings: headings
    is_outside: Callable[[list[Any]], bool] = lambda _cells: False
    delimiters: str = ","

    def reads(self, name: str) -> bool:
        return name in self.required or name in self.optional


RECEIPTS = Form(required=REQUIRED, optional=OPTIONAL)


@contextmanager
def lines(file: IO[bytes], form: Form = RECEIPTS) -> Iterator[Iterator[Line]]:
    """The rows under the heading, in order, blank ones left out. Memory does not grow with the file."""
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileRefused("OLD_EXCEL")
    if start.startswith(b"PK\x03\x04"):
        with _workbook(file) as rows:
            yield _counted(_told(rows, form))
    else:
        with closing(_csv_rows(file, start, form.delimiters)) as rows:
            yield _counted(_told(rows, form))


Row = tuple[int, list[Any]]


def _counted(found: Iterator[Line]) -> Iterator[Line]:
    count = 0
    for line in found:
        count += 1
        if count > MOST_ROWS:
            raise FileRefused("TOO_MANY_ROWS")
        yield line
    if not count:
        raise FileRefused("EMPTY")


def _told(found: Iterator[Row], form: Form) -> Iterator[Line]:
    rows = (row for row in found if not form.is_outside(row[1]))
    _number, heading = next(rows, (0, []))
    names = form.name([_text(cell).strip().lower() for cell in heading])
    while names and not names[-1]:
        names.pop()
    _check_heading(names, form)
    for number, cells in rows:
        if any(_text(cell).strip() for cell in cells):
            yield _line(number, names, cells, form)


def _check_heading(names: list[str], form: Form) -> None:
    if not names:
        raise FileRefused("EMPTY")
    missing = [name for name in form.required if name not in names]
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if missing:
        raise FileRefused("COLUMN_MISSING", ", ".join(missing))
    if doubled:
        raise FileRefused("COLUMN_DOUBLED", ", ".join(doubled)[:200])


def _line(number: int, names: list[str], cells: list[Any], form: Form) -> Line:
    while len(cells) > len(names) and not _text(cells[-1]).strip():
        cells = cells[:-1]
    if len(cells) != len(names):
        return Line(number, {}, fault="COLUMNS")
    found = {name: cell for name, cell in zip(names, cells, strict=True) if form.reads(name)}
    texts = {name: _text(cell) for name, cell in found.items()}
    if any(len(text) > LONGEST_CELL for text in texts.values()):
        return Line(number, {}, fault="TOO_LONG")
    typed = frozenset(name for name, cell in found.items() if isinstance(cell, int | float))
    return Line(number, texts, typed=typed)


def _text(cell: Any) -> str:
    """A cell as somebody would have typed it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


def _csv_rows(file: IO[bytes], start: bytes, delimiters: str) -> Generator[Row, None, None]:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileRefused("ENCODING", "UTF-16")
    heading = file.readline(LONGEST_HEADING)
    file.seek(0)
    delimiter = next((one for one in delimiters[1:] if one.encode() in heading), delimiters[0])
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="strict", newline="")
    reader = csv.reader(_clean(text), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise FileRefused("ENCODING", _guess(error.object[error.start : error.start + 400])) from error
    except csv.Error as error:
        raise FileRefused("CSV_BROKEN", str(line)) from error
    finally:
        text.detach()


def _clean(text: Iterable[str]) -> Iterator[str]:
    for line in text:
        if "\x00" in line:
            raise FileRefused("NOT_TEXT")
        yield line


def _guess(piece: bytes) -> str:
    """What the text may be in, for people who have to save it again."""
    for encoding in ("big5", "gb18030"):
        try:
            piece.decode(encoding)
        except UnicodeDecodeError as error:
            if error.end < len(piece):
                continue
        return {"big5": "Big5", "gb18030": "GBK"}[encoding]
    return "?"


@contextmanager
def _workbook(file: IO[bytes]) -> Iterator[Iterator[Row]]:
    _check_package(file)
    try:
        book = openpyxl.load_workbook(file, read_only=True, keep_links=False)
    except _BROKEN as error:
        raise FileRefused("XLSX_BROKEN") from error
    try:
        yield _sheet_rows(book.worksheets[0])
    finally:
        book.close()


_BROKEN = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    OSError,
    IndexError,
    ParseError,
    DefusedXmlException,
)


def _check_package(file: IO[bytes]) -> None:
    """Before anything is unpacked."""
    try:
        with zipfile.ZipFile(file) as package:
            parts = package.infolist()
    except zipfile.BadZipFile as error:
        raise FileRefused("XLSX_BROKEN") from error
    strings = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
    if sum(part.file_size for part in parts) > LARGEST_UNPACKED or strings > LARGEST_STRINGS:
        raise FileRefused("UNPACKS_TOO_LARGE")
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise FileRefused("MACROS")
    if not any(part.filename.startswith("xl/") for part in parts):
        raise FileRefused("XLSX_BROKEN")
    file.seek(0)


def _sheet_rows(sheet: Any) -> Iterator[Row]:
    """Formulas come as their text, which begins with =, and are never computed."""
    sheet.reset_dimensions()
    width = 0
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            # Cells at a row's end that were never filled in are not in the file.
            width = width or len(cells)
            yield number, [*cells, *[None] * (width - len(cells))]
    except _BROKEN as error:
        raise FileRefused("XLSX_BROKEN") from error
