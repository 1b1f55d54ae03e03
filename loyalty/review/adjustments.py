"""Points moved by hand: one person asks, another approves, and the approval posts in the same block.

Whoever decides holds the request's row, so one of two deciders wins and the other is told. Nobody approves what they
asked for; the database refuses it too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.transaction import atomic

from loyalty.earning.models import Transaction
from loyalty.ledger import adjusting, postings
from loyalty.ledger.adjusting import BalanceTooLow
from loyalty.ledger.models import PointAccount
from loyalty.review import mismatch_points, repairs
from loyalty.review.models import AdjustmentRequest, Finding
from loyalty.review.repairs import Effect
from members.models import Member
from pms.models import Mall, User

State = AdjustmentRequest.State
Deed = AdjustmentRequest.Deed
# No sum that a person could mean is larger; limits by role are a matter of their own.
MOST_POINTS = 10_000_000
LONGEST_NOTE = 255


class AdjustmentRefused(Exception):
    """The request cannot be made or decided so. Nothing was changed."""


class NoReason(AdjustmentRefused):
    """Nobody can judge it later without a reason."""


class PointsOutOfRange(AdjustmentRefused):
    """The points are none, or more than anybody could mean."""


class MembershipOver(AdjustmentRefused):
    """The member has left; nothing moves on the account."""


class OwnRequest(AdjustmentRefused):
    """Whoever asked for it does not approve or reject it."""


class NotYours(AdjustmentRefused):
    """Only whoever asked for it cancels it."""


class TooFewPoints(AdjustmentRefused):
    """The account has fewer points, and the program lets no balance fall so low."""


class AskedAlready(AdjustmentRefused):
    """A repair of this finding has been asked for already."""


class FormUsed(AdjustmentRefused):
    """The form was sent already, asking for something else. Nothing was changed."""


class Outdated(AdjustmentRefused):
    """The purchase has moved on since: what was asked for is no longer what sets it right."""


class AlreadyEnded(AdjustmentRefused):
    """Somebody else has decided it meanwhile."""

    def __init__(self, request: AdjustmentRequest) -> None:
        super().__init__(str(request))
        self.request = request


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is asked for. `request_key` makes a form that was sent twice one request."""

    mall: Mall
    account: PointAccount
    points: int
    reason: str
    note: str
    deed: str = Deed.POINTS
    transaction: Transaction | None = None
    finding: Finding | None = None
    request_key: str = ""


def request(*, wish: Wish, by: User, now: datetime) -> AdjustmentRequest:
    """Ask for it; no point moves before somebody else approves."""
    _check(wish)
    if known := _known(wish, by):
        return known
    try:
        return _request(wish, by, now=now)
    except IntegrityError as error:
        if known := _known(wish, by):
            return known
        raise AskedAlready from error


@atomic
def _request(wish: Wish, by: User, *, now: datetime) -> AdjustmentRequest:
    if wish.finding:
        moved = Finding.objects.filter(pk=wish.finding.pk, state=Finding.State.OPEN)
        if not moved.update(state=Finding.State.REQUESTED):
            raise AskedAlready
    return AdjustmentRequest.objects.create(
        request_key=wish.request_key, requested_by=by, requested_at=now, **_columns(wish)
    )


@atomic
def approve(*, request: AdjustmentRequest, by: User, now: datetime, note: str = "") -> AdjustmentRequest:
    """Do it, once. AdjustmentRefused and RepairRefused change nothing."""
    found = _locked(request)
    if found.requested_by_id == by.pk:
        raise OwnRequest
    effect = _effect(found, now=now)
    found.posting_id, found.recorded_id, found.refund_id = (
        effect.posting_id,
        effect.recorded_id,
        effect.refund_id,
    )
    return _ended(found, State.APPROVED, by=by, now=now, note=note)


@atomic
def reject(*, request: AdjustmentRequest, by: User, now: datetime, note: str) -> AdjustmentRequest:
    found = _locked(request)
    if found.requested_by_id == by.pk:
        raise OwnRequest
    if not note.strip():
        raise NoReason
    return _ended(found, State.REJECTED, by=by, now=now, note=note)


@atomic
def cancel(*, request: AdjustmentRequest, by: User, now: datetime) -> AdjustmentRequest:
    """Take one's own request back."""
    found = _locked(request)
    if found.requested_by_id != by.pk:
        raise NotYours
    return _ended(found, State.CANCELED, by=by, now=now, note="")


def _check(wish: Wish) -> None:
    if not wish.note.strip():
        raise NoReason
    if not wish.points or abs(wish.points) > MOST_POINTS:
        raise PointsOutOfRange
    member = wish.account.member
    if member is None or member.state != Member.State.ACTIVE:
        raise MembershipOver


def _known(wish: Wish, by: User) -> AdjustmentRequest | None:
    if not wish.request_key:
        return None
    known = AdjustmentRequest.objects.filter(requested_by=by, request_key=wish.request_key).first()
    if known and any(getattr(known, name) != asked for name, asked in _columns(wish).items()):
        raise FormUsed
    return known


def _columns(wish: Wish) -> dict[str, Any]:
    return {
        "mall": wish.mall,
        "account": wish.account,
        "deed": wish.deed,
        "points": wish.points,
        "reason": wish.reason,
        "note": wish.note.strip()[:LONGEST_NOTE],
        "transaction": wish.transaction,
        "finding": wish.finding,
    }


def _locked(request: AdjustmentRequest) -> AdjustmentRequest:
    found = AdjustmentRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if not found.is_waiting:
        raise AlreadyEnded(found)
    return found


def _effect(found: AdjustmentRequest, *, now: datetime) -> Effect:
    if found.deed == Deed.POINTS:
        return _moved(found, now=now)
    assert found.finding is not None  # a constraint says so
    if found.deed == Deed.CLAW_BACK:
        postings.lock_account(account_id=found.account_id)
        _check_finding(found.finding, found)
    repair = repairs.record_payment if found.deed == Deed.EARN else repairs.record_refund
    return repair(finding=found.finding, account_id=found.account_id, by=found.requested_by, now=now)


def _moved(found: AdjustmentRequest, *, now: datetime) -> Effect:
    account = postings.lock_account(account_id=found.account_id)
    if account.member is None or account.member.state != Member.State.ACTIVE:
        raise MembershipOver
    if found.finding:
        _check_finding(found.finding, found)
    try:
        posted = adjusting.adjust(
            account=account,
            points=found.points,
            source=postings.reference("adjustment", found.pk),
            now=now,
        )
    except BalanceTooLow as low:
        raise TooFewPoints from low
    return Effect(posting_id=posted.posting_id)


def _check_finding(finding: Finding, found: AdjustmentRequest) -> None:
    """Under the account's lock: a refund, a decision or another repair may have come since."""
    if mismatch_points.is_refunded_since(finding, found.requested_at):
        raise Outdated
    if found.deed == Deed.POINTS and mismatch_points.now(finding) != found.points:
        raise Outdated


def _ended(
    found: AdjustmentRequest, state: State, *, by: User, now: datetime, note: str
) -> AdjustmentRequest:
    found.state, found.decided_by, found.decided_at = state, by, now
    found.decision_note = note.strip()[:LONGEST_NOTE]
    found.save()
    if found.finding_id:
        is_repaired = state == State.APPROVED
        Finding.objects.filter(pk=found.finding_id).update(
            state=Finding.State.REPAIRED if is_repaired else Finding.State.OPEN,
            decided_by=by if is_repaired else None,
            decided_at=now if is_repaired else None,
        )
    return found
