"""The reference mini-app's demo screens on a phone's Chromium under a policy of 'self', over a faked `my`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from tests import mini_page
from tests.browsing import OVERFLOW, PHONE
from tests.mini_page import FAKE, FOLDER, MEMBER, STRANGER, refused, signed_in

HOME = "https://mini.example"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"
SCRIPTS = ("fake_my.js", "loyalty-client.js", "words.js", "screens.js", "app.js")
KINDS = {".js": "text/javascript; charset=UTF-8", ".css": "text/css; charset=UTF-8"}
BATCH = {"referrerInfo": {"extraData": {"batchNo": "B1"}}}
# Whatever can be pressed and is smaller than a thumb.
SMALL = """[...document.querySelectorAll("button, input, select")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.height < 44 || box.width < 44;
}).map((one) => one.outerHTML)"""

Opened = Callable[..., Page]


def document(lang: str) -> str:
    scripts = "".join(f'<script src="/{name}"></script>' for name in SCRIPTS)
    body = (
        f'<div id="miniapp" data-mall-url="https://mall.example" data-tag="harbour-mall" data-lang="{lang}">'
    )
    head = '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/screens.css">'
    return f"<!doctype html><html><head><title>Mini-app</title>{head}</head><body>{body}</div>{scripts}</body></html>"


def served(route: Route, lang: str) -> None:
    name = route.request.url.removeprefix(f"{HOME}/")
    headers = {"Content-Security-Policy": POLICY}
    if not name:
        route.fulfill(body=document(lang), content_type="text/html; charset=UTF-8", headers=headers)
    else:
        path = FAKE if name == FAKE.name else FOLDER / name
        route.fulfill(path=path, content_type=KINDS[path.suffix], headers=headers)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """The mini-app in a context of its own; whatever the browser complains of fails the test."""
    context = browser.new_context(
        viewport=ViewportSize(width=PHONE["width"], height=PHONE["height"]), has_touch=True
    )
    complaints: list[str] = []

    def opening(*, lang: str = "en", token: str = "", **answers: Any) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.route(f"{HOME}/**", lambda route: served(route, lang))
        kept = {"loyalty.harbour-mall": {"token": token}} if token else {}
        given = {"answers": mini_page.ANSWERS | answers, "kept": kept}
        page.add_init_script(f"window.given = {json.dumps(given)}")
        page.goto(f"{HOME}/")
        return page

    yield opening
    context.close()
    assert complaints == []


def see(page: Page, name: str) -> Any:
    return page.locator(f"[data-test={name}]")


def fits(page: Page) -> None:
    """Nothing sticks out, and a thumb hits everything."""
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(SMALL) == []


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("Version 2026-11", "I allow AlipayHK", "points", "Gold")),
        ("zh-hant", ("版本 2026-11", "本人同意 AlipayHK", "分", "金卡")),
    ],
)
def test_joining_leads_from_the_consent_text_over_the_form_to_the_card(
    opened: Opened, lang: str, words: tuple[str, ...]
) -> None:
    version, text, points, tier = words
    blank = MEMBER | {"is_registered": False}
    page = opened(
        lang=lang,
        **{"POST sign-in": [signed_in("token-1", blank, is_new=True)], "POST register": [[200, MEMBER]]},
    )
    fits(page)

    see(page, "join").click()
    expect(see(page, "consent-text")).to_contain_text(text)
    expect(see(page, "consent-version")).to_have_text(version)
    fits(page)
    see(page, "agree").click()
    page.locator("[name=name]").fill("陳小明")
    page.locator("[name=phone]").fill("98765432")
    page.locator("[name=birth_month]").select_option("4")
    page.locator("[name=district]").select_option("KLN")
    page.locator("[name=news]").select_option("no")
    fits(page)
    see(page, "save").click()

    expect(see(page, "points")).to_have_text("12,480")
    expect(page.locator(".mp-points")).to_contain_text(points)
    expect(see(page, "tier")).to_have_text(tier)
    fits(page)
    [sent] = page.evaluate("wallet.calls.filter((call) => call[1] === 'POST register')")
    assert sent[3] == {
        "name": "陳小明", "phone": "98765432", "email": "", "birth_month": 4, "card_number": "",
        "supplied": {"district": "KLN", "news": False},
    }  # fmt: skip


def test_a_refused_form_says_where_and_keeps_what_was_typed(opened: Opened) -> None:
    fault = {
        "field": "supplied.district", "code": "REQUIRED", "message_en": "Please choose.", "message_zh": "請選擇。"
    }  # fmt: skip
    blank = STRANGER | {"is_registered": False}
    page = opened(
        token="t", **{"GET me": [[200, blank]], "POST register": [refused(422, "FORM_INVALID", [fault])]}
    )

    see(page, "complete").click()
    page.locator("[name=name]").fill("Chan Siu Ming")
    see(page, "save").click()

    expect(see(page, "fault-district")).to_have_text("Please choose.")
    expect(see(page, "notice")).to_have_text("FORM_INVALID in English")
    expect(page.locator("[name=district]")).to_be_focused()
    expect(page.locator("[name=name]")).to_have_value("Chan Siu Ming")


def test_history_gives_the_reason_of_every_payment_and_what_refunds_took(opened: Opened) -> None:
    page = opened(token="t")

    [first, second] = [one.inner_text() for one in see(page, "transaction").all()]

    assert "Noodle Bar" in first
    assert "620 points for spending HK$620.00." in first
    assert "HK$620.00" in first
    assert "Refund of HK$200.00" in first
    assert "−200" in first
    assert "being checked" in second


def test_names_from_outside_are_words_and_never_markup(opened: Opened) -> None:
    trap = "<img src=x onerror=alert(1)><b>Shop</b>"
    line = mini_page.HISTORY["transactions"][0] | {"store_en": trap}
    page = opened(token="t", **{"GET me/transactions": [[200, {"transactions": [line], "next": None}]]})

    expect(see(page, "transaction")).to_contain_text(trap)

    assert page.locator("#miniapp img").count() == 0


def test_a_batch_comes_back_as_a_verdict_per_line(opened: Opened) -> None:
    page = opened(token="t")

    see(page, "submit").click()
    page.wait_for_function("wallet.calls.some((call) => call[0] === 'navigateToMiniProgram')")
    page.evaluate("(options) => app.onShow(options)", BATCH)

    expect(see(page, "verdict-total")).to_have_text("138 points added")
    expect(see(page, "line")).to_contain_text(
        [
            "138 points for spending HK$138.90.",
            "Already recorded on 21 Nov through the wallet. (recorded before)",
        ]
    )
    fits(page)
    see(page, "done").click()
    expect(see(page, "points")).to_be_visible()


def test_a_batch_lost_on_the_way_is_offered_again(opened: Opened) -> None:
    page = opened(token="t", **{"POST batches": ["offline", "offline", [200, mini_page.VERDICT]]})

    expect(see(page, "points")).to_be_visible()
    page.evaluate("(options) => app.onShow(options)", BATCH)
    expect(see(page, "failure")).to_have_text("No connection. Check your network and try again.")
    see(page, "back").click()
    see(page, "resubmit").click()
    expect(see(page, "notice")).to_be_visible()
    see(page, "resubmit").click()

    expect(see(page, "verdict-total")).to_have_text("138 points added")


def test_a_wake_up_brings_the_points_that_came_meanwhile(opened: Opened) -> None:
    more = MEMBER | {"balance": {"points": 12_618, "held": 0}}
    page = opened(token="t", **{"GET me": [[200, MEMBER], [200, more]]})

    expect(see(page, "points")).to_have_text("12,480")
    page.evaluate("app.onShow({})")

    expect(see(page, "points")).to_have_text("12,618")
    assert page.evaluate("wallet.calls.filter((call) => call[1] === 'POST batches')") == []


def test_a_code_counts_down_until_the_counter_takes_it(opened: Opened) -> None:
    made = {
        "code": "7K2M9QXA", "points": 2500, "state": "RESERVED",
        "reserved_at": "2026-11-22T12:00:00+08:00", "expires_at": "2026-11-22T12:10:00+08:00",
    }  # fmt: skip
    page = opened(
        token="t",
        **{
            "POST redemptions": [[201, made]],
            "GET redemptions/7K2M9QXA": [[200, made | {"state": "CONFIRMED"}]],
        },
    )
    page.clock.install()

    see(page, "redeem").click()
    expect(page.locator("#mp-worth")).to_have_text("Worth HK$2.00")
    see(page, "redeem-points").fill("2500")
    expect(page.locator("#mp-worth")).to_have_text("Worth HK$10.00")
    see(page, "make-code").click()
    expect(see(page, "code")).to_have_text("7K2M 9QXA")
    page.clock.run_for(2000)
    expect(see(page, "countdown")).to_have_text("Valid for 9:58")
    fits(page)
    page.clock.run_for(2000)

    expect(see(page, "code-end")).to_have_text("2,500 points redeemed")


def test_consent_is_withdrawn_after_one_more_question(opened: Opened) -> None:
    page = opened(token="t", **{"DELETE me/consent": [[200, STRANGER]]})

    see(page, "settings").click()
    see(page, "withdraw").click()
    assert "POST me/consent" not in [call[1] for call in page.evaluate("wallet.calls")]
    fits(page)
    see(page, "withdraw-yes").click()

    expect(see(page, "auto-earn")).to_have_text("Auto-earn is off")
    see(page, "back").click()
    expect(see(page, "turn-on")).to_be_visible()


def test_the_way_in_needs_no_pointer_and_changes_language(opened: Opened) -> None:
    page = opened()

    expect(see(page, "join")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(see(page, "consent-version")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")

    expect(see(page, "consent-version")).to_have_text("版本 2026-11")


def test_a_mall_that_cannot_be_reached_says_so_and_is_asked_again(opened: Opened) -> None:
    page = opened(**{"GET setup": ["offline", [200, mini_page.SETUP]]})

    expect(page.locator("h1")).to_have_text("No connection. Check your network and try again.")
    see(page, "retry").click()

    expect(see(page, "join")).to_be_visible()
