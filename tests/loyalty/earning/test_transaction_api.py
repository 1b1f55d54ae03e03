"""The explanation of a transaction by API: points, rules with versions, conditions, limits, reasons."""

from typing import Any

import pytest
from django.test import Client

from tests import factories
from tests.loyalty.earning.programs import Shopper, shopper

pytestmark = pytest.mark.django_db


def ask(person: Shopper, number: str, *, client: Client | None = None) -> tuple[int, dict[str, Any]]:
    mall = person.wallet_pass.mall
    if client is None:
        client = Client()
        staff = factories.MallStaffFactory.create(role="COUNTER", mall=mall, group=mall.group)
        client.force_login(staff.user)
    answer = client.get(f"/api/staff/v1/{mall.tag}/transactions/{number}")
    return answer.status_code, answer.json()


def test_what_was_earned_is_explained() -> None:
    person = shopper("lumina")
    person.pays(13890, numbers={"PAYMENT": "B77"})

    status, told = ask(person, "b77")

    assert (status, told["state"], told["points"], told["pending"]) == (200, "EARNED", 138, 0)
    assert told["rules"] == [{"rule": "R1", "version": 1, "points": 138}]
    assert {row["rule"] for row in told["rules_in_force"]} >= {"R1", "R2"}
    assert told["reasons"] == [
        {
            "code": "EARNED_BASE",
            "english": "138 points for spending HK$138.90.",
            "chinese": "消費 HK$138.90，獲 138 分。",
            "values": {"points": 138, "amount": "138.90"},
        }
    ]
    met = {row["condition"] for row in told["conditions"] if row["is_met"]}
    assert met >= {"MEMBER_OPEN", "CONSENT", "MIN_SPEND"}


def test_a_transaction_that_earned_nothing_says_which_condition_failed() -> None:
    person = shopper("lumina")
    person.pays(9999, numbers={"PAYMENT": "B77"})

    _status, told = ask(person, "B77")

    assert (told["state"], told["points"], told["reasons"][0]["code"]) == ("NOTHING", 0, "BELOW_MIN_SPEND")
    assert [row["condition"] for row in told["conditions"] if not row["is_met"]] == ["MIN_SPEND"]


def test_points_on_hold_and_refunds_are_told_apart() -> None:
    person = shopper("pier8")
    award = person.pays(10000, numbers={"PAYMENT": "B77"})
    person.is_refunded(award, 4000)

    _status, told = ask(person, "B77")

    assert (told["points"], told["pending"], told["earned"]) == (0, 100, 100)
    assert [(refund["points"], refund["reasons"][0]["code"]) for refund in told["refunds"]] == [
        (40, "REFUND_CLAWED_BACK")
    ]


def test_only_the_malls_own_staff_are_told() -> None:
    person = shopper("lumina")
    person.pays(13890, numbers={"PAYMENT": "B77"})
    stranger = Client()
    stranger.force_login(factories.MallStaffFactory.create(role="MANAGER").user)

    assert ask(person, "B77", client=stranger)[0] == 404
    assert ask(person, "B77", client=Client())[0] == 401


def test_a_number_nobody_knows_is_not_found() -> None:
    status, told = ask(shopper("lumina"), "NOPE")

    assert (status, told["error"]) == (404, "NOT_FOUND")
