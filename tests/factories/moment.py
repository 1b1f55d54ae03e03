"""When the rows of the tests happen."""

from datetime import UTC, datetime

# A Monday, 12:00 in Hong Kong.
MOMENT = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
