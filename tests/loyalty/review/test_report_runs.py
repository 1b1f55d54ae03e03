"""Long reports: worked out month by month, with a bar; what they tell, to whom, and what becomes of broken ones."""

import csv
from collections.abc import Callable
from datetime import date, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.db.models import JSONField, Value
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from loyalty import celery  # tasks are published through its app
from loyalty.earning.models import DuplicateCase
from loyalty.review import report_runs, reports, tasks
from loyalty.review.models import ReportRun
from loyalty.review.reports import Question
from pms import clock
from pms.clock import HONG_KONG
from pms.models import Mall, MallStaff
from tests import factories
from tests.loyalty.earning.programs import shopper
from tests.loyalty.review.doubles import DIFFERENT, SAME, decide, held, reopen
from tests.loyalty.review.test_report_screens import client_of, stopped

pytestmark = pytest.mark.django_db

SINCE, UNTIL = datetime(2025, 5, 5, tzinfo=HONG_KONG), datetime(2026, 5, 5, tzinfo=HONG_KONG)
YEAR = {"since": "2025-05-05", "until": "2026-05-04"}
LONG = "admin:earning_duplicatecase_report_long"


@pytest.fixture
def mall() -> Mall:
    return factories.MallFactory.create(name_en="Harbour Plaza", name_zh="海港廣場")


def question(mall: Mall, **changes: Any) -> Question:
    usual: dict[str, Any] = {"mall_ids": [mall.pk], "since": SINCE, "until": UNTIL}
    return Question(**usual | changes)


def asked(mall: Mall, **changes: Any) -> ReportRun:
    by = factories.MallStaffFactory.create(mall=mall, group=mall.group).user
    return report_runs.ask(group=mall.group, question=question(mall, **changes), by=by, now=clock.now())


def worked(run: ReportRun, tick: Callable[[], datetime] = clock.now) -> ReportRun:
    report_runs.work(run_id=run.pk, clock=tick)
    run.refresh_from_db()
    return run


def a_year_of_cases(mall: Mall) -> None:
    for days in (0, 1, 40, 200, 363):
        stopped(mall, store=f"Shop {days}", opened_at=SINCE + timedelta(days=days, hours=12))
    stopped(
        mall, state=DuplicateCase.State.OPEN, decided_at=None, decided_by=None, points_saved=0, cents_saved=0
    )


# --- what it tells ---


def test_month_by_month_comes_to_what_one_count_of_the_whole_period_tells(mall: Mall) -> None:
    a_year_of_cases(mall)

    run = worked(asked(mall))

    assert (run.state, run.done_count, run.day_count) == ("DONE", 365, 365)
    assert report_runs.report_of(run) == reports.duplicates(question(mall))


def test_months_are_those_of_hong_kong_and_leave_no_day_out() -> None:
    parts = list(report_runs.months(SINCE, SINCE + timedelta(days=58)))

    days = [tuple(moment.astimezone(HONG_KONG).date() for moment in part) for part in parts]
    june, july = date(2025, 6, 1), date(2025, 7, 1)
    assert days == [(date(2025, 5, 5), june), (june, july), (july, date(2025, 7, 2))]


def test_the_whole_history_begins_with_the_first_case(mall: Mall) -> None:
    a_year_of_cases(mall)

    run = asked(mall, since=datetime(2000, 1, 1, tzinfo=HONG_KONG))

    assert (run.since_at, run.day_count) == (SINCE, 365)


def test_a_decision_that_was_undone_has_saved_nothing() -> None:
    person, by = shopper("lumina"), factories.UserFactory.create()
    person.pays(68800)
    case = decide(held(person), SAME, by)
    told = [_saved(case)]

    case = reopen(case, by)
    told.append(_saved(case))
    decide(case, DIFFERENT, by)
    told.append(_saved(case))

    assert told == [(688, 275, 1), (0, 0, 0), (0, 0, 0)]


def _saved(case: DuplicateCase) -> tuple[int, int, int]:
    day = case.opened_at.astimezone(HONG_KONG).replace(hour=0, minute=0)
    run = worked(asked(case.mall, since=day, until=day + timedelta(days=120)))
    total = report_runs.report_of(run).total
    return total.points_saved, total.cents_saved, total.stopped


# --- its life ---


def test_a_run_says_how_far_it_is_and_stops_when_it_is_canceled(mall: Mall) -> None:
    a_year_of_cases(mall)
    run, seen = asked(mall), list[int]()

    def tick() -> datetime:
        seen.append(ReportRun.objects.get(pk=run.pk).done_count)
        if len(seen) == 4:
            assert report_runs.cancel(run=run, now=clock.now())
        return clock.now()

    worked(run, tick)

    assert seen == [0, 0, 27, 57]
    assert (run.state, run.result) == ("CANCELED", {})


def test_a_run_is_done_once_however_often_its_message_comes(mall: Mall) -> None:
    run = worked(asked(mall))
    before = run.ended_at

    worked(run)

    assert run.ended_at == before


def test_a_run_whose_worker_died_is_taken_up_again_and_a_live_one_is_left_alone(mall: Mall) -> None:
    dead, live = asked(mall), asked(mall)
    ReportRun.objects.filter(pk=dead.pk).update(state="RUNNING", moved_at=clock.now() - timedelta(minutes=2))
    ReportRun.objects.filter(pk=live.pk).update(state="RUNNING")

    tasks.take_up_reports()

    assert set(ReportRun.objects.values_list("pk", "state")) == {(dead.pk, "DONE"), (live.pk, "RUNNING")}


def test_a_run_that_breaks_is_marked_as_failed(mall: Mall) -> None:
    run = asked(mall)
    ReportRun.objects.filter(pk=run.pk).update(mall_ids=Value(None, JSONField()))

    worked(run)

    assert (run.state, run.result) == ("FAILED", {})


# --- on the screens ---


def ask(client: Client, **fields: str) -> Any:
    return client.post(reverse(LONG), YEAR | {"mall": "", "channel": ""} | fields)


def test_a_long_period_is_offered_to_be_worked_out_and_leads_to_a_bar(mall: Mall) -> None:
    client = client_of(mall, MallStaff.Role.REVIEWER)

    page = client.get(reverse("admin:earning_duplicatecase_report"), YEAR)
    answer = ask(client)

    run = ReportRun.objects.get()
    assert (page.status_code, page.context["told"], "Work it out" in page.content.decode()) == (
        200,
        None,
        True,
    )
    assert answer["Location"] == reverse("admin:review_reportrun_change", args=[run.pk])
    shown = client.get(answer["Location"]).content.decode()
    progress = reverse("admin:review_reportrun_progress", args=[run.pk])
    assert f'data-progress="{progress}"' in shown
    assert client.get(progress).json() == {
        "judged": 0, "transactions": 365, "is_open": True, "said": "Waiting for a worker.",
    }  # fmt: skip


def test_a_run_that_is_done_shows_its_figures_and_gives_both_files(mall: Mall) -> None:
    a_year_of_cases(mall)
    client = client_of(mall, MallStaff.Role.REVIEWER)
    run = worked(asked(mall))

    page = client.get(reverse("admin:review_reportrun_change", args=[run.pk]))
    files = {kind: _file(client, run, kind) for kind in ("csv", "xlsx")}

    shown = page.content.decode()
    for words in (
        "of 6 cases",
        "HK$6,172.50",
        "Harbour Plaza",
        "Duplicates by month",
        "Shop 200 · Harbour Plaza",
    ):
        assert words in shown, words
    assert page.context["series"]["names"][0::12] == ["2025-05", "2026-05"]
    assert page.context["series"]["stopped"] == [2, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    lines = list(csv.DictReader(StringIO(files["csv"].decode("utf-8-sig"))))
    assert [line["HK$ saved"] for line in lines if line["Breakdown"] == "By mall"] == ["6172.50"]
    assert load_workbook(BytesIO(files["xlsx"]))["By mall"]["C2"].value == 6


def _file(client: Client, run: ReportRun, kind: str) -> bytes:
    answer = client.get(reverse("admin:review_reportrun_file", args=[run.pk, kind]))
    assert answer["Content-Disposition"] == f'attachment; filename="duplicates-2025-05-05-2026-05-04.{kind}"'
    return answer.content


def test_who_does_not_see_all_malls_of_a_run_does_not_see_the_run(mall: Mall) -> None:
    other = factories.MallFactory.create(group=mall.group)
    both = worked(asked(mall, mall_ids=[mall.pk, other.pk]))
    client = client_of(mall, MallStaff.Role.MANAGER)

    pages = [
        client.get(reverse(f"admin:review_reportrun_{name}", args=[both.pk, *more])).status_code
        for name, more in (("change", []), ("progress", []), ("file", ["csv"]))
    ]

    assert pages == [404, 404, 404]
    assert client.get(reverse("admin:review_reportrun_changelist")).context["cl"].result_count == 0


def test_a_run_tells_of_the_askers_malls_alone(mall: Mall) -> None:
    other = factories.MallFactory.create(group=mall.group)
    stopped(other)

    ask(client_of(mall, MallStaff.Role.REVIEWER))
    refused = ask(client_of(mall, MallStaff.Role.REVIEWER), mall=str(other.pk))

    assert refused["Location"] == reverse("admin:earning_duplicatecase_report")
    assert list(ReportRun.objects.values_list("mall_ids", flat=True)) == [[mall.pk]]


def test_a_run_is_canceled_from_its_page(mall: Mall) -> None:
    run = asked(mall)

    client_of(mall, MallStaff.Role.REVIEWER).post(
        reverse("admin:review_reportrun_deed", args=[run.pk, "cancel"])
    )

    run.refresh_from_db()
    assert run.state == "CANCELED"


def test_the_counter_asks_for_none(mall: Mall) -> None:
    answer = ask(client_of(mall, MallStaff.Role.COUNTER))

    assert (answer.status_code, ReportRun.objects.count()) == (403, 0)


def test_a_worker_that_cannot_be_told_finds_it_later(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery.app.amqp, "_producer_pool", None)
    monkeypatch.setattr(celery.app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    client = client_of(mall, MallStaff.Role.REVIEWER)

    page = client.get(ask(client)["Location"]).content.decode()

    run = ReportRun.objects.get()
    assert "as soon as one is back" in page
    assert (run.state, report_runs.lost(now=clock.now() + timedelta(minutes=2))) == ("WAITING", [run.pk])
