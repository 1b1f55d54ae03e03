"""The cards in users' wallets: what each shows, since when, and everything it ever showed.

Judges cards only; signatures, required fields and faults are the gateway's.
"""

import itertools
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from alipayhk.simulator import times
from alipayhk.simulator.clients import Template

LOCALES = ("zh_HK", "en_US")
_LOCALIZED = re.compile(r"^\$(?P<name>.+)_(?P<locale>zh_HK|en_US)\$$")

Faces = dict[str, dict[str, Any]]


class PassRefused(Exception):
    """AlipayHK refuses this call with a result code."""

    def __init__(self, code: str, message: str, *, pass_id: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.pass_id = code, message, pass_id


@dataclass
class Card:
    """One user's card of one mall. `faces` holds the shown values by locale and placeholder."""

    pass_id: str
    client_id: str
    merchant_id: str
    user_id: str
    open_id: str
    template_code: str
    serial: str
    status: str
    created_at: str
    updated_at: str
    points: int | None
    faces: Faces
    code_info: Any = None
    end_date: int | None = None
    updates: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """A createPass call that the gateway found complete."""

    client_id: str
    merchant_id: str
    user_id: str
    open_id: str
    serial: str
    faces: Faces
    code_info: Any
    end_date: int | None


class Wallet:
    """All cards. Every change is written down through `record` before the call is answered."""

    def __init__(self, record: Callable[[str, dict[str, Any]], None]) -> None:
        self._record = record
        self._lock = threading.RLock()
        self._cards: dict[str, Card] = {}
        self._serials: dict[tuple[str, str, str], str] = {}
        self._owners: dict[str, set[str]] = {}
        self._numbers = itertools.count(secrets.randbelow(10**6))

    def create(self, order: Order, template: Template) -> Card:
        """A new card, or PASS_HAS_EXIT with the first one's id for a serial seen before."""
        key = (order.merchant_id, template.code, order.serial)
        with self._lock:
            if key in self._serials:
                raise PassRefused("PASS_HAS_EXIT", "the pass exists already", pass_id=self._serials[key])
            at = times.header_time(times.now())
            card = Card(
                pass_id=self._number(),
                status="ACTIVE",
                created_at=at,
                updated_at=at,
                points=points_on(order.faces, template),
                template_code=template.code,
                **{name: getattr(order, name) for name in Order.__dataclass_fields__},
            )
            self._keep(card, "CREATED")
            return card

    def update(self, pass_id: str, *, client_id: str, faces: Faces, template: Template) -> Card:
        """Change what an active card shows; any other card is refused."""
        with self._lock:
            card = self._active(pass_id, client_id)
            for locale, shown in faces.items():
                card.faces.setdefault(locale, {}).update(shown)
            card.points = points_on(card.faces, template)
            card.updates += 1
            self._keep(card, "UPDATED")
            return card

    def finish(self, pass_id: str, *, client_id: str, status: str) -> Card:
        """Close or use up a card, once."""
        with self._lock:
            card = self._active(pass_id, client_id)
            card.status = status
            self._keep(card, status)
            return card

    def find(self, pass_id: str) -> Card | None:
        return self._cards.get(pass_id)

    def listing(self, *, client_id: str | None = None, user_id: str | None = None) -> list[Card]:
        """Cards, the latest change first."""
        with self._lock:
            numbers = self._cards if user_id is None else self._owners.get(user_id, set())
            cards = [self._cards[number] for number in numbers]
            cards = [card for card in cards if client_id in (None, card.client_id)]
        return sorted(cards, key=lambda card: card.updated_at, reverse=True)

    def restore(self, fields: dict[str, Any], entry: dict[str, Any]) -> None:
        """Take back one change that an earlier run wrote down."""
        earlier = self._cards.get(fields["pass_id"])
        history = [*(earlier.history if earlier else []), entry]
        card = Card(**fields, history=history)
        self._file(card)

    def clear(self) -> None:
        with self._lock:
            self._cards.clear()
            self._serials.clear()
            self._owners.clear()

    def _active(self, pass_id: str, client_id: str) -> Card:
        card = self._cards.get(pass_id)
        if card is None or card.client_id != client_id:
            raise PassRefused("PASS_HAS_NOT_EXIST", "no such pass")
        if card.status == "USED":
            raise PassRefused("PASS_USED_OCCUPIED", "the pass has been used")
        if card.status != "ACTIVE":
            raise PassRefused("PASS_UPDATE_FAIL", "only an active pass can be updated")
        return card

    def _keep(self, card: Card, event: str) -> None:
        at = times.header_time(times.now())
        entry = {"at": at, "event": event, "points": card.points}
        card.updated_at = at
        card.history.append(entry)
        self._file(card)
        snapshot = asdict(card)
        del snapshot["history"]
        self._record("card", {"card": snapshot, "entry": entry})

    def _file(self, card: Card) -> None:
        self._cards[card.pass_id] = card
        self._serials[(card.merchant_id, card.template_code, card.serial)] = card.pass_id
        for owner in filter(None, (card.user_id, card.open_id)):
            self._owners.setdefault(owner, set()).add(card.pass_id)

    def _number(self) -> str:
        """31 digits that begin with the day, like the printed samples."""
        return f"{times.now():%Y%m%d}19027102{next(self._numbers) % 10**8:08d}{secrets.randbelow(10**7):07d}"


def read_faces(content: Any, shape: str) -> Faces:
    """`dataInfo` of either shape, as locale to placeholder to value; another shape is PARAM_ILLEGAL."""
    if not isinstance(content, dict) or not content:
        raise PassRefused("PARAM_ILLEGAL", "dataInfo must be an object with values")
    nested = all(locale in LOCALES and isinstance(shown, dict) for locale, shown in content.items())
    if nested != (shape == "NESTED"):
        raise PassRefused("PARAM_ILLEGAL", f"dataInfo must be {shape.lower()} for this template")
    return {locale: dict(shown) for locale, shown in content.items()} if nested else _flat_faces(content)


def points_on(faces: Faces, template: Template) -> int | None:
    """The balance that a person would read on the card, in whichever locale carries it."""
    for locale in LOCALES:
        value = faces.get(locale, {}).get(template.points_placeholder())
        if value is not None:
            text = str(value).replace(",", "").strip()
            return int(text) if re.fullmatch(r"-?[0-9]+", text) else None
    return None


def _flat_faces(content: dict[str, Any]) -> Faces:
    faces: Faces = {locale: {} for locale in LOCALES}
    for key, value in content.items():
        found = _LOCALIZED.match(key)
        for locale in [found["locale"]] if found else LOCALES:
            faces[locale][f"${found['name']}$" if found else key] = value
    return faces
