"""What Celery runs for the ledger: each task is one call into the domain and may run any number of times at once."""

from celery import shared_task

from loyalty.ledger import chain, expiry, redemptions
from pms import clock


@shared_task(name="loyalty.ledger.tasks.release_overdue_redemptions")  # type: ignore[untyped-decorator]
def release_overdue_redemptions() -> None:
    """Give back the points of codes that nobody confirmed in time."""
    redemptions.release_overdue(now=clock.now())


@shared_task(name="loyalty.ledger.tasks.release_holds")  # type: ignore[untyped-decorator]
def release_holds() -> None:
    """Make usable what was on hold until now."""
    expiry.release(now=clock.now())


@shared_task(name="loyalty.ledger.tasks.expire_and_warn")  # type: ignore[untyped-decorator]
def expire_and_warn() -> None:
    """Let lapse what is over, and write the warnings of the day."""
    now = clock.now()
    expiry.release(now=now)
    expiry.expire(now=now)
    expiry.warn(now=now)


@shared_task(name="loyalty.ledger.tasks.seal")  # type: ignore[untyped-decorator]
def seal() -> None:
    """Seal what is settled; an entry whose writer takes long waits for the next turn."""
    chain.seal(up_to=chain.settled_id(), now=clock.now())
