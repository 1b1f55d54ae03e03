"""Redeeming by API: what a till may ask, for whom, and the code it gets when it is refused."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from loyalty.ledger import redemptions
from loyalty.ledger.models import Redemption
from pms import clock
from tests import factories
from tests.loyalty.ledger.spenders import Spender, spender, untouched

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Spender:
    someone = spender()
    factories.PassFactory.create(member=someone.member, mall=someone.mall, user_id="2160120037000001")
    someone.gets(100)
    return someone


@pytest.fixture
def till(person: Spender) -> Client:
    return of_role("COUNTER", person)


def of_role(role: str, person: Spender) -> Client:
    staff = factories.MallStaffFactory.create(role=role, mall=person.mall, group=person.mall.group)
    client = Client()
    client.force_login(staff.user)
    return client


def post(client: Client, address: str, **body: object) -> tuple[int, dict[str, Any]]:
    answer = client.post(f"/api/staff/v1/{address}", json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def reserve(client: Client, person: Spender, points: object, **more: object) -> tuple[int, dict[str, Any]]:
    body = {"member": "2160120037000001", "points": points, **more}
    return post(client, f"{person.mall.tag}/redemptions", **body)


def test_points_are_reserved_confirmed_and_looked_up(person: Spender, till: Client) -> None:
    status, reserved = reserve(till, person, 80, payment_number="B1")
    confirmed = post(till, f"{person.mall.tag}/redemptions/{reserved['code']}/confirm")
    found = till.get(f"/api/staff/v1/{person.mall.tag}/redemptions/{reserved['code']}").json()

    assert (status, reserved["state"], reserved["value_cents"], reserved["balance"]) == (
        201, "RESERVED", 800, 20,
    )  # fmt: skip
    assert (confirmed[0], confirmed[1]["state"], found["state"]) == (200, "CONFIRMED", "CONFIRMED")
    assert (person.balance, person.total_of("REDEEMED")) == (20, 80)
    assert Redemption.objects.get().ended_by is not None


def test_points_are_released(person: Spender, till: Client) -> None:
    _status, reserved = reserve(till, person, 80)

    status, released = post(till, f"{person.mall.tag}/redemptions/{reserved['code']}/release")

    assert (status, released["state"], released["balance"]) == (200, "RELEASED", 100)


@pytest.mark.parametrize(
    ("points", "error"),
    [
        (110, "INSUFFICIENT_POINTS"),
        (9, "BELOW_MIN_REDEMPTION"),
        (-10, "BELOW_MIN_REDEMPTION"),
        (15, "REDEMPTION_STEP"),
    ],
)
def test_a_wish_outside_the_terms_is_a_conflict_with_a_code_in_both_languages(
    person: Spender, till: Client, points: int, error: str
) -> None:
    before = untouched()

    status, said = reserve(till, person, points)

    assert (status, said["error"]) == (409, error)
    assert said["english"] != said["chinese"]
    assert (untouched(), person.balance) == (before, 100)


def test_a_code_is_refused_after_its_time_after_its_end_and_when_it_is_none(
    person: Spender, till: Client
) -> None:
    late = person.reserves(10, now=clock.now() - timedelta(minutes=5))
    ended = person.reserves(10, now=clock.now())
    redemptions.confirm(redemption=ended, by=None, now=clock.now())
    before = untouched()

    found = [
        post(till, f"{person.mall.tag}/redemptions/{code}/confirm")
        for code in (late.code, ended.code, "NOSUCH22")
    ]

    assert [(status, said["error"]) for status, said in found] == [
        (409, "REDEMPTION_CODE_EXPIRED"),
        (409, "REDEMPTION_ENDED"),
        (404, "REDEMPTION_CODE_UNKNOWN"),
    ]
    assert (untouched(), person.balance) == (before, 80)


def test_the_same_request_twice_is_one_redemption(person: Spender, till: Client) -> None:
    first = reserve(till, person, 40, request_key="till-7/42")
    second = reserve(till, person, 40, request_key="till-7/42")

    assert first[1]["code"] == second[1]["code"]
    assert person.balance == 60


@pytest.mark.parametrize("points", ["many", 1.5, None, 10**400, [10], True])
def test_points_that_are_no_whole_number_are_named(person: Spender, till: Client, points: object) -> None:
    status, said = reserve(till, person, points)

    assert (status, said["error"], list(said["fields"])) == (400, "INVALID", ["points"])
    assert person.balance == 100


def test_a_body_that_is_no_json_object_is_refused(person: Spender, till: Client) -> None:
    for body in ("[]", "{", '"x"', ""):
        answer = till.post(
            f"/api/staff/v1/{person.mall.tag}/redemptions", body, content_type="application/json"
        )

        assert answer.status_code == 400, body
    assert person.balance == 100


def test_a_member_who_is_not_there_is_not_found(person: Spender, till: Client) -> None:
    status, said = post(till, f"{person.mall.tag}/redemptions", member="nobody", points=10)

    assert (status, said["error"]) == (404, "MEMBER_UNKNOWN")


def test_a_login_reaches_its_own_malls_only(person: Spender) -> None:
    """Neither the mall of another group, nor another mall of its own, nor codes of the other mall."""
    elsewhere = spender()
    sister = factories.MallFactory.create(group=person.mall.group)
    redemption = person.reserves(10, now=clock.now())
    staff = factories.MallStaffFactory.create(role="MANAGER", mall=sister, group=sister.group)
    client = Client()
    client.force_login(staff.user)

    found = [
        reserve(client, elsewhere, 10)[0],
        reserve(client, person, 10)[0],
        post(client, f"{person.mall.tag}/redemptions/{redemption.code}/confirm")[0],
        post(client, f"{sister.tag}/redemptions/{redemption.code}/confirm")[0],
    ]

    assert found == [404, 404, 404, 404]
    assert person.balance == 90
    assert Redemption.objects.get().state == "RESERVED"


@pytest.mark.parametrize(
    "address", ["x%00/redemptions/AB", "{tag}/redemptions/A%00B", "no-such-mall/redemptions/AB"]
)
def test_an_address_that_names_nothing_is_not_found(person: Spender, till: Client, address: str) -> None:
    answer = till.get(f"/api/staff/v1/{address.format(tag=person.mall.tag)}")

    assert answer.status_code == 404


@pytest.mark.parametrize("field", ["member", "payment_number", "request_key"])
def test_a_text_with_a_nul_or_too_long_is_named(person: Spender, till: Client, field: str) -> None:
    for text in ("a\x00b", "x" * 200):
        status, said = reserve(till, person, 10, **{field: text})

        assert (status, said["error"], list(said["fields"])) == (400, "INVALID", [field])
    assert person.balance == 100


def test_a_login_without_a_role_may_not_redeem(person: Spender) -> None:
    client = Client()
    client.force_login(factories.UserFactory.create())

    status, said = reserve(client, person, 10)

    assert (status, said["error"], person.balance) == (403, "PERMISSION_DENIED", 100)


def test_a_stranger_is_asked_for_name_and_password(person: Spender) -> None:
    status, said = reserve(Client(), person, 10)

    assert (status, said["error"], person.balance) == (401, "NOT_AUTHENTICATED", 100)


def test_name_and_password_are_enough_and_a_wrong_one_is_refused(person: Spender) -> None:
    staff = factories.MallStaffFactory.create(role="COUNTER", mall=person.mall, group=person.mall.group)

    right = Client(headers=basic(staff.user.username, factories.PASSWORD))
    wrong = Client(headers=basic(staff.user.username, "wrong"))

    assert reserve(right, person, 10)[0] == 201
    assert reserve(wrong, person, 10)[0] == 401
    assert person.balance == 90


def test_a_browser_session_needs_its_csrf_token(person: Spender) -> None:
    staff = factories.MallStaffFactory.create(role="COUNTER", mall=person.mall, group=person.mall.group)
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff.user)

    status, said = reserve(client, person, 10)

    assert (status, said["error"], person.balance) == (403, "PERMISSION_DENIED", 100)


@pytest.mark.parametrize("role", ["COUNTER", "OPERATOR", "REVIEWER", "MANAGER"])
def test_every_role_from_the_counter_up_redeems(person: Spender, role: str) -> None:
    assert reserve(of_role(role, person), person, 10)[0] == 201


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
