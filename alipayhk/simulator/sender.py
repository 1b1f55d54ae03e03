"""Sends notices as AlipayHK does: signed, patient for 3 seconds, resent by its ladder until acknowledged."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alipayhk.simulator import faults, notices, post, times
from alipayhk.simulator.book import Book, Notice
from alipayhk.simulator.calls import Ring
from alipayhk.simulator.clients import Client, Registry
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.notices import Envelope

# Wire §8.3: 2 m, 10 m, 10 m, 1 h, 2 h, 6 h, 15 h, each after the one before.
LADDER_SECONDS = (120, 600, 600, 3600, 7200, 21600, 54000)
# membercard/create is called while the user waits; no resending is documented for it.
LADDER_KINDS = ("bill", "refund")
_COUNTS = {"duplicate": (8, 1), "parallel": (4, 4), "replay": (2, 1)}
_WORKERS = 32


@dataclass(frozen=True)
class Sending:
    """A notice to send. `count` attempts at first, `at_once` of them together, then the ladder."""

    kind: str
    client: Client
    body: dict[str, Any]
    fault: str = "none"
    count: int | None = None
    at_once: int | None = None
    seconds: float | None = None
    ladder_scale: float | None = None
    lost: int = 1
    climbs: bool = True

    def counts(self) -> tuple[int, int]:
        count, at_once = _COUNTS.get(self.fault, (1, 1))
        return self.count or count, min(self.at_once or at_once, _WORKERS)

    def has_ladder(self) -> bool:
        """Whether AlipayHK sends this again by itself: not what it forged, nor what a user waits for."""
        return self.climbs and self.kind in LADDER_KINDS and self.fault not in faults.FORGED

    def pause(self) -> float:
        """The seconds of this fault, from the menu unless given."""
        return faults.NOTICE_MENU[self.fault].seconds if self.seconds is None else self.seconds


class Clockwork:
    """Runs functions later, in their order, on a few threads of its own."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="ladder")
        threading.Thread(target=self._run, name="clockwork", daemon=True).start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), action))
            self._changed.notify()

    def forget(self) -> None:
        with self._changed:
            self._due.clear()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                action = heapq.heappop(self._due)[2]
            self._pool.submit(action)


class Sender:
    """Posts notices, keeps the book, climbs the ladder. `scale` shortens the ladder's waits."""

    def __init__(self, *, keys: KeyRing, clients: Registry, book: Book, ring: Ring, scale: float) -> None:
        self._keys, self._clients, self._book, self._ring = keys, clients, book, ring
        self.scale = scale
        self._pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="sender")
        self._clockwork = Clockwork()

    def send(self, sending: Sending) -> Notice:
        """Send a notice and return it after its first attempts; the ladder goes on by itself."""
        notice = self._book.open(
            kind=sending.kind,
            client_id=sending.client.client_id,
            user_id=str(sending.body.get("userId", "")),
            reference=notices.reference(sending.kind, sending.body),
            body=sending.body,
            fault="" if sending.fault == "none" else sending.fault,
        )
        if sending.fault == "out_of_order":
            self._book.rest(notice, "WAITING", next_at=_in(sending.pause()))
            self._clockwork.after(sending.pause(), lambda: self._first(notice, sending))
        else:
            self._first(notice, sending)
        return notice

    def resend(self, notice: Notice) -> Notice:
        """Send a notice of the book once more, freshly signed, whatever became of it before."""
        client = self._clients.need(notice.client_id)
        sending = Sending(kind=notice.kind, client=client, body=notice.body)
        self._attempt(notice, sending, self._seal(sending), counted=True)
        self._settle(notice, sending, rung=len(LADDER_SECONDS))
        return notice

    def forget(self) -> None:
        """Stop every ladder."""
        self._clockwork.forget()

    def stop(self) -> None:
        self._clockwork.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _first(self, notice: Notice, sending: Sending) -> None:
        count, at_once = sending.counts()
        counted = sending.fault != "lost_acknowledgement"
        same = self._seal(sending) if sending.fault == "replay" else None
        for start in range(0, count, at_once):
            batch = [
                self._pool.submit(
                    self._attempt, notice, sending, same or self._seal(sending), counted=counted
                )
                for _ in range(min(at_once, count - start))
            ]
            for attempt in batch:
                attempt.result()
        self._settle(notice, sending, rung=0)

    def _settle(self, notice: Notice, sending: Sending, *, rung: int) -> None:
        """Acknowledged, refused, given up, or one rung further up the ladder."""
        if notice.acknowledged:
            self._book.rest(notice, "ACKNOWLEDGED")
        elif not sending.has_ladder():
            self._book.rest(notice, "REFUSED")
        elif rung >= len(LADDER_SECONDS):
            self._book.rest(notice, "GIVEN_UP")
        else:
            scale = self.scale if sending.ladder_scale is None else sending.ladder_scale
            wait = LADDER_SECONDS[rung] * scale
            self._book.rest(notice, "WAITING", next_at=_in(wait))
            self._clockwork.after(wait, lambda: self._climb(notice, sending, rung))

    def _climb(self, notice: Notice, sending: Sending, rung: int) -> None:
        counted = sending.fault != "lost_acknowledgement" or len(notice.attempts) >= sending.lost
        self._attempt(notice, sending, self._seal(sending), counted=counted)
        self._settle(notice, sending, rung=rung + 1)

    def _seal(self, sending: Sending) -> Envelope:
        return notices.seal(
            kind=sending.kind,
            body=notices.to_bytes(sending.body),
            client=sending.client,
            keys=self._keys,
            fault=sending.fault,
            skew=sending.pause() if sending.fault == "clock_skew" else 0.0,
        )

    def _attempt(self, notice: Notice, sending: Sending, envelope: Envelope, *, counted: bool) -> None:
        """One call. With `counted` false its acknowledgement gets lost on the way."""
        slow = sending.pause() if sending.fault == "slow_body" else 0.0
        answer = post.send(envelope, slow_seconds=slow)
        verdict = post.judge(answer, envelope=envelope, keys=self._clients.keys(sending.client.client_id))
        self._note(notice, envelope, answer, verdict)
        attempt = {
            "status": answer.status,
            "code": verdict.code,
            "signed": verdict.signed,
            "why": verdict.why if counted else "acknowledgement lost",
            "seconds": answer.seconds,
        }
        self._book.note(notice, attempt, acknowledged=verdict.acknowledged and counted)

    def _note(self, notice: Notice, envelope: Envelope, answer: post.Answer, verdict: post.Verdict) -> None:
        self._ring.add(
            direction="OUT",
            api=notice.kind,
            client_id=envelope.client_id,
            user_id=notice.user_id,
            fault=notice.fault,
            status=answer.status,
            outcome=_outcome(verdict),
            code=verdict.code,
            seconds=answer.seconds,
            request=envelope.readable,
            encrypted="Encrypt" in envelope.headers,
            answer=answer.body or answer.error.encode(),
            tracer_id=envelope.headers.get("Tracer-Id", ""),
        )


def _outcome(verdict: post.Verdict) -> str:
    """DONE, REFUSED in words, or FAULT: no answer, or one that proves nothing."""
    if verdict.acknowledged:
        return "DONE"
    return "REFUSED" if verdict.code not in ("", "SUCCESS") else "FAULT"


def _in(seconds: float) -> str:
    return times.header_time(times.now() + timedelta(seconds=seconds))
