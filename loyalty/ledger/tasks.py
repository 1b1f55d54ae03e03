"""What Celery runs for the ledger: sealing entries, off the hot path."""

from celery import shared_task

from loyalty.ledger import chain
from pms import clock


@shared_task(name="loyalty.ledger.tasks.seal")  # type: ignore[untyped-decorator]  # Celery has no types
def seal() -> None:
    """Seal what is settled; an entry whose writer takes long waits for the next turn."""
    chain.seal(up_to=chain.settled_id(), now=clock.now())
