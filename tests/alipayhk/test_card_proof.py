"""The proof of the cards: nothing is acknowledged that the account does not say."""

import pytest

from alipayhk import card_proof
from tests.factories import PassFactory, PassUpdateFactory, PointAccountFactory

pytestmark = pytest.mark.django_db


def card(**progress: int) -> int:
    wallet_pass = PassFactory.create(active=True)
    PointAccountFactory.create(member=wallet_pass.member, balance=138, version=2)
    return int(PassUpdateFactory.create(wallet_pass=wallet_pass, **progress).pk)


def found() -> list[str]:
    return [str(breach) for breach in card_proof.breaches()]


def test_cards_that_follow_their_accounts_break_nothing() -> None:
    card(wanted_version=2, acknowledged_version=2, acknowledged_points=138)
    card(wanted_version=2, acknowledged_version=1, acknowledged_points=60)
    card(wanted_version=0)

    assert found() == []
    assert card_proof.counts() == {"cards": 3}


def test_a_version_that_the_account_never_had_is_named() -> None:
    update = card(wanted_version=3, acknowledged_version=3, acknowledged_points=138)

    sentence = "version 3 is acknowledged, version 3 is wanted, the account is at 2."
    assert found() == [f"alipayhk_passupdate {update}: {sentence}"]


def test_other_points_under_the_newest_version_are_named() -> None:
    update = card(wanted_version=2, acknowledged_version=2, acknowledged_points=137)

    sentence = "the newest version is acknowledged with 137 points, the balance is 138."
    assert found() == [f"alipayhk_passupdate {update}: {sentence}"]
