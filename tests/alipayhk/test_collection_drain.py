"""Many stores at once: two drains, stores that change in flight, and the pace of a big mall."""

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from alipayhk import client, collection_queue, collection_results, stores
from alipayhk.models import CollectionCall, CollectionSetup, StoreCollection
from pms import clock
from pms.models import Store
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector, new_collector
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.raw_gateway import RawGateway, Request, result
from tests.databases import Database


@pytest.fixture
def committed(fresh_database: Database, gateway: Gateway) -> Collector:
    return new_collector(gateway)


def drain_in_a_thread(_: int) -> int:
    try:
        return stores.drain(clock=clock.now)
    finally:
        connection.close()


def test_drains_at_once_send_each_store_once(committed: Collector) -> None:
    chosen = [committed.store() for _ in range(40)]
    committed.ask(*chosen)

    with ThreadPoolExecutor(3) as pool:
        sent = sum(pool.map(drain_in_a_thread, range(3)))

    assert sent == 40
    assert [one.saves for one in committed.held()] == [1] * 40
    assert CollectionCall.objects.count() == 40
    assert StoreCollection.objects.filter(state="SENT", lease=None, due_at=None).count() == 40


def test_a_store_that_changes_in_flight_is_sent_once_more_as_it_is_now(committed: Collector) -> None:
    store, still = committed.store(), committed.store()
    committed.fault("delay", seconds=0.8, user_id=store.store_id)
    committed.ask(store, still)
    drainer = threading.Thread(target=drain_in_a_thread, args=(0,))
    drainer.start()
    in_flight = StoreCollection.objects.filter(store=store, lease__isnull=False)
    assert any(in_flight.exists() for _ in range(10_000))

    Store.objects.filter(pk=store.pk).update(name_en="Harbour Dumplings")
    stores.notice_changes(now=clock.now())
    drainer.join()
    stores.drain(clock=clock.now)

    held = {one.store_id: (one.store_name, one.saves) for one in committed.held()}
    assert held == {store.store_id: ("Harbour Dumplings", 2), still.store_id: (still.name_en, 1)}
    found = collecting.row(store)
    assert (found.state, found.acknowledged_mark == found.wanted_mark) == ("SENT", True)


@pytest.mark.django_db
def test_an_answer_that_comes_after_its_lease_changes_nothing_but_is_kept(collector: Collector) -> None:
    store = collector.store()
    collector.ask(store)
    [claimed] = collection_queue.claim(
        limit=1, by_pms=[collector.credential.pk], by_number=[], today=factories.MOMENT.date()
    )
    collecting.hurry(store)
    collector.drain()
    before = vars(collecting.row(store))

    collection_results.looked(found=[], missing=[claimed], fault="", duration_ms=1)

    after = vars(collecting.row(store))
    assert {key: value for key, value in after.items() if key != "_state"} == {
        key: value for key, value in before.items() if key != "_state"
    }
    assert "UNLISTED NOT_LISTED" in collecting.outcomes(store)


class Crowd:
    """A gateway that answers nobody until so many calls wait at once."""

    def __init__(self, raw_gateway: RawGateway, wanted: int) -> None:
        self.gateway, self.wanted, self.waiting = raw_gateway, wanted, 0
        self.lock, self.is_there = threading.Lock(), threading.Event()
        raw_gateway.answer = self.answer

    def answer(self, caller: socket.socket, request: Request) -> None:
        with self.lock:
            self.waiting += 1
            if self.waiting == self.wanted:
                self.is_there.set()
        self.is_there.wait(30)
        with self.lock:
            self.waiting -= 1
        caller.sendall(self.gateway.genuine(request, result("SUCCESS")))


@pytest.mark.django_db
def test_64_calls_are_in_flight_together(raw_gateway: RawGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TOTAL_SECONDS", 60.0)
    setup = factories.CollectionSetupFactory.create(credential=raw_gateway.mall())
    chosen = factories.StoreFactory.create_batch(64, mall=setup.credential.mall)
    crowd = Crowd(raw_gateway, 64)
    stores.ask(stores=chosen, by=None, now=clock.now())

    stores.drain(clock=clock.now)

    assert crowd.is_there.is_set()
    assert StoreCollection.objects.filter(state="SENT").count() == 64


@pytest.mark.django_db
def test_hundreds_of_stores_are_each_sent_once_though_answers_are_lost(collector: Collector) -> None:
    mall, count = collector.mall, 300
    CollectionSetup.objects.update(page_size=100)
    Store.objects.bulk_create(factories.StoreFactory.build_batch(count, mall=mall, group=mall.group))
    for fault in ("system_error_after", "reset_after", "unsigned", "wrong_signature"):
        collector.fault(fault, times=5)
    stores.ask(stores=stores.unsent(mall, now=clock.now()), by=None, now=clock.now())

    collector.drain()
    StoreCollection.objects.filter(is_uncertain=True).update(due_at=factories.MOMENT)
    collector.drain()
    run = collector.confirm()

    assert [one.saves for one in collector.held()] == [1] * count
    assert Counter(CollectionCall.objects.values_list("outcome", flat=True)) == {
        "DONE": count - 20, "UNKNOWN": 20, "LISTED": 20,
    }  # fmt: skip
    assert (run.is_whole, run.pages, run.found_rows) == (True, 4, count)
    assert stores.coverage([mall], now=clock.now()).confirmed == count


@pytest.mark.django_db
def test_a_merchants_own_name_is_sent_or_else_the_stores_and_again_once_it_changes(
    collector: Collector,
) -> None:
    plain, named = collector.store(), collector.store(merchant_name="Harbour Ltd")
    collector.collect(plain, named)
    sent = {one.store_id: one.merchant_name for one in collector.held()}
    Store.objects.filter(pk=named.pk).update(merchant_name="Harbour Holdings")

    collector.drain()

    again = {one.store_id: (one.merchant_name, one.saves) for one in collector.held()}
    assert sent == {plain.store_id: plain.name_en, named.store_id: "Harbour Ltd"}
    assert again == {plain.store_id: (plain.name_en, 1), named.store_id: ("Harbour Holdings", 2)}
