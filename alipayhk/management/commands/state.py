"""`state --json`: counts, queues and, if asked for, members and transactions, from one snapshot."""

import json
from argparse import ArgumentParser

from alipayhk import state
from loyalty.ledger import snapshot
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Print what the installation holds right now, from one snapshot of the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one line of JSON (without it, indented)")
        parser.add_argument("--member", metavar="USER_ID", default="", help="add this wallet user's member")
        parser.add_argument("--transaction", metavar="NUMBER", default="", help="add this transaction")
        parser.add_argument("--notification", metavar="NUMBER", default="", help="add these notifications")
        parser.add_argument("--all", action="store_true", help="add all members and transactions")

    def handle(
        self,
        *_: object,
        json: bool,
        member: str,
        transaction: str,
        notification: str,
        all: bool,
        **__: object,
    ) -> None:
        wanted = state.Wanted(member=member, transaction=transaction, notification=notification, is_all=all)
        with snapshot.one_snapshot():
            found = state.read(now=clock.now(), wanted=wanted)
        self.stdout.write(_line(found) if json else _indented(found))


def _line(found: state.Json) -> str:
    return json.dumps(found, ensure_ascii=False)


def _indented(found: state.Json) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2)
