"""The people whose phones these are, and which malls they let see their payments.

Written into the simulator's journal, so that a restarted stand knows its visitors again.
"""

import re
import threading
from dataclasses import asdict, dataclass

from alipayhk.simulator import notices
from alipayhk.simulator.book import Book
from alipayhk.simulator.cards import Wallet
from alipayhk.simulator.journal import Journal
from alipayhk.simulator.notices import NoticeRefused

LONGEST_NAME = 40
_MOBILE = re.compile(r"(?:\+?852[- ]?)?([4-9][0-9]{3}) ?([0-9]{4})")


@dataclass(frozen=True)
class Person:
    """One AlipayHK user. `mobile` is worded as the wire words it: 852-98765432."""

    user_id: str
    name: str
    mobile: str


class People:
    """Everybody who was made here, and whoever else the book or a card knows."""

    def __init__(self, journal: Journal, *, book: Book, wallet: Wallet) -> None:
        self._journal, self._book, self._wallet = journal, book, wallet
        self._lock = threading.Lock()
        self._people: dict[str, Person] = {}
        self._permissions: dict[tuple[str, str], bool] = {}
        for event in journal.read():
            self._recall(event)

    def make(self, *, name: str, mobile: str) -> Person:
        """A new user with a number of Hong Kong."""
        found, name = _MOBILE.fullmatch(mobile.strip()), " ".join(name.split())
        if found is None:
            raise NoticeRefused("phone: 8 digits of a Hong Kong number")
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise NoticeRefused(f"name: 1 to {LONGEST_NAME} letters")
        person = Person(user_id=notices.new_user(), name=name, mobile=f"852-{found[1]}{found[2]}")
        with self._lock:
            self._people[person.user_id] = person
        self._journal.append("person", {"person": asdict(person)})
        return person

    def find(self, user_id: str) -> Person | None:
        """Somebody made here, or met in a notice or on a card."""
        known = self._people.get(user_id)
        if known is not None or not user_id:
            return known
        joined = [one for one in self._book.listing(user_id=user_id) if one.kind == "membercard"]
        if joined:
            return Person(user_id=user_id, name="", mobile=str(joined[-1].body.get("mobileNo") or ""))
        is_met = self._book.listing(user_id=user_id) or self._wallet.listing(user_id=user_id)
        return Person(user_id=user_id, name="", mobile="") if is_met else None

    def need(self, user_id: object) -> Person:
        person = self.find(user_id) if isinstance(user_id, str) else None
        if person is None:
            raise NoticeRefused(f"nobody has the user ID {user_id}")
        return person

    def listing(self, *, limit: int = 24) -> list[Person]:
        """The latest first: those made here, then holders of cards."""
        with self._lock:
            made = list(reversed(self._people.values()))
        holders = dict.fromkeys(card.user_id for card in self._wallet.listing() if card.user_id)
        others = [self.find(user_id) for user_id in holders if user_id not in self._people]
        return [*made, *filter(None, others)][:limit]

    def permit(self, person: Person, client_id: str, *, is_given: bool) -> None:
        """From now on the mall is told of this person's payments, or not any more."""
        with self._lock:
            self._permissions[person.user_id, client_id] = is_given
        fields = {"user_id": person.user_id, "client_id": client_id, "is_given": is_given}
        self._journal.append("permission", fields)

    def permits(self, person: Person, client_id: str) -> bool:
        """Whoever joined through a Brand Channel gave it there."""
        said = self._permissions.get((person.user_id, client_id))
        if said is not None:
            return said
        found = self._book.listing(user_id=person.user_id, client_id=client_id)
        return any(notice.kind == "membercard" and notice.acknowledged for notice in found)

    def _recall(self, event: dict[str, object]) -> None:
        person = event.get("person")
        if event["event"] == "person" and isinstance(person, dict):
            self._people[person["user_id"]] = Person(**person)
        elif event["event"] == "permission":
            key = str(event["user_id"]), str(event["client_id"])
            self._permissions[key] = bool(event["is_given"])
