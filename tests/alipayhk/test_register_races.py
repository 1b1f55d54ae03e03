"""A payment and a registration that moves the payer's card, in the same moment: no points on a member who is gone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic

from alipayhk import miniapp
from alipayhk.models import PassUpdate
from loyalty.earning import awards
from loyalty.earning.models import Award, Transaction
from members.models import Member, Pass
from members.registering import RegistrationForm
from tests import factories
from tests.databases import Database
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def payer(fresh_database: Database) -> Iterator[Shopper]:
    yield shopper("lumina")
    connection.close()


def alone(call: Callable[[], Any]) -> Any:
    """On a connection of its own."""
    try:
        with atomic():
            return call()
    finally:
        connection.close()


def wait_for_lock() -> None:
    """Until somebody in this database waits for an advisory lock."""
    waiting = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def claim(payer: Shopper, earlier: Member) -> Member:
    form = RegistrationForm(name="Chan", phone=earlier.phone, card_number=earlier.card_number)
    card = Pass.objects.get(pk=payer.wallet_pass.pk)
    return miniapp.register(wallet_pass=card, form=form, now=TUESDAY)


def test_a_payment_that_waited_for_a_registration_is_asked_again_and_earns_for_the_member_who_has_the_card_now(
    payer: Shopper,
) -> None:
    earlier = factories.MemberFactory.create(program=payer.wallet_pass.program, phone="+85261234567")
    with ThreadPoolExecutor(1) as pool:
        with atomic():
            claim(payer, earlier)
            paid: Future[Any] = pool.submit(alone, lambda: payer.pays(10_000))
            wait_for_lock()

        with pytest.raises(awards.Overtaken):
            paid.result(timeout=30)
    assert not Transaction.objects.exists()

    with atomic():
        again = payer.pays(10_000)

    assert again.transaction.member == earlier
    assert again.points >= 100


def test_a_registration_that_meets_the_answer_to_its_card_is_kept_all_the_same(payer: Shopper) -> None:
    form = RegistrationForm(name="Chan Mei", phone="+85261234567")
    update, is_held, is_let_go = (
        factories.PassUpdateFactory.create(wallet_pass=payer.wallet_pass),
        Event(),
        Event(),
    )

    def record() -> None:
        PassUpdate.objects.select_for_update().get(pk=update.pk)
        is_held.set()
        is_let_go.wait(0.6)

    with ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(alone, record)
        is_held.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")  # as web has it
        member = miniapp.register(wallet_pass=payer.wallet_pass, form=form, now=TUESDAY)
        is_let_go.set()
        recorded.result(timeout=30)

    member.refresh_from_db()
    assert (member.name, member.registered_at) == ("Chan Mei", TUESDAY)


def test_a_registration_waits_for_a_payment_under_way_and_then_leaves_the_card_where_it_is(
    payer: Shopper,
) -> None:
    blank = payer.wallet_pass.member
    earlier = factories.MemberFactory.create(program=payer.wallet_pass.program, phone="+85261234567")
    with ThreadPoolExecutor(1) as pool:
        with atomic():
            payer.pays(10_000)
            registered = pool.submit(alone, lambda: claim(payer, earlier))
            wait_for_lock()
        member = registered.result(timeout=30)

    assert member == blank == Pass.objects.get().member
    assert member.state == Member.State.ACTIVE
    assert Award.objects.get().transaction.member == blank
