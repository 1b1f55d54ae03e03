"""The last 500 calls in and out, as the page and the control API show them. Kept in memory only."""

import itertools
import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from alipayhk.simulator import times

KEPT = 500
LONGEST_TEXT = 8192


@dataclass(frozen=True)
class Call:
    """One call. `direction` is IN for calls to this gateway, OUT for notices to a mall.

    `request` is readable; `encrypted` says that the wire carried it encrypted.
    """

    number: int
    at: str
    direction: str
    api: str
    client_id: str
    user_id: str
    fault: str
    status: int
    outcome: str
    code: str
    seconds: float
    request: str
    answer: str
    applied: bool | None = None
    pass_id: str = ""
    tracer_id: str = ""
    encrypted: bool = False


class Ring:
    """The newest calls; older ones fall out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def add(self, *, request: bytes, answer: bytes, **fields: Any) -> Call:
        """Note a call that is over, or that will never be answered."""
        with self._lock:
            call = Call(
                number=next(self._numbers),
                at=times.header_time(times.now()),
                request=_text(request),
                answer=_text(answer),
                **fields,
            )
            self._calls.append(call)
        return call

    def listing(
        self, *, direction: str | None = None, user_id: str | None = None, after: int = 0, limit: int = KEPT
    ) -> list[Call]:
        """Calls after number `after`, the newest first."""
        with self._lock:
            calls = list(self._calls)
        wanted = [
            call
            for call in reversed(calls)
            if call.number > after and direction in (None, call.direction) and user_id in (None, call.user_id)
        ]
        return wanted[:limit]

    def last_number(self) -> int:
        with self._lock:
            return self._calls[-1].number if self._calls else 0

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


def to_json(call: Call) -> dict[str, Any]:
    return asdict(call)


def _text(content: bytes) -> str:
    return content[:LONGEST_TEXT].decode("utf-8", errors="replace")
