"""The threads of this process that call AlipayHK, and how many calls each credential has in flight."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Called = TypeVar("Called")


class Crew(Generic[Called]):
    """`most_of_one` leaves room for the calls of other malls while one gateway is slow."""

    def __init__(self, *, most: int, most_of_one: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._in_flight: Counter[int] = Counter()
        self._most, self._most_of_one = most, most_of_one

    def room(self) -> int:
        with self._lock:
            return self._most - self._in_flight.total()

    def busy(self) -> list[int]:
        with self._lock:
            return [number for number, calls in self._in_flight.items() if calls >= self._most_of_one]

    def send(self, credential_id: int, call: Callable[[float], Called]) -> "Future[Called]":
        """Run `call` in a thread; it is told when, on the monotonic clock, it was handed over."""
        with self._lock:
            self._in_flight[credential_id] += 1
        future = self._pool.submit(call, time.monotonic())
        future.add_done_callback(lambda _: self._done(credential_id))
        return future

    def _done(self, credential_id: int) -> None:
        with self._lock:
            self._in_flight[credential_id] -= 1
