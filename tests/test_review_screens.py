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
from tests.people import CASES, YIP

CHECKS, PATTERNS, FILES = "review/spotcheck/", f"{CASES}patterns/", "review/reconciliation/"
# Every verdict is drawn, so that there is something to check.
DRAW_ALL = """
from loyalty.review import tasks
from members.models import Program
Program.objects.update(spot_check_percent=100)
tasks.draw_spot_checks()
"""
# One of the demo's people gets a card, as they have none.
JOIN = f"""
from members import enrollment
from members.enrollment import Applicant
from pms import clock
from pms.models import Mall
now = clock.now()
who = Applicant(wallet="ALIPAYHK", user_id="2160220000000777", phone="{YIP}", phone_raw="{YIP}", email="", name="")
mall = Mall.objects.get(tag="lumina-plaza")
enrollment.join(mall=mall, applicant=who, evidence="test", asked_at=now, now=now)
"""
BALANCE = """
SELECT account.id, account.balance FROM ledger_pointaccount account
JOIN members_member member ON member.id = account.member_id WHERE member.phone = %s
"""
COLUMNS = (
    "merchantId,storeId,paymentTime,transType,transStatus,merchantTransId,acquirementId,"
    "originalAcquirementId,amount"
)
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

    link = page.locator(".panel tbody a[href*='of=']").first
    cases = link.inner_text()
    overflow = page.evaluate(OVERFLOW)
    link.click()
    page.wait_for_selector("#result_list")

    assert overflow == 0
    assert page.locator("#result_list tbody tr").count() == int(cases)


def test_a_payment_never_told_of_is_found_in_the_providers_file_and_repaired_by_two(
    visit: Visitor, demo_mall: live.Installation, tmp_path: Path
) -> None:
    demo_mall.manage("shell", "--no-imports", "-v", "0", "-c", JOIN)
    [(account_id, before)] = callers.rows(demo_mall, BALANCE, YIP)
    page = visit(f"{FILES}add/", login=OPERATOR)

    page.select_option("[name=mall]", label="Lumina Plaza")
    page.set_input_files("[name=file]", provider_file(tmp_path))
    page.click(".ask button")
    page.wait_for_selector(".pill.good")
    page.locator("tr", has_text="20260999000777").locator("a").click()
    page.locator("a.button", has_text="Ask for a repair").first.click()
    page.fill("[name=member]", YIP)
    page.select_option("[name=store]", index=1)
    page.click(".ask button")
    expect(page.locator("ul.messagelist")).to_contain_text("points asked for; somebody else approves")
    other = visit("review/adjustmentrequest/", login=ADMIN)
    other.locator("#result_list tbody th a").first.click()
    other.locator("button", has_text="Approve").first.click()
    expect(other.locator("ul.messagelist")).to_contain_text("Approved. The balance is")

    assert callers.rows(demo_mall, BALANCE, YIP) == [(account_id, before + 688)]


def provider_file(folder: Path) -> Path:
    """A payment of this moment, since the payer has just agreed."""
    at = datetime.now(HONG_KONG).isoformat(timespec="seconds")
    file = folder / "detail.csv"
    file.write_text(f"{COLUMNS}\n2188,S1,{at},PAYMENT,Success,0001,20260999000777,,688.00\n")
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
    page.wait_for_selector("#result_list .pill.good", timeout=60_000)
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_selector("#report-chart canvas", timeout=60_000)

    assert page.locator("a.button:text-is('CSV')").count() == 1
    assert page.locator("progress").count() == 0
    assert page.evaluate(OVERFLOW) == 0
