"""The whole proof: recomputes ledger, chain, awards, limits and cards, seals what held, and keeps a certificate."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain

from alipayhk import card_proof
from loyalty.earning import recount
from loyalty.ledger import chain as block_chain
from loyalty.ledger import proof, snapshot
from loyalty.ledger.models import ProofRun
from loyalty.ledger.proof import Breach

MOST_KEPT = 1000


def prove(*, clock: Callable[[], datetime], tell: Callable[[str], None]) -> ProofRun:
    """Tell every breach as it is found. Only a ledger without one is sealed: a seal must not cover up."""
    began_at, settled = clock(), block_chain.settled_id()
    kept: list[str] = []
    number = 0
    with snapshot.one_snapshot():
        with recount.beside() as recounted:
            for breach in _breaches(recounted):
                number += 1
                tell(str(breach))
                kept += [str(breach)] if number <= MOST_KEPT else []
        counts = {**proof.counts(), **recount.counts(), **card_proof.counts(), "breaches": number}
    is_green = not number and not counts["sum"]
    if is_green:
        block_chain.seal(up_to=settled, now=clock())
    return ProofRun.objects.create(
        began_at=began_at,
        ended_at=clock(),
        is_green=is_green,
        counts={**counts, **block_chain.counts()},
        heads=block_chain.heads(),
        breaches=kept,
    )


def _breaches(recounted: Iterator[Breach]) -> Iterator[Breach]:
    return chain(proof.breaches(), block_chain.breaches(), card_proof.breaches(), recounted)
