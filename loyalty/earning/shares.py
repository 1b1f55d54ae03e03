"""How much of points due back is there to be taken: those on hold first, then as far as the program's policy goes."""

from dataclasses import dataclass

from django.db.models import Sum

from loyalty.earning.models import Transaction
from loyalty.ledger.models import PointAccount, PointLot
from members.models import Member, Program


@dataclass(frozen=True, slots=True)
class Share:
    """What is taken of the points a purchase still has on hold, and of spendable ones."""

    held: int
    usable: int

    @property
    def points(self) -> int:
        return self.held + self.usable


NOTHING_TAKEN = Share(0, 0)


def is_closed(transaction: Transaction) -> bool:
    """The membership is over: nothing is taken from it, and whose it was may be erased by now."""
    return transaction.member.state == Member.State.CLOSED


def share(account: PointAccount, posting_id: int | None, points: int) -> Share:
    """Of `points` due, by the program's policy; `posting_id` made the purchase's own lots."""
    policy = account.program.negative_balance
    held = min(points, _still_held(posting_id))
    if policy == Program.NegativeBalance.ALLOW_NEGATIVE:
        return Share(held, points - held)
    if policy == Program.NegativeBalance.STOP_AT_ZERO:
        return Share(held, min(points - held, max(0, account.balance or 0)))
    return Share(held, 0)


def _still_held(posting_id: int | None) -> int:
    if posting_id is None:
        return 0
    held = PointLot.objects.filter(posting_id=posting_id, is_held=True)
    return held.aggregate(total=Sum("remaining"))["total"] or 0
