"""The workbook of stores that a mall exchanges with AlipayHK, as CSV and XLSX: what `store_files` reads again."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from django.db.models import QuerySet
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from pms import formats
from pms.models import Store

HEADINGS = (
    "mall_label", "mall", "identifier_code", "pms_label", "partner_id", "merchant_id", "merchant_name", "store_id",
    "store_name", "store_name_zh", "code", "category", "floor", "unit", "first_day", "last_day", "excluded",
    "excluded_tenders", "state",
)  # fmt: skip
MOST_EXPORTED = 100_000
BOM = "\ufeff"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def rows(stores: QuerySet[Store], *, most: int = MOST_EXPORTED) -> Iterator[list[str]]:
    """Text throughout, so that no spreadsheet shortens an ID. Merged stores are left out: they are other stores now."""
    kept = stores.filter(merged_into=None).select_related("mall").order_by("mall", "pms_label")
    for store in kept[:most].iterator():
        yield [defused(text) for text in _cells(store)]


def _cells(store: Store) -> list[str]:
    mall = store.mall
    days = [f"{day:%Y-%m-%d}" if day else "" for day in (store.opened_date, store.closed_date)]
    return [
        mall.label, mall.tag, mall.pms_identifier_code, store.pms_label, store.partner_id, store.merchant_id,
        store.merchant_name, store.store_id, store.name_en, store.name_zh, store.code, store.category, store.floor,
        store.unit, *days, "yes" if store.is_excluded else "no", ", ".join(store.excluded_tenders), store.state,
    ]  # fmt: skip


def defused(text: str) -> str:
    """Nothing that a spreadsheet would run."""
    return f"'{text}" if text.startswith(formats.FORMULA_SIGNS) else text


def as_csv(found: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    text.write(BOM)
    csv.writer(text).writerows([list(HEADINGS), *found])
    return text.getvalue().encode()


def as_xlsx(found: Iterable[list[str]]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("PMS")
    for row in (list(HEADINGS), *found):
        sheet.append([_text_cell(sheet, text) for text in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _text_cell(sheet: object, text: str) -> object:
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type, cell.number_format = "s", "@"
    return cell


KINDS: dict[str, tuple[str, Callable[[Iterable[list[str]]], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "xlsx": (XLSX, as_xlsx),
}
