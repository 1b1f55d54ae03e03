"""Log lines that nobody outside can break: control letters escaped, long texts cut."""

import logging

LONGEST = 2000


class OneLineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 – logging's name
        return printable(super().formatMessage(record))[:LONGEST]


def printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
