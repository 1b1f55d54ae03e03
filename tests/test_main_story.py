"""The main story through real processes: notices over HTTP become points, and the card at AlipayHK shows them."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alipayhk.simulator import scenarios
from tests import callers, live
from tests.callers import Caller
from tests.live import Json

# All scenarios are played in one fixture.
pytestmark = pytest.mark.timeout(300)

# With the waits of live.BRISK: a quick retry comes after half a second, so this long a silence means giving up.
PACE = {"patience": 45, "rest": 0.3, "watch": 1.0, "quiet": 3.0}
PLAYERS = 6


@pytest.fixture(scope="module")
def caller(live_installation: live.Installation, live_simulator: live.Simulator) -> Caller:
    document = json.loads(live_simulator.offer.read_text())
    return Caller(live_simulator.folder, document, url=live_installation.url)


def send(simulator: live.Simulator, kind: str, **order: Any) -> Json:
    notice: Json = simulator.control("POST", "send", {"kind": kind, **order})["notice"]
    return notice


def pay(simulator: live.Simulator, user_id: str, cents: int, **order: Any) -> Json:
    fields = {"userId": user_id, "orderAmount": {"currency": "HKD", "value": cents}, "pmsLabel": "PMS0001"}
    return send(simulator, "bill", fields=fields, **order)


def join(simulator: live.Simulator) -> str:
    """A new member whose card has come."""
    [user_id] = callers.users(1)
    send(
        simulator,
        "membercard",
        fields={"userId": user_id, "userEmail": f"u{user_id}@example.com", "mobileNo": None},
    )
    assert callers.until(lambda: callers.shown(simulator, user_id) == [0], 20)
    return user_id


def test_a_payment_becomes_points_on_the_card(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    user_id = join(live_simulator)

    notice = pay(live_simulator, user_id, 13_890)

    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [138], 20)
    state = live_installation.state("--member", user_id)
    [found], [transaction] = state["members"], state["transactions"]
    [card] = found["passes"]
    assert notice["acknowledged_at"] is not None
    assert (found["balance"], found["entries_sum"], found["version"]) == (138, 138, 1)
    assert (card["state"], card["acknowledged_points"], card["acknowledged_version"]) == ("ACTIVE", 138, 1)
    assert transaction["numbers"]["PAYMENT"] == notice["reference"]
    assert (transaction["state"], transaction["points"], transaction["amount_cents"]) == (
        "EARNED",
        138,
        13_890,
    )
    assert transaction["reasons"] == ["EARNED_BASE"]


def test_a_refund_takes_the_points_off_the_card(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    user_id = join(live_simulator)
    payment = pay(live_simulator, user_id, 62_000)

    amount = {"currency": "HKD", "value": 20_000}
    fields = {"userId": user_id, "relateBillNo": payment["reference"], "refundAmount": amount}
    send(live_simulator, "refund", fields=fields)

    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [420], 20)
    state = live_installation.state("--member", user_id)
    [found], [transaction] = state["members"], state["transactions"]
    [refund] = transaction["refunds"]
    assert (refund["amount_cents"], refund["points"]) == (20_000, 200)
    assert found["balance"] == 420


def test_the_same_notice_eight_times_four_at_once_is_one_award(
    live_installation: live.Installation, live_simulator: live.Simulator, caller: Caller
) -> None:
    user_id = join(live_simulator)
    body = caller.bill(user_id, 45_600)

    sent = callers.at_once([lambda: caller.send("bill", body)] * 8, callers=4)

    assert [one.codes() for one in sent] == [{"SUCCESS"}] * 8
    assert all(one.is_acknowledged for one in sent)
    state = live_installation.state("--member", user_id, "--notification", body["billNo"])
    [transaction], [notification] = state["transactions"], state["notifications_found"]
    assert (transaction["state"], transaction["points"]) == ("EARNED", 456)
    assert (notification["state"], notification["repeats"]) == ("PROCESSED", 7)
    assert state["members"][0]["version"] == 1
    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [456], 20)


def test_the_same_number_with_another_amount_is_never_paid(
    live_installation: live.Installation, live_simulator: live.Simulator, caller: Caller
) -> None:
    user_id = join(live_simulator)
    body = caller.bill(user_id, 45_600)
    caller.send("bill", body)

    sent = caller.send("bill", body | {"orderAmount": {"currency": "HKD", "value": 99_900}})

    assert sent.codes() == {"PARAM_ILLEGAL"}
    assert sent.verdicts[0].signed
    state = live_installation.state("--notification", body["billNo"])
    assert [found["state"] for found in state["notifications_found"]] == ["PROCESSED", "CONFLICT"]
    assert [found["balance"] for found in state["members"]] == [456]


def test_the_trace_of_a_notice_is_kept_with_it(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    user_id = join(live_simulator)

    notice = pay(live_simulator, user_id, 20_000)

    [call] = live_simulator.control("GET", f"calls?direction=OUT&user_id={user_id}&limit=1")["calls"]
    question = "SELECT tracer_id FROM alipayhk_notification WHERE key = %s"
    [(kept,)] = callers.rows(live_installation, question, notice["reference"])
    assert call["tracer_id"]
    assert kept == call["tracer_id"]


@pytest.fixture(scope="module")
def played(live_installation: live.Installation, live_simulator: live.Simulator) -> dict[str, dict[str, Any]]:
    """Every scenario once, several at a time, as several people at one simulator would play them."""
    names = sorted(scenarios.SCENARIOS)
    with ThreadPoolExecutor(max_workers=PLAYERS) as players:
        play = players.map(lambda name: live_simulator.control("POST", f"scenarios/{name}", PACE), names)
        return dict(zip(names, play, strict=True))


@pytest.mark.parametrize("name", sorted(scenarios.SCENARIOS))
def test_a_scenario_comes_out_as_expected(played: dict[str, dict[str, Any]], name: str) -> None:
    result = played[name]

    assert result["actual"] == result["expected"]
    assert result["ok"] is True


def test_simulate_plays_a_named_scenario_from_the_command_line(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    named = json.loads(live_installation.manage("simulate", "--list", "--json").stdout)["scenarios"]

    done = live_installation.manage("simulate", "join_pay", "--simulator", live_simulator.url, "--json")

    assert set(named) == set(scenarios.SCENARIOS)
    result = json.loads(done.stdout)
    assert (result["scenario"], result["ok"]) == ("join_pay", True)
    assert result["expected"] == result["actual"]


@pytest.mark.usefixtures("played")
def test_prove_is_green_after_all_of_it(live_installation: live.Installation) -> None:
    done = live_installation.manage("prove")

    counts = json.loads(done.stdout)

    assert (counts["breaches"], counts["sum"]) == (0, 0)
    assert counts["transactions"] > 30
