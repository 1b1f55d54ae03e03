"""What people do about duplicates, in a real browser over a real installation: enter, decide, report, import, answer.

By keyboard alone, in both languages, on a phone. A complaint of the browser, as of its policy, or a request to anybody
else's host fails the test that made it.
"""

import csv
import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from pms.clock import HONG_KONG
from tests import live, people
from tests.browsing import ADMIN, CLERK, DESK, OPERATOR, OVERFLOW, PHONE, REVIEWER, Visitor
from tests.people import CASES, FUNG, KWOK, SIU, YIP

COUNTER = "doors/counterentry/add/"
PRESS_TWICE = """async () => {
  const filled = new FormData(document.getElementById("counter"));
  filled.append("do", "save");
  const press = () => fetch(location.href, { method: "POST", body: new URLSearchParams(filled) });
  return (await Promise.all([press(), press()])).map((answer) => answer.status);
}"""
TOUCHED = """[...document.querySelectorAll("#content button, #content .button")]
  .filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().height)"""

# The first of them waits for the installation too.
pytestmark = pytest.mark.timeout(300)


def type_in(page: Page, *words: str) -> None:
    """Into the fields in their order, as the Tab key walks them."""
    for word in words:
        page.keyboard.type(word)
        page.keyboard.press("Tab")


def said(page: Page) -> str:
    return page.locator("ul.messagelist").inner_text()


def test_a_receipt_is_entered_by_keyboard_checked_warned_of_and_saved_once(
    visit: Visitor, demo_mall: live.Installation
) -> None:
    page = visit(COUNTER, login=CLERK)

    type_in(page, "", "Green Thread", "333", SIU)
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_be_focused()
    before, first = people.entries(demo_mall, 33_300), page.locator("#content").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("ul.messagelist")).to_contain_text("333 points")
    assert page.locator("#id_store").input_value() == "VP-088"
    type_in(page, "", "", "333", SIU)
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_have_text("Save for review, without points")
    statuses = page.evaluate(PRESS_TWICE)

    assert before == []
    assert "333 points for spending HK$333.00." in first
    assert "It looks like an earlier purchase" in page.locator("#content").inner_text()
    assert "100 of 100" in page.locator("#content").inner_text()
    assert statuses == [200, 200]
    assert people.entries(demo_mall, 33_300) == ["EARNED", "HELD"]


def test_what_is_changed_after_the_check_cannot_be_saved_unchecked(
    visit: Visitor, demo_mall: live.Installation
) -> None:
    page = visit(COUNTER, login=CLERK, viewport=PHONE, language="zh-hant")

    type_in(page, "R-9100", "火焰小廚", "444", SIU)
    page.keyboard.press("Enter")
    expect(page.locator(".has-error")).to_have_count(1)
    page.fill("#id_store", "翠線時裝")
    page.locator("#id_store").press("Enter")
    expect(page.locator("#save")).to_be_visible()
    page.fill("#id_amount", "4444")

    assert page.locator("#save").count() == 0
    assert page.evaluate(OVERFLOW) == 0
    assert people.entries(demo_mall, 44_400) == people.entries(demo_mall, 444_400) == []


def test_a_case_is_decided_undone_and_left_by_single_keys(
    visit: Visitor, demo_mall: live.Installation
) -> None:
    page = visit(CASES, login=REVIEWER)
    oldest = page.locator("#result_list tbody tr").first.locator("th a").get_attribute("href")

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{oldest}")
    parts = page.locator(".evidence li").all_inner_texts()
    page.keyboard.press("s")
    expect(page.locator("ul.messagelist")).to_contain_text(
        "Decided: the same purchase. −1,768 points in all."
    )
    page.keyboard.press("u")
    expect(page.locator("ul.messagelist")).to_contain_text("Open again, with points as they were.")
    page.keyboard.press("d")
    expect(page.locator("ul.messagelist")).to_contain_text("Decided: two purchases.")
    page.keyboard.press("u")
    expect(page.locator("ul.messagelist")).to_contain_text("Open again")
    page.keyboard.press("a")
    expect(page.locator("ul.messagelist")).to_contain_text("It is yours now, and stays open.")
    page.keyboard.press("n")
    page.wait_for_url(lambda address: not address.endswith(str(oldest)))

    assert [part.split("\n")[-1] for part in parts] == ["+40", "+25", "+12", "+6"]
    assert "differs by HK$12.00" in parts[2]
    assert page.locator(".answers").is_visible()


def test_a_note_is_typed_and_sent_without_deciding_by_accident(
    visit: Visitor, demo_mall: live.Installation
) -> None:
    page = visit(people.case_of(demo_mall, YIP, 68_800), login=REVIEWER)

    page.locator(".note input").focus()
    page.keyboard.type("asked the shop, sad day")
    page.keyboard.press("Enter")
    is_open = page.locator(".headline .pill").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator("ul.messagelist")).to_contain_text("It is yours now")

    assert "Open" in is_open
    assert "asked the shop, sad day" in page.locator("#content").inner_text()


def test_the_second_of_two_who_decide_is_told_who_was_first(
    visit: Visitor, demo_mall: live.Installation
) -> None:
    address = people.case_of(demo_mall, FUNG, 182_000)
    first, second = visit(address, login=REVIEWER), visit(address, login=ADMIN, language="zh-hant")

    first.keyboard.press("s")
    expect(first.locator("ul.messagelist")).to_contain_text("Decided: the same purchase.")
    second.keyboard.press("d")
    expect(second.locator("ul.messagelist")).to_contain_text("emo-reviewer 已先行決定")

    assert "同一宗消費" in said(second)
    assert second.locator("[data-key=U]").is_visible()
    assert second.locator("[data-key=S]").count() == 0


def test_identical_cases_are_decided_together(visit: Visitor) -> None:
    page = visit(CASES)
    for name in ("Mak Ho Lam", "Hui Man Ching"):
        page.locator("#result_list tbody tr", has_text=name).locator("input").check()

    page.select_option("select[name=action]", "different_together")
    page.click("#changelist .actions button")

    expect(page.locator("ul.messagelist")).to_contain_text("2 decided.")
    assert page.locator("#result_list tbody tr", has_text="Hui Man Ching").count() == 0


def test_on_a_phone_the_answers_stay_at_the_thumb(visit: Visitor, demo_mall: live.Installation) -> None:
    page = visit(people.case_of(demo_mall, KWOK, 70_000), login=REVIEWER, viewport=PHONE, language="zh-hant")

    boxes = [page.locator(f"[data-key={key}]").bounding_box() for key in "SDA"]

    assert page.evaluate(OVERFLOW) == 0
    for box in boxes:
        assert box is not None
        assert box["height"] >= 40
        assert box["y"] + box["height"] <= PHONE["height"]
    assert "金額相差 HK$12.00" in page.locator(".evidence").inner_text()


def test_the_report_comes_first_is_filtered_drawn_and_opens_as_a_file(visit: Visitor, tmp_path: Path) -> None:
    page = visit("", language="zh-hant")
    first = page.locator(".figure").first

    label = first.locator(".figure-label").inner_text()
    first.click()
    page.wait_for_selector("#report-chart canvas")
    page.fill("[name=since]", f"{datetime.now(HONG_KONG).date() - timedelta(days=6)}")
    page.select_option("[name=channel]", "PARTNER")
    page.click(".ask-report button")
    page.wait_for_selector("#report-chart canvas")
    shown = " ".join(page.locator(".panel").all_inner_texts())
    files = {kind: _downloaded(page, kind, tmp_path) for kind in ("CSV", "XLSX")}

    assert label == "已攔截重複交易"
    assert "朗曜廣場" in shown
    assert "翠庭薈" not in shown
    text = files["CSV"].read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert "朗曜廣場" in {row[2] for row in csv.reader(StringIO(text.decode("utf-8-sig")))}
    assert any("朗曜廣場" in row for sheet in load_workbook(files["XLSX"]) for row in sheet.values)


def _downloaded(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.click(f"a.button:text-is('{kind}')")
    file = folder / started.value.suggested_filename
    started.value.save_as(file)
    return file


@pytest.mark.parametrize(("language", "viewport"), [("en", DESK), ("zh-hant", PHONE)])
def test_a_file_is_checked_its_faults_shown_by_line_and_the_good_rows_imported(
    visit: Visitor, demo_mall: live.Installation, tmp_path: Path, language: str, viewport: dict[str, int]
) -> None:
    number = f"B-{language}"
    page = visit("doors/importjob/add/", login=OPERATOR, language=language, viewport=viewport)

    page.select_option("[name=mall]", label={"en": "Lumina Plaza", "zh-hant": "朗曜廣場"}[language])
    page.set_input_files("[name=file]", people.receipts(tmp_path, number))
    page.click(".ask button")
    go = page.locator(".deed button", has_text={"en": "Import", "zh-hant": "匯入"}[language])
    go.wait_for()
    faults = page.locator(".panel", has_text={"en": "Refused rows", "zh-hant": "被拒的行"}[language])
    told, before = faults.last.inner_text(), people.imported(demo_mall, number)
    go.click()
    page.wait_for_selector(".pill.good >> text=/Imported|已匯入/")

    assert [word for word in ("4", "store", "5", "amount") if word not in told] == []
    assert {"en": "never negative", "zh-hant": "負數"}[language] in told
    assert (before, people.imported(demo_mall, number)) == (0, 2)
    assert page.evaluate(OVERFLOW) == 0
    assert page.locator("progress").count() == 0


def test_progress_is_told_while_a_file_is_worked_on(visit: Visitor, demo_mall: live.Installation) -> None:
    page = visit("doors/importjob/", login=OPERATOR)
    page.locator("#result_list tbody th a").first.click()

    told = json.loads(page.evaluate("fetch('../progress.json').then((answer) => answer.text())"))

    assert told["judged"] == told["transactions"] > 0
    assert told["is_open"] is False


@pytest.mark.parametrize(
    ("language", "viewport", "words"),
    [("en", DESK, "about HK$688 yesterday at Thread Street"), ("zh-hant", PHONE, "昨日 線街時裝 約688蚊")],
)
def test_a_customers_words_become_a_sentence_to_read_aloud(
    visit: Visitor, language: str, viewport: dict[str, int], words: str
) -> None:
    page = visit("missing-points/", login=CLERK, language=language, viewport=viewport)

    page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict")

    spoken = page.locator(".verdict .said").first
    assert "at 14:29, Thread Street: 688 points were given." in spoken.locator("[lang=en]").inner_text()
    assert "14:29 在線街時裝消費 HK$688.00：獲發 688 分。" in spoken.locator("[lang=zh-Hant-HK]").inner_text()
    assert page.url.endswith("/missing-points/")
    assert page.evaluate(OVERFLOW) == 0


def test_phone_number_and_card_find_the_member_and_nothing_found_says_what_to_ask(visit: Visitor) -> None:
    page = visit("missing-points/", login=CLERK)

    def asked(words: str) -> str:
        page.fill("#searchbar", words)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        return page.locator("#content").inner_text()

    by_phone = asked("9123 0015")
    card = page.locator(".plain li a").inner_text().rsplit(maxsplit=1)[1]
    by_card, by_number, nothing = asked(card), asked("receipt R-7703"), asked("99990000")

    assert "Fung Tsz Kit" in by_phone
    assert "Paid HK$688.00" in by_phone
    assert "Paid HK$688.00" in by_card
    assert "Paid HK$207.00" in by_number
    assert "We know no member and no purchase by 99990000. Ask for the card number." in nothing
    assert card not in page.url


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_every_screen_of_the_piece_fits_a_phone_and_a_thumb(visit: Visitor, language: str) -> None:
    page = visit("", viewport=PHONE, language=language)
    home = page.url

    for path in (
        CASES, f"{CASES}report/", "review/decision/", COUNTER, "doors/counterentry/", "doors/importjob/",
        "doors/importjob/add/", "doors/partnerkey/", "doors/partnerkey/add/", "missing-points/",
    ):  # fmt: skip
        page.goto(f"{home}{path}")

        assert page.evaluate(OVERFLOW) == 0, path
        assert [height for height in page.evaluate(TOUCHED) if height < 32] == [], path
        assert page.locator("html").get_attribute("lang") == language, path


def test_a_partners_key_is_shown_once(visit: Visitor) -> None:
    page = visit("doors/partnerkey/add/", language="zh-hant")

    page.fill("[name=name]", "二號收銀機")
    page.keyboard.press("Enter")
    page.wait_for_selector(".secret")
    key = page.locator(".secret [data-copy]").get_attribute("data-copy")
    page.click("#content a:has-text('我已複製')")
    page.wait_for_load_state()

    assert key is not None
    assert key.startswith("ltk_")
    assert key not in page.content()
    assert "二號收銀機" in page.content()
