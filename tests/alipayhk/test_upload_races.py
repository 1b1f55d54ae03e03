"""One batch uploaded many times at one instant, while AlipayHK notifies the same payments."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.transaction import atomic

from loyalty.earning.models import Award, Transaction
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.picking import Picker, bill, new_picker
from tests.databases import Database

pytestmark = pytest.mark.timeout(120)
NUMBERS = ("RACE-1", "RACE-2", "RACE-3")


@pytest.fixture
def picker(fresh_database: Database, gateway: Gateway) -> Iterator[Picker]:
    yield new_picker(gateway)
    connection.close()


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """All released together, each on a connection of its own; one that meets a lock is asked again."""
    barrier = Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            for _ in range(10):
                try:
                    return call()
                except OperationalError:
                    time.sleep(0.05)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(one, call) for call in calls]]


def test_a_batch_uploaded_many_times_at_once_records_each_payment_once(picker: Picker) -> None:
    batch = picker.batch(*(bill(number) for number in NUMBERS))

    told = at_once([lambda: picker.upload(batch)] * 6)

    assert sorted(Transaction.objects.values_list("payment_number", "state")) == [
        (number, "EARNED") for number in NUMBERS
    ]
    assert {one.verdict.value for lines in told for one in lines} == {"ACCEPTED"}
    assert sum(not one.is_repeat for lines in told for one in lines) == len(NUMBERS)
    assert picker.balance() == 138 * len(NUMBERS)


def test_uploads_and_notices_of_the_same_payments_at_once_pay_each_once(picker: Picker) -> None:
    batch = picker.batch(*(bill(number) for number in NUMBERS))

    @atomic
    def notice(number: str) -> None:
        picker.pays(number)

    notices = [lambda number=number: notice(number) for number in NUMBERS]
    at_once([*notices, *[lambda: picker.upload(batch)] * 3])

    paid = Award.objects.filter(points__gt=0).values_list("transaction__payment_number", flat=True)
    assert sorted(paid) == list(NUMBERS)
    assert sorted(Transaction.objects.values_list("payment_number", "channel")) == sorted(
        (number, channel) for number in NUMBERS for channel in ("UPLOAD", "WALLET")
    )
    assert picker.balance() == 138 * len(NUMBERS)
