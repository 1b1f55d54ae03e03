"""What Celery runs is one call into the domain, takes nothing, and may run as often as it likes."""

import pytest
from django.db import connection

from alipayhk import tasks
from pms import clock
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("task", [tasks.push_passes, tasks.sweep, tasks.notice_all_changes])
def test_every_task_brings_a_new_card_up_to_date(gateway: Gateway, task: object) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=138)

    task()  # type: ignore[operator]
    task()  # type: ignore[operator]

    assert gateway.card(wallet_pass).points == 138
    assert len(gateway.calls(wallet_pass)) == 1


def test_the_sweep_finds_points_that_nobody_announced(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    account = wallet_pass.member.account
    account.balance, account.version, account.changed_at = 138, 1, clock.now()
    account.save()

    tasks.sweep()

    assert gateway.card(wallet_pass).points == 138


def test_the_full_comparison_finds_what_was_missed_long_ago(gateway: Gateway) -> None:
    wallet_pass = outbound.carded(outbound.mall(gateway))
    outbound.hurry(wallet_pass)
    account = wallet_pass.member.account
    account.balance, account.version, account.changed_at = 138, 1, factories.MOMENT
    account.save()

    tasks.notice_all_changes()

    assert gateway.card(wallet_pass).points == 138


def test_a_push_too_many_leaves_word_instead_of_asking_the_same_table() -> None:
    pushes = tasks._Pushes()
    begun = [pushes.begin() for _ in range(3)]

    ended = [pushes.end() for _ in range(3)]

    assert begun == [True, True, False]
    assert ended == [False, True, True]
    assert pushes.begin()


def test_a_push_that_failed_makes_room_for_the_next(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet_pass = outbound.member(outbound.mall(gateway), points=138)
    with monkeypatch.context() as broken:
        broken.setattr(connection, "cursor", lambda: 1 / 0)
        for _ in range(tasks.MOST_PUSHES + 1):
            with pytest.raises(ZeroDivisionError):
                tasks.push_passes()

    tasks.push_passes()

    assert gateway.card(wallet_pass).points == 138
