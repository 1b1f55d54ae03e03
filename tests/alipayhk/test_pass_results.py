"""What calls come to: acknowledged, tried again by the ladder, confirmed, given up."""

from typing import Any

import pytest

from alipayhk import pass_queue, pass_results, passes
from alipayhk.answers import Outcome
from alipayhk.models import PassCall, PassUpdate
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60.0, 3600.0


def test_attempts_follow_the_printed_ladder_and_end_as_a_dead_letter(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138)

    found = []
    for _ in range(5):
        outbound.fail(gateway, wallet_pass, 1)
        found.append(outbound.waits(wallet_pass))
    outbound.fail(gateway, wallet_pass, 1)

    update = outbound.update(wallet_pass)
    assert found == pytest.approx([2, 2, 2, 600, 1800], abs=0.3)
    assert all(wait >= least for wait, least in zip(found, [2, 2, 2, 600, 1800], strict=True))
    assert (update.attempts, update.due_at, update.last_code) == (6, None, "SYSTEM_ERROR")
    assert list(passes.dead_letters()) == [update]
    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"] + ["UNKNOWN SYSTEM_ERROR"] * 6
    assert gateway.card(wallet_pass).points == 0


def test_the_ladder_is_as_long_as_the_setting_says(gateway: Gateway, settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 0.02]
    wallet_pass = outbound.member(outbound.mall(gateway))
    gateway.fault("system_error_before", user_id=wallet_pass.user_id, times=2)
    passes.notice_new()

    calls = passes.drain(linger=1.0)

    assert calls == 2
    assert outbound.update(wallet_pass).dead_at is not None


def test_a_newer_balance_hurries_the_quick_attempts_but_not_the_long_waits(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 1)
    outbound.fail(gateway, wallet_pass, 3)
    outbound.earn(wallet_pass, 1)
    early = outbound.waits(wallet_pass)

    outbound.fail(gateway, wallet_pass, 1)
    outbound.earn(wallet_pass, 1)

    assert early == pytest.approx(2, abs=0.3)
    assert outbound.waits(wallet_pass) == pytest.approx(600, abs=0.3)
    assert outbound.update(wallet_pass).wanted_version == 3


def test_a_dead_letter_starts_again_by_a_newer_balance(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 100)
    outbound.fail(gateway, wallet_pass, 6)

    outbound.earn(wallet_pass, 38)
    calls = passes.drain()

    update = outbound.update(wallet_pass)
    assert calls == 1
    assert (update.attempts, update.dead_at, update.acknowledged_version) == (0, None, 2)
    assert gateway.card(wallet_pass).points == 138


def test_a_balance_that_came_during_the_last_attempt_is_not_buried_with_it(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 1)
    outbound.fail(gateway, wallet_pass, 5)
    outbound.hurry(wallet_pass)
    (claimed,) = pass_queue.claim(limit=1, busy=[])

    outbound.earn(wallet_pass, 1)
    pass_results.record([outbound.called(claimed, Outcome.UNKNOWN, "TIMEOUT")])

    update = outbound.update(wallet_pass)
    assert (update.attempts, update.dead_at) == (0, None)
    assert update.due_at is not None


def test_an_uncertain_call_is_confirmed_twice_by_the_then_current_balance(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138)
    outbound.fail(gateway, wallet_pass, 1)
    outbound.hurry(wallet_pass, 10)

    passes.drain()
    first_wait = outbound.waits(wallet_pass)
    outbound.earn(wallet_pass, 1)
    outbound.hurry(wallet_pass, 3)
    passes.drain()
    remaining = outbound.update(wallet_pass)
    outbound.hurry(wallet_pass, MINUTE)
    passes.drain()
    second_wait = outbound.waits(wallet_pass)
    outbound.hurry(wallet_pass, HOUR)
    passes.drain()

    update = outbound.update(wallet_pass)
    assert first_wait == pytest.approx(60, abs=1)
    assert remaining.confirmations_due == 2
    assert remaining.due_at == remaining.confirm_at
    assert second_wait == pytest.approx(540, abs=1)
    assert (update.confirmations_due, update.confirm_at, update.due_at) == (0, None, None)
    assert [entry["points"] for entry in gateway.card(wallet_pass).history] == [0, 138, 139, 139, 139]


def test_a_call_applied_late_does_not_have_the_last_word(gateway: Gateway, settings: Any) -> None:
    settings.ALIPAYHK_SETTLE_SECONDS = 0.2
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 100)
    gateway.fault("apply_late", user_id=wallet_pass.user_id, seconds=5.6)
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 0.0, 2.0]

    outbound_calls = passes.drain()
    outbound.earn(wallet_pass, 38)
    passes.drain(linger=2.2)

    assert outbound_calls == 2
    assert gateway.card(wallet_pass).points == 138
    assert outbound.update(wallet_pass).acknowledged_points == 138


def test_an_older_acknowledgement_does_not_take_a_newer_one_back(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway), points=138)
    PassUpdate.objects.filter(wallet_pass=wallet_pass).update(
        acknowledged_version=7, acknowledged_points=700, wanted_version=7
    )
    passes.send_again(update=outbound.update(wallet_pass), by=None)

    passes.drain()

    update = outbound.update(wallet_pass)
    assert (update.acknowledged_version, update.acknowledged_points) == (7, 700)


def test_calls_are_kept_with_bodies_and_without_secrets(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway), points=138)

    call = PassCall.objects.get(update__wallet_pass=wallet_pass)

    assert (call.api, call.attempt, call.version, call.points) == ("createPass", 1, 1, 138)
    assert (call.http_status, call.code, len(call.tracer_id)) == (200, "SUCCESS", 32)
    assert wallet_pass.serial in call.request_body
    assert wallet_pass.external_id in call.answer_body
    assert "keyVersion" not in str(vars(call))
