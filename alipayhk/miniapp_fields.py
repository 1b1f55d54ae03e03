"""Reads the bodies of the mini-app's API: known names and plain types only, every fault at once with its field."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

MOST_FAULTS = 20
LONGEST_NAME = 64
Reader = Callable[[object], Any]


Fault = tuple[str, str]


class FieldsRefused(Exception):
    """Fields cannot be taken; each fault is a field and a code."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


class NotReadable(Exception):
    """The value is not of its kind; the code says why."""


def read(
    body: Mapping[str, object], readers: Mapping[str, Reader], *, required: Collection[str]
) -> dict[str, Any]:
    """The values of `readers`, those left out or null as None; raises FieldsRefused."""
    faults: list[Fault] = [(name[:LONGEST_NAME], "UNKNOWN_FIELD") for name in body if name not in readers]
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        value = body.get(name)
        if value is None or (value == "" and name in required):
            found[name] = None
            faults += [(name, "REQUIRED")] if name in required else []
            continue
        try:
            found[name] = reader(value)
        except NotReadable as error:
            faults.append((name, str(error)))
    if faults:
        raise FieldsRefused(faults[:MOST_FAULTS])
    return found


def text(longest: int) -> Reader:
    def reader(value: object) -> str:
        if not isinstance(value, str):
            raise NotReadable("NOT_TEXT")
        if len(value) > longest:
            raise NotReadable("TOO_LONG")
        return value

    return reader


def word(pattern: str) -> Reader:
    """Text that is wholly of this pattern."""
    letters = re.compile(pattern)

    def reader(value: object) -> str:
        if not isinstance(value, str):
            raise NotReadable("NOT_TEXT")
        if not letters.fullmatch(value):
            raise NotReadable("UNREADABLE")
        return value

    return reader


def texts(*, most: int, longest: int) -> Reader:
    one = text(longest)

    def reader(value: object) -> list[str]:
        if not isinstance(value, list):
            raise NotReadable("NOT_TEXTS")
        if len(value) > most:
            raise NotReadable("TOO_LONG")
        return [one(entry) for entry in value]

    return reader


def whole(largest: int) -> Reader:
    """A whole number that is no truth value, of at most this size either side of nought."""

    def reader(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise NotReadable("NOT_WHOLE")
        if abs(value) > largest:
            raise NotReadable("TOO_LARGE")
        return value

    return reader


def table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise NotReadable("NOT_AN_OBJECT")
    return value
