"""Receipt files: checked without writing, imported once, and taken up where a worker died."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError

from loyalty import celery  # noqa: F401  (tasks are published through its app)
from loyalty.doors import kept_files, receipt_work, receipts, slips
from loyalty.doors.models import ImportChunk, ImportJob, ImportRow
from loyalty.earning import awards
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.ledger.models import Posting
from pms import clock
from tests import factories
from tests.loyalty.doors import desk, files
from tests.loyalty.doors.desk import Desk
from tests.loyalty.doors.files import as_csv, as_xlsx, cells, checked, fates, faults, imported

pytestmark = pytest.mark.django_db
BILL = "22023041200135606000000000297866"


@pytest.fixture
def place() -> Desk:
    return desk.lumina()


@pytest.mark.parametrize("made", [as_csv, as_xlsx])
def test_a_check_tells_every_rows_fate_and_records_nothing(place: Desk, made: Any) -> None:
    content = made(cells(place, "R-1"), cells(place, "R-2", store="NOWHERE"))

    job = checked(place, content)

    assert (job.state, job.row_count, fates(job)) == ("CHECKED", 2, ["READY", "FAULTY"])
    assert faults(job) == [(3, "store", "STORE_UNKNOWN")]
    assert (Transaction.objects.count(), Posting.objects.count(), ImportChunk.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("made", [as_csv, as_xlsx])
def test_the_good_rows_are_imported_and_the_others_left_out(place: Desk, made: Any) -> None:
    first, third = files.rows(place, 2)

    job = imported(place, made(first, cells(place, "R-9", amount="x"), third))

    assert (job.state, fates(job)) == ("DONE", ["RECORDED", "FAULTY", "RECORDED"])
    assert set(Transaction.objects.values_list("channel", "receipt_number", "tender")) == {
        ("IMPORT", "R-1", "CARD"),
        ("IMPORT", "R-2", "CARD"),
    }
    assert (place.balances, receipts.counts(job)["points"]) == (1376, 1376)


def test_the_same_file_again_is_the_same_job_and_changes_nothing(place: Desk) -> None:
    content = as_csv(cells(place))
    first = imported(place, content)

    second = imported(place, content)

    assert (second.pk, second.state, Transaction.objects.count(), place.balance) == (first.pk, "DONE", 1, 688)


def test_another_file_with_the_same_rows_writes_nothing(place: Desk) -> None:
    rows = [cells(place, "R-1"), cells(place, "R-1", amount="1")]
    imported(place, as_csv(rows[0]))
    imported(place, as_csv(rows[1]))
    before = Transaction.objects.count()

    job = imported(place, as_csv(rows[1]) + b"\n\n")

    assert (fates(job), before, Transaction.objects.count(), DuplicateCase.objects.count()) == (
        ["KNOWN"],
        2,
        2,
        1,
    )


def test_a_number_that_a_wallet_was_faster_with_is_known_and_names_the_door(place: Desk) -> None:
    place.shopper.pays(68800, numbers={"PAYMENT": BILL}, at=desk.an_hour_ago())
    holder = place.shopper.wallet_pass.member

    job = checked(place, as_csv(cells(place, BILL, member=holder.card_number)))

    row = ImportRow.objects.get(job=job)
    assert (row.fate, row.earlier and row.earlier.channel) == ("KNOWN", "WALLET")


def test_a_known_number_with_another_amount_becomes_a_case(place: Desk) -> None:
    place.shopper.pays(68800, numbers={"PAYMENT": BILL}, at=desk.an_hour_ago())

    job = imported(place, as_csv(cells(place, BILL, amount="700.00")))

    assert (fates(job), DuplicateCase.objects.count(), place.balance) == (["RECORDED"], 1, 0)
    assert ImportRow.objects.get(job=job).transaction.state == "DUPLICATE"  # type: ignore[union-attr]


def test_the_same_number_twice_in_a_file_earns_once_or_not_at_all(place: Desk) -> None:
    twice = [cells(place, "R-1"), cells(place, "r-1")]
    unlike = [cells(place, "R-2"), cells(place, "R-2", amount="9")]

    job = imported(place, as_csv(*twice, *unlike))

    assert faults(job) == [
        (3, "number", "DOUBLED"),
        (4, "number", "DOUBLED_OTHERWISE"),
        (5, "number", "DOUBLED_OTHERWISE"),
    ]
    assert (Transaction.objects.count(), place.balance) == (1, 688)


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"amount": "-5.00"}, "amount", "AMOUNT_NEGATIVE"),
        ({"amount": "5.005"}, "amount", "AMOUNT_FRACTION"),
        ({"amount": '"1,234.50"'}, "amount", "AMOUNT_UNREADABLE"),
        ({"amount": "HK$12"}, "amount", "AMOUNT_UNREADABLE"),
        ({"amount": "(12.00)"}, "amount", "AMOUNT_UNREADABLE"),
        ({"paid_at": "2026-02-31 10:00"}, "paid_at", "PAID_AT_UNREADABLE"),
        ({"paid_at": "02/03/2026"}, "paid_at", "PAID_AT_UNREADABLE"),
        ({"paid_at": "45992"}, "paid_at", "PAID_AT_UNREADABLE"),
        ({"paid_at": "2099-01-01 10:00"}, "paid_at", "PAID_IN_FUTURE"),
        ({"member": "nobody"}, "member", "MEMBER_UNKNOWN"),
        ({"member": "=1"}, "member", "FORMULA"),
        ({"number": "=cmd()"}, "number", "FORMULA"),
        ({"number": "+1"}, "number", "FORMULA"),
        ({"number": "@x"}, "number", "FORMULA"),
        ({"number": "-x"}, "number", "FORMULA"),
        ({"number": "＝x"}, "number", "FORMULA"),
        ({"number": "2.2023E+31"}, "number", "NUMBER_LOST_DIGITS"),
        ({"number": "'0012"}, "number", "NUMBER_UNREADABLE"),
        ({"number": "\u200b12"}, "number", "NUMBER_UNREADABLE"),
        ({"number": "\u00a012"}, "number", "NUMBER_UNREADABLE"),
        ({"number": ""}, "number", "MISSING"),
        ({"tender": "a b!"}, "tender", "TENDER_UNREADABLE"),
        ({"amount": "１２.50"}, "amount", "AMOUNT_UNREADABLE"),
        ({"paid_at": "２026-11-01 10:00"}, "paid_at", "PAID_AT_UNREADABLE"),
    ],
)
def test_a_fault_names_its_line_and_field(place: Desk, wrong: dict[str, str], field: str, code: str) -> None:
    job = imported(
        place, as_csv(cells(place, "R-1"), cells(place, "R-2") if not wrong else cells(place, **wrong))
    )

    assert faults(job) == [(3, field, code)]
    assert Transaction.objects.count() == 1


def test_a_ragged_row_is_refused_and_the_next_one_read(place: Desk) -> None:
    content = as_csv(cells(place, "R-1")[:4], cells(place, "R-2"), [*cells(place, "R-3"), "more"])

    job = checked(place, content)

    assert faults(job) == [(2, "line", "COLUMNS"), (4, "line", "COLUMNS")]
    assert fates(job) == ["FAULTY", "READY", "FAULTY"]


def test_a_store_of_another_mall_is_told_from_an_unknown_one(place: Desk) -> None:
    other = factories.StoreFactory.create(
        mall=factories.MallFactory.create(group=place.mall.group), code="X-9"
    )

    job = checked(place, as_csv(cells(place, store=other.code)))

    assert faults(job) == [(2, "store", "STORE_OF_ANOTHER_MALL")]


def test_number_cells_of_a_workbook_have_lost_digits_and_formulas_are_not_computed(place: Desk) -> None:
    job = checked(place, as_xlsx(cells(place, 1001), cells(place, "=1+1"), cells(place, "R-1", amount=688)))

    assert faults(job) == [(2, "number", "NUMBER_LOST_DIGITS"), (3, "number", "FORMULA")]
    assert ImportRow.objects.get(fate="READY").amount_cents == 68800


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_byte_order_mark_line_ends_and_column_order_do_not_matter(place: Desk, ends: bytes) -> None:
    row = list(reversed(cells(place)))
    content = b"\xef\xbb\xbf" + as_csv(row, columns=tuple(reversed(files.COLUMNS))).replace(b"\n", ends)

    assert fates(checked(place, content)) == ["READY"]


def test_a_job_whose_worker_died_goes_on_after_the_last_batch(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_work, "EARNED_AT_ONCE", 2)
    job = checked(place, as_csv(*files.rows(place, 5)))
    receipts.approve(job=job, now=clock.now())
    job.refresh_from_db()
    receipt_work.earn_batch(job, job.rows.all(), slips.Stores(place.mall), now=clock.now())

    later = clock.now() + 2 * kept_files.LOST_AFTER
    found = receipts.lost(now=later)
    receipts.run(job_id=job.pk, clock=lambda: later)

    job.refresh_from_db()
    assert found == [(job.pk, "RUNNING")]
    assert (job.state, job.done_count, Transaction.objects.count(), place.balances) == ("DONE", 5, 5, 5 * 688)


def test_a_file_that_was_the_end_of_three_workers_fails(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = files.sent(place, as_csv(cells(place)))
    monkeypatch.setattr(receipts, "_check", lambda _job, _clock: None)  # the worker dies

    for _ in range(4):
        receipts.check(job_id=job.pk, clock=clock.now)

    job.refresh_from_db()
    assert (job.state, job.attempt_count, ImportChunk.objects.count()) == ("FAILED", 3, 0)


def test_an_import_that_gets_on_may_lose_any_number_of_workers(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_work, "EARNED_AT_ONCE", 1)
    job = checked(place, as_csv(*files.rows(place, 5)))
    receipts.approve(job=job, now=clock.now())
    monkeypatch.setattr(receipts, "_run", one_batch_and_dies)

    for _ in range(5):
        receipts.run(job_id=job.pk, clock=clock.now)

    job.refresh_from_db()
    assert (job.state, job.attempt_count, Transaction.objects.count()) == ("RUNNING", 0, 5)


def one_batch_and_dies(job: ImportJob, clock: Any) -> None:
    receipt_work.earn_batch(job, job.rows.all(), slips.Stores(job.mall), now=clock())


def test_a_batch_that_others_are_always_faster_than_is_taken_up_again(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = checked(place, as_csv(cells(place)))
    receipts.approve(job=job, now=clock.now())
    monkeypatch.setattr(receipt_work, "PAUSE", 0)
    monkeypatch.setattr(receipt_work, "earn_batch", overtaken)

    with pytest.raises(awards.Overtaken):
        receipts.run(job_id=job.pk, clock=clock.now)

    job.refresh_from_db()
    assert (job.state, job.attempt_count) == ("RUNNING", 1)


def overtaken(*_given: Any, **_named: Any) -> int:
    raise awards.Overtaken


def test_a_canceled_job_stops_and_keeps_what_was_recorded(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_work, "EARNED_AT_ONCE", 1)
    job = checked(place, as_csv(cells(place, "R-1"), cells(place, "R-2")))
    receipts.approve(job=job, now=clock.now())
    receipt_work.earn_batch(job, job.rows.all(), slips.Stores(place.mall), now=clock.now())

    receipts.cancel(job=job, now=clock.now())

    with pytest.raises(receipt_work.Canceled):
        receipt_work.earn_batch(job, job.rows.all(), slips.Stores(place.mall), now=clock.now())
    job.refresh_from_db()
    assert job.state == "CANCELED"


def test_the_command_tells_everything_as_json_and_a_dry_run_records_nothing(
    place: Desk, tmp_path: Any
) -> None:
    file = tmp_path / "receipts.csv"
    file.write_bytes(as_csv(cells(place, "R-1"), cells(place, "R-2", store="NOWHERE")))

    dry, real, again = (told(file, place, *more) for more in (["--dry-run"], [], []))

    assert (dry["state"], dry["ready"], dry["faulty"], dry["recorded"]) == ("CHECKED", 1, 1, 0)
    assert (dry["points"], dry["points_foreseen"]) == (0, 688)
    assert dry["faults"][0] | {"message_zh": ""} == {
        "line": 3, "field": "store", "code": "STORE_UNKNOWN", "message_zh": "",
        "message_en": "No store of this mall has this code or PMS label.",
    }  # fmt: skip
    assert (real["state"], real["recorded"], real["points"]) == ("DONE", 1, 688)
    assert (again["is_repeat"], Transaction.objects.count()) == (True, 1)


def told(file: Any, place: Desk, *more: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("import_receipts", str(file), "--mall", place.mall.tag, "--json", *more, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


ADD = "/admin/doors/importjob/add/"


def upload(client: Any, place: Desk, content: bytes) -> Any:
    file = SimpleUploadedFile("收據 <b>.csv", content)
    return client.post(ADD, {"mall": place.mall.pk, "file": file})


def test_an_operator_sends_a_file_reads_its_faults_and_imports_it(place: Desk) -> None:
    client = place.staff("OPERATOR")
    sent = upload(client, place, as_csv(cells(place, "R-1"), cells(place, "R-2", store="NOWHERE")))
    job = ImportJob.objects.get()
    moving = client.get(sent.headers["Location"]).content.decode()
    receipts.check(job_id=job.pk, clock=clock.now)

    page = client.get(sent.headers["Location"]).content.decode()
    client.post(f"/admin/doors/importjob/{job.pk}/do/import/")
    running = client.get(f"/admin/doors/importjob/{job.pk}/progress.json").json()
    receipts.run(job_id=job.pk, clock=clock.now)
    rows = b"".join(client.get(f"/admin/doors/importjob/{job.pk}/rows.csv")).decode("utf-8-sig").splitlines()

    assert "data-progress" in moving
    assert ("Points the good rows would get" in page, "688" in page) == (True, True)
    assert running["is_open"]
    assert "No store of this mall" in page
    assert "&lt;b&gt;" in page
    assert len(rows) == 3
    assert [row.split(",")[-2:] for row in rows[1:]] == [["688", "688"], ["", ""]]
    assert place.balance == 688


def test_a_file_of_a_mall_that_the_login_does_not_see_is_not_there(place: Desk) -> None:
    job = checked(place, as_csv(cells(place)))
    elsewhere = place.staff("OPERATOR", factories.MallFactory.create())

    pages = [f"/admin/doors/importjob/{job.pk}/{name}" for name in ("change/", "progress.json", "rows.csv")]

    assert [elsewhere.get(page).status_code for page in pages] == [404, 404, 404]
    assert upload(elsewhere, place, b"x").status_code == 200
    assert ImportJob.objects.count() == 1


def test_the_page_tells_the_pace_and_the_time_left(place: Desk) -> None:
    began = clock.now() - timedelta(seconds=20)
    job = ImportJob(
        state="RUNNING", row_count=1000, done_count=500, began_count=100, began_at=began,
        moved_at=began + timedelta(seconds=4),
    )  # fmt: skip
    reading = ImportJob(
        state="CHECKING", done_count=500, began_at=began, moved_at=began + timedelta(seconds=1)
    )
    fresh = ImportJob(state="RUNNING", row_count=10, done_count=0, began_at=began, moved_at=began)

    assert receipts.pace(job) == receipts.Pace(100, timedelta(seconds=5))
    assert receipts.pace(reading) == receipts.Pace(500, None)
    assert receipts.pace(fresh) is None


def test_a_page_whose_rows_take_too_long_to_count_opens_all_the_same(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = checked(place, as_csv(cells(place)))
    monkeypatch.setattr(receipts, "counts", too_long)

    page = place.staff("MANAGER").get(f"/admin/doors/importjob/{job.pk}/change/")

    assert (page.status_code, "took too long" in page.content.decode()) == (200, True)


def too_long(_job: ImportJob) -> dict[str, int]:
    raise OperationalError


def test_a_counter_login_imports_no_files(place: Desk) -> None:
    assert place.staff().get(ADD).status_code == 403
