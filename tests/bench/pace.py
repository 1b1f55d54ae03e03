"""Steady traffic through a whole installation: web, worker, beat and the simulator on the same cores.

A card's wait is counted from when its notice was due, which is before the commit: never too kind to us.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from alipayhk import signature
from tests import live
from tests.bench import notices, world
from tests.bench.figures import Pace, Waits
from tests.bench.load import Callers, Load
from tests.bench.notices import FIRST_USER, Bills, Message, Sender, Signer

PER_SECOND = 30.0
MEMBERS = 600
CALLERS = 64
KEY_VERSION = 9
PATIENCE = 60.0


# When a card showed which points.
History = list[tuple[float, int]]


class PaceFailed(Exception):
    """A card never showed what it should."""


def measure(owner_url: str, app_url: str, database: str, *, seconds: int) -> Pace:
    urls = {
        name: world.named(url, database)
        for name, url in (("DATABASE_URL", app_url), ("DATABASE_OWNER_URL", owner_url))
    }
    with _installation(urls) as installation, _simulator(installation) as simulator:
        signer = Signer(_register(installation, simulator))
        try:
            _let_join(simulator, signer, installation.port)
            return _pay(simulator, signer, installation.port, how_many=int(PER_SECOND * seconds))
        finally:
            signer.close()


@contextmanager
def _installation(urls: dict[str, str]) -> Iterator[live.Installation]:
    installation = live.Installation(**urls, ALIPAYHK_NEW_CARDS_PER_MINUTE="0")
    try:
        yield installation
    finally:
        installation.remove()


@contextmanager
def _simulator(installation: live.Installation) -> Iterator[live.Simulator]:
    simulator = live.Simulator(installation.folder / "simulator", mall_url=installation.url)
    try:
        yield simulator
    finally:
        simulator.stop()


def _register(installation: live.Installation, simulator: live.Simulator) -> Sender:
    """The simulator's mall, with one more key of AlipayHK's: ours, since we are faster at sending than it is."""
    key, document = (
        generate_private_key(public_exponent=65537, key_size=2048),
        json.loads(simulator.offer.read_text()),
    )
    wire = document["alipayhk"]
    wire["public_keys"].append({"version": KEY_VERSION, "key": signature.public_base64(key.public_key())})
    installation.manage("register_mall", "-", given=json.dumps(document))
    stores = tuple(store["pms_label"] for store in document["stores"] if not store["excluded"])
    return Sender(document["mall"]["tag"], wire["client_id"], signature.private_pem(key), stores)


def _let_join(simulator: live.Simulator, signer: Signer, port: int) -> None:
    _send(port, signer.requests(notices.joining(FIRST_USER + number) for number in range(MEMBERS)), callers=8)
    _wait_for(lambda: len(_histories(simulator)) == MEMBERS, "not every member got a card")


def _pay(simulator: live.Simulator, signer: Signer, port: int, *, how_many: int) -> Pace:
    bills = Bills(signer.sender, MEMBERS)
    users = [FIRST_USER + number % MEMBERS for number in range(how_many)]
    messages = [bills.one(user) for user in users]
    expected = _balances(users, messages)
    requests = signer.requests(messages)
    offset = time.time() - time.perf_counter()
    load = _send(port, requests, callers=CALLERS, per_second=PER_SECOND)
    histories = _settled(simulator, dict(zip(users, expected, strict=True)))
    cards = [
        _shown_at(histories[users[one.number]], expected[one.number]) - (one.due + offset)
        for one in load.answered
    ]
    return Pace(PER_SECOND, Waits(tuple(one.wait for one in load.answered)), Waits(tuple(cards)))


def _send(port: int, requests: list[bytes], *, callers: int, per_second: float = math.inf) -> Load:
    connections = Callers(port, callers)
    try:
        return connections.run(requests, per_second=per_second)
    finally:
        connections.close()


def _settled(simulator: live.Simulator, last: dict[int, int]) -> dict[int, History]:
    """The cards' histories, once each shows its member's last balance."""

    def are_all_shown() -> bool:
        return all(history[-1][1] == last.get(user, 0) for user, history in _histories(simulator).items())

    _wait_for(are_all_shown, "a card stayed behind")
    return _histories(simulator)


def _balances(users: list[int], messages: list[Message]) -> list[int]:
    """What each member's card should show after each payment: one point a dollar, no ceiling in reach."""
    balances: dict[int, int] = defaultdict(int)
    found = []
    for user, message in zip(users, messages, strict=True):
        balances[user] += json.loads(message.body)["orderAmount"]["value"] // 100
        found.append(balances[user])
    return found


def _histories(simulator: live.Simulator) -> dict[int, History]:
    """By user: when the card showed which points."""
    return {
        int(card["user_id"]): [
            (datetime.fromisoformat(entry["at"]).timestamp(), entry["points"] or 0)
            for entry in card["history"]
        ]
        for card in simulator.control("GET", "cards")["cards"]
    }


def _shown_at(history: History, points: int) -> float:
    """Balances only grow here, so a later, higher one counts too."""
    return next(at for at, shown in history if shown >= points)


def _wait_for(is_done: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + PATIENCE
    while not is_done():
        if time.monotonic() > end:
            raise PaceFailed(complaint)
        time.sleep(0.5)
