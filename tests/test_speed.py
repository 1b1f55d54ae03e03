"""How fast, as a rough check on whatever machine this is: 30 notices a second with the simulator beside us.

`./run bench` measures; here only what no machine may miss. The figures are printed with `-s`.
"""

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import pytest

from tests import callers, live
from tests.callers import Caller, Sent

# The first test may have to wait for the installation to start.
pytestmark = pytest.mark.timeout(300)

PER_SECOND = 30
SECONDS = 15
MEMBERS = 30
CALLERS = 12


@pytest.fixture(scope="module")
def caller(live_installation: live.Installation, live_simulator: live.Simulator) -> Caller:
    document = json.loads(live_simulator.offer.read_text())
    return Caller(live_simulator.folder, document, url=live_installation.url)


@pytest.fixture(scope="module")
def users(caller: Caller, live_simulator: live.Simulator) -> list[str]:
    joined = callers.users(MEMBERS)
    callers.at_once([partial(caller.join, user_id) for user_id in joined], callers=CALLERS)
    assert callers.until(lambda: all(callers.shown(live_simulator, user_id) == [0] for user_id in joined), 30)
    return joined


def paced(caller: Caller, users: list[str]) -> list[Sent]:
    """Payments at a steady pace, whether or not earlier ones were answered; each member pays in turn."""
    bodies = [caller.bill(users[place % MEMBERS], 10_000) for place in range(PER_SECOND * SECONDS)]
    start = time.monotonic()

    def send(place: int) -> Sent:
        time.sleep(max(0.0, start + place / PER_SECOND - time.monotonic()))
        return caller.send("bill", bodies[place])

    with ThreadPoolExecutor(max_workers=CALLERS) as pool:
        return list(pool.map(send, range(len(bodies))))


def card_delays(simulator: live.Simulator, users: list[str], book: list[Sent]) -> list[float]:
    """Seconds from each acknowledgement to the moment its card showed at least that many points."""
    delays = []
    for user_id in users:
        [card] = simulator.control("GET", f"cards?user_id={user_id}")["cards"]
        shown = [(datetime.fromisoformat(one["at"]).timestamp(), one["points"]) for one in card["history"]]
        paid = sorted(sent.acknowledged_at for sent in book if sent.body["userId"] == user_id)
        for count, moment in enumerate(paid, 1):
            delays.append(max(0.0, next(at for at, points in shown if points >= 100 * count) - moment))
    return delays


def test_thirty_notices_a_second_are_answered_in_time_and_cards_follow(
    caller: Caller, users: list[str], live_simulator: live.Simulator
) -> None:
    due = 100 * PER_SECOND * SECONDS // MEMBERS

    book = paced(caller, users)

    assert callers.until(
        lambda: all(callers.shown(live_simulator, user_id) == [due] for user_id in users), 30
    )
    answers = [sent.answers[0].seconds for sent in book]
    cents = statistics.quantiles(answers, n=100)
    delays = card_delays(live_simulator, users, book)
    print(
        f"\nanswers p50 {cents[49] * 1000:.0f} ms, p99 {cents[98] * 1000:.0f} ms, max {max(answers) * 1000:.0f} ms;"
        f" commit to card median {statistics.median(delays) * 1000:.0f} ms, max {max(delays) * 1000:.0f} ms"
    )
    assert all(sent.is_acknowledged for sent in book)
    assert max(answers) < 2.0
    assert statistics.median(delays) < 1.0
