"""The simulator's clock in the three forms that AlipayHK writes: header, body and card number."""

from datetime import UTC, datetime, timedelta, timezone

HONG_KONG = timezone(timedelta(hours=8))


def now() -> datetime:
    return datetime.now(UTC)


def header_time(moment: datetime) -> str:
    """As Request-Time and Response-Time carry it: milliseconds and a zone."""
    return moment.astimezone(HONG_KONG).isoformat(timespec="milliseconds")


def body_time(moment: datetime) -> str:
    """As payTime and refundTime carry it: Hong Kong time without a zone."""
    return moment.astimezone(HONG_KONG).strftime("%Y-%m-%d %H:%M:%S")


def clock(moment: datetime) -> str:
    """As the page shows it."""
    return moment.astimezone(HONG_KONG).strftime("%H:%M:%S")
