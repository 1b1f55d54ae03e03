"""A gateway that gives no answer is left alone but for a probe a minute, and what was withheld was no attempt."""

from typing import Any

import pytest
from django.db import connection

from alipayhk import passes
from alipayhk.models import Circuit, Credential
from members.models import Pass
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def long_waits(settings: Any) -> None:
    """On a slow machine a second attempt must not come due within the first round."""
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 600.0, 600.0, 600.0, 600.0, 600.0]


def broken(gateway: Gateway, *, cards: int) -> tuple[Credential, list[Pass]]:
    """A mall whose gateway refuses connections, after one round of calls."""
    credential = outbound.mall(gateway)
    Credential.objects.filter(pk=credential.pk).update(gateway_url="http://127.0.0.1:1")
    made = [outbound.member(credential, points=138) for _ in range(cards)]
    passes.notice_new()
    passes.drain()
    return credential, made


def let_a_minute_pass(credential: Credential) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alipayhk_circuit SET probe_at = probe_at - interval '61 seconds' WHERE credential_id = %s",
            [credential.pk],
        )


def test_nineteen_unknown_outcomes_in_a_row_change_nothing(gateway: Gateway) -> None:
    credential, _ = broken(gateway, cards=19)

    circuit = Circuit.objects.get(credential=credential)

    assert (circuit.unknowns_in_row, circuit.opened_at) == (19, None)


def test_twenty_unknown_outcomes_in_a_row_open_it_with_an_alarm(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    credential, made = broken(gateway, cards=20)
    late = outbound.member(credential)
    passes.notice_new()
    for card in made:
        outbound.hurry(card)

    calls = passes.drain()

    assert calls == 0
    assert Circuit.objects.get(credential=credential).opened_at is not None
    assert (outbound.update(late).attempts, outbound.outcomes(late)) == (0, [])
    assert {outbound.update(card).attempts for card in made} == {1}
    assert "only probes go out" in caplog.text


def test_a_success_in_between_starts_the_count_again(gateway: Gateway) -> None:
    credential, _ = broken(gateway, cards=15)
    Credential.objects.filter(pk=credential.pk).update(gateway_url=gateway.url)
    outbound.carded(credential)
    Credential.objects.filter(pk=credential.pk).update(gateway_url="http://127.0.0.1:1")
    for _ in range(10):
        outbound.member(credential)
    passes.notice_new()

    passes.drain()

    circuit = Circuit.objects.get(credential=credential)
    assert (circuit.unknowns_in_row, circuit.opened_at) == (10, None)


def test_one_probe_a_minute_goes_out(gateway: Gateway) -> None:
    credential, made = broken(gateway, cards=20)
    for card in made:
        outbound.hurry(card)
    let_a_minute_pass(credential)

    first, second = passes.drain(), passes.drain()

    assert (first, second) == (1, 0)
    assert sorted(outbound.update(card).attempts for card in made) == [1] * 19 + [2]


def test_other_malls_are_served_meanwhile(gateway: Gateway) -> None:
    broken(gateway, cards=20)

    wallet_pass = outbound.carded(outbound.mall(gateway), points=138)

    assert gateway.card(wallet_pass).points == 138


def test_an_answer_closes_it_and_spreads_what_was_withheld(gateway: Gateway) -> None:
    credential, made = broken(gateway, cards=25)
    Credential.objects.filter(pk=credential.pk).update(gateway_url=gateway.url)
    for card in made:
        outbound.hurry(card)
    let_a_minute_pass(credential)

    passes.drain()
    spread = [outbound.update(card).due_at for card in made]
    for card in made:
        outbound.hurry(card, 60)
    passes.drain()

    circuit = Circuit.objects.get(credential=credential)
    assert (circuit.unknowns_in_row, circuit.opened_at, circuit.probe_at) == (0, None, None)
    assert len(set(spread)) > 20
    assert [gateway.card(card).points for card in made] == [138] * 25


def test_a_probe_without_a_due_card_is_not_used_up(gateway: Gateway) -> None:
    credential, made = broken(gateway, cards=20)
    let_a_minute_pass(credential)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE alipayhk_passupdate SET due_at = due_at + interval '1 hour'")
    empty = passes.drain()
    outbound.hurry(made[0])

    calls = passes.drain()

    assert (empty, calls) == (0, 1)


def test_a_paused_template_is_not_probed(gateway: Gateway) -> None:
    credential, made = broken(gateway, cards=20)
    template: Any = credential.card_template
    template.paused_at, template.pause_code = made[0].joined_at, "PASS_TYPE_NOT_MATCH"
    template.save()
    for card in made:
        outbound.hurry(card)
    let_a_minute_pass(credential)

    calls = passes.drain()

    assert calls == 0
