"""One row of a store file: which columns there are, what each cell may say, and what it means. Reads no database."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from pms import formats
from pms.models import Mall, Store
from pms.table_files import Form, Line

# By column, the store's field; in the order of the workbook that malls and AlipayHK exchange.
COLUMNS = {
    "pms_label": "pms_label",
    "partner_id": "partner_id",
    "merchant_id": "merchant_id",
    "merchant_name": "merchant_name",
    "store_id": "store_id",
    "store_name": "name_en",
    "store_name_zh": "name_zh",
    "code": "code",
    "category": "category",
    "floor": "floor",
    "unit": "unit",
    "first_day": "opened_date",
    "last_day": "closed_date",
    "excluded": "is_excluded",
    "excluded_tenders": "excluded_tenders",
    "state": "state",
}
# Of the mall, not of the store: checked where they are filled in.
MALL_COLUMNS = ("mall_label", "mall", "identifier_code")
REQUIRED = ("pms_label", "store_name")
# Digits that a spreadsheet has made a number of are not to be trusted.
NUMBERED = ("pms_label", "partner_id", "merchant_id", "store_id", "code", "mall_label", "identifier_code")
CATEGORIES: dict[str, Promise] = {
    "DINING": _("dining"), "FASHION": _("fashion"), "SERVICES": _("services"), "BEAUTY": _("beauty"),
    "ELECTRONICS": _("electronics"), "SUPERMARKET": _("supermarkets"), "JEWELLERY": _("jewellery"),
}  # fmt: skip
LONGEST: dict[str, int | None] = {
    name: getattr(Store._meta.get_field(name), "max_length", None) for name in COLUMNS.values()
}
LOST_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?E[+-]?\d+", re.IGNORECASE | re.ASCII)
DAY = re.compile(r"(\d{4}-\d\d-\d\d)([ T]00:00(:00)?)?", re.ASCII)
WORD = re.compile(r"[A-Z0-9_-]{1,32}")
YES, NO = ("yes", "y", "true", "1", "是"), ("no", "n", "false", "0", "", "否")

ELSEWHERE = _("a store of another mall")

FAULTS: dict[str, Promise] = {
    "MISSING": _("It is missing."),
    "FORMULA": _("It begins like a formula (=, +, - or @); formulas are never read."),
    "TOO_LONG": _("It is longer than it may be:"),
    "UNREADABLE": _("It holds characters that cannot be shown."),
    "LOST_DIGITS": _("The spreadsheet made a number of this; format the column as text."),
    "DATE_UNREADABLE": _("A day is written like 2026-11-21, and must exist."),
    "DAYS_REVERSED": _("The last day is before the first day."),
    "FLAG_UNREADABLE": _("Write yes or no."),
    "TENDER_UNREADABLE": _("Ways to pay are words of letters, digits, - and _, with commas between them."),
    "STATE_UNKNOWN": _("The state is ACTIVE or SUSPENDED."),
    "CATEGORY_UNKNOWN": _("No store of this group has this category; known are:"),
    "COLUMNS": _("The line does not have as many cells as the heading."),
    "OTHER_MALL": _("This row is of another mall."),
    "IDENTIFIER_DIFFERS": _("The mall has another PMS identifier code."),
    "LABEL_DOUBLED": _("The same PMS label stands on line:"),
    "TRIPLE_DOUBLED": _("The same partner, merchant and store ID stand on line:"),
    "TRIPLE_TAKEN": _("This partner, merchant and store ID are those of the store:"),
    "LABEL_OF_ANOTHER_MALL": _("This PMS label is a store of another mall."),
    "WAITS_ELSEWHERE": _(
        "Payments of a mall that you do not see wait under this name; whoever sees all malls of the group enters it."
    ),
    "LABEL_MAPPED": _("This PMS label is mapped to the store:"),
    "LABEL_MERGED": _("This store was merged into:"),
}


def _named(headings: list[str]) -> list[str]:
    return [heading.replace(" ", "_") for heading in headings]


FORM = Form(
    required=REQUIRED,
    optional=(*MALL_COLUMNS, *(name for name in COLUMNS if name not in REQUIRED)),
    name=_named,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a cell cannot be taken; `code` is in FAULTS."""

    column: str
    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{FAULTS[self.code]} {self.detail}".strip()


def called(store: Store, mall: Mall) -> str:
    """Who enters stores of this mall may not see those of another."""
    return (store.code or store.pms_label) if store.mall_id == mall.pk else str(ELSEWHERE)


class CellRefused(Exception):
    """One cell cannot be taken."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


@dataclass(kw_only=True, slots=True)
class Row:
    """A line of the file. `fields` are the store's, by name, of the columns that the file has."""

    number: int
    cells: Mapping[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def label(self) -> str:
        return str(self.fields.get("pms_label", ""))

    def refuse(self, column: str, code: str, detail: str = "") -> None:
        self.faults.append(Fault(column, code, detail))


def read(line: Line) -> Row:
    """All of a line's faults at once."""
    row = Row(number=line.number, cells={name: _undefused(text) for name, text in line.cells.items()})
    if line.fault:
        row.refuse("line", line.fault)
        return row
    for name, raw in line.cells.items():
        try:
            _check(name, raw, line)
            if name in COLUMNS:
                row.fields[COLUMNS[name]] = _value(name, row.cells[name].strip())
        except CellRefused as refused:
            row.refuse(name, refused.code, refused.detail)
    opened, closed = row.fields.get("opened_date"), row.fields.get("closed_date")
    if opened and closed and closed < opened:
        row.refuse("last_day", "DAYS_REVERSED")
    return row


def _undefused(text: str) -> str:
    """What our own export has made harmless reads as it was."""
    return text[1:] if text.startswith("'") and text[1:].startswith(formats.FORMULA_SIGNS) else text


def _check(name: str, raw: str, line: Line) -> None:
    if raw.startswith(formats.FORMULA_SIGNS):
        raise CellRefused("FORMULA")
    if name in NUMBERED and (name in line.typed or LOST_DIGITS.fullmatch(raw.strip())):
        raise CellRefused("LOST_DIGITS")
    if not raw.isprintable() and any(_is_hidden(letter) for letter in raw.strip()):
        raise CellRefused("UNREADABLE")
    if name in REQUIRED and not raw.strip():
        raise CellRefused("MISSING")


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Co", "Cs")


def _value(name: str, text: str) -> Any:
    reader = READERS.get(name)
    longest = LONGEST[COLUMNS[name]]
    if reader:
        return reader(text)
    if longest and len(text) > longest:
        raise CellRefused("TOO_LONG", str(longest))
    return text


def _day(text: str) -> date | None:
    found = DAY.fullmatch(text)
    try:
        day = date.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if text and (day is None or not 1900 <= day.year <= 2200):
        raise CellRefused("DATE_UNREADABLE")
    return day


def _flag(text: str) -> bool:
    if text.lower() not in (*YES, *NO):
        raise CellRefused("FLAG_UNREADABLE")
    return text.lower() in YES


def tenders(text: str) -> list[str]:
    words = sorted({word for word in re.split(r"[,;，、\s]+", text.upper()) if word})
    if not all(WORD.fullmatch(word) for word in words) or len(words) > 50:
        raise CellRefused("TENDER_UNREADABLE")
    return words


def _state(text: str) -> str:
    state = text.upper() or Store.State.ACTIVE
    if state not in Store.State.values:
        raise CellRefused("STATE_UNKNOWN")
    return str(state)


def _category(text: str) -> str:
    category = text.upper().replace(" ", "_")
    longest = LONGEST["category"] or 0
    if len(category) > longest:
        raise CellRefused("TOO_LONG", str(longest))
    return category


READERS: dict[str, Callable[[str], Any]] = {
    "first_day": _day,
    "last_day": _day,
    "excluded": _flag,
    "excluded_tenders": tenders,
    "state": _state,
    "category": _category,
}
