"""What stores were before: the mall of a day, and every field at a moment. Reads only."""

from collections.abc import Collection
from datetime import date

from pms.models import Mall, Store, StoreMove


def mall_on(store: Store, day: date) -> Mall:
    """Where the store was on this day in Hong Kong: the mall it left at its first move after it, else where it is."""
    later = store.moves.filter(moved_date__gt=day).order_by("moved_date").select_related("from_mall").first()
    return later.from_mall if later else store.mall


class Moves:
    """The moves of these stores, read once, to place many purchases."""

    def __init__(self, store_ids: Collection[int]) -> None:
        self.known: dict[int, list[tuple[date, int]]] = {}
        moves = StoreMove.objects.filter(store__in=store_ids).order_by("moved_date") if store_ids else ()
        for move in moves:
            self.known.setdefault(move.store_id, []).append((move.moved_date, move.from_mall_id))

    def mall_id_on(self, store: Store, day: date | None) -> int:
        """As `mall_on`; without a day, where the store is."""
        later = (mall_id for moved, mall_id in self.known.get(store.pk, ()) if day and moved > day)
        return next(later, store.mall_id)
