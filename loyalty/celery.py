"""The Celery app and its timetable. A message means "look at the table" and carries no fact of its own.

Periodic messages expire before their next turn, so a worker that was away finds one of each and not a heap.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")

from django.conf import settings

TIMETABLE: dict[str, tuple[str, Any]] = {
    # name: (task, every so many seconds, or a time of day in Hong Kong)
    "push cards that are behind": ("alipayhk.tasks.push_passes", 2),
    "settle what waits or was lost": ("alipayhk.tasks.sweep", 5),
    "compare every card with its balance": ("alipayhk.tasks.notice_all_changes", 600),
    "show that the worker still listens": ("loyalty.celery.show_life", 10),
    "give back points of codes nobody confirmed": ("loyalty.ledger.tasks.release_overdue_redemptions", 10),
    "free points whose hold is over": ("loyalty.ledger.tasks.release_holds", 60),
    "expire points and warn of those that will": (
        "loyalty.ledger.tasks.expire_and_warn",
        crontab(hour=0, minute=1),
    ),
    "seal entries that are settled": ("loyalty.ledger.tasks.seal", 600),
    "prove every point": ("alipayhk.tasks.prove", crontab(hour=3, minute=31)),
    "go on with receipt files whose worker died": ("loyalty.doors.tasks.take_up_receipts", 10),
    "draw automatic verdicts for people to check": ("loyalty.review.tasks.draw_spot_checks", 3600),
    "mail the duplicates of yesterday": ("loyalty.review.tasks.mail_duplicates", 300),
    "go on with mappings of stores whose worker died": ("alipayhk.tasks.take_up_mappings", 10),
    "go on with long reports whose worker died": ("loyalty.review.tasks.take_up_reports", 20),
    "go on with providers' files whose worker died": ("loyalty.doors.tasks.take_up_reconciliations", 10),
    "have stores collected by AlipayHK": ("alipayhk.tasks.collect_stores", 10),
    "read lists of stores that somebody asked for": ("alipayhk.tasks.confirm_stores", 20),
    "confirm the stores of every mall": ("alipayhk.tasks.confirm_every_mall", crontab(hour=2, minute=11)),
    "remove sessions of mini-apps that are over": (
        "alipayhk.tasks.remove_old_sessions",
        crontab(hour=4, minute=1),
    ),
    "review tiers whose keeping is over": ("loyalty.earning.tasks.review_tiers", crontab(hour=0, minute=11)),
}
# A message of the night may wait this long for a worker; its work does not depend on the hour.
NIGHTLY_LIFE = 6 * 3600

# A worker waits for its broker and comes back to it; kombu's own 1 h and 100 s would hide lost work so long.
WORKER_TRANSPORT: dict[str, Any] = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
# The web process gives up at once: measured 0.01 s with a dead broker, 0.21 s with a silent one, and 6 s
# with kombu's defaults.
WEB_TRANSPORT: dict[str, Any] = {
    "visibility_timeout": 60,
    "socket_timeout": 0.2,
    "socket_connect_timeout": 0.2,
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}

app = Celery("loyalty")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options=WEB_TRANSPORT if settings.IS_WEB else WORKER_TRANSPORT,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=0 if settings.IS_WEB else None,
    task_publish_retry=False,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_concurrency=8,
    worker_pool="threads",
    worker_soft_shutdown_timeout=2.0,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_serializer="json",
    accept_content=["json"],
    event_serializer="json",
    enable_utc=True,
    timezone="Asia/Hong_Kong",
    beat_schedule={
        name: {
            "task": task,
            "schedule": when,
            "options": {"expires": NIGHTLY_LIFE if isinstance(when, crontab) else when},
        }
        for name, (task, when) in TIMETABLE.items()
    },
    beat_schedule_filename=str(Path(settings.LOYALTY_HOME) / "celerybeat-schedule"),
)
# Celery keeps the current app in each thread; the web's others would call a broker nobody configured.
app.set_default()
app.autodiscover_tasks()


@app.task(name="loyalty.celery.show_life")  # type: ignore[untyped-decorator]  # Celery has no types
def show_life() -> None:
    """Touches the file whose age tells a supervisor that this worker went deaf and wants a restart."""
    path = os.environ.get("LOYALTY_WORKER_LIFE")
    if path:
        Path(path).touch()
