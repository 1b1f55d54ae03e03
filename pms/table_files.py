"""Reads rows under a heading, from CSV in UTF-8 or XLSX. What cannot be read safely is refused whole, by name.

django-import-export is not used: it holds a whole file in memory and saves model by model, while receipts are judged
by earning, a batch at a time, and stores are saved all at once.
"""

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from defusedxml import DefusedXmlException
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from openpyxl.reader.excel import ExcelReader

LARGEST = 200 * 1024 * 1024
# Unpacked sizes: openpyxl streams sheets and reads all else whole; of small parts it makes trees.
LARGEST_UNPACKED = 800 * 1024 * 1024
LARGEST_PART = 60 * 1024 * 1024
LARGEST_TREE = 10 * 1024 * 1024
# 1,000 parts, with long names.
LARGEST_DIRECTORY = 256 * 1024
MOST_PARTS = 1000
MOST_SHEETS = 20
# Between two rows' ends, for a row is in memory as a whole.
MOST_ELEMENTS = 1_000_000
LONGEST_TEXT = 1_000_000
PIECE = 1024 * 1024
MOST_ROWS = 500_000
# Blank ones too: as many as a sheet can have.
MOST_ROWS_READ = 1_048_576
MOST_COLUMNS = 200
LONGEST_LINE = 1_000_000
LONGEST_CELL = 1000
LONGEST_HEADING = 10_000
NONE_TYPED: frozenset[str] = frozenset()

REFUSALS: dict[str, Promise] = {
    "TOO_LARGE": _("The file is larger than 200 MB. Split it."),
    "STORES_TOO_LARGE": _("The file is larger than 20 MB, which no list of stores is."),
    "STORES_TOO_MANY": _("The file has more than 50,000 rows, which no mall has stores."),
    "TOO_MANY_ROWS": _("The file has more than 500,000 rows. Split it."),
    "TOO_MANY_COLUMNS": _("The file has more than 200 columns. Leave out those that nobody reads."),
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


@contextmanager
def lines(file: IO[bytes], form: Form) -> Iterator[Iterator[Line]]:
    """The rows under the heading, in order, blank ones left out. Memory does not grow with the file."""
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileRefused("OLD_EXCEL")
    if start.startswith(b"PK\x03\x04"):
        with _workbook(file) as rows:
            yield _counted(_told(_bounded(rows), form))
    else:
        with closing(_csv_rows(file, start, form.delimiters)) as rows:
            yield _counted(_told(_bounded(rows), form))


Row = tuple[int, list[Any]]


def _bounded(found: Iterator[Row]) -> Iterator[Row]:
    """Also of rows and cells that hold nothing, a file brings no more than can be read in good time."""
    cell_count = 0
    for row_count, row in enumerate(found, start=1):
        cell_count += len(row[1])
        if row_count > MOST_ROWS_READ:
            raise FileRefused("TOO_MANY_ROWS")
        if cell_count > MOST_ROWS * MOST_COLUMNS:
            raise FileRefused("TOO_MANY_COLUMNS")
        yield row


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
    width = _end(heading)
    if width > MOST_COLUMNS:
        raise FileRefused("TOO_MANY_COLUMNS")
    names = form.name([_text(cell).strip().lower() for cell in heading[:width]])
    while names and not names[-1]:
        names.pop()
    _check_heading(names, form)
    places = {name: place for place, name in enumerate(names) if form.reads(name)}
    for number, cells in rows:
        end = _end(cells)
        if end:
            yield _line(number, len(names), cells[: max(end, len(names))], places)


def _end(cells: list[Any]) -> int:
    """The place behind the last cell that holds something."""
    end = len(cells)
    while end and (cells[end - 1] is None or not _text(cells[end - 1]).strip()):
        end -= 1
    return end


def _check_heading(names: list[str], form: Form) -> None:
    if not names:
        raise FileRefused("EMPTY")
    missing = [name for name in form.required if name not in names]
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if missing:
        raise FileRefused("COLUMN_MISSING", ", ".join(missing))
    if doubled:
        raise FileRefused("COLUMN_DOUBLED", ", ".join(doubled)[:200])


def _line(number: int, width: int, cells: list[Any], places: Mapping[str, int]) -> Line:
    if len(cells) != width:
        return Line(number, {}, fault="COLUMNS")
    texts = {name: _text(cells[place]) for name, place in places.items()}
    if max(map(len, texts.values())) > LONGEST_CELL:
        return Line(number, {}, fault="TOO_LONG")
    typed = [name for name, place in places.items() if isinstance(cells[place], int | float)]
    return Line(number, texts, typed=frozenset(typed) if typed else NONE_TYPED)


def _text(cell: Any) -> str:
    """A cell as somebody would have typed it."""
    if type(cell) is str:
        return cell
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
    reader = csv.reader(
        _clean(iter(lambda: text.readline(LONGEST_LINE), "")), delimiter=delimiter, strict=True
    )
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
        if "\x00" in line or len(line) >= LONGEST_LINE:
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


class _Reader(ExcelReader):  # type: ignore[misc]  # openpyxl has no types
    """A package may name any part as anything: whole or as a tree is read only what is no sheet."""

    def read_manifest(self) -> None:
        super().read_manifest()
        for part in self.package.Override:
            if _is_sheet(part.PartName[1:]) and not part.ContentType.endswith("worksheet+xml"):
                raise FileRefused("XLSX_BROKEN")

    def read_workbook(self) -> None:
        super().read_workbook()
        del self.parser.sheets[MOST_SHEETS:]

    def read_chartsheet(self, sheet: Any, rel: Any) -> None:
        """It has no rows."""


@contextmanager
def _workbook(file: IO[bytes]) -> Iterator[Iterator[Row]]:
    with _broken():
        _check_package(file)
        reader = _Reader(file, read_only=True, keep_links=False)
        reader.read()
        sheet = reader.wb.worksheets[0]
        with sheet._get_source() as source:
            _check_sheet(source)
    try:
        yield _sheet_rows(sheet)
    finally:
        reader.wb.close()


@contextmanager
def _broken() -> Iterator[None]:
    """What the readers of packages and XML say of a file that is no workbook, encrypted, cut off, or forged."""
    try:
        yield
    except _BROKEN as error:
        raise FileRefused("XLSX_BROKEN") from error


_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    # Encrypted parts, unknown packing, and XML nested too deep.
    RuntimeError,
    ParseError,
    expat.ExpatError,
    DefusedXmlException,
)


def _check_package(file: IO[bytes]) -> None:
    """Before anything is unpacked."""
    # Its own reader's words; Python makes an object of every entry before it tells how many there are.
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[zipfile._ECD_SIZE] > LARGEST_DIRECTORY:  # type: ignore[attr-defined]
        raise FileRefused("UNPACKS_TOO_LARGE")
    with zipfile.ZipFile(file) as package:
        parts = package.infolist()
    is_large = len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED
    if is_large or any(part.file_size > _largest(part.filename) for part in parts):
        raise FileRefused("UNPACKS_TOO_LARGE")
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise FileRefused("MACROS")
    if not any(part.filename.startswith("xl/") for part in parts):
        raise FileRefused("XLSX_BROKEN")
    file.seek(0)


def _is_sheet(name: str) -> bool:
    return name.startswith("xl/worksheets/") and not name.endswith(".rels")


def _largest(name: str) -> int:
    if _is_sheet(name):
        return LARGEST_UNPACKED
    is_tree = name.endswith(".rels") or name.startswith(
        ("[", "docProps/", "xl/styles", "xl/workbook", "xl/theme")
    )
    return LARGEST_TREE if is_tree else LARGEST_PART


class _Measure:
    """Of a sheet before it is made a tree: no row, and nothing beside the rows, is so large as to fill the memory."""

    def __init__(self) -> None:
        self.elements = self.text = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity

    def _begin(self, _name: str, _attributes: object) -> None:
        self.elements, self.text = self.elements + 1, 0
        if self.elements > MOST_ELEMENTS:
            raise FileRefused("UNPACKS_TOO_LARGE")

    def _end(self, name: str) -> None:
        if name.rpartition(":")[2] == "row":
            self.elements = 0

    def _text(self, piece: str) -> None:
        self.text += len(piece)
        if self.text > LONGEST_TEXT:
            raise FileRefused("UNPACKS_TOO_LARGE")

    def _entity(self, *_declared: object) -> None:
        raise FileRefused("XLSX_BROKEN")


def _check_sheet(source: IO[bytes]) -> None:
    parser, fed = _Measure().parser, 0
    while piece := source.read(PIECE):
        fed += len(piece)
        parser.Parse(piece)
        # A tag or comment without an end.
        if fed - max(parser.CurrentByteIndex, 0) > LARGEST_TREE:
            raise FileRefused("UNPACKS_TOO_LARGE")
    parser.Parse(b"", True)


def _sheet_rows(sheet: Any) -> Iterator[Row]:
    """Formulas come as their text, which begins with =, and are never computed."""
    sheet.reset_dimensions()
    width = 0
    with _broken():
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            # Cells at a row's end that were never filled in are not in the file.
            width = width or len(cells)
            yield number, [*cells, *[None] * (width - len(cells))]
