"""Receipt files that cannot be read safely are refused as a whole, whatever they are made of."""

import io
import time
import zipfile

import pytest

from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from pms import table_files
from pms.table_files import FileRefused
from tests.loyalty.doors import desk, files
from tests.loyalty.doors.desk import Desk
from tests.loyalty.doors.files import as_csv, as_xlsx, cells, checked, fates

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Desk:
    return desk.lumina()


def refused(place: Desk, content: bytes) -> tuple[str, str]:
    job = checked(place, content)
    assert (job.state, ImportRow.objects.count(), ImportChunk.objects.count()) == ("REFUSED", 0, 0)
    return job.refusal, job.refusal_detail


def test_a_file_that_cannot_be_read_is_refused_by_name(place: Desk) -> None:
    good = as_csv(cells(place)).decode()
    chinese = good.replace("CARD", "信用卡")

    assert refused(place, good.encode("utf-16")) == ("ENCODING", "UTF-16")
    assert refused(place, chinese.encode("big5")) == ("ENCODING", "Big5")
    assert refused(place, chinese.replace("信", "们").encode("gbk"))[0] == "ENCODING"
    assert refused(place, good.replace("R-1", '"R-1').encode())[0] == "CSV_BROKEN"
    assert refused(place, good.replace("R-1", "R\x001").encode()) == ("NOT_TEXT", "")
    assert refused(place, good.replace("amount", "sum").encode()) == ("COLUMN_MISSING", "amount")
    assert refused(place, good.replace("tender", "amount").encode()) == ("COLUMN_DOUBLED", "amount")
    assert refused(place, good.split("\n")[0].encode()) == ("EMPTY", "")
    assert refused(place, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") == ("OLD_EXCEL", "")
    assert refused(place, b"PK\x03\x04nonsense") == ("XLSX_BROKEN", "")
    assert refused(place, b"<html></html>")[0] == "COLUMN_MISSING"
    assert refused(place, good.replace("R-1", "x" * 200_000).encode())[0] == "CSV_BROKEN"


def test_an_entity_bomb_and_macros_are_refused(place: Desk) -> None:
    sheet = b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><worksheet>&c;</worksheet>'

    assert refused(place, changed(as_xlsx(cells(place)), "xl/worksheets/sheet1.xml", sheet)) == (
        "XLSX_BROKEN",
        "",
    )
    assert refused(place, changed(as_xlsx(cells(place)), "xl/vbaProject.bin", b"x")) == ("MACROS", "")


def changed(book: bytes, name: str, content: bytes) -> bytes:

    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return made.getvalue()


LARGE = b" " * (61 * 1024 * 1024)
STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


@pytest.mark.parametrize(
    "name", ["xl/styles.xml", "xl/theme/theme1.xml", "xl/other.xml", "[Content_Types].xml"]
)
def test_a_part_that_would_be_read_whole_is_refused_by_its_size(place: Desk, name: str) -> None:
    assert refused(place, changed(as_xlsx(cells(place)), name, LARGE))[0] == "UNPACKS_TOO_LARGE"


def test_a_sheet_that_is_named_as_shared_strings_is_refused(place: Desk) -> None:
    book = as_xlsx(cells(place))
    part = f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{STRINGS}"/></Types>'
    types = parts_of(book)["[Content_Types].xml"].replace(b"</Types>", part.encode())

    assert refused(place, changed(book, "[Content_Types].xml", types))[0] == "XLSX_BROKEN"


def test_a_package_of_too_many_parts_is_refused(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    book = as_xlsx(cells(place))

    monkeypatch.setattr(table_files, "MOST_PARTS", 5)
    assert refused(place, book)[0] == "UNPACKS_TOO_LARGE"
    monkeypatch.setattr(table_files, "LARGEST_DIRECTORY", 100)
    monkeypatch.setattr(table_files, "MOST_PARTS", 1000)
    assert refused(place, book)[0] == "UNPACKS_TOO_LARGE"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (b'<row r="1000000000000"><c r="A1000000000000"><v>1</v></c></row>', "TOO_MANY_ROWS"),
        (b"<row/>" * 20_000, "TOO_MANY_ROWS"),
        (b"<row>" + b"<c/>" * 20_001 + b"</row>", "UNPACKS_TOO_LARGE"),
        (b"<x/>" * 20_001, "UNPACKS_TOO_LARGE"),
        (b"<row><c><v>" + b"9" * 20_001, "UNPACKS_TOO_LARGE"),
        (b"<!--" + b"-x" * 12_000, "UNPACKS_TOO_LARGE"),
        (b'<row><c t="s"><v>99</v></c></row>', "XLSX_BROKEN"),
        (b'<row r="x"/>', "XLSX_BROKEN"),
        (b'<row><c r="ZZZZ1"/></row>', "XLSX_BROKEN"),
    ],
)
def test_a_sheet_without_measure_is_refused(
    place: Desk, rows: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MOST_ROWS_READ", "MOST_ELEMENTS", "LONGEST_TEXT", "LARGEST_TREE"):
        monkeypatch.setattr(table_files, limit, 20_000)
    monkeypatch.setattr(table_files, "PIECE", 1000)
    book = as_xlsx(cells(place))
    sheet = parts_of(book)["xl/worksheets/sheet1.xml"].replace(b"</sheetData>", rows + b"</sheetData>")

    assert refused(place, changed(book, "xl/worksheets/sheet1.xml", sheet)) == (code, "")


def test_an_encrypted_and_a_damaged_part_are_told_as_broken(place: Desk) -> None:
    book = bytearray(as_xlsx(cells(place)))
    locked, damaged = bytearray(book), bytearray(book)
    start = 0
    while (start := locked.find(b"PK\x01\x02", start) + 1) > 0:
        locked[start + 7] |= 1
    with zipfile.ZipFile(io.BytesIO(book)) as package:
        sheet = package.getinfo("xl/worksheets/sheet1.xml")
    begin = sheet.header_offset + 30 + len(sheet.filename)
    damaged[begin : begin + 20] = b"\xff" * 20

    assert refused(place, bytes(locked))[0] == "XLSX_BROKEN"
    assert refused(place, bytes(damaged))[0] == "XLSX_BROKEN"


def test_a_line_or_a_heading_without_end_is_refused(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "MOST_ROWS_READ", 1000)
    good = as_csv(cells(place))

    assert refused(place, good + b"\n" + b"x," * 1_000_000)[0] == "NOT_TEXT"
    assert refused(place, b",".join([b"c%d" % turn for turn in range(201)]))[0] == "TOO_MANY_COLUMNS"
    assert refused(place, good + b"\n" * 1001)[0] == "TOO_MANY_ROWS"


def test_a_row_of_many_blank_cells_is_read_at_once(place: Desk) -> None:
    wide = as_csv(cells(place)) + b"," * 250_000
    before = time.process_time()

    job = checked(place, wide)

    assert (fates(job), time.process_time() - before < 5) == (["READY"], True)


def parts_of(book: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(book)) as package:
        return {name: package.read(name) for name in package.namelist()}


def test_a_file_over_the_limit_is_refused_before_it_is_kept(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "LARGEST", 100)

    with pytest.raises(FileRefused, match="TOO_LARGE"):
        files.sent(place, b"x" * 101)

    assert not ImportJob.objects.exists()
