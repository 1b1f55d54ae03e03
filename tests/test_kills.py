"""Processes and servers die, freeze and forget in mid-load: nothing acknowledged is lost, nothing is paid twice.

The callers' own book is the oracle. Nobody but the supervisor starts anything again.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest
import redis

from tests import callers, live
from tests.callers import Caller, Sent

# Kills, restarts and their retries take their time on a busy machine. In one process, as they share an installation.
pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("kills")]

CALLERS = 6
# A caller that is told nothing at all within this time was left hanging (promise P9).
LONGEST_ANSWER = 2.5
PROGRAMS = ("web", "worker", "beat")
BALANCES = """
    SELECT card.user_id, account.balance FROM members_pass card
    JOIN ledger_pointaccount account ON account.member_id = card.member_id WHERE card.user_id = ANY(%s)
"""
PURCHASES = """
    SELECT count(*), count(DISTINCT payment_number) FROM earning_transaction WHERE payment_number = ANY(%s)
"""


@pytest.fixture(scope="module")
def installation() -> Iterator[live.Installation]:
    """An installation with embedded servers of its own, to be killed at will."""
    started = live.Installation(**live.BRISK)
    yield started
    started.remove()


@pytest.fixture(scope="module")
def simulator(installation: live.Installation) -> Iterator[live.Simulator]:
    started = installation.with_simulator()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def caller(installation: live.Installation, simulator: live.Simulator) -> Caller:
    document = json.loads(simulator.offer.read_text())
    return Caller(simulator.folder, document, url=installation.url)


def members(caller: Caller, simulator: live.Simulator, count: int = 12) -> list[str]:
    """New members whose cards have come."""
    joined = callers.users(count)
    callers.at_once([partial(caller.join, user_id) for user_id in joined], callers=CALLERS)
    assert callers.until(lambda: all(callers.shown(simulator, user_id) == [0] for user_id in joined), 30)
    return joined


def points_due(user_id: str, book: list[Sent]) -> int:
    """What the base rule of the demo mall (1 point a dollar, HK$100 at least) owes for what was acknowledged."""
    bills = {sent.body["billNo"]: sent.body["orderAmount"]["value"] for sent in book if sent.kind == "bill"}
    owner = {sent.body["billNo"]: sent.body["userId"] for sent in book if sent.kind == "bill"}
    returned = {
        sent.body["relateBillNo"]: sent.body["refundAmount"]["value"]
        for sent in book
        if sent.kind == "refund"
    }
    nets = [bills[number] - returned.get(number, 0) for number in bills if owner[number] == user_id]
    return sum(net // 100 for net in nets if net >= 10_000)


def load(caller: Caller, users: list[str], count: int, *, seed: int) -> list[list[tuple[str, live.Json]]]:
    """Payments, each a list of what to send about it: one in ten twice, one in ten with a refund."""
    chance = random.Random(seed)
    plays = []
    for place in range(count):
        body = caller.bill(users[place % len(users)], chance.randrange(10_000, 90_000))
        play = [("bill", body)]
        if place % 10 == 3:
            play.append(("bill", body))
        if place % 10 == 7:
            play.append(("refund", caller.refund(body, chance.randrange(1_000, 9_000))))
        plays.append(play)
    return plays


def play_all(caller: Caller, plays: list[list[tuple[str, live.Json]]]) -> list[Sent]:
    jobs = [partial(caller.insist, kind, body) for play in plays for kind, body in play]
    return callers.at_once(jobs, callers=CALLERS)


def assert_nothing_lost_nothing_double(
    installation: live.Installation, simulator: live.Simulator, users: list[str], book: list[Sent]
) -> None:
    assert [sent.body for sent in book if not sent.is_acknowledged] == []
    due = {user_id: points_due(user_id, book) for user_id in users}
    callers.until(
        lambda: cards(simulator, users) == {user_id: [points] for user_id, points in due.items()}, 60
    )
    assert cards(simulator, users) == {user_id: [points] for user_id, points in due.items()}
    assert dict(callers.rows(installation, BALANCES, users)) == due
    numbers = {sent.body["billNo"] for sent in book if sent.kind == "bill"}
    assert callers.rows(installation, PURCHASES, list(numbers)) == [(len(numbers), len(numbers))]
    assert callers.rows(
        installation, "SELECT count(*) FROM alipayhk_notification WHERE state = 'PARKED'"
    ) == [(0,)]


def cards(simulator: live.Simulator, users: list[str]) -> dict[str, list[int | None]]:
    return {user_id: callers.shown(simulator, user_id) for user_id in users}


def kill_soon(pid: int, number: signal.Signals) -> None:
    """In mid-load."""
    time.sleep(0.4)
    os.kill(pid, number)


def is_ready(installation: live.Installation) -> bool:
    try:
        return installation.get("/readyz")[0] == 200
    except OSError:
        return False


def test_kills_of_worker_web_and_beat_in_mid_load(
    installation: live.Installation, simulator: live.Simulator, caller: Caller
) -> None:
    users = members(caller, simulator)
    before = {name: installation.pid(name) for name in PROGRAMS}
    plays = load(caller, users, 200, seed=1)
    killed: list[str] = []

    def kill() -> None:
        for name in ("worker", "web", "beat", "worker", "web"):
            time.sleep(1.0)
            os.kill(installation.pid(name), signal.SIGKILL)
            killed.append(name)

    killing = callers.meanwhile(kill)
    book = play_all(caller, plays)
    killing.join(30)

    assert killed == ["worker", "web", "beat", "worker", "web"]
    assert len(book) == 240
    assert_nothing_lost_nothing_double(installation, simulator, users, book)
    assert all(installation.pid(name) != before[name] for name in PROGRAMS)


def test_one_web_process_of_several_is_killed(
    installation: live.Installation, simulator: live.Simulator, caller: Caller
) -> None:
    """gunicorn's parent starts it again; the callers whose connection broke send once more."""
    users = members(caller, simulator, 4)
    workers = live.descendants(installation.pid("web"))
    plays = load(caller, users, 40, seed=2)

    callers.meanwhile(partial(kill_soon, min(workers), signal.SIGKILL))
    book = play_all(caller, plays)

    assert_nothing_lost_nothing_double(installation, simulator, users, book)
    assert callers.until(lambda: len(live.descendants(installation.pid("web"))) == len(workers), 10)


@pytest.mark.parametrize("fate", ["killed", "frozen", "erased"])
def test_webhooks_answer_as_before_while_valkey_is(
    fate: str, installation: live.Installation, simulator: live.Simulator, caller: Caller
) -> None:
    users = members(caller, simulator, 4)
    plays = load(caller, users, 40, seed=3)
    valkey = installation.pid("valkey")
    if fate == "killed":
        os.kill(valkey, signal.SIGKILL)
    elif fate == "frozen":
        os.kill(valkey, signal.SIGSTOP)
    else:
        redis.Redis.from_url(installation.running()["environment"]["REDIS_URL"]).flushall()

    book = play_all(caller, plays)
    if fate == "frozen":
        os.kill(valkey, signal.SIGCONT)

    assert {code for sent in book for code in sent.codes()} == {"SUCCESS"}
    assert all(len(sent.answers) == 1 for sent in book)
    assert max(answer.seconds for sent in book for answer in sent.answers) < 2.0
    assert_nothing_lost_nothing_double(installation, simulator, users, book)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_false_success_while_postgresql_is_gone(
    number: signal.Signals, installation: live.Installation, simulator: live.Simulator, caller: Caller
) -> None:
    users = members(caller, simulator, 4)
    plays = load(caller, users, 120, seed=4)

    stopping = callers.meanwhile(partial(kill_soon, installation.pid("postgres"), number))
    book = play_all(caller, plays)
    stopping.join(5)

    troubled = [
        (answer, verdict)
        for sent in book
        for answer, verdict in zip(sent.answers, sent.verdicts, strict=True)
        if not verdict.acknowledged
    ]
    assert troubled
    assert {(answer.status, verdict.code) for answer, verdict in troubled} <= {
        (500, "SYSTEM_ERROR"),
        (503, "SYSTEM_ERROR"),
    }
    assert max(answer.seconds for sent in book for answer in sent.answers) < LONGEST_ANSWER
    assert_nothing_lost_nothing_double(installation, simulator, users, book)
    assert callers.until(lambda: is_ready(installation), 10)


def test_prove_is_green_after_all_of_it(installation: live.Installation, simulator: live.Simulator) -> None:
    counts = json.loads(installation.manage("prove").stdout)

    assert (counts["breaches"], counts["sum"]) == (0, 0)
