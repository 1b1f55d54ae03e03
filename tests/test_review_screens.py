"""What reviewers do beside the desk, in a real browser: spot checks, patterns, a provider's file, long reports.

A complaint of the browser fails the test that made it.
"""

from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pms.clock import HONG_KONG
from tests import callers, live
from tests.browsing import ADMIN, DESK, OPERATOR, OVERFLOW, PHONE, REVIEWER, Visitor
from tests.people import CASES, FUNG

CHECKS, PATTERNS, FILES = "review/spotcheck/", f"{CASES}patterns/", "review/reconciliation/"
# Every verdict is drawn, so that there is something to check.
DRAW_ALL = """
from loyalty.review import tasks
from members.models import Program
Program.objects.update(spot_check_percent=100)
tasks.draw_spot_checks()
"""
TODAY = datetime.now(HONG_KONG).date()
BOTH = pytest.mark.parametrize(("language", "viewport"), [("en", DESK), ("zh-hant", PHONE)])
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def drawn(demo_mall: live.Installation) -> live.Installation:
    demo_mall.manage("shell", "-v", "0", "-c", DRAW_ALL)
    return demo_mall


def heading(page: Page) -> str:
    return page.locator("h1").first.inner_text()


def test_a_spot_check_is_answered_and_taken_back_by_single_keys(
    visit: Visitor,
    drawn: live.Installation,
) -> None:
    page = visit(CHECKS, login=REVIEWER)

    page.locator("#result_list tbody th a").first.click()
    page.wait_for_selector(".answers")
    effects = page.locator(".answers").inner_text()
    page.keyboard.press("r")
    expect(page.locator("ul.messagelist")).to_contain_text("Noted: the verdict was right.")
    page.keyboard.press("u")
    expect(page.locator("ul.messagelist")).to_contain_text("To be checked again")
    page.keyboard.press("c")
    expect(page.locator("ul.messagelist")).to_contain_text("Noted: it cannot be told.")
    first = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda address: address != first)

    assert "Nothing changes." in effects


@BOTH
def test_spot_checks_say_how_often_the_rules_were_right(
    visit: Visitor,
    drawn: live.Installation,
    language: str,
    viewport: dict[str, int],
) -> None:
    page = visit(CHECKS, login=REVIEWER, language=language, viewport=viewport)

    panel = page.locator(".panel").first

    assert {"en": "right", "zh-hant": "正確"}[language] in panel.inner_text().lower()
    assert page.evaluate(OVERFLOW) == 0


@BOTH
def test_a_pattern_leads_to_the_cases_behind_it(
    visit: Visitor,
    language: str,
    viewport: dict[str, int],
) -> None:
    page = visit(PATTERNS, login=REVIEWER, language=language, viewport=viewport)

    row = page.locator(".panel tbody tr").first
    link = row.locator("a").first
    name = link.inner_text()
    overflow = page.evaluate(OVERFLOW)
    link.click()
    page.wait_for_selector("#result_list")

    assert overflow == 0
    assert name.split("\n")[0] in page.locator("#content").inner_text()


def test_a_payment_never_told_of_is_found_in_the_providers_file_and_repaired_by_two(
    visit: Visitor,
    demo_mall: live.Installation,
    tmp_path: Path,
) -> None:
    page = visit(f"{FILES}add/", login=OPERATOR)
    before = balance(demo_mall)

    page.select_option("[name=mall]", label="Lumina Plaza")
    page.set_input_files("[name=file]", provider_file(tmp_path))
    page.click(".ask button")
    page.wait_for_selector(".pill.good")
    page.goto(page.url.replace(page.url[page.url.index(FILES) :], "review/finding/?q=20260999000777"))
    page.locator("#result_list tbody th a").first.click()
    page.locator("a.button", has_text="Ask for a repair").first.click()
    page.fill("[name=member]", FUNG)
    page.select_option("[name=store]", index=1)
    page.click(".ask button")
    expect(page.locator("ul.messagelist")).to_contain_text("points asked for; somebody else approves")
    other = visit("review/adjustmentrequest/", login=ADMIN)
    other.locator("#result_list tbody th a").first.click()
    other.locator("button", has_text="Approve").first.click()
    expect(other.locator("ul.messagelist")).to_contain_text("Approved. The balance is")

    assert balance(demo_mall) == before + 688


def balance(demo_mall: live.Installation) -> int:
    question = """SELECT account.balance FROM ledger_pointaccount account
        JOIN members_member member ON member.id = account.member_id WHERE member.phone = %s
        ORDER BY account.id LIMIT 1"""
    [(found,)] = callers.rows(demo_mall, question, FUNG)
    return int(found)


def provider_file(folder: Path) -> Path:
    file = folder / "detail.csv"
    file.write_text(
        "merchantId,storeId,paymentTime,transType,transStatus,merchantTransId,acquirementId,"
        "originalAcquirementId,amount\n"
        f"2188,S1,{TODAY:%Y-%m-%d}T00:00:01+08:00,PAYMENT,Success,0001,20260999000777,,688.00\n"
    )
    return file


@BOTH
def test_a_report_of_a_year_is_worked_out_aside_and_opens_when_it_is_done(
    visit: Visitor,
    language: str,
    viewport: dict[str, int],
) -> None:
    page = visit(f"{CASES}report/", language=language, viewport=viewport)

    page.fill("[name=since]", f"{TODAY.year - 1}-01-01")
    page.click(".ask-report button")
    page.locator("form[action$='report/long/'] button").click()
    page.wait_for_selector("#report-chart canvas", timeout=60_000)

    assert page.locator("a.button:text-is('CSV')").count() == 1
    assert page.locator("progress").count() == 0
    assert page.evaluate(OVERFLOW) == 0
