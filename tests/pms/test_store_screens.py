"""Screens of stores: changes are kept, moves and mergers are said before they are done, malls see their own alone."""

import re
from datetime import date
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pms import registry
from pms.clock import now
from pms.models import MallStaff, Store, StoreChange, StoreMove, User
from tests import factories, walls
from tests.factories import MallFactory, StoreFactory
from tests.screens import seconds

pytestmark = pytest.mark.django_db
LIST = "/admin/pms/store/"


@pytest.fixture
def store() -> Store:
    return StoreFactory.create(name_en="Harbour Noodles", name_zh="海港麵家", floor="1/F")


@pytest.fixture
def manager(store: Store) -> User:
    return walls.staff_of(store.mall, role=MallStaff.Role.MANAGER)


@pytest.fixture
def client(manager: User) -> Client:
    signed_in = Client()
    signed_in.force_login(manager)
    return signed_in


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def typed(client: Client, store: Store, **changed: str) -> dict[str, str]:
    shown = page(client, f"{LIST}{store.pk}/change/")
    seen = re.search(r'name="seen" value="(\w+)"', shown)
    assert seen
    values = {
        "name_en": store.name_en, "name_zh": store.name_zh, "code": store.code, "category": store.category,
        "floor": store.floor, "unit": store.unit, "pms_label": store.pms_label, "partner_id": store.partner_id,
        "merchant_id": store.merchant_id, "store_id": store.store_id, "excluded_tenders": "", "opened_date": "",
        "closed_date": "", "state": store.state, "seen": seen[1],
    }  # fmt: skip
    return values | changed


def test_what_staff_change_is_kept_and_told_on_the_page(client: Client, manager: User, store: Store) -> None:
    sent = typed(client, store, floor="2/F", excluded_tenders="voucher, Octopus", closed_date="2026-09-30")

    assert client.post(f"{LIST}{store.pk}/change/", sent).status_code == 302

    store.refresh_from_db()
    assert (store.floor, store.excluded_tenders, store.closed_date) == (
        "2/F", ["OCTOPUS", "VOUCHER"], date(2026, 9, 30),
    )  # fmt: skip
    change = store.changes.get()
    assert (change.changed_by, change.source, set(change.fields)) == (
        manager, "STAFF", {"floor", "excluded_tenders", "closed_date"},
    )  # fmt: skip
    shown = page(client, f"{LIST}{store.pk}/change/")
    assert "History of changes" in shown
    assert "1/F" in shown
    assert manager.username in shown


def test_the_list_says_in_words_what_is_sold_and_whether_it_earns_today(client: Client, store: Store) -> None:
    Store.objects.update(category="DINING")
    earning = page(client, LIST)
    Store.objects.update(closed_date=date(2020, 1, 1))

    closed = page(client, LIST)

    assert ">Dining<" in earning
    assert earning.count("> Yes<") == 1
    assert (closed.count("> Yes<"), closed.count("> Closed<")) == (0, 1)


def test_a_store_added_by_hand_is_entered_with_its_first_record(client: Client, store: Store) -> None:
    sent = {
        "mall": str(store.mall_id), "name_en": "Tea House", "name_zh": "茶樓", "pms_label": "PMS-T", "state": "ACTIVE",
    }  # fmt: skip

    assert client.post(f"{LIST}add/", sent).status_code == 302

    added = Store.objects.get(pms_label="PMS-T")
    assert (added.group, added.changes.get().fields["name_zh"]) == (store.group, [None, "茶樓"])


def test_a_label_that_is_mapped_already_is_refused_in_words(client: Client, store: Store) -> None:
    other = StoreFactory.create(mall=store.mall)
    factories.StoreMappingFactory.create(store=other, label="PMS-M")

    answer = client.post(f"{LIST}{store.pk}/change/", typed(client, store, pms_label="PMS-M"))

    assert "This PMS label is mapped to the store:" in answer.content.decode()
    assert not StoreChange.objects.exists()


def test_a_move_is_said_first_and_done_once_that_is_confirmed(client: Client, store: Store) -> None:
    second = MallFactory.create(group=store.group, name_en="Harbour Square", name_zh="海港廣場")
    factories.MallStaffFactory.create(user=User.objects.get(), group=store.group, mall=second, role="MANAGER")
    address, sent = f"{LIST}{store.pk}/move/", {"to_mall": str(second.pk), "moved_date": "2026-06-10"}

    said = client.post(address, sent).content.decode()
    assert "belongs to Harbour Square from 2026-06-10 on" in said
    assert not StoreMove.objects.exists()
    # What is confirmed is what was said, nothing else.
    client.post(address, sent | {"said": f"{second.pk}\x1f2026-06-11"})
    assert not StoreMove.objects.exists()

    assert client.post(address, sent | {"said": f"{second.pk}\x1f2026-06-10"}).status_code == 302

    store.refresh_from_db()
    assert (store.mall, StoreMove.objects.get().moved_by) == (second, User.objects.get())
    assert "Harbour Square" in page(client, f"{LIST}{store.pk}/change/")


def test_a_merger_is_said_first_and_leaves_the_old_page_to_be_read(client: Client, store: Store) -> None:
    old = StoreFactory.create(mall=store.mall)
    address, sent = f"{LIST}{old.pk}/merge/", {"into": store.code}

    assert "cannot be undone" in client.post(address, sent).content.decode()
    assert client.post(address, sent | {"said": store.code}).status_code == 302

    old.refresh_from_db()
    assert old.merged_into == store
    assert "Merged into" in page(client, f"{LIST}{old.pk}/change/")
    assert old.pms_label in page(client, f"{LIST}{store.pk}/change/")
    assert client.get(address).status_code == 403


def test_staff_of_another_mall_reach_no_store_and_no_mall_of_ours(store: Store) -> None:
    stranger = walls.staff_of(MallFactory.create(group=store.group), role=MallStaff.Role.MANAGER)
    theirs = Client()
    theirs.force_login(stranger)

    for name in ("change", "move", "merge"):
        assert theirs.get(f"{LIST}{store.pk}/{name}/").status_code == 404
    assert "海港麵家" not in page(theirs, f"{LIST}export.csv")
    answer = theirs.post(f"{LIST}import/", {"mall": str(store.mall_id), "file": upload("PMS-N,New")})
    assert "carried" not in answer.content.decode()


def test_the_counter_reads_stores_but_changes_and_imports_none(store: Store) -> None:
    reader = Client()
    reader.force_login(walls.staff_of(store.mall, role=MallStaff.Role.COUNTER))

    assert "海港麵家" in page(reader, f"{LIST}{store.pk}/change/")
    assert "export.csv" not in page(reader, LIST)
    for name in (f"{store.pk}/move", f"{store.pk}/merge", "import"):
        assert reader.get(f"{LIST}{name}/").status_code == 403
    assert reader.get(f"{LIST}export.csv").status_code == 403


def upload(*rows: str) -> SimpleUploadedFile:
    text = "\n".join(["pms_label,store_name", *rows])
    return SimpleUploadedFile("stores.csv", text.encode(), content_type="text/csv")


def test_a_file_is_looked_at_then_written_by_whom_it_was_shown_to(client: Client, store: Store) -> None:
    answer = client.post(f"{LIST}import/", {"mall": store.mall_id, "file": upload("PMS-N,新店")})
    carried = re.search(r'name="carried" value="([^"]+)"', answer.content.decode())
    assert carried
    assert not Store.objects.filter(pms_label="PMS-N").exists()

    other = Client()
    other.force_login(walls.staff_of(store.mall, role=MallStaff.Role.MANAGER))
    assert other.post(f"{LIST}import/", {"carried": carried[1]}).status_code == 404
    assert client.post(f"{LIST}import/", {"carried": carried[1] + "x"}).status_code == 404
    assert client.post(f"{LIST}import/", {"carried": carried[1]}).status_code == 302

    assert Store.objects.get(pms_label="PMS-N").changes.get().source == "FILE"


def test_a_file_is_shown_again_where_stores_were_changed_since(client: Client, store: Store) -> None:
    rows = [f"{store.pms_label},Noodle Bar"]

    def carried(shown: str) -> str:
        return re.search(r'name="carried" value="([^"]+)"', shown)[1]  # type: ignore[index]

    looked = client.post(f"{LIST}import/", {"mall": store.mall_id, "file": upload(*rows)}).content.decode()
    registry.change(store=store, fields={"name_en": "Tea House"}, source="STAFF", by=None, now=now())

    again = client.post(f"{LIST}import/", {"carried": carried(looked)}).content.decode()

    store.refresh_from_db()
    assert "Stores were changed since you looked" in again
    assert store.name_en == "Tea House"
    assert client.post(f"{LIST}import/", {"carried": carried(again)}).status_code == 302
    store.refresh_from_db()
    assert store.name_en == "Noodle Bar"


def test_while_others_write_the_groups_stores_an_import_says_so(client: Client, store: Store) -> None:
    rows = [f"{store.pms_label},Noodle Bar"]
    looked = client.post(f"{LIST}import/", {"mall": store.mall_id, "file": upload(*rows)}).content.decode()
    carried = re.search(r'name="carried" value="([^"]+)"', looked)
    assert carried

    def locked_by_others(execute: Any, sql: str, *arguments: Any) -> Any:
        if "pg_advisory_xact_lock(4103" in sql:
            return execute("DO $$ BEGIN RAISE lock_not_available; END $$", None, *arguments[1:])
        return execute(sql, *arguments)

    with connection.execute_wrapper(locked_by_others):
        said = client.post(f"{LIST}import/", {"carried": carried[1]}, follow=True).content.decode()

    assert "Others are writing stores of this group just now" in said
    assert not StoreChange.objects.exists()


def test_a_store_merged_while_its_form_was_sent_is_told_in_words(client: Client, store: Store) -> None:
    other = StoreFactory.create(mall=store.mall)
    sent = typed(client, store, floor="2/F")

    def merged_meanwhile(execute: Any, sql: str, *arguments: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql:
            execute(
                f"UPDATE pms_store SET merged_into_id = {other.pk} WHERE id = {store.pk}",
                None,
                *arguments[1:],
            )
        return execute(sql, *arguments)

    with connection.execute_wrapper(merged_meanwhile):
        answer = client.post(f"{LIST}{store.pk}/change/", sent)

    assert answer.status_code == 302
    assert str(registry.REFUSALS["MERGED"]) in [str(one) for one in get_messages(answer.wsgi_request)]
    assert not StoreChange.objects.exists()


def test_faulty_rows_are_listed_and_nothing_can_be_written(client: Client, store: Store) -> None:
    rows = ["PMS-N,=1", f"{store.pms_label},Harbour"]

    shown = client.post(f"{LIST}import/", {"mall": store.mall_id, "file": upload(*rows)}).content.decode()

    assert "formulas are never read" in shown
    assert 'name="carried"' not in shown
    assert (
        "UTF-8"
        in client.post(
            f"{LIST}import/",
            {
                "mall": store.mall_id,
                "file": SimpleUploadedFile("s.csv", "pms_label,store_name\nP,店".encode("big5")),
            },
        ).content.decode()
    )


def test_the_list_says_who_is_there_and_is_exported_as_filtered(client: Client, store: Store) -> None:
    StoreFactory.create(mall=store.mall, name_en="Gone Shop", closed_date=date(2020, 1, 1))
    StoreFactory.create(mall=store.mall, name_en="Coming Shop", opened_date=date(2999, 1, 1))
    StoreFactory.create(mall=store.mall, name_en="Same Shop", merged_into=store)

    shown = {
        name: [
            shop in page(client, f"{LIST}?standing={name}") for shop in ("Harbour", "Gone", "Coming", "Same")
        ]
        for name in ("open", "closed", "coming", "merged")
    }

    assert shown == {
        "open": [True, False, False, False], "closed": [False, True, False, False],
        "coming": [False, False, True, False], "merged": [False, False, False, True],
    }  # fmt: skip
    exported = page(client, f"{LIST}export.csv?standing=closed")
    assert ("Gone Shop" in exported, "Harbour" in exported) == (True, False)


def test_the_list_of_five_thousand_stores_is_quick(client: Client, store: Store) -> None:
    Store.objects.bulk_create(
        Store(
            group=store.group, mall=store.mall, pms_label=f"P{n}", code=f"C{n}", name_en=f"N{n}", name_zh="店"
        )
        for n in range(5000)
    )
    page(client, LIST)

    with CaptureQueriesContext(connection) as queries:
        shown = page(client, f"{LIST}?q=C4711")

    assert "C4711" in shown
    assert len(queries) <= 30
    for address in (LIST, f"{LIST}?standing=open", f"{LIST}?q=C4711"):
        assert seconds(client, address) < 0.3, address
