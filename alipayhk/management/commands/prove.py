"""`prove`: recomputes ledger, awards and cards; names every row that breaks a promise."""

import json
from itertools import chain

from alipayhk import card_proof
from loyalty.earning import recount
from loyalty.ledger import proof, snapshot
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Recompute every sum, balance, lot, award and refund; exit non-zero if a row breaks a promise."

    def handle(self, *_: object, **__: object) -> None:
        found = 0
        with snapshot.one_snapshot():
            for breach in chain(proof.breaches(), recount.breaches(), card_proof.breaches()):
                found += 1
                self.stdout.write(str(breach))
            counts = {**proof.counts(), **recount.counts(), **card_proof.counts(), "breaches": found}
        if found or counts["sum"]:
            self.refuse(f"promises are broken: {json.dumps(counts)}", status=1)
        self.stdout.write(json.dumps(counts))
