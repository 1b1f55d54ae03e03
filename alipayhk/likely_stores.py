"""Which stores an unknown one is likely to be, with the parts of the score in words. Pure but for one look at stores.

Names are compared by rapidfuzz in either language; whoever maps decides.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from rapidfuzz import fuzz, process

from alipayhk.unknown_stores import UnknownStore
from pms.models import Store

MOST = 3
SAME_MERCHANT, SAME_NAME, NAMED_BY_CODE, SAME_MALL = 45, 40, 25, 15
# Below this, two names have no more in common than any two.
LOWEST_RATIO = 60
LOWEST_SCORE = 35
MOST_PARTS = 12
# Pairs of names for one page: 0.2 s on a slow machine. Reached where a group has thousands of stores.
MOST_COMPARED = 100_000
# What companies add to the name over the door.
TAILS = re.compile(r"\b(limited|ltd|co|company|hk|hong kong|the)\b|有限公司|公司|香港|分店|店$")
MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    said: str
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Likely:
    store: Store
    parts: tuple[Part, ...]

    @property
    def score(self) -> int:
        return min(100, sum(part.points for part in self.parts))


class Shelf:
    """The stores of some malls, made comparable once for all questions of a page."""

    def __init__(self, mall_ids: Iterable[int]) -> None:
        rows = Store.objects.filter(
            mall_id__in=list(mall_ids), state=Store.State.ACTIVE, merged_into=None
        ).select_related("mall")
        found: dict[int, list[Store]] = {}
        for store in rows.order_by("pk"):
            found.setdefault(store.group_id, []).append(store)
        self._boards = {group_id: Board(stores) for group_id, stores in found.items()}
        self._left = MOST_COMPARED

    def likely(self, unknown: UnknownStore) -> list[Likely]:
        """The likeliest first; none where nothing speaks for any. After too many, names are compared no more."""
        board = self._boards.get(unknown.group_id)
        if board is None:
            return []
        found = board.likely(unknown, compares_names=not self.is_tired)
        self._left -= board.size * len(unknown.merchant_names)
        return found

    @property
    def is_tired(self) -> bool:
        return self._left <= 0


class Board:
    """The stores of one group, each by its place."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._english = [plain(store.name_en) for store in stores]
        self._chinese = [plain(store.name_zh) for store in stores]
        self._by_merchant: dict[str, list[int]] = {}
        self._by_code: dict[str, list[int]] = {}
        for place, store in enumerate(stores):
            self._by_merchant.setdefault(store.merchant_id, []).append(place)
            for code in _codes(store):
                self._by_code.setdefault(code, []).append(place)

    @property
    def size(self) -> int:
        return len(self._stores)

    def likely(self, unknown: UnknownStore, *, compares_names: bool) -> list[Likely]:
        ratios = self._ratios(unknown) if compares_names else {}
        coded = self._places(self._by_code, _spans(unknown.name))
        named = self._places(self._by_merchant, filter(None, unknown.merchant_ids))
        found = [
            Likely(
                store=self._stores[place],
                parts=_parts(self._stores[place], unknown, ratios.get(place, 0), is_coded=place in coded),
            )
            for place in ratios.keys() | coded | named
        ]
        worth_it = [one for one in found if one.score >= LOWEST_SCORE]
        return sorted(worth_it, key=lambda one: (-one.score, one.store.pk))[:MOST]

    def _places(self, board: Mapping[str, list[int]], words: Iterable[str]) -> set[int]:
        return {place for word in words for place in board.get(word, [])}

    def _ratios(self, unknown: UnknownStore) -> dict[int, int]:
        """How alike the names are, of 100, by the store's place; those that are alike at all."""
        best: dict[int, int] = {}
        for reported in filter(None, map(plain, unknown.merchant_names)):
            names, scorer = self._language_of(reported)
            alike = process.extract(reported, names, scorer=scorer, score_cutoff=LOWEST_RATIO, limit=20)
            for _name, ratio, place in alike:
                best[place] = max(best.get(place, 0), round(ratio))
        return best

    def _language_of(self, reported: str) -> tuple[list[str], Callable[..., float]]:
        """Chinese is written without blanks, so its names have no words to be sorted."""
        if reported.isascii():
            return self._english, fuzz.token_set_ratio
        return self._chinese, fuzz.partial_ratio


def plain(name: str) -> str:
    """A name without case, width, punctuation and company forms."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return MARKS.sub(" ", TAILS.sub(" ", text)).strip()


def _parts(store: Store, unknown: UnknownStore, ratio: int, *, is_coded: bool) -> tuple[Part, ...]:
    told: list[Part] = []
    if store.merchant_id and store.merchant_id in unknown.merchant_ids:
        told.append(Part(said=_("Same merchant ID"), points=SAME_MERCHANT))
    if ratio:
        said = (
            _("The name is the same") if ratio == 100 else _("Similar name (%(ratio)s%%)") % {"ratio": ratio}
        )
        told.append(Part(said=said, points=SAME_NAME * (ratio - LOWEST_RATIO + 20) // (120 - LOWEST_RATIO)))
    if is_coded:
        told.append(Part(said=_("The label holds its code"), points=NAMED_BY_CODE))
    if store.mall_id == unknown.mall_id:
        told.append(Part(said=_("Same mall"), points=SAME_MALL))
    return tuple(told)


def _codes(store: Store) -> set[str]:
    """A short code would be found in any label."""
    codes = (_squeezed(code) for code in (store.code, store.store_id, store.unit))
    return {code for code in codes if len(code) > 2}


def _spans(label: str) -> set[str]:
    """Every run of the label's parts: `LUMINA/LP-S12` holds `LP-S12` and `S12`."""
    parts = [part for part in MARKS.split(label.casefold()) if part][:MOST_PARTS]
    ends = range(1, len(parts) + 1)
    return {"".join(parts[start:end]) for start in range(len(parts)) for end in ends if end > start}


def _squeezed(code: str) -> str:
    return MARKS.sub("", code.casefold())
