"""What a counter clerk typed about missing points, read: numbers, phones, an amount, a day, stores, a name.

Pure: knows no database and no clock. What is not understood is kept as a name, and shown as such.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from loyalty.review import day_words

LONGEST = 200
MOST_NUMBERS = 5
# A name that so many stores bear tells none of them.
MOST_STORES = 20
APART_BEFORE, APART_AFTER = r"(?<![A-Za-z0-9_/.+-])", r"(?![A-Za-z0-9_/-])"
ABOUT = r"(?:about|around|approx(?:imately)?\.?|roughly|~|大約|大概|約)"
FIGURE = r"(?:\d{1,3}(?:,\d{3})+|\d{1,8})(?:\.\d{1,2})?(?![\d.,]*\d)"
NEARLY = r"(?:\s*(?:or so|左右|上下))"
PRICED = re.compile(
    rf"(?P<about>{ABOUT})?\s*(?:HK\$|HKD|\$|港幣|港元)\s*(?P<figure>{FIGURE})(?:\s*(?:元|蚊))?(?P<nearly>{NEARLY})?",
    re.IGNORECASE,
)
COUNTED = re.compile(
    rf"(?P<about>{ABOUT})?\s*{APART_BEFORE}(?P<figure>{FIGURE})\s*(?:HKD|dollars?|港元|元|蚊|塊)(?P<nearly>{NEARLY})?",
    re.IGNORECASE,
)
BARE = re.compile(
    rf"(?P<about>{ABOUT})?\s*{APART_BEFORE}(?P<figure>(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,6}})(?:\.\d{{1,2}})?)"
    rf"(?![\d.,]*\d){APART_AFTER}(?P<nearly>{NEARLY})?",
    re.IGNORECASE,
)
NAMED_NUMBER = re.compile(
    r"(?:receipt|bill|card|number|no\.|單號|收據|編號|帳單|卡號)(?:\s*(?:number|no\.?|號碼))?\s*[:#：]?\s*"
    rf"(?P<number>(?=[A-Z_-]*\d)[A-Z0-9_-]{{1,128}}){APART_AFTER}",
    re.IGNORECASE,
)
SPACED_CARD = re.compile(rf"{APART_BEFORE}\d{{4}}(?:[ -]\d{{4}}){{3}}{APART_AFTER}")
PHONE = re.compile(
    rf"(?<![A-Za-z0-9_/.-])(?:(?:\+?852[ -]?)?[2-9]\d{{3}}[ -]?\d{{4}}|\+\d[\d -]{{6,16}}\d){APART_AFTER}"
)
NUMBER = re.compile(rf"{APART_BEFORE}(?=[A-Z_-]*\d)[A-Z0-9_-]{{4,128}}{APART_AFTER}", re.IGNORECASE)
FILLERS = re.compile(
    r"(?<![A-Za-z])(?:about|around|at|in|on|the|a|of|for|from|by|paid|pay|spent|bought|store|shop|member|card|phone|"
    r"receipt|bill|number|name|points?|missing|with|and|is|was|my)(?![A-Za-z])",
    re.IGNORECASE,
)
CHINESE_FILLERS = re.compile(
    r"^(?:在|於|喺|去|嘅|的|咗|了|消費|買|付款|付|俾|畀|商戶|商店|店舖|店|會員|電話|卡號|卡|收據|單|積分|約|大約|左右|號碼)+"
)
PUNCTUATION = re.compile(r"[\s,;:!?，。；：！？、()（）\"“”「」]+")


@dataclass(frozen=True, slots=True)
class StoreName:
    """A store with all that people call it: names in both languages, code, PMS label."""

    pk: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """In cents, with how far memory may be off."""

    said: int
    lowest: int
    highest: int

    def fits(self, cents: int) -> bool:
        return self.lowest <= cents <= self.highest


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """`numbers` may be of a bill, receipt, card or wallet user; `phones` as typed; `name` is what was left over."""

    numbers: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    amount: Amount | None = None
    day: date | None = None
    store_ids: tuple[int, ...] = ()
    name: str = ""

    @property
    def names_somebody(self) -> bool:
        """One purchase or one member, not merely a place and a day."""
        return bool(self.numbers or self.phones or self.name)

    @property
    def is_enough(self) -> bool:
        """Two of amount, day and store find purchases; one alone would find everybody's."""
        return self.names_somebody or sum(map(bool, (self.amount, self.day, self.store_ids))) > 1


def is_readable(text: str) -> bool:
    return len(text) <= LONGEST and not any(unicodedata.category(sign) == "Cc" for sign in text.strip())


def read(text: str, *, today: date, stores: Sequence[StoreName] = ()) -> Understood:
    """`stores` are those the clerk may see; a store of another mall is only a word left over."""
    rest = _Rest(unicodedata.normalize("NFKC", text))
    store_ids = _named_stores(rest, stores)
    named = tuple(found["number"] for found in rest.take_all(NAMED_NUMBER))
    amount = _amount(rest.take(PRICED) or rest.take(COUNTED))
    day = day_words.take(rest, today=today)
    cards = tuple(re.sub("[ -]", "", found[0]) for found in rest.take_all(SPACED_CARD))
    phones = tuple(found[0].strip() for found in rest.take_all(PHONE))
    bare = None if amount else rest.take(BARE)
    numbers = (*named, *cards, *(found[0] for found in rest.take_all(NUMBER)))
    left = _left_over(rest.text)
    if bare and not (bare["about"] or numbers or phones or day or store_ids or left):
        numbers, bare = (bare["figure"],), None
    if left and not store_ids:
        store_ids = _called(left, stores)
        left = "" if store_ids else left
    return Understood(
        numbers=tuple(dict.fromkeys(numbers))[:MOST_NUMBERS],
        phones=tuple(dict.fromkeys(phones))[:MOST_NUMBERS],
        amount=amount or _amount(bare),
        day=day,
        store_ids=store_ids,
        name=left,
    )


class _Rest:
    """What nobody has understood yet; what is taken leaves a blank."""

    def __init__(self, text: str) -> None:
        self.text = text

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.search(self.text)
        if found:
            self.text = f"{self.text[: found.start()]} {self.text[found.end() :]}"
        return found

    def take_all(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        found = list(pattern.finditer(self.text))
        self.text = pattern.sub(" ", self.text)
        return found


def _amount(found: re.Match[str] | None) -> Amount | None:
    """Exact where cents were said, a dollar off where they were not, a twentieth off where it was `about`."""
    if found is None:
        return None
    figure = found["figure"].replace(",", "")
    cents = int(Decimal(figure) * 100)
    if found["about"] or found["nearly"]:
        off = max(cents // 20, 500)
        return Amount(cents, max(cents - off, 0), cents + off)
    if "." in figure:
        return Amount(cents, cents, cents)
    return Amount(cents, max(cents - 100, 0), cents + 199)


def _named_stores(rest: _Rest, stores: Sequence[StoreName]) -> tuple[int, ...]:
    """Stores whose whole name, code or label stands in the text; the longest name wins, and all that share it."""
    text = rest.text.casefold()
    standing = {
        name: name.casefold()
        for store in stores
        for name in store.names
        if len(name) > 1 and not name.isdecimal() and name.casefold() in text
    }
    for name in sorted(standing, key=len, reverse=True):
        if rest.take(re.compile(APART_BEFORE + re.escape(name) + APART_AFTER, re.IGNORECASE)):
            return _bounded([store.pk for store in stores if standing[name] in _folded(store)])
    return ()


def _called(word: str, stores: Sequence[StoreName]) -> tuple[int, ...]:
    """Stores of which somebody said a part of the name."""
    wanted = word.casefold()
    if len(wanted) < (3 if wanted.isascii() else 2):
        return ()
    return _bounded([store.pk for store in stores if any(wanted in name for name in _folded(store))])


def _folded(store: StoreName) -> list[str]:
    return [name.casefold() for name in store.names]


def _bounded(found: list[int]) -> tuple[int, ...]:
    return tuple(found) if len(found) <= MOST_STORES else ()


def _left_over(text: str) -> str:
    words = [CHINESE_FILLERS.sub("", word) for word in PUNCTUATION.split(FILLERS.sub(" ", text))]
    return " ".join(word for word in words if any(sign.isalnum() for sign in word))
