"""Moves points that staff decided by hand, against the program's account of adjustments. Joins its caller's block."""

from datetime import datetime

from django.db.models import F

from loyalty.ledger import expiry, postings
from loyalty.ledger.models import PointAccount, PointLot, Posting
from loyalty.ledger.postings import Posted
from members.models import Program


class BalanceTooLow(Exception):
    """The program lets no balance fall so low."""

    def __init__(self, balance: int) -> None:
        super().__init__(balance)
        self.balance = balance


def adjust(*, account: PointAccount, points: int, source: str, now: datetime) -> Posted:
    """The caller holds the account's lock. Points given lapse as if they were earned now; those taken are taken from
    the lots that lapse first.
    """
    before = max(0, account.balance or 0)
    program = account.program
    if points < 0:
        _check_room(program, account.balance or 0, -points)
        _take(account, min(before, -points))
    posted = postings.move(
        account=account,
        kind=Posting.Kind.ADJUST,
        source=source,
        points=points,
        against=PointAccount.Kind.ADJUSTED,
        now=now,
    )
    # What settles a balance below zero makes no lot.
    given = max(0, posted.balance) - before
    if given > 0:
        lapses_at = expiry.expires_at(expiry=program.expiry, count=program.expiry_count, paid_at=now, now=now)
        PointLot.objects.create(
            account=account, posting_id=posted.posting_id, points=given, remaining=given, expires_at=lapses_at
        )
    return posted


def _check_room(program: Program, balance: int, points: int) -> None:
    if program.negative_balance != Program.NegativeBalance.ALLOW_NEGATIVE and points > max(0, balance):
        raise BalanceTooLow(balance)


def _take(account: PointAccount, points: int) -> None:
    lots = account.lots.filter(remaining__gt=0, is_held=False)
    for lot in lots.order_by(F("expires_at").asc(nulls_last=True), "pk"):
        share = min(lot.remaining, points)
        if share:
            PointLot.objects.filter(pk=lot.pk).update(remaining=F("remaining") - share)
        points -= share
