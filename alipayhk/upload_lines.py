"""Reads the answer of bill/query: where its payments stand is configuration, since no page publishes it.

Each line is read by the rules of a payment notice, and one that breaks them is named by its place. Writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from alipayhk import payloads
from alipayhk.payloads import BillNotice, FieldRefused

MOST_LINES = 1000


class LinesUnreadable(Exception):
    """The list of payments is not where the settings say, or is longer than anybody picks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a batch: a payment, or the field that cannot be read and why. `index` counts from 0."""

    index: int
    notice: BillNotice | None = None
    field: str = ""
    detail: str = ""


def is_configured() -> bool:
    return any(settings.ALIPAYHK_UPLOAD_LINES)


def unknown_fields() -> list[str]:
    """Configured fields that no payment has."""
    return sorted(set(settings.ALIPAYHK_UPLOAD_FIELDS) - set(payloads.BILL_FIELDS))


def read(fields: Mapping[str, object], *, user_id: str, now: datetime) -> list[Line]:
    """All lines of an answer; raises LinesUnreadable."""
    found = _first(fields, settings.ALIPAYHK_UPLOAD_LINES)
    if not isinstance(found, list):
        raise LinesUnreadable("LINES_MISSING")
    if len(found) > MOST_LINES:
        raise LinesUnreadable("TOO_MANY_LINES")
    return [_line(index, line, user_id=user_id, now=now) for index, line in enumerate(found)]


def _line(index: int, line: object, *, user_id: str, now: datetime) -> Line:
    if not isinstance(line, dict):
        return Line(index=index, detail="not an object")
    found = {name: _first(line, _places(name)) for name in payloads.BILL_FIELDS}
    present = {name: value for name, value in found.items() if value is not None}
    try:
        notice = payloads.read_bill(
            payloads.uploaded_bill(present, user_id=user_id),
            now=now,
            amount_limit_cents=settings.ALIPAYHK_AMOUNT_LIMIT_CENTS,
        )
    except FieldRefused as refused:
        return Line(index=index, field=refused.field, detail=refused.sentence)
    return Line(index=index, notice=notice)


def _places(name: str) -> Sequence[str]:
    """A part of the amount is looked for on its own only where the settings say so."""
    configured: Mapping[str, Sequence[str]] = settings.ALIPAYHK_UPLOAD_FIELDS
    return configured.get(name, () if "." in name else (name,))


def _first(fields: Mapping[str, object], paths: Sequence[str]) -> object:
    """What stands at the first of these paths that leads to anything."""
    for path in paths:
        found: object = fields
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None
