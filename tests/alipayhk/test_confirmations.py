"""Reading what AlipayHK lists: to the end whatever it claims, and what the list says of each store."""

from datetime import timedelta
from typing import Any

import pytest

from alipayhk import confirmations, store_list, stores
from alipayhk.models import CollectionSetup, ListedStore, StoreCollection
from pms import clock
from pms.models import Store
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector

pytestmark = pytest.mark.django_db

QUERY = "circleStore/queryPage"


@pytest.fixture(autouse=True)
def brisk(settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 0.01, 0.01, 0.01, 600.0, 1800.0]


def filled(collector: Collector, count: int) -> list[Store]:
    """Stores of ours that AlipayHK has as they are."""
    chosen = [collector.store() for _ in range(count)]
    for store in chosen:
        collector.put_ours(store)
    return chosen


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (5, 1), (20, 2), (45, 3)])
def test_the_list_is_read_to_its_end(collector: Collector, count: int, pages: int) -> None:
    """A full last page is followed by an empty one: its totals may claim too little."""
    filled(collector, count)

    run = collector.confirm()

    assert (run.state, run.fault, run.is_whole) == ("DONE", "", True)
    assert (run.pages, run.claimed_rows, run.found_rows) == (pages, count, count)
    assert list(collector.states().values()) == ["CONFIRMED"] * count


def test_pages_are_asked_for_in_texts_from_the_first(collector: Collector) -> None:
    filled(collector, 25)

    collector.confirm()

    asked = collector.queries()
    assert [page["pageIndex"] for page in asked] == ["1", "2"]
    assert {(page["pageSize"], page["totalPageCount"], page["totalItemCount"]) for page in asked} == {
        ("20", "0", "0")
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "fault"), [(0, 0, ""), (1, 0, "COUNTS_FROM_ZERO"), (0, 1, "PARAM_ILLEGAL")]
)
def test_pages_may_count_from_zero(collector: Collector, ours: int, theirs: int, fault: str) -> None:
    filled(collector, 45)
    CollectionSetup.objects.update(first_page=ours)
    collector.gateway.twin.stores.first_page = theirs

    run = collector.confirm()

    collector.gateway.twin.stores.first_page = 1
    assert run.fault == fault
    assert run.found_rows == (0 if fault == "PARAM_ILLEGAL" else 45)
    assert (run.state, run.is_whole) == (("BROKEN", False) if fault == "PARAM_ILLEGAL" else ("DONE", True))


@pytest.mark.parametrize(
    ("fault", "told", "is_whole", "found"),
    [
        ("total_too_high", "FEWER_THAN_CLAIMED", False, 45),
        ("total_too_low", "MORE_THAN_CLAIMED", True, 45),
        ("same_page", "REPEATED_PAGE", False, 20),
    ],
)
def test_a_list_that_contradicts_itself_is_told_and_misses_nobody(
    collector: Collector, fault: str, told: str, is_whole: bool, found: int
) -> None:
    filled(collector, 45)
    collector.confirm()
    collector.fault(fault, QUERY, times=None)

    run = collector.confirm()

    assert (run.state, run.fault, run.is_whole, run.found_rows) == ("DONE", told, is_whole, found)
    assert set(collector.states().values()) == {"CONFIRMED"}
    assert "GONE" not in collector.listed().values()


def test_a_list_without_an_end_is_left(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    [store] = filled(collector, 1)
    CollectionSetup.objects.update(page_size=500)
    collector.confirm()
    monkeypatch.setattr(store_list, "MOST_ROWS", 900)
    collector.fault("endless_pages", QUERY, times=None)

    run = collector.confirm()

    assert (run.state, run.fault, run.is_whole, run.pages) == ("DONE", "ENDLESS", False, 2)
    assert collecting.row(store).state == "CONFIRMED"


def test_a_slow_page_is_waited_for_and_one_that_fails_is_asked_for_again(collector: Collector) -> None:
    filled(collector, 25)
    collector.fault("delay", QUERY, seconds=0.3)
    collector.fault("system_error_after", QUERY)
    collector.fault("unsigned", QUERY)

    run = collector.confirm()

    assert (run.state, run.is_whole, run.found_rows) == ("DONE", True, 25)
    assert len(collector.queries()) == 4


def test_a_reading_that_breaks_off_marks_nobody_missing(collector: Collector) -> None:
    chosen = filled(collector, 45)
    collector.confirm()
    for store in chosen[:30]:
        collector.gateway.twin.stores.remove(
            client_id=collector.credential.client_id, store_id=store.store_id
        )
    extra = collector.put(merchant_id="2160", store_id="X-1", store_name="Echo")
    collector.fault("http_500", QUERY, times=4)

    broken = collector.confirm()
    after_break = collector.states()
    whole = collector.confirm()

    assert (broken.state, broken.fault, broken.is_whole) == ("BROKEN", "HTTP_500", False)
    assert set(after_break.values()) == {"CONFIRMED"}
    assert (whole.state, whole.is_whole) == ("DONE", True)
    states = collector.states()
    assert [states[store.pms_label] for store in chosen[:30]] == ["NOT_SENT"] * 30
    assert collecting.row(chosen[0]).vanished_at is not None
    assert collector.listed()[chosen[0].store_id] == "GONE"
    assert collector.listed()[extra.store_id] == "ONLY_AT_ALIPAYHK"


def test_a_store_that_was_sent_stays_sent_when_the_list_lacks_it(collector: Collector) -> None:
    sent, confirmed = collector.store(), collector.store()
    collector.collect(sent, confirmed)
    collector.confirm()
    collector.gateway.twin.stores.remove(client_id=collector.credential.client_id, store_id=sent.store_id)

    collector.confirm()

    found = collecting.row(sent)
    assert (found.state, found.vanished_at is not None) == ("SENT", True)
    assert collecting.row(confirmed).state == "CONFIRMED"
    assert list(stores.unsent(collector.mall, now=clock.now())) == [sent]


def test_each_store_is_in_one_of_five_states(collector: Collector) -> None:
    confirmed, differs, unsent = filled(collector, 3)
    sent = collector.store()
    collector.put_ours(differs, store_name="Harbour Dumplings")
    collector.gateway.twin.stores.remove(client_id=collector.credential.client_id, store_id=unsent.store_id)
    collector.put(merchant_id="2160", store_id="X-1", store_name="Echo")
    factories.StoreCollectionFactory.create(store=sent, state="SENT", acknowledged_at=factories.MOMENT)

    collector.confirm()

    assert collector.states() == {
        confirmed.pms_label: "CONFIRMED", differs.pms_label: "DIFFERS", unsent.pms_label: "NOT_SENT",
        sent.pms_label: "SENT",
    }  # fmt: skip
    assert collecting.row(differs).differences == [
        {
            "field": "store_name",
            "ours": f"{differs.name_en} / {differs.name_zh}",
            "theirs": "Harbour Dumplings",
        }
    ]
    told = {
        one.store.pms_label if one.store else "": one.state
        for one in stores.standings(collector.mall, now=clock.now())
    }
    assert told == {**collector.states(), "": "ONLY_AT_ALIPAYHK"}


def test_what_the_list_confirmed_stays_confirmed_when_changes_are_noticed(collector: Collector) -> None:
    collector.put(merchant_id="2160", store_id="X-1", store_name="Echo")
    [known] = filled(collector, 1)
    differing = collector.store()
    collector.put_ours(differing, store_name="Harbour Dumplings")
    collector.confirm()
    listed = ListedStore.objects.get(mall=collector.mall, store_id="X-1")
    added = stores.add(listed=listed, pms_label="PMS-ECHO", by=None, now=clock.now())

    stores.notice_changes(now=clock.now())
    once = collector.states()
    stores.notice_changes(now=clock.now())

    wanted = {known.pms_label: "CONFIRMED", "PMS-ECHO": "CONFIRMED", differing.pms_label: "DIFFERS"}
    assert once == collector.states() == wanted
    assert collecting.row(differing).differences != []
    assert list(stores.unsent(collector.mall, now=clock.now())) == []
    Store.objects.filter(pk=added.pk).update(name_en="Foxtrot")
    stores.notice_changes(now=clock.now())
    assert collecting.row(added).state == "NOT_SENT"


def test_a_store_of_another_mall_of_the_group_is_known(collector: Collector) -> None:
    neighbor = factories.StoreFactory.create(mall=factories.MallFactory.create(group=collector.mall.group))
    collector.put_ours(neighbor)

    collector.confirm()

    assert collector.listed() == {neighbor.store_id: "KNOWN"}
    assert not StoreCollection.objects.filter(store=neighbor, state="CONFIRMED").exists()


def test_what_alipayhk_took_while_its_list_was_read_is_left_to_the_next_reading(collector: Collector) -> None:
    store = collector.store()
    collector.collect(store)
    run = confirmations.ask(mall=collector.mall, by=None, now=clock.now())
    collector.gateway.twin.stores.remove(client_id=collector.credential.client_id, store_id=store.store_id)
    StoreCollection.objects.update(state="CONFIRMED", acknowledged_at=clock.now() + timedelta(minutes=1))

    confirmations.work(run_id=run.pk, clock=clock.now)

    assert collecting.row(store).state == "CONFIRMED"


def test_what_is_confirmed_needs_no_further_attempt(collector: Collector) -> None:
    store = collector.store()
    collector.fault("system_error_after")
    collector.collect(store)

    collector.confirm()

    found = collecting.row(store)
    assert (found.state, found.is_uncertain, found.due_at, found.dead_at) == ("CONFIRMED", False, None, None)
    collecting.hurry(store)
    assert collector.drain() == 0


def test_one_reading_at_a_time_and_asking_twice_is_asking_once(collector: Collector) -> None:
    first = confirmations.ask(mall=collector.mall, by=None, now=clock.now())
    second = confirmations.ask(mall=collector.mall, by=None, now=clock.now())

    assert first == second
    confirmations.work(run_id=first.pk, clock=clock.now)
    confirmations.work(run_id=first.pk, clock=clock.now)
    assert len(collector.queries()) == 1


def test_a_reading_whose_worker_died_is_begun_again(collector: Collector) -> None:
    filled(collector, 3)
    lost = factories.ConfirmationRunFactory.create(mall=collector.mall, state="RUNNING", pages=7)
    fresh = factories.ConfirmationRunFactory.create(state="RUNNING", moved_at=clock.now())

    waiting = confirmations.waiting(now=clock.now())
    for run_id in waiting:
        confirmations.work(run_id=run_id, clock=clock.now)

    lost.refresh_from_db()
    assert waiting == [lost.pk]
    assert fresh.pk not in waiting
    assert (lost.state, lost.pages, lost.found_rows) == ("DONE", 1, 3)


@pytest.mark.parametrize("code", ["NO_SETUP", "OFF", "NO_ACTIVE_KEY"])
def test_a_mall_that_cannot_read_says_why(collector: Collector, code: str) -> None:
    if code == "NO_SETUP":
        CollectionSetup.objects.all().delete()
    elif code == "OFF":
        CollectionSetup.objects.update(is_on=False)
    else:
        collector.credential.keys.filter(side="OURS").update(state="RETIRING")

    run = collector.confirm()

    assert (run.state, run.fault) == ("BROKEN", code)


def test_a_list_somewhere_else_is_read_where_the_setup_says(collector: Collector) -> None:
    CollectionSetup.objects.update(list_path="nowhere.stores")
    filled(collector, 2)

    missed = collector.confirm()
    CollectionSetup.objects.update(
        list_path="nowhere.stores|circleStoreList", field_paths={"store_name": "merchantPms.merchantName"}
    )
    read = collector.confirm()

    assert (missed.state, missed.fault) == ("BROKEN", "LIST_MISSING")
    assert (read.state, read.found_rows) == ("DONE", 2)
    assert set(ListedStore.objects.values_list("store_name", flat=True)) == {""}
