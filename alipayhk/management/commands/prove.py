"""`prove`: recomputes ledger, chain, awards, limits and cards, and names every row that breaks a promise."""

import json

from alipayhk import certificate
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Recompute every sum, balance, lot, limit, award and refund; exit non-zero if a row breaks a promise."
    )

    def handle(self, *_: object, **__: object) -> None:
        run = certificate.prove(clock=clock.now, tell=self.stdout.write)
        counts = json.dumps(run.counts)
        if not run.is_green:
            self.refuse(f"promises are broken: {counts}", status=1)
        self.stdout.write(counts)
