"""The one place that reads the clock; trials may skew it by `CLOCK_OFFSET_SECONDS`."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

HONG_KONG = ZoneInfo("Asia/Hong_Kong")


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)
