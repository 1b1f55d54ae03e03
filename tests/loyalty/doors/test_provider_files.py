"""Providers' files as they are published: headings, forms of times and amounts, faults by line, and the command."""

import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from loyalty import celery  # noqa: F401  (tasks are published through its app)
from loyalty.doors import kept_files, provider_files, tasks
from loyalty.ledger.models import Posting
from loyalty.review.models import Finding, ProviderColumn, ProviderRow, Reconciliation, ReconciliationPiece
from pms import table_files
from pms.models import MallStaff
from pms.table_files import FileRefused
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.review.daily import NEXT_DAY, as_file, compared, line, mall_of, told
from tests.screens import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def rows(file: Reconciliation) -> list[tuple[str, str, int, str, datetime | None]]:
    found = ProviderRow.objects.filter(reconciliation=file).order_by("line")
    return list(found.values_list("kind", "number", "amount_cents", "currency", "happened_at"))


def faults(file: Reconciliation) -> list[tuple[int, str, str]]:
    found = ProviderRow.objects.filter(reconciliation=file, kind="FAULTY").order_by("line")
    return [(row.line, fault["field"], fault["code"]) for row in found for fault in row.faults]


PIPES = (
    "Partner:208800000000|Payment_time: 2026-03-10|Total_count:2\n"
    "Partner_transaction_id|Transaction_id|Transaction_amount|Charge_amount|Currency|Payment_time|Transaction_type|"
    "Remark\n"
    "0001|201312020445|688|3|HKD|2026-03-10 13:00:00|PAYMENT|\n"
    "0001|201312020446|688|3|HKD|2026-03-10 13:00:00|REVERSAL|\n"
)
ITEMS = (
    "customerId,transactionId,originalTransactionId,transactionRequestId,transactionType,paymentTime,"
    "transactionAmountValue,transactionCurrency\n"
    "2188,201312020445,,0001,payment,2026-03-10T13:00:00+08:00,68800,HKD\n"
    "2188,201312020446,201312020445,0002,refund,2026-03-10T05:00:00+00:00,68800,HKD\n"
    "<END>\n"
)
DETAIL = (
    "merchantId,storeId,paymentTime,transType,transStatus,merchantTransId,acquirementId,originalAcquirementId,amount\n"
    "2188,S1,2026-03-10T13:00:00+08:00,PAYMENT,Success,0001,201312020445,,688.00\n"
    "2188,S1,2026-03-10T13:00:00+08:00,REFUND,Success,0002,201312020446,201312020445,-688.00\n"
)


@pytest.mark.parametrize("content", [PIPES, ITEMS, DETAIL])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_published_form_says_the_same(person: Shopper, content: str, mark: str) -> None:
    file = compared(mall_of(person), (mark + content).encode())

    found = ProviderRow.objects.filter(reconciliation=file).order_by("line")
    assert [(row.payment, row.amount_cents, row.happened_at) for row in found] == [
        ("201312020445", 68800, TUESDAY)
    ] * 2
    assert next(row.kind for row in found) == "PAYMENT"
    assert (file.state, file.business_date, told(file)) == ("DONE", date(2026, 3, 10), [])


def test_the_form_with_the_month_first_is_read_as_published(person: Shopper) -> None:
    file = compared(mall_of(person), as_file([line("20230001", "1.50")]))

    assert rows(file) == [("PAYMENT", "20230001", 150, "HKD", TUESDAY)]


def test_a_program_names_headings_of_its_own(person: Shopper) -> None:
    program = person.wallet_pass.program
    for field, heading in (("number", "流水號"), ("amount", "Total HKD"), ("time", "日期")):
        ProviderColumn.objects.create(program=program, field=field, heading=heading)

    file = compared(mall_of(person), "流水號,Total HKD,日期\nB1,688.00,2026-03-10 13:00\n".encode())

    assert rows(file) == [("PAYMENT", "B1", 68800, "HKD", TUESDAY)]


def test_a_workbook_is_read_and_numbers_that_lost_digits_are_not_guessed(person: Shopper) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for cells in (
        ["Transaction_id", "Amount", "Payment_time", "Type"],
        ["20230422", 688, "2026-03-10 13:00:00", "PAYMENT"],
        [22023041200135606000000000297866, 1, "2026-03-10 13:00:00", "PAYMENT"],
    ):
        book.active.append(cells)
    content = io.BytesIO()
    book.save(content)

    file = compared(mall_of(person), content.getvalue())

    assert next(row[:3] for row in rows(file)) == ("PAYMENT", "20230422", 68800)
    assert faults(file) == [(3, "number", "NUMBER_LOST_DIGITS")]


def test_each_fault_is_listed_with_its_line_and_field_and_the_rest_is_read(person: Shopper) -> None:
    file = compared(
        mall_of(person),
        as_file(
            [
                line("B1", "688.00"),
                line("=1+1", "688.00", partner="=1+1"),
                line("B3", "-1.00"),
                line("B4", "1;5"),
                line("B5", "1.005"),
                line("B6", "1.00", "GIFT"),
                "ragged,line",
                line("B8", "1.00").replace("03/10/2026", "02/30/2026"),
                line("B9", "1.00").replace("03/10/2026", "03/10/2099"),
                line("B1", "688.00"),
                line("B11", "1.00", currency="dollars"),
                line("", "1.00"),
                line("B13", "5.00"),
                line("B13", "6.00"),
            ]
        ),
    )

    assert file.row_count == 14
    assert faults(file) == [
        (3, "number", "NUMBER_UNREADABLE"),
        (4, "amount", "AMOUNT_NEGATIVE"),
        (5, "amount", "AMOUNT_UNREADABLE"),
        (6, "amount", "AMOUNT_FRACTION"),
        (7, "kind", "KIND_UNKNOWN"),
        (8, "line", "COLUMNS"),
        (9, "time", "TIME_UNREADABLE"),
        (10, "time", "PAID_IN_FUTURE"),
        (11, "number", "DOUBLED"),
        (12, "currency", "CURRENCY_UNREADABLE"),
        (13, "number", "MISSING"),
        (14, "number", "DOUBLED_OTHERWISE"),
        (15, "number", "DOUBLED_OTHERWISE"),
    ]
    assert told(file) == [("PAID_NOT_AWARDED", "B1", 68800, 688)]


def test_what_did_not_succeed_never_was_a_payment(person: Shopper) -> None:
    file = compared(mall_of(person), as_file([line("B1", "688.00", status="FAILED")]))

    assert (rows(file)[0][0], told(file)) == ("IGNORED", [])


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"Transaction_id,Amount\nB1,1.00\n", "COLUMN_MISSING"),
        (
            b"Transaction_id,Transaction_id,Amount,Payment_time\nB1,B2,1.00,2026-03-10 13:00\n",
            "COLUMN_DOUBLED",
        ),
        (b"Transaction_id,Amount,Payment_time\n", "EMPTY"),
        ("Transaction_id,Amount,Payment_time\nB1,1.00,二月\n".encode("big5"), "ENCODING"),
        ("Transaction_id,Amount,Payment_time\n".encode("utf-16"), "ENCODING"),
        (b'Transaction_id,Amount,Payment_time\n"B1,1.00,2026-03-10 13:00\n', "CSV_BROKEN"),
        (b"Transaction_id,Amount,Payment_time\nB1,\x00,2026-03-10 13:00\n", "NOT_TEXT"),
    ],
)
def test_a_file_that_cannot_be_read_safely_is_refused_as_a_whole(
    person: Shopper, content: bytes, refusal: str
) -> None:
    file = compared(mall_of(person), content)

    assert (file.state, file.refusal) == ("REFUSED", refusal)
    assert (ProviderRow.objects.count(), ReconciliationPiece.objects.count(), Finding.objects.count()) == (
        0,
        0,
        0,
    )


def test_a_file_over_the_limit_is_refused_before_anything_is_kept(
    person: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "LARGEST", 10)

    with pytest.raises(FileRefused, match="TOO_LARGE"):
        compared(mall_of(person), as_file([line("B1", "1.00")]))

    assert Reconciliation.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2160120041113167_fptrade_20260310.csv", date(2026, 3, 10)),
        ("transactionItems_20260310_000.csv", date(2026, 3, 10)),
        ("daily.csv", None),
        ("x_20269999.csv", None),
    ],
)
def test_the_day_stands_in_the_files_name(name: str, day: date | None) -> None:
    assert provider_files.named_date(name) == day


def test_a_file_whose_worker_died_is_taken_up_and_ends_as_if_nothing_had_happened(person: Shopper) -> None:
    content = as_file([line("B1", "688.00")])
    kept, _is_new = provider_files.accept(
        mall=mall_of(person), file=io.BytesIO(content), name="daily.csv", by=None, now=NEXT_DAY
    )
    ProviderRow.objects.create(
        reconciliation=kept, line=2, kind="PAYMENT", number="X", payment="X", happened_at=NEXT_DAY
    )

    tasks.take_up_reconciliations()

    kept.refresh_from_db()
    assert (kept.state, [row[1] for row in rows(kept)]) == ("DONE", ["B1"])
    assert ReconciliationPiece.objects.count() == 0


def test_a_file_that_was_the_end_of_three_workers_fails(
    person: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = as_file([line("B1", "688.00")])
    kept, _is_new = provider_files.accept(
        mall=mall_of(person), file=io.BytesIO(content), name="daily.csv", by=None, now=NEXT_DAY
    )
    monkeypatch.setattr(provider_files, "_read", dies)

    for _ in range(4):
        tasks.take_up_reconciliations()

    kept.refresh_from_db()
    assert (kept.state, kept.attempt_count, ReconciliationPiece.objects.count()) == ("FAILED", 3, 0)


def dies(*_given: Any) -> None:
    raise kept_files.NotOurs


def test_compare_again_is_the_workers_and_not_done_in_the_press_of_the_button(person: Shopper) -> None:
    file, mall = compared(mall_of(person), as_file([line("B1", "688.00")])), mall_of(person)
    client = Client()
    client.force_login(
        factories.MallStaffFactory.create(mall=mall, group=mall.group, role=MallStaff.Role.MANAGER).user
    )
    person.pays(68800)

    page = client.post(page_of(file, "deed", "again"), follow=True).content.decode()
    before = Finding.objects.get().state
    tasks.compare_again(job_id=file.pk)

    assert "It is being compared with the ledger as it is now." in page
    assert (before, Finding.objects.get().state) == ("OPEN", "GONE")


def printed(path: Path, person: Shopper, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    call_command("reconcile", str(path), mall=mall_of(person).tag, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_says_what_differs_and_the_same_when_run_again(
    person: Shopper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    person.pays(20000)
    path = tmp_path / "2160120041113167_fptrade_20260310.csv"
    path.write_bytes(as_file([line("B9", "688.00"), "ragged"]))
    before = Posting.objects.count()

    first = printed(path, person, capsys)
    second = printed(path, person, capsys)

    assert first == second
    assert (first["state"], first["days"], first["rows"]) == ("DONE", ["2026-03-10"] * 2, 2)
    assert first["classes"] == {
        "PAID_NOT_AWARDED": {"count": 1, "hkd": "688.00", "cents": 68800, "points": 688},
        "AWARDED_NOT_PAID": {"count": 1, "hkd": "200.00", "cents": 20000, "points": -200},
        "REFUNDED_NOT_CLAWED_BACK": {"count": 0, "hkd": "0.00", "cents": 0, "points": 0},
        "AMOUNT_DIFFERS": {"count": 0, "hkd": "0.00", "cents": 0, "points": 0},
    }
    assert {one["number"]: one["class"] for one in first["findings"]} == {
        "B9": "PAID_NOT_AWARDED",
        "B1": "AWARDED_NOT_PAID",
    }
    assert [(one["line"], one["field"], one["code"]) for one in first["faults"]] == [(3, "line", "COLUMNS")]
    assert (Posting.objects.count(), Reconciliation.objects.count()) == (before, 1)


def test_the_command_refuses_a_mall_that_is_none(person: Shopper, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    path.write_bytes(as_file([line("B9", "688.00")]))

    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", str(path), mall="nowhere")

    assert (ended.value.code, Reconciliation.objects.count()) == (2, 0)


def staff_of(person: Shopper, role: str) -> Client:
    client, mall = Client(), mall_of(person)
    client.force_login(factories.MallStaffFactory.create(mall=mall, group=mall.group, role=role).user)
    return client


def test_staff_send_a_file_and_see_the_four_classes(person: Shopper) -> None:
    operator = staff_of(person, MallStaff.Role.OPERATOR)
    person.pays(20000)
    content = as_file([line("B9", "688.00")])
    sent = {"mall": mall_of(person).pk, "file": SimpleUploadedFile("daily.csv", content)}

    answer = operator.post(reverse("admin:review_reconciliation_add"), sent)
    kept = Reconciliation.objects.get()
    provider_files.work(job_id=kept.pk, clock=lambda: NEXT_DAY)
    page = operator.get(answer["Location"]).content.decode()

    assert "HK$688.00 · 688 points" in page
    assert "HK$200.00 · −200 points" in page
    assert (
        operator.get(reverse("admin:review_reconciliation_progress", args=[kept.pk])).json()["is_open"]
        is False
    )


def test_another_malls_files_and_differences_are_not_there(person: Shopper) -> None:
    stranger = Client()
    mall = factories.MallFactory.create()
    login = factories.MallStaffFactory.create(mall=mall, group=mall.group, role=MallStaff.Role.OPERATOR).user
    stranger.force_login(login)
    file = compared(mall_of(person), as_file([line("NOT-FOR-YOU", "688.00")]))
    finding = Finding.objects.get()

    pages = [
        stranger.get(reverse("admin:review_reconciliation_change", args=[file.pk])),
        stranger.get(reverse("admin:review_reconciliation_findings", args=[file.pk])),
        stranger.get(reverse("admin:review_finding_change", args=[finding.pk])),
        stranger.get(reverse("admin:review_finding_repair", args=[finding.pk])),
    ]

    assert {page.status_code for page in pages} == {404}
    assert "NOT-FOR-YOU" not in stranger.get(reverse("admin:review_finding_changelist")).content.decode()


def test_the_download_opens_with_correct_chinese_and_runs_nothing(person: Shopper) -> None:
    operator = staff_of(person, MallStaff.Role.OPERATOR)
    file = compared(mall_of(person), as_file([line("-B9", "688.00")]))

    answer = operator.get(reverse("admin:review_reconciliation_findings", args=[file.pk]))

    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.startswith("\ufeff")
    assert "'-B9" in text
