"""The registry keeps what stores were: every change, move and merger, with who and when, and nothing is half done."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pms import registry, store_history, store_labels
from pms.clock import HONG_KONG
from pms.models import Store, StoreChange, StoreMove
from pms.registry import Source, StoreRefused
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=HONG_KONG)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def store() -> Store:
    return factories.StoreFactory.create(name_en="Harbour Noodles", floor="1/F")


def refused(code: str) -> pytest.RaisesExc[StoreRefused]:
    return pytest.raises(StoreRefused, match=code)


def test_a_new_store_and_every_change_of_it_is_kept_with_who_and_when() -> None:
    by, mall = factories.UserFactory.create(), factories.MallFactory.create()
    fields = {"pms_label": "PMS9001", "name_en": "Harbour Noodles", "name_zh": "海港麵家"}

    store = registry.create(mall=mall, fields=fields, source=Source.STAFF, by=by, now=NOW)
    registry.change(store=store, fields={"name_en": "Noodle Bar"}, source=Source.STAFF, by=by, now=LATER)
    registry.close(store=store, last_date=date(2026, 9, 30), source=Source.STAFF, by=by, now=LATER)

    kept = list(StoreChange.objects.order_by("pk"))
    assert kept[0].fields["pms_label"] == [None, "PMS9001"]
    assert [one.fields for one in kept[1:]] == [
        {"name_en": ["Harbour Noodles", "Noodle Bar"]},
        {"closed_date": [None, "2026-09-30"]},
    ]
    assert {(one.changed_by, one.source) for one in kept} == {(by, "STAFF")}
    assert (store.name_en, store.closed_date) == ("Noodle Bar", date(2026, 9, 30))


def test_a_change_that_changes_nothing_leaves_no_trace(store: Store) -> None:
    assert registry.change(store=store, fields={"floor": "1/F"}, source=Source.FILE, by=None, now=NOW) is None
    assert not StoreChange.objects.exists()


def test_a_last_day_before_the_first_is_refused(store: Store) -> None:
    registry.change(
        store=store, fields={"opened_date": date(2026, 6, 1)}, source=Source.STAFF, by=None, now=NOW
    )

    with refused("DAYS_REVERSED"):
        registry.close(store=store, last_date=date(2026, 5, 31), source=Source.STAFF, by=None, now=NOW)

    store.refresh_from_db()
    assert (store.closed_date, StoreChange.objects.count()) == (None, 1)


def test_a_store_reads_as_it_was_at_any_moment(store: Store) -> None:
    first = store.mall
    second = factories.MallFactory.create(group=store.group)
    registry.change(
        store=store, fields={"name_en": "Noodle Bar", "closed_date": date(2026, 9, 30)}, source=Source.STAFF,
        by=None, now=NOW,
    )  # fmt: skip
    registry.move(store=store, to_mall=second, moved_date=date(2026, 6, 10), by=None, now=LATER)
    registry.change(store=store, fields={"closed_date": None}, source=Source.STAFF, by=None, now=LATER)

    before = store_history.as_of(store, NOW - timedelta(seconds=1))
    between = store_history.as_of(store, NOW + timedelta(days=1))
    after = store_history.as_of(store, LATER)

    assert before and between and after
    assert [one.fields["name_en"] for one in (before, between, after)] == [
        "Harbour Noodles", "Noodle Bar", "Noodle Bar",
    ]  # fmt: skip
    assert [one.mall for one in (before, between, after)] == [first, first, second]
    assert between.fields["closed_date"] == date(2026, 9, 30)
    assert (before.differing(store), after.differing(store)) == (["name_en"], [])


def test_before_it_was_entered_a_store_was_nothing() -> None:
    fields = {"pms_label": "PMS9001", "name_en": "A", "name_zh": "甲"}
    mall = factories.MallFactory.create()

    store = registry.create(mall=mall, fields=fields, source=Source.STAFF, by=None, now=NOW)

    assert store_history.as_of(store, NOW - timedelta(seconds=1)) is None


def test_a_move_is_kept_and_a_day_belongs_to_one_mall(store: Store) -> None:
    first, second = store.mall, factories.MallFactory.create(group=store.group)

    registry.move(store=store, to_mall=second, moved_date=date(2026, 6, 10), by=None, now=NOW)

    moved = StoreMove.objects.get()
    assert (moved.from_mall, moved.to_mall, store.mall, store.moved_date) == (
        first, second, second, date(2026, 6, 10),
    )  # fmt: skip
    assert store.changes.get().fields == {"mall": [first.pk, second.pk]}
    assert store_history.mall_on(store, date(2026, 6, 9)) == first
    assert store_history.mall_on(store, date(2026, 6, 10)) == second
    moves = store_history.Moves([store])
    assert [moves.mall_id_on(store, day) for day in (date(2026, 6, 9), date(2026, 6, 10), None)] == [
        first.pk, second.pk, second.pk,
    ]  # fmt: skip


def test_a_move_that_makes_no_sense_is_refused(store: Store) -> None:
    second = factories.MallFactory.create(group=store.group)
    stranger = factories.MallFactory.create()
    day = date(2026, 6, 10)
    registry.move(store=store, to_mall=second, moved_date=day, by=None, now=NOW)
    first = StoreMove.objects.get().from_mall

    for mall, moved_date, code in (
        (stranger, day + timedelta(days=1), "OTHER_GROUP"),
        (second, day + timedelta(days=1), "SAME_MALL"),
        (first, day, "MOVED_SINCE"),
        (first, day + timedelta(days=700), "TOO_FAR"),
    ):
        with refused(code):
            registry.move(store=store, to_mall=mall, moved_date=moved_date, by=None, now=NOW)

    store.refresh_from_db()
    assert (store.mall, StoreMove.objects.count()) == (second, 1)


def test_a_merged_store_keeps_its_row_and_chains_are_flattened(store: Store) -> None:
    oldest, older = (factories.StoreFactory.create(mall=store.mall) for _ in range(2))
    factories.StoreMappingFactory.create(store=oldest, label="PMS-OTHER")

    registry.merge(store=oldest, into=older, by=None, now=NOW)
    registry.merge(store=older, into=store, by=None, now=NOW)

    oldest.refresh_from_db()
    assert (oldest.merged_into, older.merged_into, store.merged_into) == (store, store, None)
    for label in (oldest.pms_label, older.pms_label, "PMS-OTHER"):
        assert store_labels.named(group_id=store.group_id, label=label) == store
    assert [one.fields["merged_into"] for one in StoreChange.objects.order_by("pk")] == [
        [None, older.pk], [older.pk, store.pk], [None, store.pk],
    ]  # fmt: skip


def test_the_survivor_is_open_from_the_first_day_of_either(store: Store) -> None:
    late, early = date(2026, 5, 1), date(2026, 3, 1)
    registry.change(store=store, fields={"opened_date": late}, source=Source.STAFF, by=None, now=NOW)
    later, earlier, unknown = (
        factories.StoreFactory.create(mall=store.mall, opened_date=day)
        for day in (date(2026, 6, 1), early, None)
    )
    found = []

    for one in (later, earlier, unknown):
        registry.merge(store=one, into=store, by=None, now=LATER)
        store.refresh_from_db()
        found.append(store.opened_date)

    assert found == [late, early, None]
    kept = store.changes.filter(source="MERGE").order_by("pk")
    assert [one.fields for one in kept] == [
        {"opened_date": ["2026-05-01", "2026-03-01"]}, {"opened_date": ["2026-03-01", None]},
    ]  # fmt: skip


def test_a_label_is_changed_under_the_lock_that_files_take_first(store: Store) -> None:
    with CaptureQueriesContext(connection) as queries:
        registry.change(store=store, fields={"pms_label": "PMS-2"}, source=Source.STAFF, by=None, now=NOW)

    said = [
        query["sql"] for query in queries if "pg_advisory_xact_lock" in query["sql"] or "FOR " in query["sql"]
    ]
    assert "pg_advisory_xact_lock" in said[0]
    assert "FOR NO KEY UPDATE" in said[1]


def test_an_older_process_that_knows_no_new_column_goes_on_writing(store: Store) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO pms_store (group_id, mall_id, pms_label, partner_id, merchant_id, store_id, code, name_en,
                name_zh, category, is_excluded, state)
            SELECT group_id, mall_id, 'PMS-OLD', '', '', '', '', 'A', '甲', '', false, 'ACTIVE' FROM pms_store""",
        )
        cursor.execute(
            """INSERT INTO pms_mall (group_id, label, tag, name_en, name_zh, state)
            SELECT group_id, 'old', 'old', 'A', '甲', 'ACTIVE' FROM pms_store LIMIT 1"""
        )

    added = Store.objects.get(pms_label="PMS-OLD")
    assert (added.floor, added.unit, added.merchant_name, added.excluded_tenders) == ("", "", "", [])


def test_a_merger_that_makes_no_sense_is_refused_and_a_merged_store_stays_as_it_is(store: Store) -> None:
    old = factories.StoreFactory.create(mall=store.mall)
    registry.merge(store=old, into=store, by=None, now=NOW)
    third, stranger = factories.StoreFactory.create(mall=store.mall), factories.StoreFactory.create()
    count = StoreChange.objects.count()

    for one, into, code in (
        (third, third, "ITSELF"), (third, stranger, "OTHER_GROUP"), (third, old, "INTO_MERGED"),
        (old, third, "MERGED"),
    ):  # fmt: skip
        with refused(code):
            registry.merge(store=one, into=into, by=None, now=NOW)
    with refused("MERGED"):
        registry.change(store=old, fields={"floor": "9/F"}, source=Source.STAFF, by=None, now=NOW)

    assert StoreChange.objects.count() == count
