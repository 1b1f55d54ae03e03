"""The demo's story, told over a real simulator and a mall that is right, then one that is wrong."""

import pytest

from loyalty.local import story
from tests.alipayhk.simulator.conftest import Simulator, mall, simulator  # noqa: F401  (fixtures)
from tests.alipayhk.simulator.fake_mall import FakeMall


def test_the_story_tells_the_numbers_that_the_cards_show(
    simulator: Simulator,  # noqa: F811
    mall: FakeMall,  # noqa: F811
) -> None:
    told: list[str] = []

    story.play(simulator_url=simulator.url, say=told.append)

    text = "\n".join(told)
    assert all(f"{points} points" in text for points in (0, 138, 620, 420, 250, 594, 600))
    assert len(simulator.control("GET", "cards")["cards"]) >= 3


def test_a_card_that_shows_other_points_breaks_the_story(
    simulator: Simulator,  # noqa: F811
    mall: FakeMall,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(story, "PATIENCE", 0.3)
    mall.extra_points = 1

    with pytest.raises(story.StoryBroken, match="shows 139 points instead of 138"):
        story.play(simulator_url=simulator.url, say=lambda sentence: None)

    mall.extra_points = 0
