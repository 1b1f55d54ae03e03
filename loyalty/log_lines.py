"""Log lines that nobody outside can break: control letters escaped, long texts cut, links to members' pages masked."""

import logging
import re

LONGEST = 2000
# Whoever has such a link reads a member's payments; a shorter one opens nothing.
MEMBER_LINK = re.compile(r"/m/[\w.=-]{40,}", re.ASCII)


class OneLineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 – logging's name
        return MEMBER_LINK.sub("/m/…", printable(super().formatMessage(record)))[:LONGEST]


def printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
