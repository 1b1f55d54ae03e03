"""Store files: looked at first, written whole or not at all, and the same file again changes nothing."""

import csv
import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openpyxl import Workbook, load_workbook

from pms import registry, store_export, store_files, table_files
from pms.clock import now
from pms.models import Mall, Store, StoreChange
from pms.store_files import Plan
from pms.table_files import FileRefused
from tests import factories
from tests.screens import busy

pytestmark = pytest.mark.django_db
ROW = {
    "pms_label": "PMS9001", "partner_id": "20230324", "merchant_id": "2160987654394501", "merchant_name": "Harbour Ltd",
    "store_id": "S1",
    "store_name": "Harbour Noodles", "store_name_zh": "海港麵家", "code": "LP-901", "category": "DINING",
    "floor": "1/F", "unit": "101", "first_day": "2026-01-05", "last_day": "", "excluded": "no",
    "excluded_tenders": "voucher, gift_card", "state": "",
}  # fmt: skip


@pytest.fixture
def mall() -> Mall:
    return factories.MallFactory.create()


def as_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_xlsx(rows: list[dict[str, Any]]) -> bytes:
    book = Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def checked(mall: Mall, *rows: dict[str, str]) -> Plan:
    return store_files.check(mall=mall, file=io.BytesIO(as_csv(list(rows))), by=None)


def run(mall: Mall, content: bytes) -> Plan:
    return store_files.run(
        mall=mall, file=io.BytesIO(content), source=StoreChange.Source.FILE, by=None, now=now()
    )


def faults(mall: Mall, *rows: dict[str, str]) -> list[tuple[str, str]]:
    before = (Store.objects.count(), StoreChange.objects.count())
    plan = run(mall, as_csv(list(rows)))
    assert (Store.objects.count(), StoreChange.objects.count(), plan.is_done) == (*before, False)
    return [(fault.column, fault.code) for row in plan.faulty for fault in row.faults]


def test_a_look_writes_nothing_and_the_import_what_it_said(mall: Mall) -> None:
    plan = checked(mall, ROW)
    assert (len(plan.new), Store.objects.count()) == (1, 0)

    run(mall, as_csv([ROW]))

    store = Store.objects.get()
    assert (store.mall, store.pms_label, store.name_zh, store.floor, store.state) == (
        mall, "PMS9001", "海港麵家", "1/F", "ACTIVE",
    )  # fmt: skip
    assert (store.excluded_tenders, f"{store.opened_date}") == (["GIFT_CARD", "VOUCHER"], "2026-01-05")
    change = store.changes.get()
    assert (change.source, change.fields["name_en"]) == ("FILE", [None, "Harbour Noodles"])


def test_the_same_file_again_changes_nothing_and_another_only_what_differs(mall: Mall) -> None:
    run(mall, as_csv([ROW]))

    again = run(mall, as_csv([ROW]))
    assert (again.new, again.changed, again.unchanged_count, StoreChange.objects.count()) == ([], [], 1, 1)

    run(
        mall, as_csv([{"pms_label": "PMS9001", "store_name": "Harbour Noodle Bar", "last_day": "2026-09-30"}])
    )

    store = Store.objects.get()
    assert (store.name_en, store.name_zh, f"{store.closed_date}") == (
        "Harbour Noodle Bar", "海港麵家", "2026-09-30",
    )  # fmt: skip
    assert store.changes.order_by("-pk")[0].fields == {
        "name_en": ["Harbour Noodles", "Harbour Noodle Bar"], "closed_date": [None, "2026-09-30"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [
        ("pms_label", "", "MISSING"),
        ("store_name", "=1+1", "FORMULA"),
        ("store_name", "x" * 129, "TOO_LONG"),
        ("store_name", "Caf\u202ee", "UNREADABLE"),
        ("floor", "x" * 17, "TOO_LONG"),
        ("merchant_id", "2.16E+15", "LOST_DIGITS"),
        ("first_day", "31/11/2026", "DATE_UNREADABLE"),
        ("first_day", "2026-11-31", "DATE_UNREADABLE"),
        ("last_day", "2025-12-31", "DAYS_REVERSED"),
        ("excluded", "perhaps", "FLAG_UNREADABLE"),
        ("excluded_tenders", "gift card!", "TENDER_UNREADABLE"),
        ("state", "GONE", "STATE_UNKNOWN"),
        ("category", "UNDERWATER", "CATEGORY_UNKNOWN"),
        ("mall", "elsewhere", "OTHER_MALL"),
    ],
)
def test_a_faulty_cell_is_told_by_row_and_column_and_nothing_is_written(
    mall: Mall, column: str, text: str, code: str
) -> None:
    good = ROW | {"pms_label": "PMS9002", "store_id": "S2", "mall": mall.tag}

    assert faults(mall, good, ROW | {"mall": "", column: text}) == [(column, code)]


def test_a_label_or_a_triple_twice_is_refused(mall: Mall) -> None:
    other = ROW | {"pms_label": "PMS9002"}

    assert faults(mall, ROW, other) == [("store_id", "TRIPLE_DOUBLED")]
    assert faults(mall, ROW, ROW | {"store_id": "S2"}) == [("pms_label", "LABEL_DOUBLED")]


def test_what_belongs_to_another_store_or_mall_is_refused(mall: Mall) -> None:
    there = factories.MallFactory.create(group=mall.group)
    run(there, as_csv([ROW]))
    store = Store.objects.get()
    factories.StoreMappingFactory.create(store=store, label="PMS9003")
    factories.StoreFactory.create(mall=mall, pms_label="PMS9004", merged_into=store)

    assert faults(mall, ROW | {"store_id": "S2"}) == [("pms_label", "LABEL_OF_ANOTHER_MALL")]
    assert faults(mall, ROW | {"pms_label": "PMS9002"}) == [("store_id", "TRIPLE_TAKEN")]
    assert faults(mall, ROW | {"pms_label": "PMS9003", "store_id": "S3"}) == [("pms_label", "LABEL_MAPPED")]
    assert faults(mall, ROW | {"pms_label": "PMS9004", "store_id": "S4"}) == [("pms_label", "LABEL_MERGED")]


def test_a_refusal_names_no_store_of_another_mall(mall: Mall) -> None:
    there = factories.StoreFactory.create(
        mall__group=mall.group, code="SECRET", merchant_id="M1", store_id="S9"
    )
    factories.StoreMappingFactory.create(store=there, label="PMS9003")
    taken = ROW | {"partner_id": there.partner_id, "merchant_id": "M1", "store_id": "S9"}

    plan = checked(mall, taken, ROW | {"pms_label": "PMS9003"}, ROW | {"pms_label": there.pms_label})

    told = " ".join(str(fault) for row in plan.faulty for fault in row.faults)
    assert "a store of another mall" in told
    assert [word for word in ("SECRET", there.mall.tag) if word in told] == []


def test_what_a_colleague_changed_since_the_look_is_kept(mall: Mall) -> None:
    run(mall, as_csv([ROW]))
    file = as_csv([{"pms_label": "PMS9001", "store_name": "Noodle Bar"}])
    looked = store_files.check(mall=mall, file=io.BytesIO(file), by=None)
    fields = {"floor": "9/F", "name_en": "Tea House"}
    registry.change(store=Store.objects.get(), fields=fields, source="STAFF", by=None, now=now())

    plan = store_files.run(
        mall=mall, file=io.BytesIO(file), source="FILE", by=None, now=now(), digest=looked.digest
    )

    assert (plan.is_done, Store.objects.get().name_en, len(plan.changed)) == (False, "Tea House", 1)
    assert run(mall, file).is_done
    assert Store.objects.values_list("name_en", "floor").get() == ("Noodle Bar", "9/F")


def test_stores_of_the_file_are_locked_before_they_are_read(mall: Mall) -> None:
    run(mall, as_csv([ROW]))

    with CaptureQueriesContext(connection) as queries:
        run(mall, as_csv([ROW | {"floor": "2/F"}]))

    said = [query["sql"] for query in queries]
    locked = next(n for n, sql in enumerate(said) if "FOR NO KEY UPDATE" in sql)
    assert locked < next(n for n, sql in enumerate(said) if 'JOIN "pms_mall"' in sql and '"pms_store"' in sql)


def test_a_part_of_a_triple_in_the_file_is_compared_with_the_rest_that_is_known(mall: Mall) -> None:
    first, second = (
        factories.StoreFactory.create(mall=mall, merchant_id="M1", store_id=store_id) for store_id in "12"
    )
    row = {"pms_label": second.pms_label, "store_name": second.name_en, "store_id": first.store_id}

    assert faults(mall, row) == [("store_id", "TRIPLE_TAKEN")]


def test_a_number_cell_is_no_id(mall: Mall) -> None:
    plan = store_files.check(
        mall=mall, file=io.BytesIO(as_xlsx([ROW | {"merchant_id": 2160987654394501}])), by=None
    )

    assert [fault.code for fault in plan.faulty[0].faults] == ["LOST_DIGITS"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04nonsense", "XLSX_BROKEN"),
        ("pms_label,store_name\nP,海".encode("big5"), "ENCODING"),
        (b"pms_label\nP1", "COLUMN_MISSING"),
        (b"pms_label,store_name\n", "EMPTY"),
    ],
)
def test_a_broken_workbook_is_refused_as_a_whole(mall: Mall, content: bytes, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        run(mall, content)

    assert (refused.value.code, Store.objects.count()) == (code, 0)
    assert str(table_files.REFUSALS[code])


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_reads_again_as_it_was_and_runs_nothing(mall: Mall, kind: str) -> None:
    run(mall, as_csv([ROW, ROW | {"pms_label": "PMS9002", "store_id": "S2"}]))
    Store.objects.filter(pms_label="PMS9002").update(name_en="=HYPERLINK(1)", name_zh="＠家")
    Mall.objects.filter(pk=mall.pk).update(pms_identifier_code="0012")

    content = store_export.KINDS[kind][1](store_export.rows(Store.objects.all()))

    shown = content.decode("utf-8-sig") if kind == "csv" else ""
    if kind == "xlsx":
        sheet = load_workbook(io.BytesIO(content)).active
        assert not [cell for row in sheet for cell in row if cell.data_type == "f"]
        shown = ",".join(str(cell.value) for row in sheet for cell in row)
    assert "'=HYPERLINK(1)" in shown
    assert "2160987654394501" in shown
    assert "海港麵家" in shown
    mall.refresh_from_db()
    again = run(mall, content)
    assert (again.faulty, again.new, again.changed, again.unchanged_count) == ([], [], [], 2)


def test_five_thousand_stores_are_read_and_written_within_ten_seconds(mall: Mall) -> None:
    many = [
        ROW | {"pms_label": f"PMS{n:05d}", "store_id": f"S{n}", "code": f"LP-{n}", "store_name": f"Store {n}"}
        for n in range(5000)
    ]
    file, other = as_csv(many), as_csv([row | {"floor": "2/F"} for row in many])

    entered = busy(lambda: run(mall, file).is_done)
    changed = busy(lambda: run(mall, other).is_done)

    assert (Store.objects.filter(floor="2/F").count(), StoreChange.objects.count()) == (5000, 10_000)
    assert entered < 10
    assert changed < 10


def test_the_command_tells_in_json_and_writes_only_without_dry_run(
    mall: Mall, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stores.csv"
    file.write_bytes(as_csv([ROW]))

    call_command("stores", "import", str(file), "--mall", mall.tag, "--dry-run", "--json")
    assert '"new": 1' in capsys.readouterr().out
    assert Store.objects.count() == 0

    call_command("stores", "import", str(file), "--mall", mall.tag)
    assert "1 new, 0 changed" in capsys.readouterr().out
    assert Store.objects.get().changes.get().source == "COMMAND"

    file.write_bytes(as_csv([ROW | {"category": "NONE"}]))
    with pytest.raises(SystemExit) as left:
        call_command("stores", "import", str(file), "--mall", mall.tag)
    assert left.value.code == 1
    assert "line 2, category: No store of this group has this category" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command("stores", "import", str(file), "--mall", "nowhere")
