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
from tests.people import CASES

CHECKS, PATTERNS, FILES = "review/spotcheck/", f"{CASES}patterns/", "review/reconciliation/"
# Every verdict is drawn, so that there is something to check.
DRAW_ALL = """
from loyalty.review import tasks
from members.models import Program
Program.objects.update(spot_check_percent=100)
tasks.draw_spot_checks()
"""
# Of somebody whose points nothing else in these tests moves.
A_PAYMENT = """
SELECT purchase.payment_number, purchase.amount_cents, award.points, account.id, account.balance
FROM earning_transaction purchase JOIN earning_award award ON award.transaction_id = purchase.id
JOIN ledger_pointaccount account ON account.member_id = purchase.member_id
JOIN pms_mall mall ON mall.id = purchase.mall_id
WHERE mall.tag = 'lumina-plaza' AND purchase.channel = 'WALLET' AND purchase.state = 'EARNED'
    AND account.balance > 2 * award.points AND NOT EXISTS (
        SELECT FROM earning_duplicatecase found WHERE purchase.id IN (found.transaction_id, found.earlier_id))
ORDER BY purchase.paid_at DESC LIMIT 1
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


def test_a_refund_never_told_of_is_found_in_the_providers_file_and_repaired_by_two(
    visit: Visitor, demo_mall: live.Installation, tmp_path: Path
) -> None:
    number, cents, points, account_id, before = callers.rows(demo_mall, A_PAYMENT)[0]
    page = visit(f"{FILES}add/", login=OPERATOR)

    page.select_option("[name=mall]", label="Lumina Plaza")
    page.set_input_files("[name=file]", provider_file(tmp_path, refunded=number, cents=cents))
    page.click(".ask button")
    page.wait_for_selector(".pill.good")
    page.locator("tr", has_text="Refunded, not taken back").locator("a").click()
    page.locator("a.button", has_text="Ask for a repair").first.click()
    page.click(".ask button")
    expect(page.locator("ul.messagelist")).to_contain_text("points asked for; somebody else approves")
    other = visit("review/adjustmentrequest/", login=ADMIN)
    other.locator("#result_list tbody th a").first.click()
    other.locator("button", has_text="Approve").first.click()
    expect(other.locator("ul.messagelist")).to_contain_text("Approved. The balance is")

    balance = "SELECT balance FROM ledger_pointaccount WHERE id = %s"
    assert callers.rows(demo_mall, balance, account_id) == [(before - points,)]


def provider_file(folder: Path, *, refunded: str, cents: int) -> Path:
    at = datetime.now(HONG_KONG).isoformat(timespec="seconds")
    file = folder / "detail.csv"
    file.write_text(
        f"{COLUMNS}\n2188,S1,{at},REFUND,Success,0001,20260999000777,{refunded},-{cents / 100:.2f}\n"
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
    page.wait_for_selector("#result_list .pill.good", timeout=60_000)
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_selector("#report-chart canvas", timeout=60_000)

    assert page.locator("a.button:text-is('CSV')").count() == 1
    assert page.locator("progress").count() == 0
    assert page.evaluate(OVERFLOW) == 0
