"""The cheapest caller that still reads its answers: one process, keep-alive sockets, requests made beforehand."""

import math
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from alipayhk import payloads

PATIENCE = 10.0
GOOD = b"HTTP/1.1 200 "
# With a Content-Length, and in chunks.
ENDINGS = (payloads.SUCCESS, b"\r\n0\r\n\r\n")
LONGEST_BODY = len(payloads.SUCCESS) + 16


class Refused(Exception):
    """A notice was not answered with SUCCESS."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One notice: which of the requests it was, when it was to go out, when its answer was there."""

    number: int
    due: float
    read_at: float

    @property
    def wait(self) -> float:
        return self.read_at - self.due


@dataclass(slots=True)
class Load:
    """The answers of one round. Those after its end count as work done, not towards its rate."""

    began: float
    ended: float
    answered: list[Answered] = field(default_factory=list)

    @property
    def rate(self) -> float:
        in_time = sum(1 for one in self.answered if one.read_at <= self.ended)
        return in_time / (self.ended - self.began)


@dataclass(slots=True)
class Caller:
    sock: socket.socket
    number: int = 0
    due: float = 0.0
    answer: bytes = b""


class Callers:
    """Connections that stay open from round to round, as those of a proxy do."""

    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        # The one that has rested longest goes first, so that none rests until the server hangs up.
        self._idle = deque(Caller(socket.create_connection(("127.0.0.1", port))) for _ in range(count))
        self._count = count
        for caller in self._idle:
            caller.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(caller.sock, selectors.EVENT_READ, caller)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.sock.close()
        self._selector.close()

    def run(self, requests: list[bytes], *, seconds: float = math.inf, per_second: float = math.inf) -> Load:
        """Send until the time or the requests are over, at a pace or as fast as answers come.

        At a pace a wait is counted from when the notice was due: a stall is felt by all that it held up.
        """
        load = Load(began=time.perf_counter(), ended=time.perf_counter() + seconds)
        sent = 0
        while True:
            now = time.perf_counter()
            while (
                self._idle
                and sent < len(requests)
                and (due := load.began + sent / per_second) <= now < load.ended
            ):
                self._send(requests, sent, due=now if per_second == math.inf else due)
                sent += 1
            is_over = sent == len(requests) or now >= load.ended
            if is_over and len(self._idle) == self._count:
                load.ended = min(load.ended, now)
                return load
            may_send = self._idle and not is_over
            self._read_some(load, wait=max(0.0, due - now) if may_send else PATIENCE)

    def _send(self, requests: list[bytes], number: int, *, due: float) -> None:
        caller = self._idle.popleft()
        caller.number, caller.due, caller.answer = number, due, b""
        caller.sock.sendall(requests[number])

    def _read_some(self, load: Load, *, wait: float) -> None:
        ready = self._selector.select(wait)
        if not ready and wait == PATIENCE:
            raise Refused(f"no answer in {PATIENCE:g} s")
        for key, _ in ready:
            caller: Caller = key.data
            caller.answer += (read := _read(caller.sock))
            if not read:
                raise Refused("the connection was closed")
            if _is_whole(caller.answer):
                load.answered.append(Answered(caller.number, caller.due, time.perf_counter()))
                self._idle.append(caller)


def _read(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""


def _is_whole(answer: bytes) -> bool:
    """Every good answer ends with the same constant body; anything else ends the bench."""
    if payloads.SUCCESS in answer and answer.startswith(GOOD) and answer.endswith(ENDINGS):
        return True
    head, gap, body = answer.partition(b"\r\n\r\n")
    if gap and (not head.startswith(GOOD) or len(body) > LONGEST_BODY):
        raise Refused(f"answered: {answer[:1000].decode(errors='replace')}")
    return False
