"""Decides whether two records are one purchase, and undoes that: points and numbers follow by new entries.

The wallet's own record stands, since it names who paid and refunds name it; else the earlier one. Records that other
cases tie to either belong to the purchase too, so it keeps points once. Whoever decides holds the case's row, then the
purchases', then their accounts', each in one order, so one of two deciders wins.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError
from django.db.transaction import atomic

from loyalty.earning import duplicates, settlement
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.ledger import postings
from loyalty.ledger.models import PointAccount
from loyalty.review import one_purchase
from loyalty.review.models import Decision
from pms.models import User

Answer = Decision.Answer
OVER = {Answer.SAME: DuplicateCase.State.SAME, Answer.DIFFERENT: DuplicateCase.State.DIFFERENT}
MOST_TOGETHER = 500
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


class KeptByAnother(CaseRefused):
    """Another case gave this purchase to another record. Undo that one first; nothing was changed."""

    def __init__(self, case_id: int) -> None:
        super().__init__(case_id)
        self.case_id = case_id


class StoreUnknown(CaseRefused):
    """The store is not known yet, so no rule can say what the purchase earns. Map the store first."""


class MembershipOver(CaseRefused):
    """The member whose points would come back has left. Nothing was changed."""


class NotIdentical(CaseRefused):
    """Cases decided together must rest on the same evidence."""


class TooMany(CaseRefused):
    """More cases than are decided together at a time. Nothing was changed."""


class HeldByAnother(CaseRefused):
    """Somebody else holds one of its rows right now. Nothing was changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """What the two purchases keep; the earlier one may be kept by a record that another case ties to it."""

    ours: int
    earlier: int


def rival_of(case: DuplicateCase) -> Transaction:
    """The record that has the earlier purchase, or had it until this case was decided."""
    kept_by = one_purchase.side(case.earlier, without=case.transaction).kept_by
    if kept_by == case.earlier_id:
        return case.earlier
    return Transaction.objects.select_related("member__program").get(pk=kept_by)


def _stands(case: DuplicateCase) -> bool:
    """Whether the case's own record keeps the purchase if both are the same."""
    theirs = one_purchase.side(case.earlier, without=case.transaction)
    return one_purchase.place_of(case.transaction, 1) < theirs.place


def decide(*, case: DuplicateCase, answer: str, by: User, now: datetime, note: str = "") -> Decision:
    """SAME or DIFFERENT ends the case; ASK leaves it open, for `by` to see to. CaseRefused changes nothing."""
    if answer == Answer.ASK:
        return ask(case=case, of=by, by=by, now=now, note=note)
    with _refusals():
        return _decide(case=case, answer=answer, by=by, now=now, note=note)


@atomic
def _decide(*, case: DuplicateCase, answer: str, by: User, now: datetime, note: str) -> Decision:
    case = _locked(case)
    if not case.is_waiting:
        raise AlreadyDecided(case)
    _check_kept(case)
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
    with _refusals():
        return _reopen(case=case, by=by, now=now, note=note)


@contextmanager
def _refusals() -> Iterator[None]:
    """What hinders the points hinders the decision."""
    try:
        yield
    except settlement.StoreUnknown as unknown:
        raise StoreUnknown from unknown
    except settlement.MembershipOver as over:
        raise MembershipOver from over


@atomic
def _reopen(*, case: DuplicateCase, by: User, now: datetime, note: str) -> Decision:
    case = _locked(case)
    if case.is_waiting:
        raise NotDecided
    _check_kept(case)
    before = points_of(case)
    # What the rules decided at once left the points with the earlier record.
    has_moved = case.state == DuplicateCase.State.SAME and case.decided_by_id is not None and _stands(case)
    _as_opened(case, now=now)
    if has_moved:
        settlement.grant(transaction=rival_of(case), now=now)
    case.state, case.decided_at, case.decided_by = DuplicateCase.State.OPEN, None, None
    case.points_saved = case.cents_saved = 0
    case.save()
    return _noted(case, Answer.REOPEN, before, by=by, now=now, note=note)


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """What became of cases that were to be decided together: those decided, and why the others were not."""

    decided: list[DuplicateCase]
    refused: list[tuple[DuplicateCase, CaseRefused]]


def decide_all(
    *, cases: Sequence[DuplicateCase], answer: str, by: User, now: datetime, note: str = ""
) -> Together:
    """The same answer to identical cases, each in a block of its own: what hinders one stops no other."""
    if len(cases) > MOST_TOGETHER:
        raise TooMany
    if len({likeness_of(case) for case in cases}) > 1:
        raise NotIdentical
    together = Together(decided=[], refused=[])
    for case in cases:
        try:
            decide(case=case, answer=answer, by=by, now=now, note=note)
        except OperationalError:
            together.refused.append((case, HeldByAnother()))
        except CaseRefused as refusal:
            together.refused.append((case, refusal))
        else:
            together.decided.append(case)
    return together


def likeness_of(case: DuplicateCase) -> tuple[object, ...]:
    """What makes two cases identical: the same evidence between the same doors."""
    codes = tuple(str(part["code"]) for part in case.parts)
    return (case.verdict, case.score, codes, case.transaction.channel, case.earlier.channel)


def points_of(case: DuplicateCase) -> Points:
    return Points(ours=settlement.worth_now(case.transaction), earlier=settlement.worth_now(rival_of(case)))


def preview(case: DuplicateCase, answer: str) -> Points:
    """What both purchases would keep. One without points would be judged anew; its figure is the one at stake."""
    found = points_of(case)
    ours = found.ours or case.points_at_stake
    if answer == Answer.DIFFERENT:
        return Points(ours=ours, earlier=found.earlier)
    if _stands(case):
        return Points(ours=ours, earlier=0)
    return Points(ours=0, earlier=found.earlier)


def _are_one(case: DuplicateCase, *, now: datetime) -> None:
    if not _stands(case):
        settlement.withhold(transaction=case.transaction, state=Transaction.State.DUPLICATE, now=now)
        return
    rival = rival_of(case)
    own = DuplicateCase.objects.filter(transaction__in={case.earlier_id, rival.pk})
    if own.filter(state__in=DuplicateCase.WAITING).exists():
        raise EarlierIsOpen
    settlement.withhold(transaction=rival, state=Transaction.State.DUPLICATE, now=now)
    settlement.hold_numbers(transaction=case.transaction, of=case.earlier)
    settlement.grant(transaction=case.transaction, now=now)


def _check_kept(case: DuplicateCase) -> None:
    """Points come back to no record that a later case, still decided so, has withheld."""
    ours = one_purchase.side(case.transaction, without=case.earlier)
    if ours.first_case_id is not None:
        raise KeptByAnother(ours.first_case_id)


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
    return before.earlier if _stands(case) else before.ours or case.points_at_stake


def _locked(case: DuplicateCase) -> DuplicateCase:
    """Case, purchases, accounts, in this order; read anew under the locks."""
    found = DuplicateCase.objects.select_for_update(no_key=True).get(pk=case.pk)
    # Joined rows are those from before the wait for the lock, so only what never changes is joined.
    purchases = Transaction.objects.select_for_update(of=("self",), no_key=True).select_related(
        "member__program"
    )
    locked: dict[int, Transaction] = {}
    while missing := _tied(found) - locked.keys():
        locked |= {one.pk: one for one in purchases.filter(pk__in=missing).order_by("pk")}
    found.transaction, found.earlier = locked[found.transaction_id], locked[found.earlier_id]
    members = {one.member_id for one in locked.values()}
    accounts = PointAccount.objects.filter(member__in=members).values_list("pk", flat=True)
    postings.take_locks(account_ids=list(accounts))
    return found


def _tied(case: DuplicateCase) -> frozenset[int]:
    """All records of either purchase; more of them while somebody else ties another one to it."""
    ours = one_purchase.side(case.transaction, without=case.earlier)
    return ours.ids | one_purchase.side(case.earlier, without=case.transaction).ids


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
