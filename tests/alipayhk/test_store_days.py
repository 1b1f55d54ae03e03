"""Stores that move: until the day they are the old mall's to AlipayHK and in the figures, then the new one's."""

from datetime import timedelta

import pytest

from alipayhk import store_days, stores
from alipayhk.models import CollectionSetup
from pms import clock, registry
from pms.models import Mall, Store
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector, new_collector

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(collector: Collector) -> Collector:
    """A second mall of the group that collects."""
    made = new_collector(collector.gateway)
    Mall.objects.filter(pk=made.mall.pk).update(group=collector.mall.group)
    made.credential.refresh_from_db()
    return made


def move(store: Store, to: Collector, *, in_days: int) -> None:
    today = store_days.day_of(clock.now())
    registry.move(
        store=store, to_mall=to.mall, moved_date=today + timedelta(days=in_days), by=None, now=clock.now()
    )


def test_a_move_of_next_month_is_not_told_now(collector: Collector, other: Collector) -> None:
    store, waiting = collector.store(), collector.store()
    collector.collect(store)
    collector.confirm()

    move(store, other, in_days=30)
    move(waiting, other, in_days=30)
    unsent = list(stores.unsent(collector.mall, now=clock.now()))
    collector.collect(waiting)
    collector.confirm()
    other.confirm()

    assert unsent == [waiting]
    assert len(collector.calls(store)) == 1
    assert {one.mall_label for one in collector.held()} == {collector.mall.label}
    assert (len(collector.held()), other.held()) == (2, [])
    assert {collecting.row(one).state for one in (store, waiting)} == {"CONFIRMED"}
    assert stores.coverage([collector.mall], now=clock.now()).percent == 100
    assert stores.coverage([other.mall], now=clock.now()).total == 0
    assert [one.store for one in stores.standings(other.mall, now=clock.now())] == []


def test_from_its_day_on_a_store_is_the_new_malls(collector: Collector, other: Collector) -> None:
    store = collector.store()
    collector.collect(store)
    move(store, other, in_days=30)
    later = clock.now() + timedelta(days=30)

    stores.notice_changes(now=later)
    stores.drain(clock=lambda: later)

    [held] = other.held()
    assert (held.store_id, held.mall_label) == (store.store_id, other.mall.label)
    assert collecting.row(store).credential == other.credential
    assert stores.coverage([other.mall], now=later).sent == 1
    assert stores.coverage([collector.mall], now=later).total == 0


def test_the_second_of_two_moves_is_not_told_before_the_first(collector: Collector, other: Collector) -> None:
    store = collector.store()
    move(store, other, in_days=30)
    move(store, collector, in_days=60)

    found = [
        store_days.live([one.mall], now=clock.now() + timedelta(days=days)).count()
        for days in (0, 30, 60) for one in (collector, other)
    ]  # fmt: skip

    assert found == [1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("is_on", [False, True])
def test_a_mall_that_collects_nothing_does_not_borrow_the_old_malls_client(
    collector: Collector, other: Collector, is_on: bool
) -> None:
    sent, waiting = collector.store(), collector.store()
    collector.collect(sent)
    collector.ask(waiting)
    CollectionSetup.objects.filter(pk=other.setup.pk).update(is_on=is_on)
    for store in (sent, waiting):
        move(store, other, in_days=0)

    collector.drain()

    assert [one.mall_label for one in collector.held()] == [collector.mall.label]
    assert len(other.held()) == (2 if is_on else 0)
    assert {collecting.row(one).due_at for one in (sent, waiting)} == {None}


def test_a_move_that_nobody_noticed_yet_is_not_told_by_the_old_malls_client(
    collector: Collector, other: Collector
) -> None:
    store = collector.store()
    collector.ask(store)
    move(store, other, in_days=0)

    unnoticed = stores.drain(clock=clock.now)
    noticed = collector.drain()

    assert (unnoticed, noticed) == (0, 1)
    assert (collector.held(), len(other.held())) == ([], 1)


def test_live_stores_are_neither_closed_nor_merged(collector: Collector) -> None:
    kept = collector.store()
    collector.store(closed_date=factories.MOMENT.date())
    collector.store(merged_into=kept)

    assert list(store_days.live([collector.mall], now=clock.now())) == [kept]
