"""The duplicates report as staff see it: page, files, sidebar, front page; each mall behind its own wall."""

import csv
from datetime import date, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from loyalty.earning.models import DuplicateCase, Transaction
from pms import clock, formats
from pms.models import Mall, MallStaff
from tests import factories

REPORT = "admin:earning_duplicatecase_report"
WEEK = {"since": "2026-05-01", "until": "2026-05-07"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Mall:
    return factories.MallFactory.create(name_en="Harbour Plaza", name_zh="海港廣場")


@pytest.fixture
def staff(mall: Mall) -> Client:
    return client_of(mall, MallStaff.Role.REVIEWER)


def client_of(mall: Mall, role: str) -> Client:
    client = Client()
    client.force_login(factories.MallStaffFactory.create(role=role, mall=mall, group=mall.group).user)
    return client


def stopped(mall: Mall, *, store: str = "Noodles", store_zh: str = "麵家", **values: Any) -> DuplicateCase:
    """A receipt found to be a wallet's payment of noon on 4 May, by a person."""
    place = factories.StoreFactory.create(mall=mall, name_en=store, name_zh=store_zh)
    later = factories.TransactionFactory.create(mall=mall, store=place, channel=Transaction.Channel.COUNTER)
    known = {
        "state": DuplicateCase.State.SAME, "decided_at": factories.MOMENT, "decided_by": factories.UserFactory.create(),
        "points_saved": 688, "cents_saved": 123450,
    }  # fmt: skip
    return factories.DuplicateCaseFactory.create(transaction=later, **known | values)


def file_of(client: Client, kind: str, **asked: str) -> bytes:
    address = reverse("admin:earning_duplicatecase_report_file", kwargs={"kind": kind})
    answer = client.get(address, WEEK | asked)
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="duplicates-2026-05-01-2026-05-07.{kind}"'
    return answer.content


def test_the_page_tells_what_was_stopped_saved_and_wrongly_suspected(mall: Mall, staff: Client) -> None:
    stopped(mall)
    stopped(mall, state=DuplicateCase.State.DIFFERENT, points_saved=0, cents_saved=0)

    shown = staff.get(reverse(REPORT), WEEK).content.decode()

    for words in (
        "of 2 cases", "HK$1,234.50", "688 points", "50.0%", "1 of 2 decided by people", "Harbour Plaza",
        "Wallet → Counter", "Noodles · Harbour Plaza", formats.day(date(2026, 5, 4)), "all decided",
    ):  # fmt: skip
        assert words in shown, words


def test_the_page_speaks_chinese(mall: Mall, staff: Client) -> None:
    stopped(mall)
    staff.cookies["django_language"] = "zh-hant"

    shown = staff.get(reverse(REPORT), WEEK).content.decode()

    for words in ("重複交易報告", "已攔截重複交易", "誤報率", "按商場", "海港廣場", "麵家 · 海港廣場"):
        assert words in shown, words


def test_the_chart_has_every_day_of_the_period(mall: Mall, staff: Client) -> None:
    stopped(mall)

    series = staff.get(reverse(REPORT), WEEK).context["told"].series

    assert series["names"] == [formats.day(date(2026, 5, day)) for day in range(1, 8)]
    assert series["stopped"] == [0, 0, 0, 1, 0, 0, 0]
    assert series["saved"] == [0, 0, 0, 1234.5, 0, 0, 0]


def test_without_being_asked_it_shows_the_last_seven_days(staff: Client) -> None:
    now = clock.now().astimezone(clock.HONG_KONG).date()

    answer = staff.get(reverse(REPORT))

    assert answer.status_code == 200
    assert answer.context["form"].cleaned_data["since"] == now - timedelta(days=6)
    assert answer.context["form"].cleaned_data["until"] == now


def test_another_malls_cases_are_neither_shown_nor_counted_nor_chosen(mall: Mall, staff: Client) -> None:
    hidden = factories.MallFactory.create(group=mall.group, name_en="Hidden Arcade")
    stopped(hidden, store="Hidden Tea")

    page = staff.get(reverse(REPORT), WEEK)
    chosen = staff.get(reverse(REPORT), WEEK | {"mall": hidden.pk})

    assert "Hidden" not in page.content.decode()
    assert "of 0 cases" in page.content.decode()
    assert chosen.status_code == 400
    assert "Hidden" not in chosen.content.decode()
    assert b"Hidden" not in file_of(staff, "csv")


def test_the_filters_choose_mall_and_channel(mall: Mall) -> None:
    other = factories.MallFactory.create(group=mall.group)
    stopped(mall)
    stopped(other)
    group_staff = Client()
    group_staff.force_login(
        factories.MallStaffFactory.create(mall=None, group=mall.group, role="REVIEWER").user
    )

    def cases(**asked: str | int) -> str:
        figure = group_staff.get(reverse(REPORT), {**WEEK, **asked}).context["told"].figures[0]
        return str(figure.note)

    assert cases() == "of 2 cases"
    assert cases(mall=mall.pk) == "of 1 cases"
    assert cases(channel="PARTNER") == "of 0 cases"
    assert cases(until="2026-05-03") == "of 0 cases"


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2026-05-08"},
        {"until": "9999-12-31", "since": "9999-12-31"},
        {"since": "0001-01-01", "until": "0001-01-01"},
        {"since": "soon"},
        {"mall": "\x00"},
        {"channel": "PIGEON"},
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_beside_the_form(staff: Client, asked: dict[str, str]) -> None:
    page = staff.get(reverse(REPORT), {**WEEK, **asked})
    file = staff.get(reverse("admin:earning_duplicatecase_report_file", kwargs={"kind": "csv"}), WEEK | asked)

    assert page.status_code == 400
    assert "errorlist" in page.content.decode()
    assert file.status_code == 404


def test_a_file_of_an_unknown_kind_is_not_found(staff: Client) -> None:
    address = reverse("admin:earning_duplicatecase_report_file", kwargs={"kind": "exe"})

    assert staff.get(address, WEEK).status_code == 404


def test_a_report_is_only_read(staff: Client) -> None:
    assert staff.post(reverse(REPORT), WEEK).status_code == 403


def test_who_has_no_login_of_a_mall_gets_no_report() -> None:
    nobody = Client()
    nobody.force_login(factories.UserFactory.create())

    assert nobody.get(reverse(REPORT), WEEK).status_code == 403


def test_the_csv_opens_with_correct_chinese(mall: Mall, staff: Client) -> None:
    stopped(mall)

    written = file_of(staff, "csv")

    assert written.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(StringIO(written.decode("utf-8-sig"))))
    assert rows[0][:4] == ["Breakdown", "Name in English", "Name in Chinese", "Cases"]
    assert rows[1] == [
        "By mall", "Harbour Plaza", "海港廣場", "1", "1", "0", "1", "0", "0.0%", "688", "1234.50", "",
    ]  # fmt: skip
    assert [row[0] for row in rows[1:]] == ["By mall", "By pair of channels", "By store", "By day"]


def test_the_xlsx_has_a_sheet_for_each_breakdown_with_figures_as_figures(mall: Mall, staff: Client) -> None:
    stopped(mall)

    book = load_workbook(BytesIO(file_of(staff, "xlsx")))

    assert book.sheetnames == ["By mall", "By pair of channels", "By store", "By day"]
    shown = [cell.value for cell in book["By mall"][2]]
    assert shown == ["Harbour Plaza", "海港廣場", 1, 1, 0, 1, 0, 0, 688, 1234.5, None]
    prints = [(sheet.page_setup.orientation, sheet.sheet_properties.pageSetUpPr.fitToPage) for sheet in book]
    assert prints == [("landscape", True)] * 4


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "－1"]
)
def test_a_store_named_like_a_formula_is_text_in_both_files(mall: Mall, staff: Client, name: str) -> None:
    stopped(mall, store=name, store_zh=name)

    rows = list(csv.reader(StringIO(file_of(staff, "csv").decode("utf-8-sig"), newline="")))
    sheet = load_workbook(BytesIO(file_of(staff, "xlsx")))["By store"]

    assert rows[3][1].startswith(f"'{name}")
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].value.lstrip().startswith(name.strip())


def test_a_control_character_in_a_name_does_not_break_the_file(mall: Mall, staff: Client) -> None:
    stopped(mall, store="Noo\x07dles")

    sheet = load_workbook(BytesIO(file_of(staff, "xlsx")))["By store"]

    assert sheet["A2"].value == "Noodles · Harbour Plaza"


def test_the_sidebar_leads_to_the_report_and_shows_where_one_is(staff: Client) -> None:
    shown = staff.get(reverse(REPORT)).context["jobs"]

    current = [job for job in shown if job.is_current]
    assert [(str(job.label), job.address) for job in current] == [("Reports", reverse(REPORT))]


def test_the_desk_is_not_taken_for_the_report(staff: Client) -> None:
    shown = staff.get(reverse("admin:earning_duplicatecase_changelist")).context["jobs"]

    assert [str(job.label) for job in shown if job.is_current] == ["Duplicates"]


def test_the_front_page_begins_with_the_duplicates_stopped_today(mall: Mall, staff: Client) -> None:
    now = clock.now()
    stopped(mall, opened_at=now, decided_at=now)
    stopped(factories.MallFactory.create(group=mall.group), opened_at=now, decided_at=now)
    day = now.astimezone(clock.HONG_KONG).date()

    figure = staff.get(reverse("admin:index")).context["today"].figures[0]

    assert (str(figure.label), figure.shown) == ("Duplicates stopped", "1")
    assert figure.note.startswith("HK$1,234.50 saved · none last ")
    assert figure.address == f"{reverse(REPORT)}?since={day}&until={day}"
