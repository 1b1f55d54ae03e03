"""A member's own page in a browser, without JavaScript: on a phone and a desk, light and dark, in both languages."""

import pytest

from tests import live
from tests.browsing import DESK, OVERFLOW, PHONE, Visitor
from tests.people import YIP


@pytest.fixture(scope="module")
def address(demo_mall: live.Installation) -> str:
    """The path of a link to the page of somebody of the demo's week."""
    made = demo_mall.manage("member_link", "--mall", "lumina-plaza", "--member", YIP)
    return "/m/" + made.stdout.strip().partition("/m/")[2]


def test_the_page_works_without_javascript_at_any_size_in_both_languages(
    guest: Visitor, address: str
) -> None:
    page = guest(address, java_script_enabled=False, locale="zh-HK")
    chinese = page.inner_text("main")
    page.click("text=English")
    english = page.inner_text("main")

    assert ("可用積分" in chinese, "points to spend" in english) == (True, True)
    assert page.locator(".payment").count() > 0
    assert page.locator(".why li").count() > 0


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_nothing_sticks_out_and_what_is_touched_is_large(
    guest: Visitor, address: str, size: dict[str, int], scheme: str
) -> None:
    page = guest(f"{address}?lang=en", viewport=size, color_scheme=scheme)

    assert page.evaluate(OVERFLOW) == 0
    heights = [box["height"] for link in page.locator("a").all() if (box := link.bounding_box())]
    assert min(heights) >= 44
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(14, 20, 18)" if scheme == "dark" else "rgb(245, 241, 232)")
