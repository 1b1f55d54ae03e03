"""Staff screens in a real browser, over a real installation: the policy holds, keys work, the phone fits."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests import callers, live
from tests.browsing import DESK, OVERFLOW, PHONE

NAME, PASSWORD = "browser-staff", "correct-horse-battery-staple"
LISTS = (
    "members/member", "members/program", "members/contactchange", "members/tier", "ledger/redemption",
    "earning/transaction", "earning/refund", "earning/backtestrun",
    "earning/duplicatecase", "review/decision", "review/finding", "review/reconciliation", "review/adjustmentrequest",
    "review/providercolumn",
    "earning/rule", "earning/ruleversion", "alipayhk/notification", "alipayhk/passupdate",
    "alipayhk/credential", "alipayhk/credentialkey", "ledger/pointentry", "ledger/posting", "ledger/pointaccount",
    "ledger/pointlot", "pms/store", "pms/mall", "pms/mallgroup", "pms/user",
)  # fmt: skip

Visitor = Callable[..., Page]


@pytest.fixture(scope="module")
def shop(live_installation: live.Installation, live_simulator: live.Simulator) -> live.Installation:
    """An installation with a member who paid, and a login that sees everything."""
    live_installation.manage("add_staff", NAME, "--role", "ADMIN", "--password-stdin", given=f"{PASSWORD}\n")
    [user_id] = callers.users(1)
    for kind, fields in (
        ("membercard", {"userId": user_id, "userEmail": f"u{user_id}@example.com", "mobileNo": None}),
        (
            "bill",
            {"userId": user_id, "orderAmount": {"currency": "HKD", "value": 13_890}, "pmsLabel": "PMS0001"},
        ),
    ):
        live_simulator.control("POST", "send", {"kind": kind, "fields": fields})
    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [138], 20)
    return live_installation


@pytest.fixture(scope="module")
def cookies(browser: Browser, shop: live.Installation) -> list[dict[str, object]]:
    """One log-in by the form, shared: each costs a slow password hash."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{shop.url}/admin/")
    page.fill("#id_username", NAME)
    page.fill("#id_password", PASSWORD)
    page.click("#login-form input[type=submit]")
    page.wait_for_selector(".figures")
    found = [dict(cookie) for cookie in context.cookies()]
    context.close()
    return found


@pytest.fixture
def visit(browser: Browser, shop: live.Installation, cookies: list[dict[str, object]]) -> Iterator[Visitor]:
    """Opens a page as staff; any complaint of the browser, such as of the policy, fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str = "", **options: object) -> Page:
        context = browser.new_context(**({"viewport": DESK} | options))  # type: ignore[arg-type]
        contexts.append(context)
        context.add_cookies(cookies)  # type: ignore[arg-type]
        page = context.new_page()
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{shop.url}/admin/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def first_row(page: Page) -> None:
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state()


@pytest.mark.parametrize("address", LISTS)
def test_every_screen_works_under_the_policy(visit: Visitor, address: str) -> None:
    """Complaints of the browser fail the test as it ends."""
    page = visit(
        f"{address}/?show=all" if "notification" in address or "passupdate" in address else f"{address}/"
    )

    if page.locator("#result_list tbody th a").count():
        first_row(page)

    assert page.locator("h1").is_visible()
    assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize(
    "address", ["earning/transaction", "members/member", "pms/store", "alipayhk/passupdate"]
)
def test_a_phone_shows_labelled_cards_within_its_width(visit: Visitor, address: str) -> None:
    page = visit(f"{address}/?show=all" if "passupdate" in address else f"{address}/", viewport=PHONE)

    cell = page.locator("#result_list tbody td").last
    label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    lists = page.evaluate(OVERFLOW)
    first_row(page)

    assert label not in ("none", '""')
    assert page.locator("#result_list thead").count() == 0
    assert (lists, page.evaluate(OVERFLOW)) == (0, 0)


def test_saving_stays_under_the_thumb(visit: Visitor) -> None:
    page = visit("pms/store/", viewport=PHONE)

    first_row(page)

    box = page.locator(".submit-row input[name=_save]").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= PHONE["height"]
    assert box["height"] >= 40


@pytest.mark.parametrize("keys", ["/", "Control+k"])
def test_a_key_goes_to_the_search_box(visit: Visitor, keys: str) -> None:
    page = visit("members/member/")

    page.keyboard.press(keys)

    assert page.evaluate("document.activeElement.id") == "searchbar"


def test_keys_walk_a_list_and_open_a_row(visit: Visitor) -> None:
    page = visit("pms/store/")
    rows = page.locator("#result_list tbody tr")
    third = rows.nth(2).locator("th a").get_attribute("href")

    for key in ("j", "j", "j", "j", "k"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{third}")
    assert page.locator(".submit-row").is_visible()


def test_focus_is_visible(visit: Visitor) -> None:
    page = visit("pms/store/")

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")

    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2


def test_the_dark_follows_the_system(visit: Visitor) -> None:
    grounds = [
        visit("", color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]

    assert grounds == ["rgb(244, 245, 243)", "rgb(17, 22, 20)"]


def test_the_front_page_draws_its_chart_and_refreshes(visit: Visitor) -> None:
    page = visit()
    page.wait_for_selector("#chart canvas")
    page.evaluate("document.getElementById('figures').innerHTML = ''")

    with page.expect_response("**/admin/today.json"):
        page.evaluate("refresh()")

    page.wait_for_selector(".figures")
    assert page.locator(".figure").count() == 8


def test_an_id_is_copied_in_full(visit: Visitor, shop: live.Installation) -> None:
    page = visit("earning/transaction/", permissions=["clipboard-read", "clipboard-write"])
    first_row(page)
    button = page.locator("[data-copy]").first

    button.click()

    page.wait_for_selector(".copy.done")
    assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")


def test_another_key_is_added_without_inline_script(visit: Visitor) -> None:
    page = visit("alipayhk/credential/")
    first_row(page)

    page.click("text=Add another Key")

    assert (
        page.locator("#id_keys-0-key, #id_keys-1-key, #id_keys-2-key, #id_keys-3-key, #id_keys-4-key").count()
        >= 1
    )


def test_the_language_is_switched_in_the_header(visit: Visitor) -> None:
    page = visit("members/member/")

    page.click(".language button")
    page.wait_for_load_state()

    assert page.locator("h1").inner_text() == "會員"
    assert page.locator("html").get_attribute("lang") == "zh-hant"


def test_a_filter_opens_closes_and_filters(visit: Visitor) -> None:
    page = visit("pms/store/")

    page.click("details.filter summary >> nth=0")
    page.keyboard.press("Escape")
    is_closed = page.locator("details.filter[open]").count() == 0
    page.click("details.filter summary >> nth=0")
    page.click("details.filter[open] a >> nth=1")
    page.wait_for_load_state()

    assert is_closed
    assert "standing=open" in page.url
    assert page.locator("details.filter.is-set").count() == 1


def test_a_printed_page_holds_the_story_alone(visit: Visitor) -> None:
    page = visit("earning/transaction/")
    first_row(page)

    page.emulate_media(media="print")

    assert not page.locator("#jobs").is_visible()
    assert not page.locator("#header").is_visible()
    assert page.locator("#why").is_visible()


def test_staff_log_out(visit: Visitor, shop: live.Installation, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{shop.url}/admin/")
    page.fill("#id_username", NAME)
    page.fill("#id_password", PASSWORD)
    page.click("#login-form input[type=submit]")

    page.click("details.who summary")
    page.click("#logout-form button")
    page.goto(f"{shop.url}/admin/")

    assert page.locator("#login-form").is_visible()
    context.close()
