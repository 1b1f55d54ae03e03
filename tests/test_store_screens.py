"""Stores in a real browser: their files, their past, what AlipayHK has of them, and payments of unknown ones.

A complaint of the browser fails the test that made it.
"""

import json
import re
from datetime import date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pms.clock import HONG_KONG
from tests import callers, live
from tests.browsing import ADMIN, DESK, OPERATOR, OVERFLOW, PHONE, Visitor

STORES, COLLECTION, MAPPINGS = "pms/store/", "alipayhk/storecollection/", "alipayhk/mappingjob/"
INBOX, LISTED, READINGS = f"{MAPPINGS}unknown/", "alipayhk/listedstore/", "alipayhk/confirmationrun/"
HEADING = "pms_label,store_name,store_name_zh,code,category,merchant_id,store_id,partner_id"
LUMINA = {"en": "Lumina Plaza", "zh-hant": "朗曜廣場"}
# The demo's operator works at the simulator's mall too.
SEAT = """
from pms.models import Mall, MallStaff, User
mall = Mall.objects.get(tag="harbour-square")
MallStaff.objects.get_or_create(user=User.objects.get(username="demo-operator"), group=mall.group, mall=mall,
                                defaults={"role": "OPERATOR"})
"""
TODAY = datetime.now(HONG_KONG).date()
# Long enough for a worker of a busy machine.
SOON = 60_000
BOTH = pytest.mark.parametrize(("language", "viewport"), [("en", DESK), ("zh-hant", PHONE)])
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def harbour(demo_mall: live.Installation, live_simulator: live.Simulator) -> live.Simulator:
    """The simulator, whose mall the operator sees."""
    demo_mall.manage("shell", "--no-imports", "-v", "0", "-c", SEAT)
    return live_simulator


@pytest.fixture(scope="module")
def ours(demo_mall: live.Installation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two stores of Lumina Plaza for this file alone; how both are found."""
    file = written(tmp_path_factory.mktemp("stores"), row("OAK-1", "Oak & Ivy"), row("OAK-2", "Oak and Ivy"))
    demo_mall.manage("stores", "import", str(file), "--mall", "lumina-plaza")
    return "OAK-"


def row(label: str, name: str, *, category: str = "BEAUTY") -> str:
    return f"{label},{name},橡樹常春藤,{label},{category},21609876599999,{label},20230324"


def written(folder: Path, *rows: str) -> Path:
    file = folder / "stores.csv"
    file.write_text("\n".join([HEADING, *rows]), encoding="utf-8-sig")
    return file


def check_file(page: Page, file: Path, mall: str) -> str:
    """What the page says of the file."""
    page.select_option("[name=mall]", label=mall)
    page.set_input_files("[name=file]", file)
    page.click(".ask button")
    page.wait_for_selector("#result")
    return page.locator("#result").inner_text()


def known(mall: live.Installation, label: str) -> int:
    [(count,)] = callers.rows(mall, "SELECT count(*) FROM pms_store WHERE pms_label LIKE %s", f"{label}%")
    return int(count)


def open_store(visit: Visitor, mall: live.Installation, label: str, **options: object) -> Page:
    [(pk,)] = callers.rows(mall, "SELECT id FROM pms_store WHERE pms_label = %s", label)
    return visit(f"{STORES}{pk}/change/", **options)


@BOTH
def test_a_file_is_refused_by_row_and_written_whole_once_it_is_right(
    visit: Visitor, demo_mall: live.Installation, tmp_path: Path, language: str, viewport: dict[str, int]
) -> None:
    label = f"FIR-{language}"
    page = visit(f"{STORES}import/", login=OPERATOR, language=language, viewport=viewport)

    good = row(f"{label}-1", "Fir & Co")
    faulty = written(tmp_path, good, row(f"{label}-2", "=1+1"), row(f"{label}-1", "Twin", category="SPACE"))
    refused, after_faults = check_file(page, faulty, LUMINA[language]), known(demo_mall, label)
    overflow = page.evaluate(OVERFLOW)
    promised = check_file(page, written(tmp_path, good), LUMINA[language])
    after_look = known(demo_mall, label)
    page.click("#result form button")
    expect(page.locator("ul.messagelist")).to_contain_text({"en": "1 new stores", "zh-hant": "1"}[language])
    again = check_file(
        visit(f"{STORES}import/", login=OPERATOR, language=language),
        written(tmp_path, good),
        LUMINA[language],
    )

    words = {"en": ("formula", "stands on line: 2", "category"), "zh-hant": ("公式", "類別", "： 2")}[
        language
    ]
    assert [word for word in words if word not in refused] == []
    assert "Fir & Co" in promised
    assert (after_faults, after_look, known(demo_mall, label)) == (0, 0, 1)
    assert {"en": "Nothing in it is new", "zh-hant": "1"}[language] in again
    assert overflow == 0


def test_an_exported_list_is_read_again_and_changes_nothing(
    visit: Visitor, ours: str, tmp_path: Path
) -> None:
    page = visit(f"{STORES}?q={ours}", login=OPERATOR)

    with page.expect_download() as started:
        page.click("a.button:text-is('Export XLSX')")
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    said = check_file(visit(f"{STORES}import/", login=OPERATOR), file, LUMINA["en"])

    assert "Nothing in it is new" in said
    assert re.search(r"Stores as they are\s+2\b", said)


@BOTH
def test_a_change_by_hand_stands_in_the_stores_history_a_line_for_each_field(
    visit: Visitor, demo_mall: live.Installation, ours: str, language: str, viewport: dict[str, int]
) -> None:
    page = open_store(visit, demo_mall, f"{ours}1", login=OPERATOR, language=language, viewport=viewport)

    page.fill("#id_floor", f"{language} 7/F")
    page.fill("#id_unit", f"{language} 12")
    page.click("[name=_save]")
    page.wait_for_selector("ul.messagelist")
    page = open_store(visit, demo_mall, f"{ours}1", login=OPERATOR, language=language, viewport=viewport)

    latest = page.locator("#changes tbody tr").first
    assert OPERATOR in latest.inner_text()
    lines = latest.locator("td").last.inner_text().splitlines()
    assert [line.partition("→ ")[2] for line in lines] == [f"{language} 7/F", f"{language} 12"]
    assert {"en": "Oak & Ivy", "zh-hant": "橡樹常春藤"}[language] == page.locator("h1").inner_text()
    assert page.evaluate(OVERFLOW) == 0


def ask_to_move(page: Page, mall: str, day: date) -> str:
    """What the page says of it."""
    page.click("a.button[href$='/move/']")
    page.select_option("[name=to_mall]", label=mall)
    page.fill("[name=moved_date]", f"{day}")
    page.click(".ask button")
    page.wait_for_selector("[name=said]", state="attached")
    return page.locator(".ask").inner_text()


def test_a_move_is_told_first_and_stays_on_the_stores_page_once_it_is_confirmed(
    visit: Visitor, demo_mall: live.Installation, ours: str
) -> None:
    page = open_store(visit, demo_mall, f"{ours}2")
    on_a_phone = visit(page.url.partition("/admin/")[2], language="zh-hant", viewport=PHONE)

    chinese, overflow = ask_to_move(on_a_phone, "朗曜花園", TODAY), on_a_phone.evaluate(OVERFLOW)
    english = ask_to_move(page, "Lumina Walk", TODAY)
    page.click(".ask button")
    expect(page.locator("ul.messagelist")).to_contain_text("The store has moved.")
    moves = page.locator("#moves").inner_text()

    assert "朗曜花園" in chinese
    assert f"belongs to Lumina Walk from {TODAY} on" in english
    assert overflow == 0
    assert "from Lumina Plaza to Lumina Walk" in moves
    assert "Lumina Garden" not in moves


def test_stores_are_collected_confirmed_and_a_difference_is_cured(
    visit: Visitor, harbour: live.Simulator
) -> None:
    page = visit(COLLECTION, login=OPERATOR)

    page.click("text=Collect what is not sent")
    expect(page.locator("ul.messagelist")).to_contain_text("12 stores go out.")
    expect(page.locator("#coverage")).to_contain_text("12 sent", timeout=SOON)
    rename(harbour, "S2", "Bamboo Steamer Central")
    page.goto(page.url)
    page.click("text=Read AlipayHK's list")
    expect(page.locator("#coverage")).to_contain_text("11 of 12 stores confirmed (91%)", timeout=SOON)
    page.locator(".covered-parts a", has_text="1 differ").click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("#content")).to_contain_text("AlipayHK's name is “Bamboo Steamer Central”")
    page.click("text=Take AlipayHK's")
    expect(page.locator(".headline .pill")).to_contain_text("Confirmed")

    above = visit(STORES, login=OPERATOR, language="zh-hant", viewport=PHONE).locator(".panel-coverage")
    assert "12 間商戶中 12 間已確認" in above.inner_text()


def rename(simulator: live.Simulator, store_id: str, name: str) -> None:
    """Somebody else tells AlipayHK another name."""
    known = simulator.control("GET", "stores")["stores"]
    [store] = [one for one in known if one["store_id"] == store_id]
    del store["saves"]
    simulator.control("POST", "stores", {**store, "store_name": name})


@pytest.fixture
def payer(harbour: live.Simulator) -> tuple[str, str]:
    """A new member who paid twice in a store that nobody knows; the user and the store's label."""
    [user_id] = callers.users(1)
    label = f"NEW-{user_id[-6:]}"
    card = {"userId": user_id, "userEmail": f"u{user_id}@example.com", "mobileNo": None}
    harbour.control("POST", "send", {"kind": "membercard", "fields": card})
    for cents in (13_890, 20_000):
        bill = {
            "userId": user_id, "orderAmount": {"currency": "HKD", "value": cents}, "pmsLabel": label,
            "merchantName": "Harbour Noodle",
        }  # fmt: skip
        harbour.control("POST", "send", {"kind": "bill", "fields": bill})
    return user_id, label


def test_an_unknown_store_is_mapped_once_and_unmapped_with_a_reason(
    visit: Visitor, demo_mall: live.Installation, harbour: live.Simulator, payer: tuple[str, str]
) -> None:
    user_id, label = payer
    page = visit(INBOX, login=OPERATOR)

    page.locator("#result_list tbody tr", has_text=label).locator("a.button", has_text="Map…").click()
    page.wait_for_selector("[data-key=M]")
    preview, before, address = page.locator("#content").inner_text(), points(harbour, user_id), page.url
    page.keyboard.press("m")
    page.wait_for_selector(".headline .pill.good", timeout=SOON)
    told = json.loads(page.evaluate("fetch('../progress.json').then((answer) => answer.text())"))
    job = page.url.partition("/admin/")[2].removesuffix("change/")
    is_shown = callers.until(lambda: points(harbour, user_id) == 338, 30)
    page.goto(address)
    expect(page.locator("#content")).to_contain_text("already")
    can_map_again = page.locator("[data-key=M]").count()
    page.click("text=See what it did")
    expect(page.locator("#content")).to_contain_text("338 points")

    assert "338 points" in preview
    assert (before, told["judged"], told["transactions"], told["is_open"]) == (0, 2, 2, False)
    assert (is_shown, can_map_again) == (True, 0)

    page = visit(f"{job}unmap/", login=ADMIN, language="zh-hant", viewport=PHONE)
    loss, overflow = page.locator("#content").inner_text(), page.evaluate(OVERFLOW)
    page.fill("[name=reason]", "配錯商戶")
    page.click(".deciding button")
    page.click("button.danger")
    page.wait_for_selector(".headline .pill.good", timeout=SOON)
    expect(page.locator("#content")).to_contain_text("配錯商戶")

    assert "338 分" in loss
    assert overflow == 0
    assert callers.balance(demo_mall, user_id) == 0
    assert label in visit(INBOX, login=OPERATOR).locator("#result_list").inner_text()


def points(simulator: live.Simulator, user_id: str) -> int | None:
    """What the member's card shows."""
    [shown] = callers.shown(simulator, user_id)
    return shown


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_every_screen_of_stores_fits_a_phone(
    visit: Visitor, harbour: live.Simulator, payer: tuple[str, str], language: str
) -> None:
    page = visit("", viewport=PHONE, language=language)
    home = page.url

    for path in (STORES, f"{STORES}import/", COLLECTION, LISTED, READINGS, MAPPINGS, INBOX):
        page.goto(f"{home}{path}")

        assert page.evaluate(OVERFLOW) == 0, path
        assert page.locator("html").get_attribute("lang") == language, path

    page.locator("#result_list a", has_text=payer[1]).click()
    page.wait_for_selector("#searchbar")
    assert page.evaluate(OVERFLOW) == 0
