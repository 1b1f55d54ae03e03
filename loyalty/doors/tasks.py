"""What Celery runs for the doors: one call into the domain each."""

from celery import shared_task

from loyalty.doors import provider_files, receipts
from loyalty.doors.models import ImportJob
from pms import clock


@shared_task(name="loyalty.doors.tasks.check_receipts")  # type: ignore[untyped-decorator]  # Celery has no types
def check_receipts(*, job_id: int) -> None:
    """Say what would become of a receipt file's rows."""
    receipts.check(job_id=job_id, clock=clock.now)


@shared_task(name="loyalty.doors.tasks.import_receipts")  # type: ignore[untyped-decorator]  # Celery has no types
def import_receipts(*, job_id: int) -> None:
    """Import a receipt file that was checked."""
    receipts.run(job_id=job_id, clock=clock.now)


@shared_task(name="loyalty.doors.tasks.take_up_receipts")  # type: ignore[untyped-decorator]  # Celery has no types
def take_up_receipts() -> None:
    """Go on with files whose worker died, or that no worker was told of."""
    for job_id, state in receipts.lost(now=clock.now()):
        work = receipts.check if state == ImportJob.State.CHECKING else receipts.run
        work(job_id=job_id, clock=clock.now)


@shared_task(name="loyalty.doors.tasks.reconcile")  # type: ignore[untyped-decorator]  # Celery has no types
def reconcile(*, job_id: int) -> None:
    """Read a provider's file and compare it with the ledger."""
    provider_files.work(job_id=job_id, clock=clock.now)


@shared_task(name="loyalty.doors.tasks.compare_again")  # type: ignore[untyped-decorator]  # Celery has no types
def compare_again(*, job_id: int) -> None:
    """Compare a provider's file, as it was read, with the ledger as it is now."""
    provider_files.compare_again(job_id=job_id, now=clock.now())


@shared_task(name="loyalty.doors.tasks.take_up_reconciliations")  # type: ignore[untyped-decorator]  # Celery has no types
def take_up_reconciliations() -> None:
    """Go on with providers' files whose worker died, or that no worker was told of."""
    for job_id in provider_files.lost(now=clock.now()):
        provider_files.work(job_id=job_id, clock=clock.now)
