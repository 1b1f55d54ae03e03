"""Drains at once, slow gateways, and time: many calls in flight, one per card, and nobody waits for a slow mall."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from alipayhk import pass_drain, passes
from alipayhk.models import PassCall, PassUpdate
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway
from tests.databases import Database


def drain_in_a_thread(_: int) -> int:
    try:
        return passes.drain()
    finally:
        connection.close()


def test_drains_at_once_share_the_work_and_call_about_no_card_twice(
    fresh_database: Database, gateway: Gateway
) -> None:
    credential = outbound.mall(gateway)
    cards = [outbound.member(credential, points=138) for _ in range(60)]
    passes.notice_new()

    with ThreadPoolExecutor(3) as pool:
        calls = sum(pool.map(drain_in_a_thread, range(3)))

    assert calls == 60
    assert PassCall.objects.filter(outcome="DONE").count() == 60
    assert [len(gateway.calls(card)) for card in cards] == [1] * 60
    assert PassUpdate.objects.exclude(acknowledged_version=1).count() == 0


def test_wishes_drains_and_comparisons_at_once_end_at_the_newest_balances(
    fresh_database: Database, gateway: Gateway, settings: Any
) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 0.01, 0.01, 0.01, 0.01, 0.01]
    credential = outbound.mall(gateway)
    cards = [outbound.carded(credential) for _ in range(6)]
    stop = threading.Event()

    def keep_draining() -> None:
        try:
            while not stop.is_set():
                passes.notice_changes()
                passes.drain()
        finally:
            connection.close()

    drainers = [threading.Thread(target=keep_draining) for _ in range(2)]
    for drainer in drainers:
        drainer.start()
    for _ in range(10):
        for card in cards:
            outbound.earn(card, 1)
    time.sleep(0.3)
    stop.set()
    for drainer in drainers:
        drainer.join()
    passes.drain(linger=1)

    assert [gateway.card(card).points for card in cards] == [10] * 6
    assert list(PassUpdate.objects.values_list("acknowledged_version", flat=True)) == [10] * 6


@pytest.mark.django_db
def test_a_slow_mall_leaves_room_for_the_others(gateway: Gateway) -> None:
    slow, well = outbound.mall(gateway), outbound.mall(gateway)
    waiting = [outbound.member(slow) for _ in range(pass_drain.MOST_IN_FLIGHT)]
    for card in waiting:
        gateway.fault("delay", user_id=card.user_id, seconds=4)
    passes.notice_new()
    others = [outbound.member(well, points=138) for _ in range(3)]
    passes.notice_new()

    passes.drain()

    first_slow = min(outbound.update(card).acknowledged_at for card in waiting)  # type: ignore[type-var]
    last_other = max(outbound.update(card).acknowledged_at for card in others)  # type: ignore[type-var]
    assert last_other < first_slow  # type: ignore[operator]
    assert [gateway.card(card).points for card in others] == [138] * 3


@pytest.mark.django_db
def test_a_drain_that_lingers_keeps_the_time_of_the_quick_attempts(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway))
    gateway.fault("system_error_before", user_id=wallet_pass.user_id, times=2)
    passes.notice_new()

    calls = passes.drain(linger=2.2)

    times = list(PassCall.objects.order_by("called_at").values_list("called_at", flat=True))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert calls == 3
    assert gaps == pytest.approx([2, 2], abs=0.5)


@pytest.mark.django_db
def test_a_drain_that_does_not_linger_ends_at_once(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway))
    gateway.fault("system_error_before", user_id=wallet_pass.user_id)
    passes.notice_new()

    assert passes.drain() == 1


@pytest.mark.django_db
def test_twenty_calls_are_in_flight_together(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    cards = [outbound.member(credential) for _ in range(20)]
    for card in cards:
        gateway.fault("delay", user_id=card.user_id, seconds=0.5)
    passes.notice_new()
    began = time.monotonic()

    calls = passes.drain()

    assert calls == 20
    assert time.monotonic() - began < 5
