"""One receipt through many doors at one instant, one form and one request many times, one file and many deaths."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.transaction import atomic

from loyalty.doors import counter, partners, receipts
from loyalty.doors.models import CounterEntry, ImportJob, PartnerRequest
from loyalty.doors.slips import Slip
from loyalty.earning import awards, recount
from loyalty.earning.models import Award, Transaction
from loyalty.ledger import proof
from members.models import Member
from pms import clock
from tests import factories, source
from tests.databases import Database
from tests.loyalty.doors import desk, files
from tests.loyalty.doors.desk import Desk

pytestmark = pytest.mark.timeout(300)
BILL = "2202304120013560600000000029{:04}"


@pytest.fixture
def place(fresh_database: Database) -> Iterator[Desk]:
    yield desk.lumina()
    connection.close()


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """All released together, each on a connection of its own; one that meets a lock is asked again, as people do."""
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
        return list(pool.map(one, calls))


def assert_sound() -> None:
    """The desk says the welcome gift was given, though no award gave it; that use alone has no award."""
    found = [*proof.breaches(), *recount.breaches()]
    assert [breach for breach in found if breach.table != "earning_capuse"] == []


def slip(place: Desk, number: str, at: datetime, member: Member | None = None) -> Slip:
    return Slip(
        store=place.store,
        member_id=(member or place.member).pk,
        channel=Transaction.Channel.COUNTER,
        amount_cents=68800,
        paid_at=at,
        number=number,
    )


def test_one_number_through_four_doors_at_one_instant_earns_once(place: Desk) -> None:
    user, at = factories.UserFactory.create(), desk.an_hour_ago().replace(second=0, microsecond=0)
    key, _text = partners.make_key(mall=place.mall, name="Till", by=None, now=clock.now())
    for turn, member in enumerate(place.regulars(12)):
        number = BILL.format(turn)
        body = {
            "number": number.lower(), "store": place.store.code, "amount_cents": 68800, "paid_at": at.isoformat(),
            "member": member.card_number,
        }  # fmt: skip
        row = files.cells(
            place,
            f" {number} ",
            member=member.card_number,
            paid_at=f"{at.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}",
        )
        job = files.checked(place, files.as_csv(row))
        receipts.approve(job=job, now=clock.now())

        at_once([
            partial(counter.save, slip=slip(place, number, at, member=member), token=number, by=user, now=clock.now()),
            partial(partners.take, key=key, idempotency_key=number, body=body, now=clock.now()),
            partial(receipts.run, job_id=job.pk, clock=clock.now),
            partial(_notice, place, number, at),
        ])  # fmt: skip

    earned = Award.objects.filter(points__gt=0)
    assert earned.count() == 12
    assert {award.points for award in earned} == {688}
    assert_sound()


@atomic
def _notice(place: Desk, number: str, at: datetime) -> None:
    purchase = place.shopper.purchase(68800, at=at, numbers={"PAYMENT": number})
    awards.earn(purchase=purchase, now=clock.now())


def test_one_form_sent_eight_times_at_once_is_one_entry(place: Desk) -> None:
    user, form = factories.UserFactory.create(), slip(place, "", desk.an_hour_ago())

    entries = at_once([partial(counter.save, slip=form, token="form", by=user, now=clock.now())] * 8)

    assert len({entry.pk for entry in entries}) == 1
    assert (CounterEntry.objects.count(), Transaction.objects.count(), place.balance) == (1, 1, 688)
    assert_sound()


def test_one_request_sent_eight_times_at_once_is_one_answer(place: Desk) -> None:
    key, _text = partners.make_key(mall=place.mall, name="Till", by=None, now=clock.now())
    body = {
        "number": "R-1", "store": place.store.code, "amount_cents": 68800,
        "paid_at": desk.an_hour_ago().isoformat(), "member": place.member.card_number,
    }  # fmt: skip

    answers = at_once([partial(partners.take, key=key, idempotency_key="1", body=body, now=clock.now())] * 8)

    assert len({answer.document["reference"] for answer in answers}) == 1
    assert (PartnerRequest.objects.count(), Transaction.objects.count(), place.balance) == (1, 1, 688)
    assert_sound()


def test_two_workers_at_one_file_import_each_row_once(place: Desk) -> None:
    job = files.checked(place, files.as_csv(*files.rows(place, 120)))
    receipts.approve(job=job, now=clock.now())

    at_once([partial(receipts.run, job_id=job.pk, clock=clock.now)] * 4)

    job.refresh_from_db()
    assert (job.state, job.done_count, Transaction.objects.count(), place.balances) == (
        "DONE",
        120,
        120,
        120 * 688,
    )
    assert_sound()


def gets_on(process: "subprocess.Popen[bytes]") -> bool:
    """Waits for a purchase more than there was; false if the import has ended by itself."""
    before = Transaction.objects.count()
    while process.poll() is None:
        if Transaction.objects.count() > before:
            return True
        time.sleep(0.02)
    return False


def test_a_file_whose_import_is_killed_again_and_again_equals_one_clean_run(
    place: Desk, fresh_database: Database, tmp_path: Path
) -> None:
    file, rows = tmp_path / "receipts.csv", 1000
    file.write_bytes(files.as_csv(*files.rows(place, rows)))
    command = [
        sys.executable, "manage.py", "import_receipts", str(file), "--mall", place.mall.tag,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "DATABASE_URL": fresh_database.url,
        "DATABASE_OWNER_URL": fresh_database.owner_url,
    }

    kills = 0
    while True:
        process = subprocess.Popen(command, env=environment, cwd=source.ROOT, stdout=subprocess.DEVNULL)
        if not gets_on(process):
            break
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() < 0

    job = ImportJob.objects.get()
    assert (process.returncode, kills > 0) == (0, True)
    assert (job.state, job.done_count, Transaction.objects.count()) == ("DONE", rows, rows)
    assert place.balances == rows * 688
    assert_sound()
