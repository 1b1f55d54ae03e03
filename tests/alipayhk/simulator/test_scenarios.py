"""Scenarios: right malls pass them, a mall that is wrong by one point does not."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from alipayhk.simulator import scenarios
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall

# The fake mall hangs up after 0.3 s, so it cannot bear an AlipayHK that takes 3.5 s.
TOO_SLOW_FOR_THE_FAKE = {"slow_gateway"}


def play(simulator: Simulator, name: str, patience: float = 5.0) -> dict[str, Any]:
    brisk = {"patience": patience, "rest": 0.05, "watch": 0.15, "quiet": 0.3}
    return simulator.control("POST", f"scenarios/{name}", brisk)


@pytest.fixture(scope="module")
def results(simulator: Simulator, mall: FakeMall) -> dict[str, dict[str, Any]]:
    """All scenarios, four at a time, as several people at one simulator would play them."""
    names = sorted(scenarios.SCENARIOS.keys() - TOO_SLOW_FOR_THE_FAKE)
    with ThreadPoolExecutor(max_workers=4) as players:
        return dict(zip(names, players.map(lambda name: play(simulator, name), names), strict=True))


@pytest.mark.parametrize("name", sorted(scenarios.SCENARIOS.keys() - TOO_SLOW_FOR_THE_FAKE))
def test_a_right_mall_passes_every_scenario(results: dict[str, dict[str, Any]], name: str) -> None:
    result = results[name]

    assert result["expected"] == result["actual"]
    assert result["ok"] is True
    assert result["scenario"] == name


@pytest.mark.parametrize("name", ["join_pay", "duplicate_storm", "partial_refunds", "late_retry"])
def test_a_mall_that_is_wrong_by_one_point_fails(simulator: Simulator, mall: FakeMall, name: str) -> None:
    mall.extra_points = 1
    try:
        result = play(simulator, name, patience=0.2)
    finally:
        mall.extra_points = 0

    assert result["ok"] is False
    assert result["expected"] != result["actual"]


def test_a_mall_that_does_not_sign_its_answers_is_not_believed(simulator: Simulator, mall: FakeMall) -> None:
    mall.answers_signed = False
    try:
        result = play(simulator, "late_retry", patience=0.2)
    finally:
        mall.answers_signed = True

    assert result["ok"] is False
    assert result["actual"]["acknowledged"] is False


def test_the_same_scenario_can_be_played_again_on_one_installation(
    simulator: Simulator, mall: FakeMall
) -> None:
    first, second = play(simulator, "duplicate_storm"), play(simulator, "duplicate_storm")

    assert first == second
    assert second["ok"] is True


def test_a_scenario_leaves_no_fault_behind(simulator: Simulator, mall: FakeMall) -> None:
    play(simulator, "unsigned_answer")

    assert simulator.control("GET", "faults")["planned"] == []


def test_an_unknown_scenario_is_refused_by_name(simulator: Simulator) -> None:
    answer = simulator.control("POST", "scenarios/nonsense")

    assert answer["http"] == 404
    assert "nonsense" in answer["error"]


def test_every_scenario_says_in_one_sentence_what_it_shows() -> None:
    sentences = scenarios.sentences()

    assert len(sentences) == len(scenarios.SCENARIOS)
    assert all(sentence.endswith(".") and len(sentence) > 30 for sentence in sentences.values())
