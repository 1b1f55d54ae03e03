"""What Celery runs for review: one call into the domain each, any number of times at once."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from loyalty.review import daily_mails, report_runs, spot_checks
from pms import clock
from pms.models import Mall

# A worker that was away draws what it missed.
LOOKED_BACK = timedelta(days=3)


@shared_task(name="loyalty.review.tasks.draw_spot_checks")  # type: ignore[untyped-decorator]  # Celery has no types
def draw_spot_checks() -> None:
    """Draw among the automatic verdicts of the last days."""
    now = clock.now()
    malls = Mall.objects.values_list("pk", flat=True)
    spot_checks.draw(mall_ids=list(malls), since=now - LOOKED_BACK, now=now)


@shared_task(name="loyalty.review.tasks.mail_duplicates")  # type: ignore[untyped-decorator]  # Celery has no types
def mail_duplicates() -> None:
    """Mail yesterday's duplicates to whom it was not mailed yet."""
    daily_mails.run(addressees=settings.DAILY_MAIL, now=clock.now())


@shared_task(name="loyalty.review.tasks.report")  # type: ignore[untyped-decorator]  # Celery has no types
def report(*, run_id: int) -> None:
    """Work out a long report, as a row of the table asks."""
    report_runs.work(run_id=run_id, clock=clock.now)


@shared_task(name="loyalty.review.tasks.take_up_reports")  # type: ignore[untyped-decorator]  # Celery has no types
def take_up_reports() -> None:
    """Go on with long reports whose worker died, or that no worker was told of."""
    for run_id in report_runs.lost(now=clock.now()):
        report_runs.work(run_id=run_id, clock=clock.now)
