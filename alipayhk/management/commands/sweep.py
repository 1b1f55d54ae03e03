"""`sweep --once`: everything that is due, here and now, without Celery: parked messages, cards, stores."""

import json
from argparse import ArgumentParser
from collections.abc import Callable

from alipayhk import passes, stores, waiting
from pms import clock
from pms.operator_command import OperatorCommand

MOST_JUDGED = 100_000
# Each round of calls takes 20 s at most; what is left then waits for the next sweep.
MOST_ROUNDS = 30


class Command(OperatorCommand):
    help = "Judge what was parked and can be judged, bring cards up to date, have due stores collected."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", required=True, help="one pass, then end")

    def handle(self, *_: object, **__: object) -> None:
        judged = waiting.sweep(now=clock.now(), limit=MOST_JUDGED)
        noticed = passes.notice_changes(everything=True)
        calls = _rounds(passes.drain)
        stores.notice_changes(now=clock.now())
        collected = _rounds(lambda: stores.drain(clock=clock.now))
        told = {"judged": judged, "noticed": noticed, "calls": calls, "stores": collected}
        self.stdout.write(json.dumps(told))


def _rounds(drain: Callable[[], int]) -> int:
    calls = 0
    for _ in range(MOST_ROUNDS):
        made = drain()
        calls += made
        if not made:
            break
    return calls
