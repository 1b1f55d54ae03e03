"""What one request changes about a card while another waits for it: the second decides on what the first one left."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic

from members import enrollment, registering
from members.models import Consent, Pass
from members.registering import RegistrationForm
from tests import factories
from tests.databases import Database

pytestmark = pytest.mark.timeout(120)
NOW = factories.MOMENT
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def wallet_pass(fresh_database: Database) -> Iterator[Pass]:
    mall = factories.MallFactory.create()
    factories.ProgramFactory.create(group=mall.group)
    made, _ = enrollment.enter(mall=mall, wallet="ALIPAYHK", user_id="2160120037098191", now=NOW)
    yield made
    connection.close()


@contextmanager
def meanwhile(call: Callable[[], Any]) -> Iterator[Future[Any]]:
    """The block's changes are committed once `call`, on a connection of its own, waits for them."""

    def run() -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with atomic():
            yield (told := pool.submit(run))
            _until_it_waits(told)
        told.result()


def _until_it_waits(told: Future[Any]) -> None:
    until = time.monotonic() + 20
    with connection.cursor() as cursor:
        while not told.done() and time.monotonic() < until:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return
    raise AssertionError("the other one never waited")


def agree(wallet_pass: Pass, version: str) -> Consent:
    return enrollment.give_consent(wallet_pass=wallet_pass, text_version=version, evidence="test", now=NOW)


def test_a_card_whose_member_is_just_getting_a_payment_does_not_pass_to_another(wallet_pass: Pass) -> None:
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234567")
    form = RegistrationForm(name="Chan Mei", phone=earlier.phone, card_number=earlier.card_number)

    with meanwhile(lambda: registering.register(wallet_pass=wallet_pass, form=form, now=NOW)) as told:
        Pass.objects.select_for_update(no_key=True).get(pk=wallet_pass.pk)
        factories.TransactionFactory.create(member=wallet_pass.member)

    assert told.result() == wallet_pass.member == Pass.objects.get(pk=wallet_pass.pk).member != earlier


def test_who_withdraws_while_a_newer_text_is_agreed_to_ends_that_one(wallet_pass: Pass) -> None:
    agree(wallet_pass, "1")

    with meanwhile(lambda: enrollment.withdraw(wallet_pass=wallet_pass, now=NOW)):
        agree(wallet_pass, "2")

    assert not Consent.objects.filter(ended_at=None).exists()
    assert Consent.objects.get(text_version="2").ended_reason == "MEMBER"


def test_a_sign_in_does_not_reopen_what_the_member_is_just_withdrawing(wallet_pass: Pass) -> None:
    sign_in: dict[str, Any] = {"text_version": "1", "evidence": "sign-in", "now": NOW}

    with meanwhile(lambda: enrollment.heed_authorization(wallet_pass=wallet_pass, **sign_in)) as told:
        agree(wallet_pass, "1")
        enrollment.withdraw(wallet_pass=wallet_pass, now=NOW)

    assert told.result() is False
    assert not Consent.objects.filter(ended_at=None).exists()
