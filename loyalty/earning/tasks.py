"""What Celery runs for earning: one call into the domain each."""

from celery import shared_task

from loyalty.earning import backtest_runs, tiers
from members.models import Program
from pms import clock


@shared_task(name="loyalty.earning.tasks.review_tiers")  # type: ignore[untyped-decorator]  # Celery has no types
def review_tiers() -> None:
    """Let tiers end whose keeping is over and whose spend no longer deserves them."""
    now = clock.now()
    for program in Program.objects.order_by("pk"):
        tiers.review_all(program=program, now=now)


@shared_task(name="loyalty.earning.tasks.backtest")  # type: ignore[untyped-decorator]  # Celery has no types
def backtest(*, run_id: int) -> None:
    """Judge past transactions under a draft, as a row of the table asks."""
    backtest_runs.work(run_id=run_id, clock=clock.now)
