"""What Celery runs for review: one call into the domain each."""

from celery import shared_task

from loyalty.review import report_runs
from pms import clock


@shared_task(name="loyalty.review.tasks.report")  # type: ignore[untyped-decorator]  # Celery has no types
def report(*, run_id: int) -> None:
    """Work out a long report, as a row of the table asks."""
    report_runs.work(run_id=run_id, clock=clock.now)


@shared_task(name="loyalty.review.tasks.take_up_reports")  # type: ignore[untyped-decorator]  # Celery has no types
def take_up_reports() -> None:
    """Go on with long reports whose worker died, or that no worker was told of."""
    for run_id in report_runs.lost(now=clock.now()):
        report_runs.work(run_id=run_id, clock=clock.now)
