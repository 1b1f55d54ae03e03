"""AlipayHK's own book: every notice it sent or kept, each attempt, what was acknowledged. The oracle of trials."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from alipayhk.simulator import times

# A payment that no mall may see; one of these that its payer handed over in a batch.
KEPT, PICKED = "KEPT", "PICKED"
# SENDING first attempts run; WAITING the ladder is due; REFUSED a forged one was turned away.
STATES = ("SENDING", "ACKNOWLEDGED", "WAITING", "REFUSED", "GIVEN_UP", KEPT, PICKED)


@dataclass
class Notice:
    """One notice and what became of it. `attempts` are dicts with time, status, code and verdict."""

    number: int
    kind: str
    client_id: str
    user_id: str
    reference: str
    body: dict[str, Any]
    fault: str
    opened_at: str
    state: str = "SENDING"
    acknowledged_at: str | None = None
    next_at: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        return self.acknowledged_at is not None

    def codes(self) -> list[str]:
        """Result codes of all answers, in the order they came."""
        return [str(attempt["code"]) for attempt in self.attempts]

    def statuses(self) -> list[int]:
        return [int(attempt["status"]) for attempt in self.attempts]


class Book:
    """All notices of this simulator, written down as they change."""

    def __init__(self, record: Callable[[str, dict[str, Any]], None]) -> None:
        self._record = record
        self._lock = threading.RLock()
        self._notices: dict[int, Notice] = {}
        self._numbers = itertools.count(1)

    def open(self, **fields: Any) -> Notice:
        with self._lock:
            number = next(self._numbers)
            notice = Notice(number=number, opened_at=times.header_time(times.now()), **fields)
            self._notices[number] = notice
        return notice

    def note(self, notice: Notice, attempt: dict[str, Any], *, acknowledged: bool) -> None:
        """One attempt is over."""
        with self._lock:
            notice.attempts.append({"at": times.header_time(times.now()), **attempt})
            if acknowledged and not notice.acknowledged:
                notice.acknowledged_at = notice.attempts[-1]["at"]

    def rest(self, notice: Notice, state: str, *, next_at: str | None = None) -> None:
        """The notice comes to rest in a state until something happens to it again."""
        with self._lock:
            notice.state, notice.next_at = state, next_at
            self._record("notice", {"notice": asdict(notice)})

    def find(self, number: int) -> Notice | None:
        return self._notices.get(number)

    def listing(self, *, user_id: str | None = None, client_id: str | None = None) -> list[Notice]:
        """Notices, the newest first."""
        with self._lock:
            notices = list(self._notices.values())
        return [
            notice
            for notice in reversed(notices)
            if user_id in (None, notice.user_id) and client_id in (None, notice.client_id)
        ]

    def restore(self, fields: dict[str, Any]) -> None:
        """Take back a notice that an earlier run wrote down; its ladder ended with that run."""
        notice = Notice(**fields)
        if notice.state in ("WAITING", "SENDING"):
            notice.state, notice.next_at = "GIVEN_UP", None
        self._notices[notice.number] = notice
        self._numbers = itertools.count(notice.number + 1)

    def clear(self) -> None:
        with self._lock:
            self._notices.clear()
