"""A card follows points that no message moved: the counter's, the command's and the night's."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from alipayhk import passes
from loyalty.ledger import redemptions, tasks
from members.models import Pass
from pms import clock
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway
from tests.loyalty.ledger.spenders import Spender

pytestmark = pytest.mark.django_db


def shown(gateway: Gateway, wallet_pass: Pass) -> int | None:
    """What the card shows after the worker looked for changes, as it does every few seconds."""
    outbound.hurry(wallet_pass)
    passes.notice_changes()
    passes.drain()
    return gateway.card(wallet_pass).points or 0


def carded_spender(gateway: Gateway, *, points: int) -> tuple[Pass, Spender]:
    credential = outbound.mall(gateway)
    person = outbound.carded(credential)
    spender = Spender(person.member, credential.mall)
    spender.gets(points, expires_at=clock.now() + timedelta(days=10))
    passes.notice_changes(everything=True)
    return person, spender


def test_a_card_follows_a_reservation_its_confirmation_and_a_release(gateway: Gateway) -> None:
    wallet_pass, person = carded_spender(gateway, points=6000)

    first = person.reserves(2500, now=clock.now())
    reserved = shown(gateway, wallet_pass)
    redemptions.confirm(redemption=first, by=None, now=clock.now())
    confirmed = shown(gateway, wallet_pass)
    second = person.reserves(2500, now=clock.now())
    redemptions.release(redemption=second, by=None, now=clock.now())

    assert (reserved, confirmed, shown(gateway, wallet_pass)) == (3500, 3500, 3500)


def test_a_card_follows_the_counters_form(gateway: Gateway) -> None:
    wallet_pass, person = carded_spender(gateway, points=6000)
    client = Client()
    client.force_login(
        factories.MallStaffFactory.create(role="COUNTER", mall=person.mall, group=person.mall.group).user
    )

    client.post(
        reverse("admin:ledger_redemption_reserve", args=[person.member.pk]),
        {"points": 2500, "mall": person.mall.pk, "request_key": "form-1"},
    )

    assert shown(gateway, wallet_pass) == 3500


def test_a_card_follows_codes_that_nobody_confirmed(gateway: Gateway) -> None:
    wallet_pass, person = carded_spender(gateway, points=6000)
    person.reserves(2500, now=clock.now() - timedelta(hours=1))

    tasks.release_overdue_redemptions()

    assert shown(gateway, wallet_pass) == 6000


def test_a_card_follows_the_command_that_expires(gateway: Gateway) -> None:
    wallet_pass, person = carded_spender(gateway, points=6000)
    day = clock.now().astimezone(clock.HONG_KONG).date() + timedelta(days=11)

    call_command("expire", "--on", day.isoformat())

    assert (shown(gateway, wallet_pass), person.balance) == (0, 0)


def test_a_card_follows_the_end_of_a_hold(gateway: Gateway) -> None:
    wallet_pass, person = carded_spender(gateway, points=6000)
    person.gets(500, held_until_at=clock.now() - timedelta(seconds=1))

    tasks.release_holds()

    assert shown(gateway, wallet_pass) == 6500
