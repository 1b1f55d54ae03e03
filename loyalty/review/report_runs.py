"""The life of a long report: asked for, worked out month by month by one worker, then done, canceled or failed.

What it tells is what the cases say when it is worked out: decisions undone by then have saved nothing. Writes nothing
but the run's own row.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import OperationalError
from django.db.models import Q

from loyalty.review import reports
from loyalty.review.models import ReportRun
from loyalty.review.reports import Question, Report, Sums
from pms.clock import HONG_KONG
from pms.models import MallGroup, User

log = logging.getLogger(__name__)

# Longer than a month's cases ever take to be counted: a run without progress for so long has lost its worker.
LOST_AFTER = timedelta(seconds=60)
State = ReportRun.State


class Canceled(Exception):
    """Somebody canceled the run, or another worker has taken it."""


def ask(*, group: MallGroup, question: Question, by: User, now: datetime) -> ReportRun:
    """Note what is to be counted; a period that begins before the first case begins with it."""
    first = reports.first_day(mall_ids=question.mall_ids)
    since = max(question.since, _midnight(first)) if first else question.since
    since = min(since, question.until - timedelta(days=1))
    return ReportRun.objects.create(
        group=group,
        mall_ids=sorted(question.mall_ids),
        channel=question.channel,
        since_at=since,
        until_at=question.until,
        day_count=(question.until - since).days,
        asked_by=by,
        asked_at=now,
        moved_at=now,
    )


def work(*, run_id: int, clock: Callable[[], datetime]) -> None:
    """Do the run, unless another worker does, or did. The message may come any number of times."""
    run = _take(run_id, now=clock())
    if run is None:
        return
    try:
        parts = list(_parts(run, clock))
    except Canceled:
        return
    except OperationalError:
        # The database is away; the run stays as it is and is taken up again.
        raise
    except Exception:
        log.exception("long report %d failed", run_id)
        _end(run_id, State.FAILED, now=clock())
        return
    _end(run_id, State.DONE, now=clock(), result=_as_json(reports.merged(parts)), done_count=run.day_count)


def cancel(*, run: ReportRun, now: datetime) -> bool:
    """False when it is over already. The worker notices at its next month."""
    return _end(run.pk, State.CANCELED, now=now)


def lost(*, now: datetime) -> list[int]:
    """Runs whose worker died, or that no worker was told of."""
    moving = ReportRun.objects.filter(state__in=ReportRun.OPEN, moved_at__lt=now - LOST_AFTER)
    return list(moving.values_list("pk", flat=True))


def report_of(run: ReportRun) -> Report:
    """What a run that is done came to."""
    kept = run.result
    return Report(
        total=_sums(kept["total"]),
        by_mall={mall_id: _sums(sums) for mall_id, sums in kept["by_mall"]},
        by_pair={(first, again): _sums(sums) for (first, again), sums in kept["by_pair"]},
        by_store={store_id: _sums(sums) for store_id, sums in kept["by_store"]},
        by_day={date.fromisoformat(day): _sums(sums) for day, sums in kept["by_day"]},
    )


def months(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The period cut at Hong Kong's months."""
    while since < until:
        local = since.astimezone(HONG_KONG)
        following = _midnight((local.replace(day=1) + timedelta(days=32)).date().replace(day=1))
        yield since, min(following, until)
        since = following


def _parts(run: ReportRun, clock: Callable[[], datetime]) -> Iterator[Report]:
    for since, until in months(run.since_at, run.until_at):
        yield reports.duplicates(
            Question(mall_ids=run.mall_ids, since=since, until=until, channel=run.channel)
        )
        running = ReportRun.objects.filter(pk=run.pk, state=State.RUNNING)
        if not running.update(moved_at=clock(), done_count=(until - run.since_at).days):
            raise Canceled


def _take(run_id: int, *, now: datetime) -> ReportRun | None:
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, moved_at__lt=now - LOST_AFTER)
    taken = ReportRun.objects.filter(free, pk=run_id).update(state=State.RUNNING, moved_at=now, done_count=0)
    return ReportRun.objects.get(pk=run_id) if taken else None


def _end(run_id: int, state: State, *, now: datetime, **values: Any) -> bool:
    is_open = ReportRun.objects.filter(pk=run_id, state__in=ReportRun.OPEN)
    return bool(is_open.update(state=state, moved_at=now, ended_at=now, **values))


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "total": _plain(report.total),
        "by_mall": _pairs(report.by_mall),
        "by_pair": _pairs(report.by_pair),
        "by_store": _pairs(report.by_store),
        "by_day": [(f"{day}", _plain(sums)) for day, sums in report.by_day.items()],
    }


def _pairs(breakdown: Mapping[Any, Sums]) -> list[Any]:
    """As pairs, which keep their order and keys that are no text."""
    return [(key, _plain(sums)) for key, sums in breakdown.items()]


def _plain(sums: Sums) -> dict[str, Any]:
    return asdict(sums) | {"oldest_at": sums.oldest_at.isoformat() if sums.oldest_at else None}


def _sums(kept: Mapping[str, Any]) -> Sums:
    oldest = kept["oldest_at"]
    return Sums(**{**kept, "oldest_at": datetime.fromisoformat(oldest) if oldest else None})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), HONG_KONG)
