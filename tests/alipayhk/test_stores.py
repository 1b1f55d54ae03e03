"""Having stores collected by AlipayHK, one by one: both ways, each fault, and what is done when nobody knows."""

import json
from typing import Any

import pytest

from alipayhk import collection_queue, store_days, stores
from alipayhk.collection_setup import CannotCollect
from alipayhk.models import CollectionCall, CollectionSetup, StoreCollection
from pms import clock
from pms.models import Store
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector

pytestmark = pytest.mark.django_db

LOST = [
    "applied_then_timeout",
    "reset_after",
    "system_error_after",
    "unsigned",
    "wrong_signature",
    "oversized",
]


def test_a_store_is_collected_by_its_pms(collector: Collector) -> None:
    store = collector.store(name_en="Harbour Noodles")

    done = collector.collect(store)

    [held] = collector.held()
    assert (held.partner_id, held.merchant_id, held.store_id) == (
        store.partner_id,
        store.merchant_id,
        store.store_id,
    )
    assert (held.store_name, held.mall_label, held.group_label) == (
        *("Harbour Noodles", store.mall.label),
        store.group.label,
    )
    assert (done.state, done.due_at, done.attempts, done.last_code) == ("SENT", None, 0, "SUCCESS")
    assert done.acknowledged_mark == done.wanted_mark != ""
    kept = CollectionCall.objects.get(collection=done)
    assert (kept.api, kept.attempt, kept.outcome, kept.http_status) == ("circleStore/save", 1, "DONE", 200)
    assert json.loads(kept.request_body)["saveWayType"] == "PMS"
    assert kept.tracer_id
    assert "ignature" not in kept.request_body + kept.answer_body


def test_a_store_is_collected_by_a_payment_made_in_it(collector: Collector) -> None:
    store = collector.store(merchant_id="", store_id="", partner_id="")
    shop = {"pms_label": store.pms_label, "merchant_id": "2160", "store_id": "S-9", "name_en": store.name_en}
    paid = collector.pay_in(shop)

    done = collector.collect(store, trade_number=paid)

    [held] = collector.held()
    assert (held.merchant_id, held.store_id) == ("2160", "S-9")
    assert (done.state, done.trade_number) == ("SENT", paid)
    sent = json.loads(CollectionCall.objects.get(collection=done).request_body)
    assert (sent["saveWayType"], sent["ipayTradeNo"]) == ("TRADE_NO", paid)
    assert "merchantPms" not in sent["circleStore"]


def test_a_payment_alipayhk_does_not_know_is_refused_for_good(collector: Collector) -> None:
    store = collector.store()

    done = collector.collect(store, trade_number="2023042122001432271433274247")

    assert (done.state, done.last_code, done.due_at) == ("NOT_SENT", "PROCESS_FAIL", None)
    assert done.dead_at is not None
    assert collector.held() == []
    assert collecting.outcomes(store) == ["PERMANENT PROCESS_FAIL"]


@pytest.mark.parametrize(
    ("lacks", "number", "code"),
    [
        ({"is_on": False}, "", "OFF"),
        ({"way_by_pms": ""}, "", "WAY_BY_PMS"),
        ({"way_by_number": ""}, "2023", "WAY_BY_NUMBER"),
    ],
)
def test_what_the_setup_lacks_is_said_and_nothing_is_asked(
    collector: Collector, lacks: dict[str, Any], number: str, code: str
) -> None:
    CollectionSetup.objects.update(**lacks)
    store = collector.store()

    with pytest.raises(CannotCollect) as refused:
        collector.ask(store, trade_number=number)

    assert refused.value.code == code
    assert len(str(refused.value)) > 20
    assert StoreCollection.objects.count() == 0


def test_collecting_is_off_until_somebody_turns_it_on() -> None:
    store = factories.StoreFactory.create()
    setup = CollectionSetup.objects.create(credential=factories.CredentialFactory.create())

    assert (setup.is_on, setup.way_by_pms, setup.way_by_number) == (False, "", "")
    assert (setup.first_page, setup.page_size) == (1, 20)
    with pytest.raises(CannotCollect) as refused:
        stores.ask(stores=[store], by=None, now=clock.now())
    assert refused.value.code == "NO_SETUP"


def test_a_number_names_one_store(collector: Collector) -> None:
    pair = collector.store(), collector.store()

    with pytest.raises(stores.NumberRefused):
        collector.ask(*pair, trade_number="2023")
    with pytest.raises(stores.NumberRefused):
        collector.ask(pair[0], trade_number="no such\nnumber")

    assert StoreCollection.objects.count() == 0


def test_stores_without_ids_and_stores_that_closed_are_left_out(collector: Collector) -> None:
    good, bare = collector.store(), collector.store(merchant_id="")
    gone = collector.store(closed_date=factories.MOMENT.date())

    asked = collector.ask(good, bare, gone)

    assert asked.count == 1
    assert asked.left_out == {bare.pms_label: "NO_TRIPLE", gone.pms_label: "CLOSED"}
    assert collector.drain() == 1
    assert [one.store_id for one in collector.held()] == [good.store_id]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_looked_for_in_the_list_and_not_sent_again(collector: Collector, fault: str) -> None:
    store = collector.store()
    collector.fault(fault)

    collector.collect(store)
    collecting.hurry(store)
    collector.drain()

    done = collecting.row(store)
    assert (done.state, done.last_code, done.is_uncertain, done.due_at) == ("SENT", "LISTED", False, None)
    assert collector.held()[0].saves == 1
    assert collecting.outcomes(store)[1:] == ["LISTED LISTED"]


@pytest.mark.parametrize("fault", ["hang", "reset_before", "system_error_before", "http_500"])
def test_what_alipayhk_has_not_got_is_sent_again_after_the_look(collector: Collector, fault: str) -> None:
    store = collector.store()
    collector.fault(fault)

    collector.collect(store)
    collecting.hurry(store)
    collector.drain()

    done = collecting.row(store)
    assert (done.state, done.attempts) == ("SENT", 0)
    assert [one.split()[0] for one in collecting.outcomes(store)] == ["UNKNOWN", "UNLISTED", "DONE"]
    assert [call.applied for call in collector.calls(store)] == [False, True]


def test_the_attempts_follow_the_schedule_of_the_cards(collector: Collector, settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 2.0, 2.0, 2.0, 600.0, 1800.0]
    store = collector.store()
    collector.fault("system_error_before", times=None)
    waits = []

    collector.ask(store)
    for _ in range(6):
        collector.drain()
        found = collecting.row(store)
        waits.append(
            (found.due_at - found.called_at).total_seconds() if found.due_at and found.called_at else 0
        )
        collecting.hurry(store)

    assert waits == pytest.approx([2, 2, 2, 600, 1800, 0], abs=0.5)
    dead = collecting.row(store)
    assert (dead.dead_at is not None, dead.attempts, dead.is_uncertain) == (True, 6, True)
    assert len(collector.calls(store)) == 6
    assert collector.drain() == 0


def test_a_list_that_cannot_be_read_sends_nothing_again(collector: Collector, settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 600.0, 600.0]
    store = collector.store()
    collector.fault("system_error_after")
    collector.fault("system_error_before", "circleStore/queryPage", times=None)

    collector.collect(store)
    collecting.hurry(store)
    collector.drain()

    found = collecting.row(store)
    assert (found.state, found.is_uncertain, found.attempts) == ("NOT_SENT", True, 2)
    assert len(collector.calls(store)) == 1
    assert collecting.outcomes(store)[-1] == "UNKNOWN SYSTEM_ERROR"


def test_what_never_left_needs_no_look(collector: Collector) -> None:
    store = collector.store()
    gateway = collector.credential.gateway_url
    type(collector.credential).objects.update(gateway_url="http://127.0.0.1:9")

    missed = collector.collect(store)
    type(collector.credential).objects.update(gateway_url=gateway)
    collecting.hurry(store)
    collector.drain()

    assert (missed.last_code, missed.is_uncertain) == ("NOT_CONNECTED", False)
    assert collecting.outcomes(store) == ["UNKNOWN NOT_CONNECTED", "DONE SUCCESS"]


def test_a_worker_that_died_leaves_a_store_to_be_looked_for(collector: Collector) -> None:
    store, other = collector.store(), collector.store()
    collector.ask(store, other)
    ready = [collector.credential.pk]
    first = collection_queue.claim(
        limit=1, by_pms=ready, by_number=ready, today=store_days.day_of(clock.now())
    )
    collector.put_ours(store)
    lost = Store.objects.get(collection=first[0].collection_id)

    collector.drain()
    before = collecting.row(lost)
    collecting.hurry(lost)
    collector.drain()

    assert before.lease is not None
    assert lost == store
    assert (collecting.row(store).state, collecting.row(store).last_code) == ("SENT", "LISTED")
    assert collector.calls(store) == []
    assert collecting.row(other).state == "SENT"


def test_staff_may_send_what_was_given_up_on(collector: Collector) -> None:
    store = collector.store()
    collector.fault("permanent", code="PARAM_ILLEGAL")

    refused = collector.collect(store)
    done = collector.collect(store)

    assert (refused.last_code, refused.dead_at is not None, refused.is_uncertain) == (
        "PARAM_ILLEGAL",
        True,
        False,
    )
    assert (done.state, done.dead_at) == ("SENT", None)


def test_a_changed_store_is_sent_anew_and_an_unchanged_one_is_not(collector: Collector) -> None:
    changed, same, unasked = collector.store(), collector.store(), collector.store()
    collector.collect(changed, same)

    Store.objects.filter(pk=changed.pk).update(store_id="S-new")
    Store.objects.filter(pk=unasked.pk).update(store_id="S-other")
    handled = collector.drain()

    assert handled == 1
    assert {one.store_id for one in collector.held()} == {changed.store_id, same.store_id, "S-new"}
    assert collector.states() == {
        changed.pms_label: "SENT",
        same.pms_label: "SENT",
        unasked.pms_label: "NOT_SENT",
    }


def test_what_a_store_is_sent_as_does_not_depend_on_floor_or_category(collector: Collector) -> None:
    store = collector.store()
    collector.collect(store)

    Store.objects.filter(pk=store.pk).update(floor="L3", category="FASHION", is_excluded=True)

    assert collector.drain() == 0


def test_the_names_may_be_the_chinese_ones(collector: Collector) -> None:
    CollectionSetup.objects.update(names="CHINESE")
    store = collector.store(name_zh="海港麵家")

    collector.collect(store)

    assert collector.held()[0].store_name == "海港麵家"


def test_a_mall_that_stops_collecting_sends_nothing_and_forgets_nothing(collector: Collector) -> None:
    store = collector.store()
    collector.ask(store)
    CollectionSetup.objects.update(is_on=False)

    while_off = collector.drain()
    CollectionSetup.objects.update(is_on=True)

    assert while_off == 0
    assert collector.drain() == 1
    assert collecting.row(store).state == "SENT"


def test_a_gateway_without_usable_answers_is_spared(collector: Collector) -> None:
    chosen = [collector.store() for _ in range(collection_queue.UNKNOWNS_TO_HOLD + 5)]
    collector.fault("http_500", times=None)
    collector.ask(*chosen)
    collector.drain()
    for store in chosen:
        collecting.hurry(store)

    held = CollectionSetup.objects.get()
    again = collector.drain()

    assert held.unknowns_in_row >= len(chosen)
    assert held.held_until_at is not None
    assert again == 0


def test_the_cards_of_a_mall_do_not_suffer_from_its_stores(collector: Collector) -> None:
    chosen = [collector.store() for _ in range(collection_queue.UNKNOWNS_TO_HOLD + 5)]
    collector.fault("http_500", times=None)

    collector.collect(*chosen)

    assert not collector.credential.__class__.objects.filter(circuit__opened_at__isnull=False).exists()


def test_a_mall_answers_again_and_goes_on(collector: Collector) -> None:
    store = collector.store()
    collector.ask(store)
    CollectionSetup.objects.update(unknowns_in_row=30, held_until_at=factories.MOMENT)

    assert collector.drain() == 1

    setup = CollectionSetup.objects.get()
    assert (setup.unknowns_in_row, setup.held_until_at) == (0, None)
    assert collecting.row(store).state == "SENT"


def test_all_of_a_mall_means_what_alipayhk_has_not_got(collector: Collector) -> None:
    sent, fresh, gone = (
        collector.store(),
        collector.store(),
        collector.store(closed_date=factories.MOMENT.date()),
    )
    collector.collect(sent)

    unsent = list(stores.unsent(collector.mall, now=clock.now()))

    assert unsent == [fresh]
    assert gone not in unsent
    collector.ask(fresh)
    assert list(stores.unsent(collector.mall, now=clock.now())) == []


def test_coverage_counts_each_live_store_once(collector: Collector) -> None:
    chosen = [collector.store() for _ in range(4)]
    collector.store(closed_date=factories.MOMENT.date())
    for store, state in zip(chosen, ["CONFIRMED", "SENT", "DIFFERS"], strict=False):
        differences = [{"field": "store_name", "ours": "a", "theirs": "b"}] if state == "DIFFERS" else []
        factories.StoreCollectionFactory.create(store=store, state=state, differences=differences)
    factories.ListedStoreFactory.create(mall=collector.mall)

    found = stores.coverage([collector.mall], now=clock.now())

    assert (found.total, found.confirmed, found.sent, found.differs, found.not_sent) == (4, 1, 1, 1, 1)
    assert (found.only_there, found.percent) == (1, 25)
