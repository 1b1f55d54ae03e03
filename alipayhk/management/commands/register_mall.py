"""`register_mall FILE.json|-`: one mall from an operator's document, all or nothing, repeatable."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from alipayhk import registration, strict_json
from alipayhk.registration_document import Faulty
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Create or update one mall with its group, program, credential, keys, card template and stores."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE.json", help="the document; - reads standard input")

    def handle(self, *_: object, file: str, **__: object) -> None:
        try:
            document = strict_json.read(_bytes(file))
            done = registration.register(document, now=clock.now())
        except (Faulty, Unreadable) as error:
            self.refuse(str(error))
        except strict_json.Malformed as error:
            self.refuse(f"document: {error}.")
        self.stdout.write(
            json.dumps(
                {"mall": done.mall_tag, "created": done.created, "updated": done.updated}, ensure_ascii=False
            )
        )


class Unreadable(Exception):
    """The file cannot be read."""


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Unreadable(f"document: {file} cannot be read: {error.strerror}.") from error
