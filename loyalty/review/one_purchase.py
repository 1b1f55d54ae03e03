"""Which records the cases decided SAME tie to one, and which of them keeps the purchase. Reads only, takes no lock."""

from dataclasses import dataclass

from django.db.models import Q

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.suspects import WALLET_CHANNELS

# Not the wallet's own, how far behind the others it came, its number: the lowest keeps the purchase.
Place = tuple[bool, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """The records tied to one of a case's two. `first_case_id` leads from that one to `kept_by`, if it is another."""

    ids: frozenset[int]
    kept_by: int
    place: Place
    first_case_id: int | None


def place_of(one: Transaction, steps: int) -> Place:
    return (one.channel not in WALLET_CHANNELS, steps, one.pk)


def side(one: Transaction, *, without: Transaction) -> Side:
    """All that is tied to `one` by decisions, however far, but through `without`."""
    places: dict[int, Place] = {one.pk: place_of(one, 0)}
    ways: dict[int, int | None] = {one.pk: None}
    lost: set[int] = set()
    reached = {one.pk}
    while reached:
        ties = [tie for tie in _ties(reached) if without.pk not in (tie.transaction_id, tie.earlier_id)]
        # What was refused at once has nothing, though it be the wallet's own.
        lost |= {tie.transaction_id for tie in ties if tie.decided_by_id is None}
        reached = {pk for tie in ties for pk in _reach(tie, places, ways)}
    kept_by = min(places, key=lambda pk: (pk in lost, *places[pk]))
    return Side(ids=frozenset(places), kept_by=kept_by, place=places[kept_by], first_case_id=ways[kept_by])


def _ties(reached: set[int]) -> list[DuplicateCase]:
    found = DuplicateCase.objects.filter(Q(transaction__in=reached) | Q(earlier__in=reached))
    return list(found.filter(state=DuplicateCase.State.SAME).select_related("transaction", "earlier"))


def _reach(tie: DuplicateCase, places: dict[int, Place], ways: dict[int, int | None]) -> list[int]:
    """Note the end of a tie that was not met yet."""
    new = []
    for one, known, step in ((tie.transaction, tie.earlier, 1), (tie.earlier, tie.transaction, -1)):
        if one.pk not in places:
            places[one.pk] = place_of(one, places[known.pk][1] + step)
            ways[one.pk] = ways[known.pk] or tie.pk
            new.append(one.pk)
    return new
