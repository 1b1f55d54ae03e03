"""applyToken as the simulator answers it: codes, refresh tokens, what they open, and what is shown of them."""

from typing import Any

import pytest

from alipayhk.simulator import notices
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall
from tests.alipayhk.simulator.test_batches import QUERY, make, query

APPLY = "/api/open/v2/authorizations/applyToken"
OLD_PATH = "/api/open/v1/alipayhk/merchant/applyToken"


def authorize(simulator: Simulator, **order: Any) -> dict[str, Any]:
    made: dict[str, Any] = simulator.control(
        "POST", "authorizations", {"user_id": notices.new_user()} | order
    )["authorization"]
    return made


def code_of(made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {"grantType": "AUTHORIZATION_CODE", "authCode": made["auth_code"], "appId": made["app_id"]}
    return {name: value for name, value in (body | changes).items() if value is not None}


def refresh_of(tokens: dict[str, Any]) -> dict[str, Any]:
    return {"grantType": "REFRESH_TOKEN", "refreshToken": tokens["refreshToken"]}


@pytest.mark.parametrize("path", [APPLY, OLD_PATH])
def test_a_code_gives_the_user_and_their_tokens(simulator: Simulator, mall: FakeMall, path: str) -> None:
    made = authorize(simulator)

    code, tokens = mall.call(path, code_of(made))

    assert code == "SUCCESS"
    assert tokens["customerId"] == made["user_id"]
    assert tokens["accessTokenExpiryTime"].endswith("+08:00")
    assert tokens["accessToken"] != tokens["refreshToken"]


def test_a_repeat_is_the_same_request_and_later_the_code_is_used(
    simulator: Simulator, mall: FakeMall
) -> None:
    body = code_of(authorize(simulator))
    first = mall.call(APPLY, body)

    again = mall.call(APPLY, body)
    simulator.control("POST", "token-life", {"repeat_seconds": 0})
    later, _ = mall.call(APPLY, body)
    refreshed = mall.call(APPLY, refresh_of(first[1]))
    once_more, _ = mall.call(APPLY, refresh_of(first[1]))
    simulator.control("POST", "token-life", {"repeat_seconds": 15})

    assert again[1]["accessToken"] == first[1]["accessToken"]
    assert (later, refreshed[0], once_more) == ("INVALID_AUTHCODE", "SUCCESS", "USED_REFRESH_TOKEN")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grantType": None}, "PARAM_ILLEGAL"),
        ({"authCode": None}, "PARAM_ILLEGAL"),
        ({"authCode": "1"}, "INVALID_AUTHCODE"),
        ({"appId": "2102020132609999"}, "INVALID_AUTHCODE"),
        ({"grantType": "REFRESH_TOKEN", "refreshToken": "1"}, "EXPIRED_CODE"),
    ],
)
def test_an_incomplete_or_strange_call_gets_no_tokens(
    simulator: Simulator, mall: FakeMall, changes: dict[str, Any], code: str
) -> None:
    said, answer = mall.call(APPLY, code_of(authorize(simulator), **changes))

    assert said == code
    assert "accessToken" not in answer


def test_a_code_ends_in_its_time(simulator: Simulator, mall: FakeMall) -> None:
    assert mall.call(APPLY, code_of(authorize(simulator, seconds=-1)))[0] == "AUTH_CODE_EXPIRED"


def test_a_live_token_opens_its_users_batches_until_it_expires_or_is_taken_back(
    simulator: Simulator, mall: FakeMall
) -> None:
    made = authorize(simulator)
    tokens = mall.call(APPLY, code_of(made))[1]
    own, foreign = make(simulator, user_id=made["user_id"]), make(simulator)

    def asked(batch: dict[str, Any], token: str) -> str:
        return mall.call(QUERY, query(batch, accessToken=token))[0]

    assert asked(own, tokens["accessToken"]) == "SUCCESS"
    assert asked(foreign, tokens["accessToken"]) == "EXPIRED_ACCESS_TOKEN"
    simulator.control("DELETE", f"authorizations?user_id={made['user_id']}&only=access")
    assert asked(own, tokens["accessToken"]) == "EXPIRED_ACCESS_TOKEN"
    newer = mall.call(APPLY, refresh_of(tokens))[1]
    assert asked(own, newer["accessToken"]) == "SUCCESS"
    simulator.control("DELETE", f"authorizations?user_id={made['user_id']}")
    assert asked(own, newer["accessToken"]) == "EXPIRED_ACCESS_TOKEN"
    assert mall.call(APPLY, refresh_of(newer))[0] == "EXPIRED_CODE"


def test_a_fault_may_be_planned_for_one_users_sign_in(simulator: Simulator, mall: FakeMall) -> None:
    made, other = authorize(simulator), authorize(simulator)
    simulator.control(
        "POST", "faults",
        {"fault": "permanent", "api": "applyToken", "code": "USER_STATUS_ABNORMAL", "user_id": made["user_id"]},
    )  # fmt: skip

    assert mall.call(APPLY, code_of(other))[0] == "SUCCESS"
    assert mall.call(APPLY, code_of(made))[0] == "USER_STATUS_ABNORMAL"


def test_no_code_and_no_token_is_shown(simulator: Simulator, mall: FakeMall) -> None:
    made = authorize(simulator)
    tokens = mall.call(APPLY, code_of(made))[1]
    newer = mall.call(APPLY, refresh_of(tokens))[1]

    shown = str(simulator.control("GET", f"calls?user_id={made['user_id']}"))
    listed = simulator.control("GET", f"authorizations?user_id={made['user_id']}")

    secrets = [
        made["auth_code"],
        *(one[name] for one in (tokens, newer) for name in ("accessToken", "refreshToken")),
    ]
    assert "applyToken" in shown
    assert not [one for one in secrets if one in shown + str(listed)]
    assert listed["authorizations"][0]["scopes"] == ["auth_base", "SCOPE_USER_BILL"]
