"""Which store of ours is which of AlipayHK's list, and how the two differ. Pure."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from alipayhk.store_payloads import Triple

Difference = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ours:
    """A store as the registry has it; `key` is the caller's."""

    key: int
    triple: Triple
    name_en: str
    name_zh: str
    mall_label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Theirs:
    """A store as AlipayHK lists it."""

    key: int
    triple: Triple
    name: str
    mall_label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    ours: Ours
    theirs: Theirs

    @property
    def differences(self) -> list[Difference]:
        """Each with the field, our word and theirs; what one side leaves empty it does not contradict."""
        return [
            {"field": field, "ours": ours, "theirs": theirs}
            for field, ours, theirs in self._pairs()
            if theirs and ours != theirs
        ]

    def _pairs(self) -> Iterable[tuple[str, str, str]]:
        ours, theirs = self.ours, self.theirs
        if ours.triple.partner_id:
            yield "partner_id", ours.triple.partner_id, theirs.triple.partner_id
        yield "merchant_id", ours.triple.merchant_id, theirs.triple.merchant_id
        yield "store_id", ours.triple.store_id, theirs.triple.store_id
        if ours.mall_label:
            yield "mall_label", ours.mall_label, theirs.mall_label
        if not _is_called(ours, theirs.name):
            yield "store_name", f"{ours.name_en} / {ours.name_zh}", theirs.name


def match(ours: Iterable[Ours], theirs: Iterable[Theirs]) -> list[Match]:
    """Pairs by the whole triple, then by merchant and store, then, for stores without a triple, by their name.

    The last two only where there is one candidate on either side.
    """
    pairs: list[Match] = []
    left, right = {one.key: one for one in ours}, {one.key: one for one in theirs}
    for their_word, our_words in (
        (lambda one: one.triple, lambda one: [one.triple]),
        (_shop, lambda one: [_shop(one)]),
        (lambda one: plain(one.name), _names),
    ):
        found = _unique(left.values(), right.values(), our_words, their_word)
        for pair in found:
            del left[pair.ours.key], right[pair.theirs.key]
        pairs += found
    return pairs


def plain(name: str) -> str:
    """A name as it is compared: width, case and spaces say nothing."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _unique(
    ours: Iterable[Ours],
    theirs: Iterable[Theirs],
    our_words: Callable[[Ours], Iterable[Hashable]],
    their_word: Callable[[Theirs], Hashable],
) -> list[Match]:
    by_word: dict[Hashable, list[Ours]] = defaultdict(list)
    for one in ours:
        for word in set(our_words(one)):
            if word:
                by_word[word].append(one)
    listed: dict[Hashable, list[Theirs]] = defaultdict(list)
    for other in theirs:
        listed[their_word(other)].append(other)
    found: dict[int, Match] = {}
    for word, candidates in listed.items():
        known = by_word.get(word, [])
        if len(candidates) == len(known) == 1 and known[0].key not in found:
            found[known[0].key] = Match(ours=known[0], theirs=candidates[0])
    return list(found.values())


def _shop(one: Ours | Theirs) -> tuple[str, str] | None:
    triple = one.triple
    return (triple.merchant_id, triple.store_id) if triple.merchant_id and triple.store_id else None


def _names(one: Ours) -> list[str]:
    """Only a store of which AlipayHK's ids are not known yet is known by its name."""
    return [] if _shop(one) else [plain(one.name_en), plain(one.name_zh)]


def _is_called(ours: Ours, name: str) -> bool:
    return not name or plain(name) in (plain(ours.name_en), plain(ours.name_zh))
