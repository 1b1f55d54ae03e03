"""`expire --on DATE`: what the night's job does, as of the end of a day in Hong Kong; may run twice."""

import json
from argparse import ArgumentParser
from datetime import date, datetime, time

from loyalty.ledger import expiry, redemptions
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Release holds, expire points and write warnings as of the end of a day in Hong Kong. A day to come may be"
        " named: points whose last day it is then lapse now, for good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--on", metavar="DATE", required=True, help="the day, such as 2026-12-31")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, *_: object, on: str, json: bool, **__: object) -> None:
        now, as_of = clock.now(), self._end_of(on)
        done = {
            "on": on,
            "codes_released": redemptions.release_overdue(now=now),
            "holds_released": expiry.release(now=now, as_of=as_of),
            "lots_expired": expiry.expire(now=now, as_of=as_of),
            "warnings": expiry.warn(now=now, as_of=as_of),
        }
        self.stdout.write(
            _line(done) if json else "\n".join(f"{name}: {found}" for name, found in done.items())
        )

    def _end_of(self, on: str) -> datetime:
        try:
            day = date.fromisoformat(on)
        except ValueError:
            self.refuse(f"--on {on}: must be a day such as 2026-12-31.")
        return datetime.combine(day, time.max, tzinfo=clock.HONG_KONG)


def _line(done: dict[str, object]) -> str:
    return json.dumps(done)
