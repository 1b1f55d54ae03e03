"""The three ways a member earns by AlipayHK, each on a phone in a browser and through real processes; wire §12.

What is pressed is AlipayHK's side and the mall's mini-app; what is looked at is what the member sees.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from alipayhk.simulator import notices
from tests import live
from tests.browsing import PHONE

pytestmark = pytest.mark.timeout(300)

TAG, GROUP = "harbour-square", "20230390"
NOODLES, CAR_PARK = "PMS0001", "PMS0012"
LANGUAGES = ["en", "zh-hant"]
# A card follows its balance within a second or two; a busy machine takes longer.
PATIENCE = 30_000
NAME = "Chan Tai Man"


class Visitor:
    """One person with a phone of their own."""

    def __init__(self, page: Page, address: str, lang: str) -> None:
        self.page, self.address = page, address
        self.is_chinese = lang != "en"
        page.goto(f"{address}/phone?lang={lang}")
        self.see("person-name").fill(NAME)
        self.see("person-phone").fill(notices.new_mobile().removeprefix("852-"))
        self.press("person-make")
        expect(self.see("tile-scan")).to_be_visible()

    def see(self, name: str) -> Locator:
        """Something of the wallet's."""
        return self.page.locator(f"[data-test={name}]:not(#miniapp *)")

    def inside(self, name: str) -> Locator:
        """Something of the mini-app's."""
        return self.page.locator(f"#miniapp [data-test={name}]")

    def press(self, *names: str) -> None:
        for name in names:
            self.see(name).last.click()

    def tap(self, *names: str) -> None:
        for name in names:
            self.inside(name).click()

    def words(self, english: str, chinese: str) -> str:
        return chinese if self.is_chinese else english

    def go_home(self) -> None:
        self.page.evaluate("location.hash = 'home'")
        expect(self.see("tile-scan")).to_be_visible()

    def pay(self, store: str, dollars: str) -> None:
        self.go_home()
        self.press("tile-scan")
        # Malls that other tests registered have stores by the same labels; this one's come first.
        self.see(f"store-{store}").first.click()
        self.type(dollars)
        self.press("pay")
        expect(self.see("paid")).to_be_visible()

    def refund(self, dollars: str, *, of: str) -> None:
        """A part of the payment of this sum."""
        self.go_home()
        self.page.locator("a[data-test^=bill-]", has_text=of).click()
        self.press("refund")
        self.type(dollars)
        self.press("refund")
        expect(self.see("refunded")).to_be_visible()

    def type(self, dollars: str) -> None:
        """On the pad of digits that is shown last."""
        for key in dollars:
            self.press("key-dot" if key == "." else f"key-{key}")

    def enter_mini_app(self) -> None:
        self.go_home()
        self.press(f"mini-{TAG}")
        expect(self.page.locator("#miniapp")).to_be_visible()

    def expect_card(self, points: int) -> None:
        """The card in the wallet, as AlipayHK shows it."""
        self.go_home()
        shown = self.page.locator("[data-test=home-cards] [data-test=card-points]")
        expect(shown).to_have_attribute("data-points", str(points), timeout=PATIENCE)

    def expect_push(self, change: str) -> None:
        expect(self.see("push").filter(has_text=change)).to_be_visible(timeout=PATIENCE)

    def lines(self) -> list[str]:
        return self.inside("line").all_inner_texts()


Visit = Callable[[str], Visitor]


@pytest.fixture(scope="module")
def harbour(live_installation: live.Installation, live_simulator: live.Simulator) -> live.Simulator:
    """The simulator's mall, whose program asks what the demo's programs ask of new members."""
    ask = f"from alipayhk import demo_registration; demo_registration.ask(labels=['{GROUP}'])"
    live_installation.manage("shell", "-c", ask)
    return live_simulator


@pytest.fixture
def visit(browser: Browser, harbour: live.Simulator) -> Iterator[Visit]:
    """Whatever the browser complains of fails the test, such as a breach of the policy."""
    context = browser.new_context(
        viewport=ViewportSize(width=PHONE["width"], height=PHONE["height"]), reduced_motion="reduce"
    )
    complaints: list[str] = []

    def opened(lang: str) -> Visitor:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        return Visitor(page, harbour.url, lang)

    yield opened
    context.close()
    assert complaints == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_brand_channel_member_earns_by_paying_and_gives_back_by_a_refund(visit: Visit, lang: str) -> None:
    visitor = visit(lang)

    visitor.press(f"brand-{TAG}", "join", "join-agree")
    expect(visitor.see("see-card")).to_be_visible(timeout=PATIENCE)
    visitor.pay(NOODLES, "138.9")
    visitor.expect_push("+138")
    visitor.expect_card(138)
    visitor.refund("38", of="138.90")
    visitor.expect_push("−38")

    visitor.expect_card(100)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_mini_app_member_earns_by_paying_and_sees_why(visit: Visit, lang: str) -> None:
    visitor = visit(lang)

    visitor.enter_mini_app()
    visitor.tap("join")
    expect(visitor.inside("consent-version")).to_contain_text("2026-11")
    visitor.tap("agree")
    visitor.press("authorise-allow")
    register(visitor)
    expect(visitor.inside("auto-earn")).to_have_text(visitor.words("Auto-earn is on", "自動儲分已開啟"))
    expect(visitor.inside("points")).to_have_text("0")
    visitor.expect_card(0)
    visitor.pay(NOODLES, "620")
    visitor.expect_push("+620")
    visitor.expect_card(620)
    visitor.refund("200", of="620.00")
    visitor.expect_card(420)
    visitor.enter_mini_app()

    expect(visitor.inside("points")).to_have_text("420")
    payment = visitor.inside("transaction")
    reason = visitor.words("620 points for spending HK$620.00.", "消費 HK$620.00，獲 620 分。")
    expect(payment).to_contain_text(visitor.words("Harbour Noodles", "海港麵家"))
    expect(payment.locator("[data-test=reason]").first).to_have_text(reason)
    expect(visitor.inside("refund")).to_contain_text("−200")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_member_submits_transactions_by_hand_and_gets_a_verdict_on_each(visit: Visit, lang: str) -> None:
    visitor = visit(lang)

    visitor.enter_mini_app()
    visitor.tap("join", "agree")
    visitor.press("authorise-not-now")
    register(visitor)
    expect(visitor.inside("auto-earn")).to_contain_text(visitor.words("Auto-earn is off", "自動儲分未開啟"))
    visitor.pay(NOODLES, "138.9")
    visitor.pay(CAR_PARK, "200")
    number = submit(visitor)

    total = visitor.words("138 points added", "已加 138 分")
    excluded = visitor.words("This store does not take part.", "此商戶並不參與積分計劃。")
    expect(visitor.inside("verdict-total")).to_have_text(total)
    assert [excluded in line for line in visitor.lines()].count(True) == 1
    assert ["+138" in line for line in visitor.lines()].count(True) == 1

    again = visitor.page.evaluate("(number) => getApp().client.submitBatch(number)", number)
    assert (again["points"], [line["is_repeat"] for line in again["lines"]]) == (0, [True, True])
    visitor.tap("done")
    other = submit(visitor)
    assert other != number
    expect(visitor.inside("verdict-total")).to_have_text(
        visitor.words("No points were added", "沒有新增積分")
    )
    visitor.expect_card(138)
    visitor.refund("38.9", of="138.90")

    visitor.expect_card(100)


def test_alipayhk_away_during_the_sign_in_is_said_and_leaves_nothing(
    visit: Visit, harbour: live.Simulator, live_installation: live.Installation
) -> None:
    visitor = visit("en")
    user_id = parse_qs(urlsplit(visitor.page.url).query)["user"][0]
    away = {"api": "applyToken", "fault": "reset_before", "times": None, "user_id": user_id}
    harbour.control("POST", "faults", away)

    visitor.enter_mini_app()
    visitor.tap("join", "agree")
    visitor.press("authorise-allow")
    said = "AlipayHK does not answer at the moment. Nothing was changed; please try again later."
    expect(visitor.inside("notice")).to_have_text(said, timeout=PATIENCE)
    left = live_installation.state("--member", user_id)["members"]
    harbour.control("DELETE", f"faults?user_id={user_id}")
    visitor.tap("agree")
    visitor.press("authorise-allow")

    assert left == []
    expect(visitor.inside("register")).to_be_visible(timeout=PATIENCE)


def register(visitor: Visitor) -> None:
    """The form that every new member of a mini-app meets."""
    form: Any = visitor.inside("register")
    form.locator("[name=name]").fill(NAME)
    form.locator("[name=phone]").fill(notices.new_mobile().removeprefix("852-"))
    form.locator("[name=interest]").select_option("dining")
    visitor.tap("save")
    expect(visitor.inside("points")).to_be_visible()


def submit(visitor: Visitor) -> str:
    """All payments there are; returns the number of the batch."""
    visitor.enter_mini_app()
    visitor.tap("submit")
    for box in visitor.page.locator("[data-test=pick-list] input").all():
        box.check()
    visitor.press("pick-submit")
    expect(visitor.inside("verdict-total")).to_be_visible(timeout=PATIENCE)
    number: str = visitor.page.evaluate("getApp().screens.shown.model.verdict.batch_no")
    return number
