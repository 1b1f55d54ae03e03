"""Does a part of a receipt file as a process of its own, beside the worker that has taken it: see `receipt_lanes`.

Reads one order a line and answers each that it has done. Ends with the worker, at the end of a batch.
"""

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection

from loyalty.doors import receipts
from pms import clock, garbage
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "For the worker alone: checks or imports its part of a receipt file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job_id", type=int)
        parser.add_argument("attempt", type=int)
        parser.add_argument("worker", type=int)
        parser.add_argument("ahead", type=float)
        parser.add_argument("database")
        parser.add_argument("user")

    def handle(
        self, *, job_id: int, attempt: int, worker: int, ahead: float, database: str, user: str, **_: Any
    ) -> None:
        garbage.sweep_rarely()
        connection.settings_dict.update(NAME=database, USER=user)
        worker_clock = _clock(timedelta(seconds=ahead), worker)
        for done in receipts.assist(sys.stdin.buffer, job_id=job_id, attempt=attempt, clock=worker_clock):
            print(done, flush=True)


def _clock(ahead: timedelta, worker: int) -> Callable[[], datetime]:
    """The worker's, as long as there is one."""

    def now() -> datetime:
        if os.getppid() != worker:
            raise SystemExit(1)
        return clock.now() + ahead

    return now
