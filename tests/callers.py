"""AlipayHK's side in a test's own hands: signed notices to a running installation, many at once, and a book.

The book is the oracle: what it says was acknowledged, the installation must own.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from alipayhk.simulator import clients, keys, notices, post
from alipayhk.simulator.post import Answer, Verdict
from tests import live
from tests.live import Json


@dataclass
class Sent:
    """One notice and every answer it got."""

    kind: str
    body: Json
    answers: list[Answer] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    acknowledged_at: float = 0.0

    @property
    def is_acknowledged(self) -> bool:
        return any(verdict.acknowledged for verdict in self.verdicts)

    def codes(self) -> set[str]:
        return {verdict.code for verdict in self.verdicts}


class Caller:
    """AlipayHK as one mall meets it, with the keys of a simulator's home."""

    def __init__(self, home: Path, document: Json, *, url: str) -> None:
        self.client = clients.from_register(document, mall_url=url)
        self.keys = keys.open_ring(home)
        self.ours = self.client.keys()

    def send(self, kind: str, body: Json, *, fault: str = "none", into: Sent | None = None) -> Sent:
        """Sign and post once."""
        sent = into or Sent(kind, body)
        envelope = notices.seal(
            kind=kind, body=notices.to_bytes(body), client=self.client, keys=self.keys, fault=fault
        )
        answer = post.send(envelope)
        verdict = post.judge(answer, envelope=envelope, keys=self.ours)
        sent.answers.append(answer)
        sent.verdicts.append(verdict)
        if verdict.acknowledged and not sent.acknowledged_at:
            sent.acknowledged_at = time.time()
        return sent

    def insist(self, kind: str, body: Json, *, seconds: float = 60, rest: float = 0.3) -> Sent:
        """Send until acknowledged, as AlipayHK's ladder would, signed anew each time."""
        sent, end = Sent(kind, body), time.monotonic() + seconds
        while not self.send(kind, body, into=sent).is_acknowledged and time.monotonic() < end:
            time.sleep(rest)
        return sent

    def join(self, user_id: str) -> Sent:
        """Have a user become a member; nobody else has this address."""
        return self.insist("membercard", {"userId": user_id, "userEmail": f"u{user_id}@example.com"})

    def bill(self, user_id: str, cents: int, **fields: Any) -> Json:
        """The body of a payment notice."""
        amount = {"currency": "HKD", "value": cents}
        return notices.complete("bill", {"userId": user_id, "orderAmount": amount, **fields}, self.client)

    def refund(self, bill: Json, cents: int) -> Json:
        """The body of a refund notice for a payment."""
        fields = {"userId": bill["userId"], "relateBillNo": bill["billNo"], "pmsLabel": bill["pmsLabel"]}
        amount = {"currency": "HKD", "value": cents}
        return notices.complete("refund", {**fields, "refundAmount": amount}, self.client)


def users(count: int) -> list[str]:
    return [notices.new_user() for _ in range(count)]


def at_once(jobs: Iterable[Callable[[], Sent]], *, callers: int) -> list[Sent]:
    """Run jobs by so many callers, each taking the next one that is left."""
    with ThreadPoolExecutor(max_workers=callers) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def meanwhile(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def until(condition: Callable[[], bool], seconds: float, rest: float = 0.1) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(rest)
    return True


def rows(installation: live.Installation, question: str, *values: object) -> list[tuple[Any, ...]]:
    """What the installation's database says, on a connection of our own."""
    url = installation.running()["environment"]["DATABASE_URL"]
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute(question.encode(), values).fetchall()


def balance(installation: live.Installation, user_id: str) -> int:
    """The points of this user in the ledger's own row."""
    question = """
        SELECT account.balance FROM ledger_pointaccount account
        JOIN members_pass card ON card.member_id = account.member_id WHERE card.user_id = %s"""
    [(points,)] = rows(installation, question, user_id)
    return int(points)


def shown(simulator: live.Simulator, user_id: str) -> list[int | None]:
    """The points on each card of this user."""
    return [card["points"] for card in simulator.control("GET", f"cards?user_id={user_id}")["cards"]]


def document(simulator: live.Simulator, *, tag: str, number: int, **wire: Any) -> Json:
    """A mall of its own at this simulator: another group, tag and Client-Id, the same keys on both sides."""
    found: Json = json.loads(simulator.offer.read_text())
    found["group"] |= {"label": f"2023{number:04d}"}
    found["mall"] |= {"label": f"2023{number:04d}001", "tag": tag}
    found["alipayhk"] |= {"client_id": f"21102000{number:08d}", **wire}
    return found


def register(installation: live.Installation, content: Json) -> Json:
    """`register_mall -`; what it says it did."""
    done = installation.manage("register_mall", "-", given=json.dumps(content))
    said: Json = json.loads(done.stdout)
    return said
