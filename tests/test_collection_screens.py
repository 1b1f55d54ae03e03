"""The screens of collecting stores, as staff of a mall use them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from alipayhk.models import CollectionSetup, ConfirmationRun, ListedStore, StoreCollection
from pms.models import Store
from tests.factories import (
    MOMENT,
    CollectionCallFactory,
    CollectionSetupFactory,
    ConfirmationRunFactory,
    CredentialFactory,
    ListedStoreFactory,
    MallFactory,
    MallStaffFactory,
    StoreCollectionFactory,
    StoreFactory,
    TransactionFactory,
)
from tests.screens import page_of, seconds, seen_all

pytestmark = pytest.mark.django_db

LIST = "/admin/alipayhk/storecollection/"
DIFFERENCE = [{"field": "store_name", "ours": "Harbour Noodles / 海港麵家", "theirs": "Echo"}]


@pytest.fixture
def setup() -> CollectionSetup:
    made: CollectionSetup = CollectionSetupFactory.create()
    return made


def staff(setup: CollectionSetup, role: str = "OPERATOR") -> Client:
    client = Client()
    client.force_login(MallStaffFactory.create(mall=setup.credential.mall, role=role).user)
    return client


def collected(setup: CollectionSetup, **fields: Any) -> StoreCollection:
    store = StoreFactory.create(mall=setup.credential.mall)
    made: StoreCollection = StoreCollectionFactory.create(store=store, **fields)
    return made


def do(client: Client, row: Any, name: str, **typed: str) -> Any:
    return client.post(page_of(row, "deed", name), typed)


def test_the_list_opens_with_how_much_alipayhk_has(setup: CollectionSetup) -> None:
    for state in ("CONFIRMED", "CONFIRMED", "SENT", "NOT_SENT"):
        collected(setup, state=state)
    ListedStoreFactory.create(mall=setup.credential.mall)

    page = staff(setup).get(LIST).content.decode()

    assert "2 of 4 stores confirmed (50%)" in page
    assert re.search(r'<progress max="4" value="2"', page)
    assert "1 sent" in page
    assert "1 not sent" in page
    assert "1 only at AlipayHK" in page
    assert "data-moving" not in page


def test_what_is_on_its_way_is_not_said_to_be_unsent(setup: CollectionSetup) -> None:
    collected(setup, due_at=MOMENT, asked_at=MOMENT, credential=setup.credential)

    page = staff(setup).get(LIST).content.decode()

    assert "1 on their way" in page
    assert "1 not sent" not in page
    assert "Collect what is not sent" not in page


def test_the_list_of_stores_is_headed_by_the_same_figure_for_those_who_see_it(setup: CollectionSetup) -> None:
    collected(setup, state="CONFIRMED")
    collected(setup, state="DIFFERS", differences=DIFFERENCE)
    other = CollectionSetupFactory.create()
    stranger = staff(other)

    page = staff(setup).get("/admin/pms/store/").content.decode()

    assert "1 of 2 stores confirmed (50%)" in page
    assert "1 differ" in page
    assert "1 of 2 stores confirmed" not in stranger.get("/admin/pms/store/").content.decode()


def test_a_store_that_was_taken_and_is_not_listed_says_so(setup: CollectionSetup) -> None:
    row = collected(setup, state="SENT", acknowledged_at=MOMENT, compared_at=MOMENT + timedelta(hours=1))
    client = staff(setup)

    assert "AlipayHK took it, but its list of" in client.get(LIST).content.decode()
    assert "AlipayHK took it, but its list of" in client.get(page_of(row)).content.decode()


def test_nothing_is_taken_over_while_ours_is_under_way(setup: CollectionSetup) -> None:
    way = {"due_at": MOMENT, "asked_at": MOMENT, "credential": setup.credential}
    row = collected(setup, state="DIFFERS", differences=DIFFERENCE, **way)

    page = staff(setup).get(page_of(row)).content.decode()

    assert "/do/" not in page


def test_one_mall_does_not_see_how_another_fares(setup: CollectionSetup) -> None:
    other = CollectionSetupFactory.create(
        credential=CredentialFactory.create(mall=MallFactory.create(name_en="Elsewhere"))
    )
    foreign = collected(other)
    client = staff(setup)

    assert "Elsewhere" not in client.get(LIST).content.decode()
    assert client.get(page_of(foreign)).status_code == 404
    for name in ("collect", "confirm"):
        address = reverse(f"admin:alipayhk_storecollection_{name}", args=[other.credential.mall_id])
        assert client.post(address).status_code == 404
    assert ConfirmationRun.objects.count() == 0


def test_each_state_has_its_cure(setup: CollectionSetup) -> None:
    client = seen_all()
    offered = {}
    for state in StoreCollection.State.values:
        row = collected(setup, state=state, differences=DIFFERENCE if state == "DIFFERS" else [])
        page = client.get(page_of(row)).content.decode()
        offered[state] = re.findall(r"/do/([a-z-]+)/", page)

    assert offered == {
        "NOT_SENT": ["send", "by-number"], "SENT": ["send-again"], "CONFIRMED": ["send-again"],
        "DIFFERS": ["take", "send-ours"],
    }  # fmt: skip


def test_the_difference_is_told_in_words_and_theirs_can_be_taken(setup: CollectionSetup) -> None:
    row = collected(setup, state="DIFFERS", differences=DIFFERENCE)
    client = staff(setup)

    page = client.get(page_of(row)).content.decode()
    answer = do(client, row, "take")

    assert "AlipayHK&#x27;s name is “Echo”; the registry says “Harbour Noodles / 海港麵家”." in page
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.state, Store.objects.get(pk=row.store_id).name_en) == ("CONFIRMED", "Echo")


def test_sending_is_asked_for_by_name(setup: CollectionSetup) -> None:
    row = collected(setup)
    client = staff(setup)

    answer = do(client, row, "send")

    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.due_at is not None
    assert row.asked_by is not None
    page = client.get(page_of(row)).content.decode()
    assert "On its way" in page
    assert "data-moving" in client.get(LIST).content.decode()


def test_a_payment_names_the_store(setup: CollectionSetup) -> None:
    row = collected(setup)

    refused = do(staff(setup), row, "by-number", typed="not a number!")
    done = do(staff(setup), row, "by-number", typed=" 2023042122001432271433274247 ")

    assert "A trade number is letters" in refused.content.decode()
    assert done.status_code == 302
    row.refresh_from_db()
    assert row.trade_number == "2023042122001432271433274247"


def test_what_is_missing_is_said_and_nothing_is_asked(setup: CollectionSetup) -> None:
    row = collected(setup)
    CollectionSetup.objects.update(way_by_pms="")

    page = do(staff(setup), row, "send").content.decode()

    assert "(saveWayType) is not set up" in page
    row.refresh_from_db()
    assert row.due_at is None


def test_a_selection_and_a_whole_mall_are_collected(setup: CollectionSetup) -> None:
    first, second, third = (collected(setup) for _ in range(3))
    Store.objects.filter(pk=third.store_id).update(store_id="")
    client = staff(setup)

    some = client.post(
        LIST, {"action": "collect_selected", "_selected_action": [first.pk, third.pk]}, follow=True
    )
    rest = client.post(
        reverse("admin:alipayhk_storecollection_collect", args=[setup.credential.mall_id]), follow=True
    )

    assert "1 stores go out." in some.content.decode()
    assert third.store.pms_label in some.content.decode()
    assert "1 stores go out; 1 lack a merchant ID or store ID." in rest.content.decode()
    assert StoreCollection.objects.filter(due_at__isnull=False).count() == 2
    second.refresh_from_db()
    assert second.due_at is not None


def test_a_reading_is_asked_for_once_and_watched(setup: CollectionSetup) -> None:
    address = reverse("admin:alipayhk_storecollection_confirm", args=[setup.credential.mall_id])
    client = staff(setup)

    for _ in range(2):
        assert client.post(address).status_code == 302

    run = ConfirmationRun.objects.get()
    assert run.asked_by is not None
    ConfirmationRun.objects.update(state="RUNNING", claimed_rows=40, found_rows=20)
    told = client.get(reverse("admin:alipayhk_confirmationrun_progress", args=[run.pk])).json()
    assert told == {"judged": 20, "transactions": 40, "is_open": True, "said": "20 of 40 stores read"}
    assert (
        "20 of 40 stores read"
        in client.get(reverse("admin:alipayhk_storecollection_coverage")).content.decode()
    )
    assert "data-progress" in client.get(page_of(run)).content.decode()


def test_a_reading_tells_what_was_odd(setup: CollectionSetup) -> None:
    run = ConfirmationRunFactory.create(
        mall=setup.credential.mall, state="DONE", fault="FEWER_THAN_CLAIMED", ended_at=MOMENT, claimed_rows=45
    )

    page = staff(setup).get(page_of(run)).content.decode()

    assert "AlipayHK claims more stores than its pages hold" in page
    assert "no: nothing was said of stores it did not see" in page


def test_a_store_only_alipayhk_has_is_added_or_ignored(setup: CollectionSetup) -> None:
    first, second = (ListedStoreFactory.create(mall=setup.credential.mall) for _ in range(2))
    taken = StoreFactory.create(mall=setup.credential.mall)
    client = staff(setup)

    refused = do(client, first, "add", typed=taken.pms_label)
    added = do(client, first, "add", typed="PMS-ECHO")
    ignored = do(client, second, "ignore")

    assert "Another store of the group has this PMS label" in refused.content.decode()
    assert (added.status_code, ignored.status_code) == (302, 302)
    assert Store.objects.get(pms_label="PMS-ECHO").store_id == first.store_id
    assert set(ListedStore.objects.values_list("state", flat=True)) == {"KNOWN", "IGNORED"}


def test_a_label_that_waits_in_an_unseen_mall_is_not_added(setup: CollectionSetup) -> None:
    listed = ListedStoreFactory.create(mall=setup.credential.mall)
    unseen = MallFactory.create(group=setup.credential.mall.group)
    TransactionFactory.create(mall=unseen, state="PARKED", store=None, store_label="PMS-ECHO")

    refused = do(staff(setup), listed, "add", typed="PMS-ECHO")
    odd = do(staff(setup), listed, "add", typed="=PMS")

    assert "wait in a mall that you do not see" in refused.content.decode()
    assert "PMS label: It begins like a formula" in odd.content.decode()
    assert not Store.objects.exists()


def test_the_counter_and_reviewers_send_nothing(setup: CollectionSetup) -> None:
    row = collected(setup)
    listed = ListedStoreFactory.create(mall=setup.credential.mall)
    confirm = reverse("admin:alipayhk_storecollection_confirm", args=[setup.credential.mall_id])

    for role in ("COUNTER", "REVIEWER"):
        client = staff(setup, role)
        assert do(client, row, "send").status_code == 403
        assert do(client, listed, "ignore").status_code == 403
        assert client.post(confirm).status_code == 403

    row.refresh_from_db()
    assert row.due_at is None


def test_the_front_page_tells_how_many_are_confirmed(setup: CollectionSetup) -> None:
    collected(setup, state="CONFIRMED")
    collected(setup)
    client = staff(setup)

    page = client.get("/admin/").content.decode()
    CollectionSetup.objects.update(is_on=False)
    quiet = client.get("/admin/").content.decode()

    assert "Stores confirmed" in page
    assert "50%" in page
    assert "Stores confirmed" not in quiet


def test_attempts_are_shown_with_what_was_said(setup: CollectionSetup) -> None:
    row = collected(setup)
    CollectionCallFactory.create(
        collection=row, outcome="UNKNOWN", code="SYSTEM_ERROR", request_body='{"a": "<b>"}'
    )
    CollectionCallFactory.create(collection=row, outcome="UNLISTED", code="NOT_LISTED", request_body="")

    page = staff(setup).get(page_of(row)).content.decode()

    assert "HTTP 200 · SYSTEM_ERROR" in page
    assert "Looked for in AlipayHK&#x27;s list before anything is sent again." in page
    assert "<b>" not in page


def test_a_mall_of_5000_stores_is_looked_through_without_waiting(setup: CollectionSetup) -> None:
    """The quickest of some tries: what a page needs, whoever else uses the machine."""
    mall = setup.credential.mall
    states = (*["CONFIRMED"] * 7, "NOT_SENT", "SENT", "DIFFERS")
    fill(setup, 5000, states)
    client = staff(setup)
    pages = {
        name: f"{LIST}{query}"
        for name, query in {
            "first": "",
            "last": "?p=10",
            "differing": "?state__exact=DIFFERS",
            "of the mall": f"?store__mall__id__exact={mall.pk}&state__exact=NOT_SENT",
            "searched": "?q=PMS-4711",
        }.items()
    }

    client.get(LIST)
    took = {name: seconds(client, page) for name, page in pages.items()}

    assert {name: second for name, second in took.items() if second >= 0.3} == {}, took


def fill(setup: CollectionSetup, count: int, states: tuple[str, ...]) -> None:
    mall = setup.credential.mall
    made = Store.objects.bulk_create(
        StoreFactory.build(
            group=mall.group,
            mall=mall,
            pms_label=f"PMS-{number}",
            store_id=f"S{number}",
            name_en=f"Shop {number}",
        )
        for number in range(count)
    )
    StoreCollection.objects.bulk_create(
        StoreCollectionFactory.build(
            store=store,
            state=(state := states[number % len(states)]),
            differences=DIFFERENCE if state == "DIFFERS" else [],
        )
        for number, store in enumerate(made)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE pms_store, alipayhk_storecollection")


def test_the_setup_is_edited_with_its_credential() -> None:
    credential = CredentialFactory.create()
    page = seen_all().get(page_of(credential)).content.decode()

    for field in (
        "is_on",
        "way_by_pms",
        "way_by_number",
        "first_page",
        "page_size",
        "list_path",
        "field_paths",
    ):
        assert f'name="collection-__prefix__-{field}"' in page
