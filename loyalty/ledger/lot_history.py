"""Which lots a member had at an instant: all that happened to them until then, played again. Reads only.

Only what is left of a lot now is stored; the same rules as in `postings.py` and `redemptions.py` give what was left
then. At this instant both agree, which the tests show.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations

from loyalty.ledger import statements
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting, RedemptionPart
from loyalty.ledger.statements import Move

LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class LotThen:
    """What was left of one lot, and whether it was on hold."""

    lot: PointLot
    remaining: int
    is_held: bool

    @property
    def urgency(self) -> tuple[datetime, int]:
        """Soonest-expiring first."""
        return self.lot.expires_at or LAST, self.lot.pk


def lots_at(account: PointAccount, at: datetime) -> list[LotThen]:
    """The lots with points left, soonest-expiring first, those on hold last."""
    history = _History(account)
    for move in _moves_until(account, at):
        history.play(move)
    left = [lot for lot in history.lots.values() if lot.remaining]
    return sorted(left, key=lambda lot: (lot.is_held, *lot.urgency))


def _moves_until(account: PointAccount, at: datetime) -> list[Move]:
    """In the order of the account's lock, which entries are numbered under."""
    entries = PointEntry.objects.filter(
        account__in=statements.account_ids(account), posting__posted_at__lte=at
    )
    return statements.moves_of(entries.select_related("posting").order_by("pk"), account)


@dataclass
class _History:
    account: PointAccount
    balance: int = 0
    lots: dict[int, LotThen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._of_posting: dict[int, list[PointLot]] = defaultdict(list)
        for lot in self.account.lots.order_by("pk"):
            self._of_posting[lot.posting_id].append(lot)
        released = self.account.entries.filter(posting__kind=Posting.Kind.RELEASE)
        self._released = {
            int(source.split("/")[1]) for source in released.values_list("posting__source", flat=True)
        }
        self._given: dict[str, list[int]] = defaultdict(list)
        given = Posting.objects.filter(kind=Posting.Kind.EARN, pk__in=list(self._of_posting))
        for posting in given.order_by("pk"):
            self._given[_purchase(posting.source)].append(posting.pk)
        self._parts: dict[int, list[RedemptionPart]] = defaultdict(list)
        parts = RedemptionPart.objects.filter(redemption__account=self.account).select_related("redemption")
        for part in parts.order_by("pk"):
            redemption = part.redemption
            ended_ids = (redemption.end_posting_id, redemption.return_posting_id)
            for posting_id in {redemption.reserve_posting_id, *ended_ids}:
                if posting_id is not None:
                    self._parts[posting_id].append(part)

    def play(self, move: Move) -> None:
        before, self.balance = self.balance, self.balance + move.points
        if move.kind == Posting.Kind.CLAW_BACK:
            self._claw_back(move)
        elif move.kind == Posting.Kind.RELEASE:
            self._release(move)
        elif move.kind == Posting.Kind.EXPIRE:
            self.lots[_lot_id(move)].remaining = 0
        elif move.kind == Posting.Kind.RESERVE:
            for part in self._parts[move.posting_id]:
                self.lots[part.lot_id].remaining -= part.points
        elif move.posting_id in self._parts:
            self._give_back(move, settled=move.points - (max(0, self.balance) - max(0, before)))
        else:
            self._bring_or_take(move)

    def _bring_or_take(self, move: Move) -> None:
        lots = self._of_posting.get(move.posting_id, [])
        held = _held(lots, move.held, self._released)
        for lot in lots:
            self.lots[lot.pk] = LotThen(lot=lot, remaining=lot.points, is_held=lot.pk in held)
        if not lots and move.points < 0:
            _take(self._spendable(), -move.points)

    def _claw_back(self, move: Move) -> None:
        """What was given last for the purchase: what that still holds, its own lot, then what expires soonest."""
        given = self._given[_purchase(move.source)]
        award_posting_id = max((pk for pk in given if pk < move.posting_id), default=None)
        own = [lot for lot in self.lots.values() if lot.lot.posting_id == award_posting_id]
        _take(sorted((lot for lot in own if lot.is_held), key=lambda lot: lot.urgency), -move.held)
        spendable = sorted(
            self._spendable(), key=lambda lot: (lot.lot.posting_id != award_posting_id, *lot.urgency)
        )
        _take(spendable, -move.points)

    def _release(self, move: Move) -> None:
        lot = self.lots[_lot_id(move)]
        lot.is_held, lot.remaining = False, max(0, min(lot.remaining, self.balance))

    def _give_back(self, move: Move, *, settled: int) -> None:
        for part in sorted(self._parts[move.posting_id], key=lambda part: self.lots[part.lot_id].urgency):
            kept = min(settled, part.points)
            settled -= kept
            self.lots[part.lot_id].remaining += part.points - kept

    def _spendable(self) -> list[LotThen]:
        return sorted((lot for lot in self.lots.values() if not lot.is_held), key=lambda lot: lot.urgency)


def _take(lots: Iterable[LotThen], points: int) -> None:
    for lot in lots:
        taken = min(lot.remaining, points)
        lot.remaining -= taken
        points -= taken


def _purchase(source: str) -> str:
    """`transaction/42`, also of its `transaction/42/refund/1` and `transaction/42/correction/2`."""
    return "/".join(source.split("/")[:2])


def _lot_id(move: Move) -> int:
    """`lot/12/2026-03-31` and `lot/12/release` name lot 12."""
    return int(move.source.split("/")[1])


def _held(lots: list[PointLot], points: int, released: set[int]) -> set[int]:
    """Which lots of a posting brought the points on hold: those on hold or released, else those that add up."""
    known = {lot.pk for lot in lots if lot.is_held or lot.pk in released}
    for number in range(len(lots) + 1):
        for some in combinations(lots, number):
            chosen = {lot.pk for lot in some}
            if known <= chosen and sum(lot.points for lot in some) == points:
                return chosen
    return known
