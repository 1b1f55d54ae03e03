"""Chromium as a staff member's browser: one log-in each, pages in a language and a size, complaints that fail tests.

The demo and the log-ins are shared by every test of the run, as starting, seeding and hashing cost the most.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests import live

ADMIN, REVIEWER, CLERK, OPERATOR = "demo-admin", "demo-reviewer", "demo-counter", "demo-operator"
PASSWORD = "correct-horse-battery-staple"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# What sticks out to the right, in pixels.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

Visitor = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Of one file's tests: while Playwright's loop runs, Django refuses the database to any other test."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="session")
def demo_mall(live_installation: live.Installation) -> live.Installation:
    """With the demo's week: pairs of every kind, some decided and some waiting."""
    live_installation.manage("seed_demo", "--group", "all", "--week", "--password", PASSWORD)
    return live_installation


@pytest.fixture(scope="session")
def logins(demo_mall: live.Installation) -> dict[str, list[dict[str, object]]]:
    """The session cookies of one log-in each by the form: each costs a slow password hash."""
    return {name: _log_in(demo_mall, name) for name in (ADMIN, REVIEWER, CLERK, OPERATOR)}


def _log_in(demo_mall: live.Installation, name: str) -> list[dict[str, object]]:
    address = f"{demo_mall.url}/admin/login/?next=/admin/"
    with requests.Session() as session:
        session.get(address, timeout=30).raise_for_status()
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrf"]}
        home = session.post(address, data=form, timeout=30)
        assert home.url == f"{demo_mall.url}/admin/", home.text
        return [{"name": kept.name, "value": kept.value, "url": demo_mall.url} for kept in session.cookies]


@pytest.fixture
def visit(
    browser: Browser,
    demo_mall: live.Installation,
    logins: dict[str, list[dict[str, object]]],
) -> Iterator[Visitor]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str, *, login: str = ADMIN, language: str = "en", **options: object) -> Page:
        context = browser.new_context(**({"viewport": DESK} | options))  # type: ignore[arg-type]
        contexts.append(context)
        context.add_cookies(logins[login])  # type: ignore[arg-type]
        context.add_cookies([{"name": "django_language", "value": language, "url": demo_mall.url}])
        page = context.new_page()
        _listen(page, complaints, demo_mall.url)
        page.goto(f"{demo_mall.url}/admin/{path}")
        # What people type at once goes there, but not within the moment until the browser has moved the focus.
        for first in page.locator("[autofocus]").all():
            expect(first).to_be_focused()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def guest(browser: Browser, demo_mall: live.Installation) -> Iterator[Visitor]:
    """A browser nobody is logged in with; it must end without a cookie."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str, **options: object) -> Page:
        context = browser.new_context(**({"viewport": PHONE} | options))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        _listen(page, complaints, demo_mall.url)
        page.goto(f"{demo_mall.url}{path}")
        return page

    yield opened
    cookies = [cookie for context in contexts for cookie in context.cookies()]
    for context in contexts:
        context.close()
    assert (complaints, cookies) == ([], [])


def _listen(page: Page, complaints: list[str], home: str) -> None:
    ours = (f"{home}/", "data:", "blob:")
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(ours) else complaints.append(f"asked {asked.url}"),
    )
