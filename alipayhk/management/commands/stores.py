"""`./run manage stores`: a mall's store list, from a file and to AlipayHK."""

from typing import Any

from django.core.management.base import CommandParser

from alipayhk.management.store_commands import importing
from pms.operator_command import OperatorCommand

PARTS = {
    "import": importing,
}


class Command(OperatorCommand):
    help = "Keeps the list of a mall's stores."

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        for name, part in PARTS.items():
            part.add_arguments(parts.add_parser(name, help=part.HELP))

    def handle(self, *_: object, part: str, **options: Any) -> None:
        PARTS[part].run(self, options)
