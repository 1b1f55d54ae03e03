"""Decides whether two records are one purchase, and undoes that: points and numbers follow by new entries.

The wallet's own record stands, since it names who paid and refunds name it; else the earlier one. Whoever decides
holds the case's row, then both purchases', then both accounts', each in one order, so one of two deciders wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.transaction import atomic

from loyalty.earning import duplicates, settlement
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.suspects import WALLET_CHANNELS
from loyalty.ledger import postings
from loyalty.review.models import Decision
from pms.models import User

Answer = Decision.Answer
OVER = {Answer.SAME: DuplicateCase.State.SAME, Answer.DIFFERENT: DuplicateCase.State.DIFFERENT}
BY_NUMBER = (DuplicateCase.Verdict.NUMBER, DuplicateCase.Verdict.CONFLICT)


class CaseRefused(Exception):
    """The case cannot be decided so. Nothing was changed."""


class AlreadyDecided(CaseRefused):
    """Somebody else has decided the case meanwhile. Nothing was changed."""

    def __init__(self, case: DuplicateCase) -> None:
        super().__init__(str(case))
        self.case = case


class NotDecided(CaseRefused):
    """The case is open, so there is nothing to undo."""


class EarlierIsOpen(CaseRefused):
    """The earlier record has an open case of its own. Decide that one first."""


class StoreUnknown(CaseRefused):
    """The store is not known yet, so no rule can say what the purchase earns. Map the store first."""


class NotIdentical(CaseRefused):
    """Cases decided together must rest on the same evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """What the two purchases keep."""

    ours: int
    earlier: int


def standing_record(case: DuplicateCase) -> Transaction:
    """The one that keeps the purchase if both are the same."""
    is_payer = case.transaction.channel in WALLET_CHANNELS and case.earlier.channel not in WALLET_CHANNELS
    return case.transaction if is_payer else case.earlier


def decide(*, case: DuplicateCase, answer: str, by: User, now: datetime, note: str = "") -> Decision:
    """SAME or DIFFERENT ends the case; ASK leaves it open, for `by` to see to. CaseRefused changes nothing."""
    if answer == Answer.ASK:
        return ask(case=case, of=by, by=by, now=now, note=note)
    try:
        return _decide(case=case, answer=answer, by=by, now=now, note=note)
    except settlement.StoreUnknown as unknown:
        raise StoreUnknown from unknown


@atomic
def _decide(*, case: DuplicateCase, answer: str, by: User, now: datetime, note: str) -> Decision:
    case = _locked(case)
    if not case.is_waiting:
        raise AlreadyDecided(case)
    before = points_of(case)
    if answer == Answer.SAME:
        _are_one(case, now=now)
    else:
        settlement.grant(transaction=case.transaction, now=now)
        if case.verdict in BY_NUMBER:
            settlement.tell_numbers_apart(transaction=case.transaction)
    saved = _saved(case, before) if answer == Answer.SAME else 0
    case.state, case.decided_at, case.decided_by = OVER[Answer(answer)], now, by
    case.points_saved, case.cents_saved = saved, duplicates.worth(case.transaction, saved)
    case.save()
    return _noted(case, answer, before, by=by, now=now, note=note)


@atomic
def ask(*, case: DuplicateCase, of: User, by: User, now: datetime, note: str = "") -> Decision:
    """Leave it open, for somebody to find out more."""
    case = _locked(case)
    if not case.is_waiting:
        raise AlreadyDecided(case)
    case.state, case.assignee = DuplicateCase.State.ASKED, of
    case.save(update_fields=["state", "assignee"])
    return _noted(case, Answer.ASK, points_of(case), by=by, now=now, note=note)


def reopen(*, case: DuplicateCase, by: User, now: datetime, note: str = "") -> Decision:
    """Undo the decision by new entries: points and numbers are where they were when the case was opened."""
    try:
        return _reopen(case=case, by=by, now=now, note=note)
    except settlement.StoreUnknown as unknown:
        raise StoreUnknown from unknown


@atomic
def _reopen(*, case: DuplicateCase, by: User, now: datetime, note: str) -> Decision:
    case = _locked(case)
    if case.is_waiting:
        raise NotDecided
    before = points_of(case)
    has_moved = case.state == DuplicateCase.State.SAME and standing_record(case) == case.transaction
    _as_opened(case, now=now)
    if has_moved:
        settlement.grant(transaction=case.earlier, now=now)
    case.state, case.decided_at, case.decided_by = DuplicateCase.State.OPEN, None, None
    case.points_saved = case.cents_saved = 0
    case.save()
    return _noted(case, Answer.REOPEN, before, by=by, now=now, note=note)


def decide_all(
    *, cases: Sequence[DuplicateCase], answer: str, by: User, now: datetime, note: str = ""
) -> list[DuplicateCase]:
    """The same answer to identical cases, each in a block of its own; returns those somebody was faster with."""
    if len({likeness_of(case) for case in cases}) > 1:
        raise NotIdentical
    late = []
    for case in cases:
        try:
            decide(case=case, answer=answer, by=by, now=now, note=note)
        except AlreadyDecided:
            late.append(case)
    return late


def likeness_of(case: DuplicateCase) -> tuple[object, ...]:
    """What makes two cases identical: the same evidence between the same doors."""
    codes = tuple(str(part["code"]) for part in case.parts)
    return (case.verdict, case.score, codes, case.transaction.channel, case.earlier.channel)


def points_of(case: DuplicateCase) -> Points:
    return Points(ours=settlement.worth_now(case.transaction), earlier=settlement.worth_now(case.earlier))


def preview(case: DuplicateCase, answer: str) -> Points:
    """What both purchases would keep. One without points would be judged anew; its figure is the one at stake."""
    found = points_of(case)
    ours = found.ours or case.points_at_stake
    if answer == Answer.DIFFERENT:
        return Points(ours=ours, earlier=found.earlier)
    if standing_record(case) == case.transaction:
        return Points(ours=ours, earlier=0)
    return Points(ours=0, earlier=found.earlier)


def _are_one(case: DuplicateCase, *, now: datetime) -> None:
    stays = standing_record(case)
    if stays == case.earlier:
        settlement.withhold(transaction=case.transaction, state=Transaction.State.DUPLICATE, now=now)
        return
    own = DuplicateCase.objects.filter(transaction=case.earlier).first()
    if own and own.is_waiting:
        raise EarlierIsOpen
    settlement.withhold(transaction=case.earlier, state=Transaction.State.DUPLICATE, now=now)
    settlement.hold_numbers(transaction=case.transaction, of=case.earlier)
    settlement.grant(transaction=case.transaction, now=now)


def _as_opened(case: DuplicateCase, *, now: datetime) -> None:
    if case.verdict == DuplicateCase.Verdict.FLAGGED:
        settlement.grant(transaction=case.transaction, state=Transaction.State.FLAGGED, now=now)
        return
    is_held = case.verdict == DuplicateCase.Verdict.HELD
    state = Transaction.State.HELD if is_held else Transaction.State.DUPLICATE
    settlement.withhold(transaction=case.transaction, state=state, now=now)
    settlement.let_go_of_numbers(transaction=case.transaction, to=case.earlier)


def _saved(case: DuplicateCase, before: Points) -> int:
    """Points that one purchase would have had twice."""
    return (
        before.earlier if standing_record(case) == case.transaction else before.ours or case.points_at_stake
    )


def _locked(case: DuplicateCase) -> DuplicateCase:
    """Case, purchases, accounts, in this order; read anew under the locks."""
    found = DuplicateCase.objects.select_for_update(no_key=True).get(pk=case.pk)
    # Joined rows are those from before the wait for the lock, so only what never changes is joined.
    purchases = Transaction.objects.select_for_update(of=("self",), no_key=True).select_related(
        "member__program"
    )
    both = {
        one.pk: one
        for one in purchases.filter(pk__in=[found.transaction_id, found.earlier_id]).order_by("pk")
    }
    found.transaction, found.earlier = both[found.transaction_id], both[found.earlier_id]
    for member_id in sorted({one.member_id for one in both.values()}):
        postings.lock(member_id=member_id)
    return found


def _noted(
    case: DuplicateCase, answer: str, before: Points, *, by: User, now: datetime, note: str
) -> Decision:
    after = points_of(case)
    return Decision.objects.create(
        case=case,
        answer=answer,
        decided_by=by,
        note=note,
        points_before=before.ours,
        points_after=after.ours,
        earlier_points_before=before.earlier,
        earlier_points_after=after.earlier,
        decided_at=now,
    )
