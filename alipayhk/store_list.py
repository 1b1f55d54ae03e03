"""Reads what AlipayHK lists for a mall, page by page to the end, and says whether that was the whole list.

Totals, page numbers and the end are AlipayHK's word and may all be wrong: what contradicts itself is told, and is
never taken for the whole. Touches no database.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from alipayhk import answers, client, store_payloads
from alipayhk.answers import Outcome
from alipayhk.client import Answer, Caller, OutcomeUnknown
from alipayhk.models import CollectionSetup
from alipayhk.store_payloads import Line, ListUnreadable, Page, Places, Triple

MOST_ROWS = 50_000
# The quick attempts of the schedule; a reading that must wait for minutes is begun anew.
TRIES_OF_A_PAGE = 4
LONGEST_WAIT = 5.0
# What an answer may hold beyond what it claims before nobody believes that it ends.
SURPLUS = 3


class ReadingBroke(Exception):
    """A page could not be read, so nobody knows what the rest of the list holds. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Whose list is read, and how."""

    caller: Caller
    setup: CollectionSetup
    group_label: str
    mall_label: str
    clock: Callable[[], datetime]


@dataclass(kw_only=True, slots=True)
class Reading:
    """How far a reading is. `fault` tells what was odd about a list that was read to its end."""

    pages: int = 0
    claimed_pages: int = 0
    claimed_rows: int = 0
    fault: str = ""
    is_whole: bool = False
    seen: set[Triple] = field(default_factory=set)

    @property
    def found_rows(self) -> int:
        return len(self.seen)

    @property
    def is_endless(self) -> bool:
        surplus = SURPLUS * self.claimed_rows if self.claimed_rows else MOST_ROWS
        return self.found_rows > min(surplus + 1000, MOST_ROWS)


def pages(source: Source, reading: Reading) -> Iterator[list[Line]]:
    """The lines of each page that were not seen before, until the end; raises ReadingBroke."""
    first = index = source.setup.first_page
    while True:
        page = _page(source, index)
        fresh = _take_in(reading, page)
        if fresh:
            yield fresh
        if _ends(source, reading, page, fresh, index):
            break
        index += 1
    _conclude(reading)
    if reading.fault == "FEWER_THAN_CLAIMED" and first == 1:
        yield from _zeroth_page(source, reading)


def _ends(source: Source, reading: Reading, page: Page, fresh: list[Line], index: int) -> bool:
    """On an empty page, on one without anything new, or when the totals say so and what was found agrees with them."""
    agrees = reading.found_rows == reading.claimed_rows
    if reading.is_endless:
        reading.fault = "ENDLESS"
        return True
    if not page.lines:
        return True
    if not fresh:
        # A gateway that counts from 1 may answer 0 and 1 alike.
        is_alike = source.setup.first_page == 0 and index == 1
        reading.fault = "" if agrees or is_alike else "REPEATED_PAGE"
        return not is_alike
    # A full page may be followed by more than was claimed.
    is_short = len(page.lines) < source.setup.page_size
    return is_short and agrees and reading.pages >= reading.claimed_pages


def _conclude(reading: Reading) -> None:
    """A list is whole that ended by itself and holds at least what was claimed."""
    if reading.fault:
        return
    if reading.claimed_rows and reading.found_rows < reading.claimed_rows:
        reading.fault = "FEWER_THAN_CLAIMED"
    else:
        reading.is_whole = True
        reading.fault = "MORE_THAN_CLAIMED" if _claims_less(reading) else ""


def _claims_less(reading: Reading) -> bool:
    return 0 < reading.claimed_rows < reading.found_rows


def _zeroth_page(source: Source, reading: Reading) -> Iterator[list[Line]]:
    """Stores are missing at the front if pages count from 0 after all; whoever reads is told to set it up so."""
    try:
        fresh = _take_in(reading, _page(source, 0))
    except ReadingBroke:
        return
    if not fresh:
        return
    yield fresh
    reading.fault = ""
    _conclude(reading)
    reading.fault = reading.fault or "COUNTS_FROM_ZERO"


def _take_in(reading: Reading, page: Page) -> list[Line]:
    fresh = []
    for line in page.lines:
        if line.triple not in reading.seen:
            reading.seen.add(line.triple)
            fresh.append(line)
    reading.pages += 1
    reading.claimed_pages = max(reading.claimed_pages, page.total_pages)
    reading.claimed_rows = max(reading.claimed_rows, page.total_rows)
    return fresh


def _page(source: Source, index: int) -> Page:
    """One page, tried by the quick part of the schedule."""
    waits = [wait for wait in settings.ALIPAYHK_RETRY_DELAYS[:TRIES_OF_A_PAGE] if wait <= LONGEST_WAIT]
    code = ""
    for wait in waits:
        time.sleep(wait)
        try:
            return _read(source, _ask(source, index))
        except OutcomeUnknown as error:
            code = error.code
    raise ReadingBroke(code)


def _ask(source: Source, index: int) -> Answer:
    body = store_payloads.query_page_body(
        group_label=source.group_label,
        mall_label=source.mall_label,
        page=index,
        page_size=source.setup.page_size,
    )
    return client.query_stores(source.caller, body, now=source.clock())


def _read(source: Source, answer: Answer) -> Page:
    verdict = answers.judge_plain(answer.result)
    if verdict.outcome is Outcome.UNKNOWN:
        raise OutcomeUnknown(verdict.code)
    if verdict.outcome is not Outcome.DONE:
        raise ReadingBroke(verdict.code)
    setup = source.setup
    try:
        return store_payloads.read_page(
            answer.fields, Places(list_path=setup.list_path, field_paths=setup.field_paths)
        )
    except ListUnreadable as error:
        raise ReadingBroke(str(error)) from error
