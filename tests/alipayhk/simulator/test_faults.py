"""The fault menu of the gateway: each line of it does to a call what it says, and no more."""

import time
from typing import Any

import pytest

from alipayhk.simulator import faults
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall, faces
from tests.alipayhk.simulator.test_gateway import create_body, issue, update_body

# Fault, the code that a careful caller makes of it, the points that the card shows afterwards.
UPDATE_FAULTS = [
    ("hang", "UNKNOWN", 0),
    ("applied_then_timeout", "UNKNOWN", 77),
    ("drip", "UNKNOWN", 77),
    ("slow", "UNKNOWN", 77),
    ("reset_before", "UNKNOWN", 0),
    ("reset_after", "UNKNOWN", 77),
    ("system_error_before", "SYSTEM_ERROR", 0),
    ("system_error_after", "SYSTEM_ERROR", 77),
    ("unsigned", "UNKNOWN", 77),
    ("wrong_signature", "UNKNOWN", 77),
    ("old_answer", "SUCCESS", 0),
    ("redirect", "UNKNOWN", 0),
    ("permanent", "PASS_UPDATE_FAIL", 0),
    ("http_500", "UNKNOWN", 0),
    ("http_429", "UNKNOWN", 0),
    ("not_json", "UNKNOWN", 0),
    ("oversized", "SUCCESS", 77),
    ("other_pass", "SUCCESS", 0),
]


def update(simulator: Simulator, mall: FakeMall, fault: str, **more: Any) -> tuple[str, int]:
    """The code that an update meets under a fault, and the points that the card shows then."""
    created, pass_id = issue(mall)
    plan = {"api": "updatePass", "fault": fault, "user_id": created["userId"], **more}
    assert simulator.control("POST", "faults", plan)["http"] == 200
    code, _ = mall.call("updatePass", update_body(mall, created, pass_id, dataInfo=faces(77)))
    return code, simulator.control("GET", f"cards/{pass_id}")["points"]


@pytest.mark.parametrize(("fault", "code", "points"), UPDATE_FAULTS)
def test_each_fault_answers_and_applies_as_its_line_says(
    simulator: Simulator, mall: FakeMall, fault: str, code: str, points: int
) -> None:
    assert update(simulator, mall, fault) == (code, points)


def test_every_gateway_fault_is_played_by_a_test() -> None:
    by_name = {
        "ok",
        "delay",
        "apply_late",
        "pass_exists",
        "pass_exists_without_id",
        "success_without_pass_id",
        # Of the list of stores: test_circle_stores.py.
        *("total_too_high", "total_too_low", "endless_pages", "same_page"),
    }

    played = by_name | {fault for fault, _, _ in UPDATE_FAULTS}

    assert played == faults.GATEWAY_MENU.keys()


def test_a_delay_is_only_a_delay(simulator: Simulator, mall: FakeMall) -> None:
    began = time.monotonic()

    assert update(simulator, mall, "delay", seconds=0.2) == ("SUCCESS", 77)

    assert time.monotonic() - began >= 0.2


def test_a_late_application_comes_after_the_caller_gave_up(simulator: Simulator, mall: FakeMall) -> None:
    created, pass_id = issue(mall)
    plan = {"api": "updatePass", "fault": "apply_late", "user_id": created["userId"], "seconds": 0.6}
    simulator.control("POST", "faults", plan)

    code, _ = mall.call("updatePass", update_body(mall, created, pass_id, dataInfo=faces(77)))
    at_once = simulator.control("GET", f"cards/{pass_id}")["points"]
    time.sleep(0.4)

    assert (code, at_once) == ("UNKNOWN", 0)
    assert simulator.control("GET", f"cards/{pass_id}")["points"] == 77


def test_a_permanent_refusal_carries_the_code_asked_for(simulator: Simulator, mall: FakeMall) -> None:
    assert update(simulator, mall, "permanent", code="PASS_HAS_NOT_EXIST") == ("PASS_HAS_NOT_EXIST", 0)


def test_a_redirect_names_another_host(simulator: Simulator, mall: FakeMall) -> None:
    update(simulator, mall, "redirect")

    call = simulator.control("GET", "calls?direction=IN&limit=1")["calls"][0]
    assert (call["status"], call["fault"], call["outcome"]) == (307, "redirect", "FAULT")


@pytest.mark.parametrize(
    ("fault", "code", "has_id"),
    [
        ("pass_exists", "PASS_HAS_EXIT", True),
        ("pass_exists_without_id", "PASS_HAS_EXIT", False),
        ("success_without_pass_id", "SUCCESS", False),
    ],
)
def test_creation_faults_make_the_card_and_answer_oddly(
    simulator: Simulator, mall: FakeMall, fault: str, code: str, has_id: bool
) -> None:
    body = create_body(mall)
    simulator.control("POST", "faults", {"api": "createPass", "fault": fault, "user_id": body["userId"]})

    said, answer = mall.call("createPass", body)

    assert (said, "passId" in answer) == (code, has_id)
    assert len(simulator.control("GET", f"cards?user_id={body['userId']}")["cards"]) == 1


def test_a_fault_meets_its_user_and_its_number_of_calls_alone(simulator: Simulator, mall: FakeMall) -> None:
    created, pass_id = issue(mall)
    other, other_pass = issue(mall)
    plan = {"api": "updatePass", "fault": "system_error_before", "times": 2, "user_id": created["userId"]}
    simulator.control("POST", "faults", plan)

    others = mall.call("updatePass", update_body(mall, other, other_pass))[0]
    codes = [mall.call("updatePass", update_body(mall, created, pass_id))[0] for _ in range(3)]

    assert others == "SUCCESS"
    assert codes == ["SYSTEM_ERROR", "SYSTEM_ERROR", "SUCCESS"]


def test_faults_without_end_stay_until_they_are_taken_off(simulator: Simulator, mall: FakeMall) -> None:
    created, pass_id = issue(mall)
    plan = {"api": "*", "fault": "system_error_before", "times": None, "user_id": created["userId"]}
    simulator.control("POST", "faults", plan)

    during = [mall.call("updatePass", update_body(mall, created, pass_id))[0] for _ in range(2)]
    simulator.control("DELETE", f"faults?user_id={created['userId']}")
    after = mall.call("updatePass", update_body(mall, created, pass_id))[0]

    assert (during, after) == (["SYSTEM_ERROR"] * 2, "SUCCESS")


@pytest.mark.parametrize(
    "plan",
    [
        {"api": "updatePass", "fault": "nonsense"},
        {"api": "deletePass", "fault": "hang"},
        {"api": "updatePass", "fault": "hang", "times": 0},
        {"api": "updatePass", "fault": "hang", "times": "3"},
        {"api": "updatePass", "fault": "hang", "seconds": "long"},
    ],
)
def test_a_fault_that_is_not_on_the_menu_is_refused(simulator: Simulator, plan: dict[str, Any]) -> None:
    assert simulator.control("POST", "faults", plan)["http"] == 400

    assert simulator.control("GET", "faults")["planned"] == []
