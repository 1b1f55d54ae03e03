"""What the beat starts for the ledger: each may run at any time and twice."""

from datetime import timedelta

import pytest

from loyalty.ledger import tasks
from loyalty.ledger.models import ExpiryNotice
from pms import clock
from tests.loyalty.ledger.spenders import breaches, spender, untouched

pytestmark = pytest.mark.django_db


def test_a_hold_that_is_over_ends() -> None:
    person = spender()
    person.gets(100, held_until_at=clock.now() - timedelta(seconds=1))
    person.gets(50, held_until_at=clock.now() + timedelta(hours=1))

    tasks.release_holds()
    tasks.release_holds()

    assert (person.balance, person.account.pending.balance) == (100, 50)


def test_codes_nobody_confirmed_give_their_points_back() -> None:
    person = spender()
    person.gets(100)
    person.reserves(40, now=clock.now() - timedelta(seconds=61))
    person.reserves(10, now=clock.now())

    tasks.release_overdue_redemptions()
    tasks.release_overdue_redemptions()

    assert (person.balance, person.total_of("RESERVED")) == (90, 10)


def test_the_night_frees_expires_and_warns_once() -> None:
    person = spender()
    now = clock.now()
    person.gets(100, expires_at=now - timedelta(seconds=1), held_until_at=now - timedelta(days=1))
    person.gets(50, expires_at=now + timedelta(hours=1))

    tasks.expire_and_warn()
    before = untouched()
    tasks.expire_and_warn()

    assert (person.balance, person.account.pending.balance, person.total_of("EXPIRED")) == (50, 0, 100)
    assert (ExpiryNotice.objects.count(), untouched(), breaches()) == (1, before, [])
