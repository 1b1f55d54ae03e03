"""`deadletters list|replay`: cards that were given up on, and starting them again."""

import json
from argparse import ArgumentParser
from typing import Any

from alipayhk import passes
from alipayhk.models import PassUpdate
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "List the cards that were given up on, or start their attempts again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("list", "replay"))
        parser.add_argument("--all", action="store_true", help="replay all of them")
        parser.add_argument("--pass", dest="serial", metavar="SERIAL", help="only the card of this serial")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(
        self, *_: object, action: str, all: bool, serial: str | None, json: bool, **__: object
    ) -> None:
        letters = passes.dead_letters()
        if serial:
            letters = letters.filter(wallet_pass__serial=serial)
        if action == "list":
            self._say([_line(update) for update in letters], is_json=json)
            return
        if all == bool(serial):
            self.refuse("Say which: --all, or --pass SERIAL.")
        if serial and not letters.exists():
            self.refuse(f"{serial}: no dead letter has this serial.")
        replayed = passes.replay_dead(updates=letters)
        self._say_replayed(replayed, is_json=json)

    def _say(self, lines: list[dict[str, Any]], *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps({"dead_letters": lines}, ensure_ascii=False))
            return
        for line in lines:
            self.stdout.write(
                "{serial}  {user_id}  {dead_at}  {attempts} attempts  {last_code}".format(**line)
            )

    def _say_replayed(self, replayed: int, *, is_json: bool) -> None:
        self.stdout.write(json.dumps({"replayed": replayed}) if is_json else f"{replayed} started again.")


def _line(update: PassUpdate) -> dict[str, Any]:
    return {
        "serial": update.wallet_pass.serial,
        "user_id": update.wallet_pass.user_id,
        "pass_id": update.wallet_pass.external_id,
        "state": update.wallet_pass.state,
        "attempts": update.attempts,
        "dead_at": update.dead_at.isoformat() if update.dead_at else None,
        "last_code": update.last_code,
        "acknowledged_version": update.acknowledged_version or 0,
        "wanted_version": update.wanted_version,
    }
