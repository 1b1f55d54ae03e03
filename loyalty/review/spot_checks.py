"""Draws some of the verdicts that nobody took, for people to check, and tells how often they were right.

Whether a purchase is drawn follows from its id and the program's salt alone: a second draw finds the same ones, and
what people did meanwhile changes nothing, so that the figures are not those of a chosen few. A wrong verdict is put
right by the case's own functions, with new entries.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any

from django.db import connection
from django.db.models import Count, Q
from django.db.transaction import atomic

from loyalty.earning import duplicates, settlement, suspects
from loyalty.earning.likeness import Part
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.suspects import Near, Suspicion
from loyalty.review import cases
from loyalty.review.models import Decision, SpotCheck
from pms.models import User

Kind, Answer = SpotCheck.Kind, SpotCheck.Answer
# What scored this much less than a flag is looked at: there a verdict may be wrong.
NEAR_A_FLAG = 10
# Of the normal distribution: 95 of 100 such intervals hold the true share.
DEVIATIONS = 1.96

_IS_DRAWN = """
('x' || left(encode(sha256(convert_to(program.spot_check_salt::text || '/' || {id}::text, 'UTF8')), 'hex'), 8))
    ::bit(32)::bigint %% 10000 < program.spot_check_percent * 100
"""
REFUSED = f"""
INSERT INTO review_spotcheck (mall_id, transaction_id, earlier_id, case_id, kind, score, parts, judged_at, drawn_at,
    answer, note)
SELECT told.mall_id, told.transaction_id, told.earlier_id, told.id, told.verdict, told.score, told.parts,
    told.opened_at, %(now)s, '', ''
FROM earning_duplicatecase told
JOIN members_program program ON program.group_id = told.group_id
WHERE told.mall_id = ANY(%(mall_ids)s::bigint[]) AND told.opened_at >= %(since)s AND told.opened_at < %(now)s
    AND told.verdict IN ('NUMBER', 'BLOCKED') AND {_IS_DRAWN.format(id="told.transaction_id")}
ON CONFLICT DO NOTHING
"""  # noqa: S608  (put together from constants alone)
# A receipt is handed in some days after it was paid; the index is on the time of payment.
LET_PASS = f"""
SELECT entry.id
FROM earning_transaction entry
JOIN members_program program ON program.group_id = entry.group_id
WHERE entry.mall_id = ANY(%(mall_ids)s::bigint[]) AND entry.state = 'EARNED'
    AND entry.paid_at >= %(since)s - make_interval(days => program.manual_window_days + 1)
    AND entry.recorded_at >= %(since)s AND entry.recorded_at < %(now)s
    AND {_IS_DRAWN.format(id="entry.id")}
    AND NOT EXISTS (SELECT FROM review_spotcheck WHERE transaction_id = entry.id)
    AND NOT EXISTS (SELECT FROM earning_duplicatecase WHERE transaction_id = entry.id)
ORDER BY entry.id
"""  # noqa: S608  (put together from constants alone)
PASSED = """
INSERT INTO review_spotcheck (mall_id, transaction_id, earlier_id, kind, score, parts, judged_at, drawn_at, answer,
    note)
VALUES (%(mall_id)s, %(transaction_id)s, %(earlier_id)s, 'PASSED', %(score)s, %(parts)s::jsonb, %(judged_at)s,
    %(now)s, '', '')
ON CONFLICT DO NOTHING
"""


class CheckRefused(Exception):
    """The check cannot be answered so. Nothing was changed."""


class AlreadyAnswered(CheckRefused):
    """Somebody else has answered meanwhile. Nothing was changed."""

    def __init__(self, check: SpotCheck) -> None:
        super().__init__(str(check))
        self.check = check


class NotAnswered(CheckRefused):
    """Nobody has answered yet, so there is nothing to take back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """What people found of the verdicts of one kind; who could not tell counts on neither side."""

    kind: str
    drawn: int
    right: int
    wrong: int
    unclear: int

    @property
    def checked(self) -> int:
        return self.right + self.wrong

    @property
    def share(self) -> float | None:
        """Of the checked ones, those that were right; None while nobody has checked one."""
        return self.right / self.checked if self.checked else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true share lies, 95 times of 100, by Wilson: few checks make it wide, and never a false 100 %."""
        return wilson(self.right, self.checked) if self.checked else None


def draw(*, mall_ids: Collection[int], since: datetime, now: datetime) -> int:
    """Draw among the verdicts since then; returns how many are new. May run any number of times, at once too."""
    asked: dict[str, Any] = {"mall_ids": sorted(mall_ids), "since": since, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(REFUSED, asked)
        drawn = int(cursor.rowcount)
        cursor.execute(LET_PASS, asked)
        let_pass = [transaction_id for (transaction_id,) in cursor.fetchall()]
    return drawn + sum(
        _draw_passed(transaction, near, now=now) for transaction, near in _near_a_flag(let_pass)
    )


def _near_a_flag(ids: Collection[int]) -> Iterator[tuple[Transaction, Near]]:
    rows = Transaction.objects.filter(pk__in=ids).select_related("store", "wallet_pass", "member__program")
    for transaction in rows.order_by("pk").iterator(chunk_size=500):
        near = suspects.nearest(transaction)
        if near and near.score >= transaction.member.program.duplicate_flag_score - NEAR_A_FLAG:
            yield transaction, near


def _draw_passed(transaction: Transaction, near: Near, *, now: datetime) -> int:
    asked: dict[str, Any] = {
        "mall_id": transaction.mall_id,
        "transaction_id": transaction.pk,
        "earlier_id": near.earlier.transaction_id,
        "score": near.score,
        "parts": json.dumps([part.as_json() for part in near.parts]),
        "judged_at": transaction.recorded_at,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(PASSED, asked)
        return int(cursor.rowcount)


@atomic
def answer(*, check: SpotCheck, answer: str, by: User, now: datetime, note: str = "") -> SpotCheck:
    """Keep what `by` found; WRONG also puts it right. CheckRefused or CaseRefused changes nothing."""
    check = _locked(check)
    if check.answer:
        raise AlreadyAnswered(check)
    if answer == Answer.WRONG:
        check.case = check.case or _opened(check, now=now)
        _let_say(check.case, _opposite(check), by=by, now=now, note=note)
    check.answer, check.answered_by, check.answered_at, check.note = answer, by, now, note
    check.save()
    return check


@atomic
def take_back(*, check: SpotCheck, by: User, now: datetime) -> SpotCheck:
    """As if it had not been answered; what was put right is as the verdict had it, by new entries."""
    check = _locked(check)
    if not check.answer:
        raise NotAnswered
    if check.answer == Answer.WRONG and check.case:
        _let_say(check.case, _verdict(check), by=by, now=now, note="")
    check.answer, check.answered_by, check.answered_at, check.note = "", None, None, ""
    check.save()
    return check


def precision(
    *,
    mall_ids: Collection[int],
    since: datetime | None = None,
    until: datetime | None = None,
    channel: str = "",
) -> list[Precision]:
    """By kind of verdict, of those judged in the period; `channel` is that of either record."""
    rows = SpotCheck.objects.filter(mall__in=mall_ids)
    rows = rows.filter(judged_at__gte=since) if since else rows
    rows = rows.filter(judged_at__lt=until) if until else rows
    if channel:
        rows = rows.filter(Q(transaction__channel=channel) | Q(earlier__channel=channel))
    counted = Counter(
        {
            (kind, found): number
            for kind, found, number in rows.values_list("kind", "answer").annotate(Count("pk"))
        }
    )
    return [_precision(kind, counted) for kind in Kind.values]


def wilson(right: int, checked: int) -> tuple[float, float]:
    """The interval of Wilson (1927) for a share of `checked` trials."""
    share, square = right / checked, DEVIATIONS**2
    middle = (share + square / (2 * checked)) / (1 + square / checked)
    spread = share * (1 - share) / checked + square / (4 * checked**2)
    half = DEVIATIONS * sqrt(spread) / (1 + square / checked)
    return max(0.0, middle - half), min(1.0, middle + half)


def _precision(kind: str, counted: Counter[tuple[str, str]]) -> Precision:
    return Precision(
        kind=kind,
        drawn=sum(number for (one, _answer), number in counted.items() if one == kind),
        right=counted[kind, Answer.RIGHT],
        wrong=counted[kind, Answer.WRONG],
        unclear=counted[kind, Answer.UNCLEAR],
    )


def _verdict(check: SpotCheck) -> str:
    """What the rules said of the two records."""
    return Decision.Answer.DIFFERENT if check.kind == Kind.PASSED else Decision.Answer.SAME


def _opposite(check: SpotCheck) -> str:
    return Decision.Answer.SAME if check.kind == Kind.PASSED else Decision.Answer.DIFFERENT


def _let_say(case: DuplicateCase, wanted: str, *, by: User, now: datetime, note: str) -> None:
    """Somebody may have decided the case at its own desk meanwhile."""
    case.refresh_from_db()
    if case.state == wanted:
        return
    if not case.is_waiting:
        cases.reopen(case=case, by=by, now=now, note=note)
    cases.decide(case=case, answer=wanted, by=by, now=now, note=note)


def _opened(check: SpotCheck, *, now: datetime) -> DuplicateCase:
    """The case that the rules did not see: points were given, so it begins as one that was flagged."""
    transaction = Transaction.objects.select_for_update(no_key=True).get(pk=check.transaction_id)
    suspicion = Suspicion(
        earlier_id=check.earlier_id,
        reference="",
        score=check.score,
        parts=tuple(Part(part["code"], part["values"]) for part in check.parts),
        verdict=DuplicateCase.Verdict.FLAGGED,
    )
    duplicates.open_case(
        transaction_id=transaction.pk, suspicion=suspicion, points=settlement.worth_now(transaction), now=now
    )
    if transaction.state == Transaction.State.EARNED:
        Transaction.objects.filter(pk=transaction.pk).update(state=Transaction.State.FLAGGED)
    return DuplicateCase.objects.get(transaction=transaction)


def _locked(check: SpotCheck) -> SpotCheck:
    return SpotCheck.objects.select_for_update(of=("self",)).select_related("case").get(pk=check.pk)
