"""Cards follow balances: the simulator's cards show what the ledger says, and staff put right what failed."""

from datetime import timedelta
from typing import Any

import pytest

from alipayhk import passes
from alipayhk.models import CardTemplate
from members.models import Pass
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60.0, 3600.0


def test_a_new_member_gets_one_card_that_shows_the_balance(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=138)

    noticed, calls = passes.notice_changes(), passes.drain()

    wallet_pass.refresh_from_db()
    card, update = gateway.card(wallet_pass), outbound.update(wallet_pass)
    assert (noticed, calls) == (1, 1)
    assert (card.points, card.pass_id, card.serial) == (138, wallet_pass.external_id, wallet_pass.serial)
    assert card.faces["zh_HK"]["$name$"] == wallet_pass.member.name
    assert wallet_pass.state == Pass.State.ACTIVE
    assert (update.acknowledged_version, update.acknowledged_points, update.due_at) == (1, 138, None)


def test_a_flat_template_names_the_locale_in_its_placeholders(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    CardTemplate.objects.filter(credential=credential).update(
        shape="FLAT", placeholders={"$points$": "balance", "$club$": "program_name"}
    )
    outbound.serve(gateway, credential, CardTemplate.objects.get(credential=credential))

    wallet_pass = outbound.carded(credential, points=138)

    card = gateway.card(wallet_pass)
    assert (card.points, card.faces["en_US"]["$club$"], card.faces["zh_HK"]["$club$"]) == (
        138,
        "Lumina Club",
        "朗曜會",
    )


def test_a_newer_balance_is_shown(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)

    outbound.earn(wallet_pass, 138)
    passes.drain()

    assert gateway.card(wallet_pass).points == 138
    assert outbound.update(wallet_pass).acknowledged_version == 1


def test_a_balance_is_read_when_it_is_sent(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 100)

    outbound.earn(wallet_pass, 38, is_wanted=False)
    passes.drain()

    update = outbound.update(wallet_pass)
    assert (update.wanted_version, update.acknowledged_version, update.due_at) == (2, 2, None)
    assert gateway.card(wallet_pass).points == 138


def test_staff_send_a_dead_letter_again(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138)
    outbound.fail(gateway, wallet_pass, 6)

    passes.send_again(update=outbound.update(wallet_pass), by=factories.UserFactory.create())
    passes.drain()

    assert list(passes.dead_letters()) == []
    assert gateway.card(wallet_pass).points == 138


def test_dead_letters_replayed_twice_end_at_the_right_balance(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    cards = [outbound.carded(credential) for _ in range(3)]
    for card in cards:
        outbound.hurry(card)
        outbound.earn(card, 138)
        outbound.fail(gateway, card, 6)

    first = passes.replay_dead()
    second = passes.replay_dead()
    calls = passes.drain()

    assert (first, second, calls) == (3, 0, 3)
    assert [gateway.card(card).points for card in cards] == [138] * 3
    assert [outbound.update(card).acknowledged_version for card in cards] == [1] * 3


def test_a_closed_card_is_not_sent_again(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    Pass.objects.filter(pk=wallet_pass.pk).update(state=Pass.State.CLOSED)

    with pytest.raises(passes.NotSendable):
        passes.send_again(update=outbound.update(wallet_pass), by=None)

    assert outbound.update(wallet_pass).due_at is None


def test_a_lost_answer_to_a_creation_makes_no_second_card(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=100)
    gateway.fault("reset_after", user_id=wallet_pass.user_id)
    passes.notice_new()
    passes.drain()
    outbound.earn(wallet_pass, 38)
    outbound.hurry(wallet_pass, 5)

    passes.drain()

    wallet_pass.refresh_from_db()
    assert wallet_pass.external_id == gateway.card(wallet_pass).pass_id
    assert gateway.card(wallet_pass).points == 138
    assert outbound.outcomes(wallet_pass) == ["UNKNOWN CONNECTION_LOST", "DONE PASS_HAS_EXIT", "DONE SUCCESS"]


def test_staff_give_a_card_its_id(gateway: Gateway) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=138)
    gateway.fault("pass_exists_without_id", user_id=wallet_pass.user_id)
    passes.notice_new()
    passes.drain()
    wallet_pass.refresh_from_db()
    assert wallet_pass.state == Pass.State.EXISTS_UNKNOWN

    found = gateway.card(wallet_pass).pass_id
    passes.set_external_id(update=outbound.update(wallet_pass), external_id=found, by=None)
    passes.drain()

    wallet_pass.refresh_from_db()
    assert (wallet_pass.state, wallet_pass.external_id) == (Pass.State.ACTIVE, found)
    assert outbound.outcomes(wallet_pass) == ["PERMANENT PASS_HAS_EXIT", "DONE SUCCESS"]


@pytest.mark.parametrize("external_id", ["", "a b", "x" * 65, "TAKEN"])
def test_an_id_that_cannot_be_is_refused(gateway: Gateway, external_id: str) -> None:
    credential = outbound.mall(gateway)
    other, wallet_pass = outbound.carded(credential), outbound.member(credential)
    passes.notice_new()
    given = other.external_id if external_id == "TAKEN" else external_id

    with pytest.raises(passes.ExternalIdRefused):
        passes.set_external_id(update=outbound.update(wallet_pass), external_id=given, by=None)

    wallet_pass.refresh_from_db()
    assert (wallet_pass.state, wallet_pass.external_id) == (Pass.State.WAITING, "")


def test_a_refused_card_is_tried_again_when_staff_say_so(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138)
    gateway.fault("permanent", user_id=wallet_pass.user_id, code="PASS_UPDATE_FAIL")
    passes.drain()
    wallet_pass.refresh_from_db()
    assert wallet_pass.state == Pass.State.INVALID

    outbound.earn(wallet_pass, 1)
    silent = passes.drain()
    passes.send_again(update=outbound.update(wallet_pass), by=None)
    passes.drain()

    wallet_pass.refresh_from_db()
    assert silent == 0
    assert wallet_pass.state == Pass.State.ACTIVE
    assert gateway.card(wallet_pass).points == 139


def test_a_paused_template_withholds_its_cards_until_staff_resume_it(gateway: Gateway) -> None:
    wrong, right = outbound.mall(gateway), outbound.mall(gateway)
    template = CardTemplate.objects.get(credential=wrong)
    CardTemplate.objects.filter(pk=template.pk).update(code="2020091119027102160530200000000")
    refused = outbound.member(wrong)
    passes.notice_new()
    passes.drain()
    withheld, other = outbound.member(wrong), outbound.member(right)
    passes.notice_new()
    calls = passes.drain()
    kept = outbound.update(withheld)
    CardTemplate.objects.filter(pk=template.pk).update(code=template.code)

    template.refresh_from_db()
    revived = passes.resume_template(template=template, by=None)
    passes.drain()

    assert (calls, kept.attempts, revived) == (1, 0, 1)
    assert kept.due_at is not None
    assert gateway.card(other).points == 0
    assert [gateway.card(card).points for card in (refused, withheld)] == [0, 0]
    template.refresh_from_db()
    assert (template.paused_at, template.pause_code) == (None, "")


def test_a_template_that_asks_for_an_unknown_word_is_paused_without_a_call(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    CardTemplate.objects.filter(credential=credential).update(placeholders={"$tier$": "tier"})
    wallet_pass = outbound.member(credential)
    passes.notice_new()

    passes.drain()

    assert gateway.calls(wallet_pass) == []
    assert CardTemplate.objects.get(credential=credential).pause_code == "PLACEHOLDER_UNKNOWN"


def test_a_very_skewed_application_clock_stops_no_card(gateway: Gateway, settings: Any) -> None:
    settings.CLOCK_OFFSET_SECONDS = int(timedelta(days=1).total_seconds())

    wallet_pass = outbound.carded(outbound.mall(gateway), points=138)

    assert gateway.card(wallet_pass).points == 138
