"""Cards follow balances: the simulator's cards show what the ledger says."""

import pytest

from alipayhk import passes
from members.models import Pass
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db


def test_a_new_member_gets_one_card_that_shows_the_balance(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=138)

    noticed, calls = passes.notice_changes(), passes.drain()

    wallet_pass.refresh_from_db()
    card, update = gateway.card(wallet_pass), outbound.update(wallet_pass)
    assert (noticed, calls) == (1, 1)
    assert (card.points, card.pass_id, card.serial) == (138, wallet_pass.external_id, wallet_pass.serial)
    assert wallet_pass.state == Pass.State.ACTIVE
    assert (update.acknowledged_version, update.acknowledged_points, update.due_at) == (1, 138, None)


def test_a_newer_balance_is_shown(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)

    outbound.earn(wallet_pass, 138)
    passes.drain()

    assert gateway.card(wallet_pass).points == 138
    assert outbound.update(wallet_pass).acknowledged_version == 1
