"""Which stores an unknown one is likely to be, with the parts of the score in words. Pure but for one look at stores.

Names are compared by rapidfuzz in either language; whoever maps decides.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
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
    """The stores of some groups, their names made comparable once for all questions of a page."""

    def __init__(self, group_ids: Iterable[int]) -> None:
        rows = Store.objects.filter(
            group_id__in=list(group_ids), state=Store.State.ACTIVE, merged_into=None
        ).select_related("mall")
        self._stores: dict[int, list[Store]] = {}
        for store in rows.order_by("pk"):
            self._stores.setdefault(store.group_id, []).append(store)
        self._names = {
            group_id: [[plain(store.name_en) for store in stores], [plain(store.name_zh) for store in stores]]
            for group_id, stores in self._stores.items()
        }

    def likely(self, unknown: UnknownStore) -> list[Likely]:
        """The likeliest first; none where nothing speaks for any."""
        stores = self._stores.get(unknown.group_id, [])
        ratios = self._ratios(unknown)
        named = set(unknown.merchant_ids)
        found = []
        for place, store in enumerate(stores):
            speaks = place in ratios or store.merchant_id in named or _is_named_by_code(store, unknown)
            if speaks:
                one = Likely(store=store, parts=_parts(store, unknown, ratios.get(place, 0)))
                found.append(one)
        worth_it = [one for one in found if one.score >= LOWEST_SCORE]
        return sorted(worth_it, key=lambda one: (-one.score, one.store.pk))[:MOST]

    def _ratios(self, unknown: UnknownStore) -> dict[int, int]:
        """How alike the names are, of 100, by the store's place; those that are alike at all."""
        best: dict[int, int] = {}
        for reported in filter(None, map(plain, unknown.merchant_names)):
            for names in self._names.get(unknown.group_id, []):
                alike = process.extract(
                    reported, names, scorer=_scorer(reported), score_cutoff=LOWEST_RATIO, limit=20
                )
                for _name, ratio, place in alike:
                    best[place] = max(best.get(place, 0), round(ratio))
        return best


def plain(name: str) -> str:
    """A name without case, width, punctuation and company forms."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return MARKS.sub(" ", TAILS.sub(" ", text)).strip()


def _scorer(reported: str) -> Callable[..., float]:
    """Chinese is written without blanks, so its names have no words to be sorted."""
    return fuzz.token_set_ratio if reported.isascii() else fuzz.partial_ratio


def _parts(store: Store, unknown: UnknownStore, ratio: int) -> tuple[Part, ...]:
    told: list[Part] = []
    if store.merchant_id and store.merchant_id in unknown.merchant_ids:
        told.append(Part(said=_("Same merchant ID"), points=SAME_MERCHANT))
    if ratio:
        said = (
            _("The name is the same") if ratio == 100 else _("Similar name (%(ratio)s%%)") % {"ratio": ratio}
        )
        told.append(Part(said=said, points=SAME_NAME * (ratio - LOWEST_RATIO + 20) // (120 - LOWEST_RATIO)))
    if _is_named_by_code(store, unknown):
        told.append(Part(said=_("The label holds its code"), points=NAMED_BY_CODE))
    if store.mall_id == unknown.mall_id:
        told.append(Part(said=_("Same mall"), points=SAME_MALL))
    return tuple(told)


def _is_named_by_code(store: Store, unknown: UnknownStore) -> bool:
    """A short code would be found in any label."""
    codes: Sequence[str] = (store.code, store.store_id, store.unit)
    label = unknown.name.casefold()
    return any(len(code) > 2 and code.casefold() in label for code in codes)
