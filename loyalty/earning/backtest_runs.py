"""The life of a back-test: asked for, worked on by one worker, then done, canceled or failed.

Writes nothing but the run's own row.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from loyalty.earning import backtest
from loyalty.earning.backtest import Question, Sums, Tally
from loyalty.earning.drafts import Draft
from loyalty.earning.models import BacktestRun
from loyalty.earning.rule_versions import Naming
from members.models import Program
from pms.models import User

log = logging.getLogger(__name__)

DAYS = (30, 90)
# Longer than 2,000 judgements ever take: a run without progress for so long has lost its worker.
LOST_AFTER = timedelta(seconds=45)
MOST_LISTED = 10
State = BacktestRun.State


def ask(
    *, program: Program, naming: Naming, draft: Draft, days: int, by: User | None, now: datetime
) -> BacktestRun:
    """Note what is to be judged: the draft over what was paid in the `days` before `now`."""
    return BacktestRun.objects.create(
        program=program,
        rule_code=naming.code,
        rule_kind=naming.kind,
        name_en=naming.name_en,
        name_zh=naming.name_zh,
        draft=backtest.draft_as_json(draft),
        days=days,
        since_at=now - timedelta(days=days),
        until_at=now,
        asked_by=by,
        asked_at=now,
        moved_at=now,
    )


def question_of(run: BacktestRun) -> Question:
    return Question(
        program=run.program,
        naming=Naming(code=run.rule_code, kind=run.rule_kind, name_en=run.name_en, name_zh=run.name_zh),
        draft=backtest.draft_from_json(run.draft),
        since=run.since_at,
        until=run.until_at,
    )


def work(*, run_id: int, clock: Callable[[], datetime]) -> None:
    """Do the run, unless another worker does, or did. The message may come any number of times."""
    run = _take(run_id, now=clock())
    if run is None:
        return
    try:
        question = question_of(run)
        _move(run_id, now=clock(), transaction_count=backtest.count(question), judged_count=0)
        tally = backtest.compare(question, goes_on=lambda judged: _goes_on(run_id, judged, now=clock()))
    except backtest.Canceled:
        return
    except Exception:
        log.exception("back-test %d failed", run_id)
        _end(run_id, State.FAILED, now=clock())
        return
    result = told(tally, question.program)
    _end(run_id, State.DONE, now=clock(), result=result, judged_count=tally.all.transactions)


def cancel(*, run: BacktestRun, now: datetime) -> bool:
    """False when it is over already. The worker notices at its next step."""
    return _end(run.pk, State.CANCELED, now=now)


def fail(*, run: BacktestRun, now: datetime) -> bool:
    """Nobody could be told to do it."""
    return _end(run.pk, State.FAILED, now=now)


def told(tally: Tally, program: Program) -> dict[str, Any]:
    """The answer as the run keeps it. `liability_cents`: what the difference is worth when redeemed."""
    differences = sorted(tally.members.items(), key=lambda item: item[1])
    change = tally.all.now - tally.all.then
    return {
        "all": _sums(tally.all),
        "malls": {name: _sums(sums) for name, sums in sorted(tally.malls.items())},
        "tiers": {name: _sums(sums) for name, sums in sorted(tally.tiers.items())},
        "changed": tally.changed,
        "better": sum(difference > 0 for _member, difference in differences),
        "worse": sum(difference < 0 for _member, difference in differences),
        "same": sum(difference == 0 for _member, difference in differences),
        "largest_gains": [pair for pair in reversed(differences[-MOST_LISTED:]) if pair[1] > 0],
        "largest_losses": [pair for pair in differences[:MOST_LISTED] if pair[1] < 0],
        "liability_points": change,
        "liability_cents": change * 100 // program.redemption_points_per_hkd,
    }


def _sums(sums: Sums) -> dict[str, int]:
    return {"transactions": sums.transactions, "then": sums.then, "now": sums.now}


def _take(run_id: int, *, now: datetime) -> BacktestRun | None:
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, moved_at__lt=now - LOST_AFTER)
    taken = BacktestRun.objects.filter(free, pk=run_id).update(state=State.RUNNING, moved_at=now)
    return BacktestRun.objects.select_related("program").get(pk=run_id) if taken else None


def _goes_on(run_id: int, judged: int, *, now: datetime) -> bool:
    return _move(run_id, now=now, judged_count=judged)


def _move(run_id: int, *, now: datetime, **values: int) -> bool:
    running = BacktestRun.objects.filter(pk=run_id, state=State.RUNNING)
    return bool(running.update(moved_at=now, **values))


def _end(run_id: int, state: State, *, now: datetime, **values: Any) -> bool:
    is_open = BacktestRun.objects.filter(pk=run_id, state__in=[State.WAITING, State.RUNNING])
    return bool(is_open.update(state=state, moved_at=now, ended_at=now, **values))
