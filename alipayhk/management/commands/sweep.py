"""`sweep --once`: everything that is due, here and now, without Celery: parked messages, then cards."""

import json
from argparse import ArgumentParser

from alipayhk import passes, waiting
from pms import clock
from pms.operator_command import OperatorCommand

MOST_JUDGED = 100_000
# Each round of calls takes 20 s at most; what is left then waits for the next sweep.
MOST_ROUNDS = 30


class Command(OperatorCommand):
    help = "Judge what was parked and can be judged, and bring the cards that are due up to date."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", required=True, help="one pass, then end")

    def handle(self, *_: object, **__: object) -> None:
        judged = waiting.sweep(now=clock.now(), limit=MOST_JUDGED)
        noticed = passes.notice_changes(everything=True)
        self.stdout.write(json.dumps({"judged": judged, "noticed": noticed, "calls": _drain()}))


def _drain() -> int:
    calls = 0
    for _ in range(MOST_ROUNDS):
        made = passes.drain()
        calls += made
        if not made:
            break
    return calls
