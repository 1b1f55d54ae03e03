"""Which cards want to be called about, and who may call about one."""

from typing import Any

import pytest
from django.db import connection

from alipayhk import pass_queue, pass_results, passes
from alipayhk.answers import Outcome
from alipayhk.models import CardTemplate, PassCall, PassUpdate
from loyalty.ledger.models import PointAccount
from members.models import Member, Pass
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60.0, 3600.0


def test_points_that_nobody_announced_are_found_by_comparison(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138, is_wanted=False)
    PointAccount.objects.filter(member=wallet_pass.member).update(changed_at=factories.MOMENT)

    lately, ever = passes.notice_changes(), passes.notice_changes(everything=True)
    passes.drain()

    assert (lately, ever) == (0, 1)
    assert gateway.card(wallet_pass).points == 138


def test_balances_that_follow_each_other_go_out_two_seconds_apart(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))

    outbound.earn(wallet_pass, 1)
    outbound.earn(wallet_pass, 2)

    assert passes.drain() == 0
    assert outbound.waits(wallet_pass) == pytest.approx(2, abs=0.01)


def test_cards_of_closed_passes_and_members_leave_the_queue(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    closed, left = outbound.carded(credential), outbound.carded(credential)
    for card in (closed, left):
        outbound.hurry(card)
        outbound.earn(card, 138)
    Pass.objects.filter(pk=closed.pk).update(state=Pass.State.CLOSED)
    Member.objects.filter(pk=left.member_id).update(state=Member.State.CLOSED)

    calls = passes.drain()

    assert calls == 0
    assert [outbound.update(card).due_at for card in (closed, left)] == [None, None]
    assert [outbound.update(card).lease for card in (closed, left)] == [None, None]


def test_a_mall_without_a_template_has_its_cards_wait_for_it(gateway: Gateway) -> None:
    credential = outbound.mall(gateway)
    CardTemplate.objects.filter(credential=credential).delete()
    wallet_pass = outbound.member(credential, points=138)
    passes.notice_changes()
    outbound.earn(wallet_pass, 1)
    silent, waiting = passes.drain(), outbound.update(wallet_pass)

    template = factories.CardTemplateFactory.create(credential=credential)
    outbound.serve(gateway, credential, template)
    passes.notice_changes()
    passes.drain()

    assert (silent, waiting.due_at, waiting.last_code) == (0, None, "NO_CARD_TEMPLATE")
    assert gateway.card(wallet_pass).points == 139


def test_a_result_under_a_lease_that_ran_out_changes_nothing(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 100)
    (stale,) = pass_queue.claim(limit=1, busy=[])
    outbound.hurry(wallet_pass, 20)
    outbound.earn(wallet_pass, 38)
    passes.drain()
    settled = outbound.update(wallet_pass)

    pass_results.record([outbound.called(stale, Outcome.UNKNOWN, "TIMEOUT")])
    pass_results.record([outbound.called(stale, Outcome.DONE, "SUCCESS")])
    pass_results.record([outbound.called(stale, Outcome.PERMANENT_CARD, "PARAM_ILLEGAL")])

    assert PassUpdate.objects.values().get(pk=settled.pk) == outbound.vars_of(settled)
    assert (settled.acknowledged_version, settled.acknowledged_points) == (2, 138)
    assert PassCall.objects.filter(update=settled).count() == 5


def test_a_call_nobody_wrote_down_counts_as_an_uncertain_attempt(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 138)
    (lost,) = pass_queue.claim(limit=1, busy=[])
    while_leased = pass_queue.claim(limit=1, busy=[])
    outbound.hurry(wallet_pass, 16)

    (again,) = pass_queue.claim(limit=1, busy=[])

    assert (while_leased, lost.attempts, again.attempts) == ([], 0, 1)
    assert again.lease != lost.lease
    assert outbound.update(wallet_pass).confirmations_due == 2


def test_a_card_is_called_about_by_one_call_at_a_time(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    outbound.earn(wallet_pass, 100)
    (claimed,) = pass_queue.claim(limit=1, busy=[])

    outbound.earn(wallet_pass, 38)
    silent = passes.drain()
    pass_results.record([outbound.called(claimed, Outcome.DONE, "SUCCESS")])

    update = outbound.update(wallet_pass)
    assert silent == 0
    assert (update.wanted_version, update.acknowledged_version) == (2, 1)
    assert outbound.waits(wallet_pass) == pytest.approx(2, abs=0.01)


def test_what_a_webhook_wants_is_one_statement_and_touches_no_other_card(
    gateway: Gateway, django_assert_num_queries: Any
) -> None:
    credential = outbound.mall(gateway)
    mine, other = outbound.carded(credential), outbound.carded(credential)
    outbound.hurry(mine)

    with django_assert_num_queries(1), connection.cursor() as cursor:
        passes.want(cursor=cursor, member_id=mine.member_id, version=3)

    wanted, untouched = outbound.update(mine), outbound.update(other)
    assert wanted.wanted_version == 3
    assert wanted.due_at is not None
    assert (untouched.wanted_version, untouched.due_at) == (0, None)


def test_an_older_wish_changes_nothing(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway), points=138)
    before = outbound.vars_of(outbound.update(wallet_pass))

    with connection.cursor() as cursor:
        passes.want(cursor=cursor, member_id=wallet_pass.member_id, version=1)

    assert outbound.vars_of(outbound.update(wallet_pass)) == before


def test_a_card_goes_by_the_newest_client_until_it_is_made(gateway: Gateway) -> None:
    first = outbound.mall(gateway)
    made, waiting = outbound.carded(first), outbound.member(first)
    passes.notice_new()
    second = factories.CredentialFactory.create(mall=first.mall, gateway_url=gateway.url)
    outbound.give_keys(second, gateway.twin.keys)
    outbound.serve(gateway, second, factories.CardTemplateFactory.create(credential=second))

    passes.notice_changes(everything=True)

    assert outbound.update(made).credential == first
    assert outbound.update(waiting).credential == second
