"""What a person does on the phone reaches the mall as AlipayHK would send it, and comes back to the card."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall
from tests.alipayhk.simulator.test_batches import QUERY
from tests.alipayhk.simulator.test_phone import make, state, tap

APPLY = "/api/open/v2/authorizations/applyToken"


def read_until(
    simulator: Simulator, user_id: str, is_there: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """The person's state once it is as awaited; as it is after five seconds otherwise."""
    end = time.monotonic() + 5
    shown = state(simulator, user_id)
    while not is_there(shown) and time.monotonic() < end:
        time.sleep(0.02)
        shown = state(simulator, user_id)
    return shown


def joined(simulator: Simulator, mall: FakeMall) -> dict[str, Any]:
    """Somebody with a card, as the fields that every button posts."""
    who = {"user_id": make(simulator), "client_id": mall.wire["client_id"]}
    tap(simulator, "join", **who)
    read_until(simulator, who["user_id"], lambda shown: shown["cards"])
    return who


def stranger(simulator: Simulator, mall: FakeMall) -> dict[str, Any]:
    return {"user_id": make(simulator), "client_id": mall.wire["client_id"]}


def apis(shown: dict[str, Any]) -> set[str]:
    """Which calls stand beside the phone."""
    return {call["api"] for call in shown["calls"]}


def points(shown: dict[str, Any]) -> int:
    return sum(card["points"] for card in shown["cards"])


def test_joining_in_the_brand_channel_brings_the_card(simulator: Simulator, mall: FakeMall) -> None:
    who = stranger(simulator, mall)

    said = tap(simulator, "join", **who)

    shown = read_until(simulator, who["user_id"], lambda now: now["cards"])
    [notice] = simulator.control("GET", f"book?user_id={who['user_id']}")["notices"]
    assert (said["http"], said["is_done"]) == (200, True)
    assert notice["body"]["mobileNo"].removeprefix("852-") == shown["person"]["phone"].replace(" ", "")
    assert ([one["event"] for one in shown["notices"]], shown["permitted"]) == (
        ["CREATED"],
        [who["client_id"]],
    )


def test_a_payment_brings_a_notice_with_its_points(simulator: Simulator, mall: FakeMall) -> None:
    who = joined(simulator, mall)

    said = tap(simulator, "pay", **who, store="PMS0004", cents=13_890)

    shown = read_until(simulator, who["user_id"], lambda now: points(now) and apis(now) >= {"updatePass"})
    [bill] = shown["bills"]
    assert said["state"] == "ACKNOWLEDGED"
    assert (bill["store"], bill["cents"], bill["refunded_cents"]) == (
        ["Thread Street", "線街時裝"],
        13_890,
        0,
    )
    assert points(shown) == 138
    assert [one["change"] for one in shown["notices"]] == [138, 0]
    assert apis(shown) >= {"bill", "updatePass"}


def test_a_part_and_then_the_rest_of_a_payment_come_back(simulator: Simulator, mall: FakeMall) -> None:
    who = joined(simulator, mall)
    number = tap(simulator, "pay", **who, store="PMS0004", cents=62_000)["number"]

    tap(simulator, "refund", user_id=who["user_id"], bill=number, cents=20_000)
    part = read_until(simulator, who["user_id"], lambda now: points(now) == 420)
    tap(simulator, "refund", user_id=who["user_id"], bill=number, cents=42_000)
    rest = read_until(simulator, who["user_id"], lambda now: now["notices"][0]["points"] == 0)

    assert (points(part), part["bills"][0]["refunded_cents"]) == (420, 20_000)
    assert (points(rest), rest["bills"][0]["refunded_cents"]) == (0, 62_000)


@pytest.mark.parametrize("cents", [0, -5, 5_001, 1.5, "100", True, None])
def test_more_than_was_paid_does_not_come_back(simulator: Simulator, mall: FakeMall, cents: object) -> None:
    who = stranger(simulator, mall)
    number = tap(simulator, "pay", **who, store="PMS0004", cents=5_000)["number"]

    answer = tap(simulator, "refund", user_id=who["user_id"], bill=number, cents=cents)

    assert answer["http"] == 400
    assert state(simulator, who["user_id"])["bills"][0]["refunded_cents"] == 0


def test_nobody_refunds_another_s_payment(simulator: Simulator, mall: FakeMall) -> None:
    payer, other = stranger(simulator, mall), stranger(simulator, mall)
    number = tap(simulator, "pay", **payer, store="PMS0004", cents=5_000)["number"]

    answer = tap(simulator, "refund", user_id=other["user_id"], bill=number, cents=100)

    assert answer["http"] == 400
    assert state(simulator, payer["user_id"])["bills"][0]["refunded_cents"] == 0


@pytest.mark.parametrize(
    "order",
    [
        {"store": "PMS9999", "cents": 100},
        {"store": "PMS0001", "cents": 0},
        {"store": "PMS0001", "cents": 50_000_001},
        {"store": "PMS0001", "cents": 100, "client_id": "nobody"},
        {"store": "PMS0001", "cents": 100, "user_id": "2160000000000000"},
    ],
)
def test_a_payment_that_cannot_be_is_not_made(
    simulator: Simulator, mall: FakeMall, order: dict[str, Any]
) -> None:
    who = stranger(simulator, mall)

    answer = tap(simulator, "pay", **(who | order))

    assert answer["http"] == 400
    assert state(simulator, who["user_id"])["bills"] == []


def test_a_mall_that_may_not_see_payments_is_not_told(simulator: Simulator, mall: FakeMall) -> None:
    who = stranger(simulator, mall)

    said = tap(simulator, "pay", **who, store="PMS0004", cents=20_000)
    tap(simulator, "refund", user_id=who["user_id"], bill=said["number"], cents=100)

    shown = state(simulator, who["user_id"])
    assert (said["state"], shown["calls"], shown["permitted"]) == ("KEPT", [], [])
    assert (shown["bills"][0]["state"], shown["bills"][0]["refunded_cents"]) == ("KEPT", 100)


def test_withdrawing_ends_tokens_and_notices(simulator: Simulator, mall: FakeMall) -> None:
    who = joined(simulator, mall)
    code = tap(simulator, "authorize", **who, scopes=["auth_base", "SCOPE_USER_BILL"])["auth_code"]
    order = {"grantType": "AUTHORIZATION_CODE", "authCode": code}
    before, _ = mall.call(APPLY, order)

    tap(simulator, "withdraw", **who)

    after, _ = mall.call(APPLY, order)
    paid = tap(simulator, "pay", **who, store="PMS0004", cents=20_000)
    assert (before, after, paid["state"]) == ("SUCCESS", "INVALID_AUTHCODE", "KEPT")


def test_a_mini_app_s_code_opens_exactly_what_was_allowed(simulator: Simulator, mall: FakeMall) -> None:
    shy, open_hearted = stranger(simulator, mall), stranger(simulator, mall)

    base = tap(simulator, "authorize", **shy, scopes=["auth_base"])
    both = tap(simulator, "authorize", **open_hearted, scopes=["SCOPE_USER_BILL", "auth_base"])

    code, answer = mall.call(APPLY, {"grantType": "AUTHORIZATION_CODE", "authCode": both["auth_code"]})
    assert (base["scopes"], both["scopes"]) == (["auth_base"], ["auth_base", "SCOPE_USER_BILL"])
    assert (code, answer["customerId"]) == ("SUCCESS", open_hearted["user_id"])
    assert state(simulator, shy["user_id"])["permitted"] == []
    assert state(simulator, open_hearted["user_id"])["permitted"] == [open_hearted["client_id"]]


@pytest.mark.parametrize("scopes", [[], None, "auth_base", ["auth_base", "EVERYTHING"], [["auth_base"]]])
def test_no_code_is_given_for_other_scopes(simulator: Simulator, mall: FakeMall, scopes: object) -> None:
    assert tap(simulator, "authorize", **stranger(simulator, mall), scopes=scopes)["http"] == 400


def test_ticked_payments_are_a_batch_that_the_mall_may_query(simulator: Simulator, mall: FakeMall) -> None:
    who = stranger(simulator, mall)
    first = tap(simulator, "pay", **who, store="PMS0001", cents=13_890)["number"]
    tap(simulator, "pay", **who, store="PMS0002", cents=5_000)
    code = tap(simulator, "authorize", **who, scopes=["auth_base"])["auth_code"]
    _, tokens = mall.call(APPLY, {"grantType": "AUTHORIZATION_CODE", "authCode": code})

    batch_number = tap(simulator, "batch", **who, bills=[first])["batch_no"]

    said, answer = mall.call(
        QUERY,
        {
            "businessDistrictSubject": {"mallGroupLabel": "20230390", "mallLabel": "20230390001"},
            "batchNo": batch_number,
            "accessToken": tokens["accessToken"],
            "appId": mall.wire["app_id"],
        },
    )
    bills = {bill["number"]: bill for bill in state(simulator, who["user_id"])["bills"]}
    assert said == "SUCCESS"
    assert [line["orderAmount"]["value"] for line in answer["billList"]] == [13_890]
    assert sorted(bill["state"] for bill in bills.values()) == ["KEPT", "PICKED"]


def test_the_refund_of_a_submitted_payment_is_told(simulator: Simulator, mall: FakeMall) -> None:
    who = stranger(simulator, mall)
    number = tap(simulator, "pay", **who, store="PMS0001", cents=13_890)["number"]
    tap(simulator, "batch", **who, bills=[number])

    said = tap(simulator, "refund", user_id=who["user_id"], bill=number, cents=13_890)

    assert said["state"] == "ACKNOWLEDGED"


@pytest.mark.parametrize("bills", [[], None, [10**9], ["1"], list(range(51))])
def test_a_batch_of_nothing_or_of_strange_payments_is_not_made(
    simulator: Simulator, mall: FakeMall, bills: object
) -> None:
    assert tap(simulator, "batch", **stranger(simulator, mall), bills=bills)["http"] == 400
