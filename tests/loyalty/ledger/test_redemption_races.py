"""Redemptions that meet other work on one account at one instant (B210), on a database of the test's own."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.test import Client
from django.urls import reverse

from loyalty.ledger import expiry, redemptions
from loyalty.ledger.models import PointAccount, PointLot, Posting, Redemption
from loyalty.ledger.redemptions import RedemptionRefused
from tests import factories
from tests.loyalty.ledger.spenders import LATER, NOON, breaches, end_of, spender

pytestmark = pytest.mark.usefixtures("fresh_database")

SOON = end_of(2026, 4, 30)
TOO_LATE = NOON + timedelta(seconds=61)
Work = Callable[[], object]


def at_once(*works: Work) -> list[str]:
    """Each in a thread of its own at one instant; what came of it: `done`, or the code of its refusal."""
    barrier = Barrier(len(works))

    def done(work: Work) -> str:
        barrier.wait()
        try:
            work()
        except RedemptionRefused as refusal:
            return refusal.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(done, works))


def test_of_two_redemptions_for_the_last_points_one_wins() -> None:
    person = spender()
    person.gets(100)

    outcomes = at_once(lambda: person.reserves(80), lambda: person.reserves(80))

    assert outcomes == ["INSUFFICIENT_POINTS", "done"]
    assert (person.balance, person.lots, Redemption.objects.count()) == (20, [20], 1)
    assert breaches() == []


def test_ten_redemptions_at_once_never_spend_more_than_is_there() -> None:
    person = spender()
    for _ in range(7):
        person.gets(10, expires_at=SOON)

    outcomes = at_once(*[lambda: person.reserves(20)] * 10)

    assert (outcomes.count("done"), outcomes.count("INSUFFICIENT_POINTS")) == (3, 7)
    assert (person.balance, sum(person.lots), person.total_of("RESERVED")) == (10, 10, 60)
    assert breaches() == []


def test_one_request_sent_twice_at_once_is_one_redemption() -> None:
    person = spender()
    person.gets(100)
    wish = person.wish(40, request_key="till-7/42")

    outcomes = at_once(*[lambda: redemptions.reserve(wish=wish, by=None, now=NOON)] * 4)

    assert outcomes == ["done"] * 4
    assert (person.balance, Redemption.objects.count()) == (60, 1)


def test_a_code_confirmed_by_two_counters_at_once_is_confirmed_once() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(80)

    outcomes = at_once(*[lambda: redemptions.confirm(redemption=redemption, by=None, now=LATER)] * 2)

    assert outcomes == ["REDEMPTION_ENDED", "done"]
    assert (person.balance, person.total_of("REDEEMED"), person.total_of("RESERVED")) == (20, 80, 0)
    assert breaches() == []


def test_a_code_confirmed_and_released_at_once_ends_one_way() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(80)

    outcomes = at_once(
        lambda: redemptions.confirm(redemption=redemption, by=None, now=LATER),
        lambda: redemptions.release(redemption=redemption, by=None, now=LATER),
    )

    ended = Redemption.objects.get()
    assert outcomes == ["REDEMPTION_ENDED", "done"]
    assert (person.balance, person.total_of("REDEEMED")) == {"CONFIRMED": (20, 80), "RELEASED": (100, 0)}[
        ended.state
    ]
    assert breaches() == []


def test_overdue_codes_are_released_once_by_two_workers_at_once() -> None:
    person = spender()
    person.gets(100)
    for _ in range(5):
        person.reserves(10)

    at_once(*[lambda: redemptions.release_overdue(now=TOO_LATE)] * 2)

    assert (person.balance, person.lots) == (100, [100])
    assert Posting.objects.filter(kind="UNRESERVE").count() == 5
    assert breaches() == []


def test_a_redemption_and_a_claw_back_at_once_leave_the_books_whole() -> None:
    """Whichever is first: the redemption finds too little, or the balance goes below zero."""
    person = spender()
    person.gets(100)

    outcomes = at_once(lambda: person.reserves(80), lambda: person.loses(50))

    assert outcomes in (["done", "done"], ["INSUFFICIENT_POINTS", "done"])
    assert person.balance == (-30 if outcomes[0] == "done" else 50)
    assert breaches() == []


def test_a_redemption_and_the_nights_expiry_at_once_spend_no_point_twice() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.gets(50)

    at_once(lambda: person.reserves(80, now=SOON), lambda: expiry.expire(now=SOON + timedelta(seconds=1)))

    assert person.balance in (50, 150 - 80 - 20)
    assert person.total_of("EXPIRED") + person.total_of("RESERVED") + person.balance == 150
    assert breaches() == []


def test_two_nightly_jobs_at_once_expire_every_lot_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 3)
    people = [spender() for _ in range(4)]
    for person in people:
        person.gets(10, expires_at=SOON)
        person.gets(20, expires_at=SOON)

    at_once(*[lambda: expiry.expire(now=SOON + timedelta(seconds=1))] * 3)
    expiry.expire(now=SOON + timedelta(seconds=1))

    assert [person.balance for person in people] == [0] * 4
    assert Posting.objects.filter(kind="EXPIRE").count() == 8
    assert breaches() == []


def test_two_workers_free_a_hold_once() -> None:
    person = spender()
    person.gets(100, held_until_at=NOON)

    at_once(*[lambda: expiry.release(now=NOON)] * 3)

    assert (person.balance, person.account.pending.balance) == (100, 0)
    assert Posting.objects.filter(kind="RELEASE").count() == 1


def test_a_till_is_told_when_the_account_is_held_by_somebody_else() -> None:
    """As on the web server, where nobody waits longer than a lock is worth."""
    person = spender()
    person.gets(100)
    staff = factories.MallStaffFactory.create(role="COUNTER", mall=person.mall, group=person.mall.group)
    client = Client()
    client.force_login(staff.user)
    body = {"member": person.member.card_number, "points": 10}

    with held(person.account.pk):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        api = client.post(
            f"/api/staff/v1/{person.mall.tag}/redemptions", body, content_type="application/json"
        )
        desk = client.post(
            reverse("admin:ledger_redemption_reserve", args=[person.member.pk]),
            {"points": 10, "mall": person.mall.pk, "request_key": "k"},
            follow=True,
        )

    assert (api.status_code, api.json()["error"]) == (503, "BUSY")
    assert "Nothing was changed; try again." in desk.content.decode()
    assert (person.balance, Redemption.objects.count()) == (100, 0)


@contextmanager
def held(account_id: int) -> Iterator[None]:
    """Another connection holds the account's lock."""
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["DATABASE_OWNER_URL"])._replace(path=f"/{name}").geturl()
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM ledger_pointaccount WHERE id = %s FOR NO KEY UPDATE", [account_id])
        yield


def test_the_database_itself_keeps_a_redemption_within_the_balance() -> None:
    """Behind the program's back: no points to take, and a row that says otherwise."""
    person = spender()
    PointAccount.objects.filter(pk=person.account.pk).update(balance=-1)

    with pytest.raises(IntegrityError, match="more than the balance"), atomic():
        factories.RedemptionFactory.create(account=person.account, mall=person.mall)

    assert Redemption.objects.count() == 0


def test_the_database_itself_asks_for_the_parts_of_a_redemption() -> None:
    person = spender()

    with pytest.raises(IntegrityError, match="differs from its parts"), atomic():
        factories.RedemptionFactory.create(account=person.account, mall=person.mall, parts=None)

    assert (Redemption.objects.count(), PointLot.objects.count()) == (0, 0)
