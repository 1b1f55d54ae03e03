"""What `state` shows: the shape that black-box tests read, the counts, and whose lists are added."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from alipayhk import state
from alipayhk.models import Notification
from alipayhk.state import Wanted
from loyalty.earning.models import Transaction
from members.models import Pass
from tests.factories import (
    MOMENT,
    NotificationFactory,
    PassFactory,
    PassUpdateFactory,
    PointAccountFactory,
    TransactionFactory,
)
from tests.loyalty.earning.plain import LUMINA, Shopper, shopper

pytestmark = pytest.mark.django_db


def read(**wanted: Any) -> dict[str, Any]:
    return state.read(now=MOMENT, wanted=Wanted(**wanted))


def bought(member: Shopper, cents: int, **facts: Any) -> Transaction:
    return Transaction.objects.get(pk=member.pays(cents, **facts).transaction_id or 0)


def test_an_empty_installation_has_counts_and_no_lists() -> None:
    assert read() == {
        "at": "2026-05-04T04:00:00+00:00",
        "notifications": {"PROCESSED": 0, "PARKED": 0, "CONFLICT": 0, "REJECTED": 0, "repeats": 0},
        "queues": {"passes_behind": 0, "oldest_behind_seconds": 0, "parked": 0, "dead_letters": 0},
    }


def test_notifications_are_counted_by_state_with_their_repeats() -> None:
    NotificationFactory.create_batch(3, repeats=2)
    NotificationFactory.create_batch(2, parked=True)
    NotificationFactory.create(state=Notification.State.REJECTED, repeats=1)

    found = read()

    assert found["notifications"] == {"PROCESSED": 3, "PARKED": 2, "CONFLICT": 0, "REJECTED": 1, "repeats": 7}
    assert found["queues"]["parked"] == 2


def card(*, version: int, acknowledged: int | None, minutes: int = 0, **fields: Any) -> Pass:
    wallet_pass = PassFactory.create(**{"active": True} | fields)
    changed_at = MOMENT - timedelta(minutes=minutes)
    PointAccountFactory.create(member=wallet_pass.member, version=version, changed_at=changed_at)
    PassUpdateFactory.create(
        wallet_pass=wallet_pass, wanted_version=version, acknowledged_version=acknowledged
    )
    return wallet_pass


def test_cards_behind_their_accounts_are_counted_with_the_oldest_wait() -> None:
    card(version=2, acknowledged=2, minutes=90)
    card(version=2, acknowledged=1, minutes=2)
    card(version=0, acknowledged=None, active=False, minutes=3)
    card(version=5, acknowledged=1, minutes=60, active=False, state=Pass.State.CLOSED)

    queues = read()["queues"]

    assert queues["passes_behind"] == 2
    assert queues["oldest_behind_seconds"] == 180


def test_dead_letters_are_counted() -> None:
    PassUpdateFactory.create(dead_at=MOMENT)

    assert read()["queues"]["dead_letters"] == 1


def test_a_member_is_shown_with_balance_card_and_transactions() -> None:
    member = shopper(LUMINA)
    transaction = bought(member, 13890)
    member.is_refunded(transaction, 6000)
    PassUpdateFactory.create(
        wallet_pass=member.wallet_pass,
        wanted_version=2,
        acknowledged_version=1,
        acknowledged_points=138,
        attempts=3,
        due_at=MOMENT,
        last_code="SYSTEM_ERROR",
    )

    found = read(member=member.wallet_pass.user_id)

    assert found["members"] == [
        {
            "user_ids": [member.wallet_pass.user_id],
            "balance": 0,
            "pending": 0,
            "uncollected": 0,
            "entries_sum": 0,
            "version": 2,
            "passes": [
                {
                    "pass_id": member.wallet_pass.external_id,
                    "state": "ACTIVE",
                    "acknowledged_version": 1,
                    "acknowledged_points": 138,
                    "attempts": 3,
                    "due_at": "2026-05-04T04:00:00+00:00",
                    "last_code": "SYSTEM_ERROR",
                }
            ],
        }
    ]
    assert found["transactions"] == [
        {
            "numbers": {"PAYMENT": transaction.payment_number},
            "channel": "WALLET",
            "state": "EARNED",
            "amount_cents": 13890,
            "refunds": [{"number": "R2", "amount_cents": 6000, "points": 138}],
            "points": 138,
            "reasons": ["EARNED_BASE"],
        }
    ]


def test_a_card_that_nobody_acknowledged_shows_zeros() -> None:
    wallet_pass = card(version=0, acknowledged=None, active=False)

    [member] = read(member=wallet_pass.user_id)["members"]

    assert member["passes"] == [
        {
            "pass_id": "",
            "state": "WAITING",
            "acknowledged_version": 0,
            "acknowledged_points": 0,
            "attempts": 0,
            "due_at": None,
            "last_code": "",
        }
    ]


@pytest.mark.parametrize("number", ["B-100", "b-100", "CN-100", "OUT-100"])
def test_a_transaction_is_found_by_any_of_its_numbers(number: str) -> None:
    member = shopper(LUMINA)
    member.pays(13890, numbers={"PAYMENT": "B-100", "MAINLAND": "CN-100", "ACQUIRER": "OUT-100"})
    member.pays(13890)

    found = read(transaction=number)

    assert [row["numbers"]["PAYMENT"] for row in found["transactions"]] == ["B-100"]
    assert [row["balance"] for row in found["members"]] == [276]


def test_a_duplicate_is_shown_beside_the_one_that_earned() -> None:
    member = shopper(LUMINA)
    member.pays(13890, numbers={"PAYMENT": "B-100"})
    member.pays(13890, numbers={"PAYMENT": "B-100"})

    found = read(transaction="B-100")["transactions"]

    assert [(row["state"], row["points"], row["reasons"]) for row in found] == [
        ("EARNED", 138, ["EARNED_BASE"]),
        ("DUPLICATE", 0, ["DUPLICATE_NUMBER"]),
    ]


def test_a_parked_transaction_says_what_its_notification_waits_for() -> None:
    transaction = TransactionFactory.create(state="PARKED", store=None)
    NotificationFactory.create(
        parked=True, reason="PARKED_UNKNOWN_STORE", mall=transaction.mall, transaction=transaction
    )

    [row] = read(transaction=transaction.payment_number)["transactions"]

    assert (row["state"], row["points"], row["reasons"]) == ("PARKED", 0, ["PARKED_UNKNOWN_STORE"])


def test_notifications_are_found_by_their_number() -> None:
    notice = NotificationFactory.create(key="B100", repeats=2)
    NotificationFactory.create(key="B100:R7", kind="REFUND", mall=notice.mall)
    NotificationFactory.create(key="B1001")

    by_payment = read(notification="b100")["notifications_found"]
    by_refund = read(notification="R7")["notifications_found"]

    assert [row["number"] for row in by_payment] == ["B100", "B100:R7"]
    assert [row["number"] for row in by_refund] == ["B100:R7"]
    assert by_payment[0] == {
        "number": "B100",
        "kind": "BILL",
        "state": "PROCESSED",
        "reason": "",
        "waits_for": "",
        "repeats": 2,
    }


def test_a_found_notification_brings_its_transaction_and_member() -> None:
    member = shopper(LUMINA)
    transaction = bought(member, 13890)
    NotificationFactory.create(key="B100", mall=transaction.mall, transaction=transaction)

    found = read(notification="B100")

    assert [row["points"] for row in found["transactions"]] == [138]
    assert [row["balance"] for row in found["members"]] == [138]


def test_who_is_not_known_has_empty_lists() -> None:
    shopper(LUMINA).pays(13890)

    found = read(member="2160000000000000")

    assert (found["members"], found["transactions"]) == ([], [])
    assert "notifications_found" not in found


def test_all_lists_need_a_fixed_number_of_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(5):
        shopper(LUMINA).pays(13890)

    with django_assert_max_num_queries(16):
        found = read(is_all=True)

    assert len(found["members"]) == len(found["transactions"]) == 5
