"""Reads and writes the times on the wire, by grammars of our own.

`datetime.fromisoformat` alone takes week dates, bare dates and a blank for `T`; nothing here does.
Never reads the clock.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

# Hong Kong has kept +08:00 all year round since 1979.
HONG_KONG = timezone(timedelta(hours=8), "Asia/Hong_Kong")

_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_HEADER = re.compile(f"{_DATE}T{_CLOCK}{_ZONE}?")
_BUSINESS = re.compile(f"{_DATE}[T ]{_CLOCK}{_ZONE}?")
_EPOCH = re.compile(r"[0-9]{10}(?:[0-9]{3})?")


class TimeUnreadable(ValueError):
    """The text is not a time in one of the forms of wire §5."""


def check_header_time(text: str) -> datetime:
    """Read a Request-Time or Response-Time: RFC 3339 with optional zone, or an epoch of 10 or 13 digits.

    The result serves to log skew and for the window only; the signed string uses `text` verbatim.
    """
    return _read(text, _HEADER)


def format_header_time(now: datetime) -> str:
    """Milliseconds and a zone, which satisfies every page: 2026-11-21T20:30:17.042+08:00."""
    return now.astimezone(HONG_KONG).isoformat(timespec="milliseconds")


def read_business_time(text: str) -> datetime:
    """Read payTime or refundTime into UTC; a time without a zone is Hong Kong's."""
    try:
        # By way of Hong Kong, so that whoever shows this time there can.
        return _read(text, _BUSINESS).astimezone(HONG_KONG).astimezone(UTC)
    except OverflowError as error:
        raise TimeUnreadable("a time outside the calendar") from error


def _read(text: str, grammar: re.Pattern[str]) -> datetime:
    if _EPOCH.fullmatch(text):
        return _from_epoch(text)
    if not grammar.fullmatch(text):
        raise TimeUnreadable("a time in no known form")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TimeUnreadable("no such day") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=HONG_KONG)


def _from_epoch(digits: str) -> datetime:
    seconds, milliseconds = int(digits[:10]), int(digits[10:] or 0)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=milliseconds)
