"""`stores import|collect|confirm|map|unmap …`: the registry of stores, each word a module of its own."""

from argparse import ArgumentParser
from typing import Any

from alipayhk.management.store_commands import collect, confirm, importing, mapping, unmapping
from pms.operator_command import OperatorCommand

WORDS = {
    "import": importing, "collect": collect, "confirm": confirm, "map": mapping, "unmap": unmapping,
}  # fmt: skip


class Command(OperatorCommand):
    help = "Work on a mall's stores."

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        for word, module in WORDS.items():
            module.add_arguments(words.add_parser(word, help=module.HELP))

    def handle(self, *_: object, word: str, **options: Any) -> None:
        WORDS[word].handle(self, **options)
