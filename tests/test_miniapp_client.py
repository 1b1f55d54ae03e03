"""The reference client of static/miniapp in Chromium, against a faked `my`: nothing here listens, serves or waits."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests import mini_page
from tests.mini_page import BASE, BILLS, FOLDER, MEMBER, STRANGER, Phone, refused, signed_in

SHAPE = {"code", "message_en", "message_zh", "status", "fields"}
BATCH = {"referrerInfo": {"appId": "2102020000000001", "extraData": {"batchNo": "B1"}}}


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[Phone]:
    page = browser.new_page()
    yield Phone(page)
    page.close()


@pytest.fixture
def phone(opened: Phone) -> Phone:
    opened.fresh()
    return opened


def failure(told: Any) -> dict[str, Any]:
    """The one shape, and words in both languages."""
    found: dict[str, Any] = told["failed"]
    assert set(found) == SHAPE
    assert found["message_en"] != found["message_zh"]
    return found


def test_the_client_needs_nothing_but_my() -> None:
    text = (FOLDER / "loyalty-client.js").read_text()
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)

    foreign = re.findall(
        r"\b(document|window|fetch|localStorage|XMLHttpRequest|setTimeout|URL|crypto|innerHTML)\b", code
    )

    assert foreign == []
    assert not re.search(r"\?\.|\?\?|#\w+\s*[=(]", code)


def test_joining_asks_for_payments_and_keeps_the_session(phone: Phone) -> None:
    phone.fresh(
        answers={
            "POST sign-in": [signed_in("token-1", STRANGER, is_new=True)],
            "POST me/consent": [[200, MEMBER]],
        }
    )

    told = phone.tell("client.join({ textVersion: argument })", "2026-11")

    assert told == {"member": MEMBER, "is_new": True, "auto_earn": True, "is_bills_refused": False}
    assert phone.calls("getAuthCode") == [[[BASE, BILLS], "2160120041113167"]]
    assert phone.calls()[1:] == [
        ["POST sign-in", "", {"auth_code": "code-1", "scopes": [BASE, BILLS], "text_version": "2026-11"}],
        ["POST me/consent", "Bearer token-1", {"text_version": "2026-11"}],
    ]


def test_consent_that_the_sign_in_opened_is_not_asked_twice(phone: Phone) -> None:
    phone.tell("client.join({ textVersion: argument })", "2026-11")

    assert phone.asked() == ["POST sign-in"]


def test_a_member_without_the_bill_scope_is_told_so(phone: Phone) -> None:
    phone.fresh(answers={"POST sign-in": [signed_in("token-1", STRANGER)]})
    phone.wallet(codes=[{"authCode": "code-1", "authSuccessScopes": [BASE], "authErrorScopes": {BILLS: 11}}])

    told = phone.tell("client.join({ textVersion: argument })", "2026-11")

    assert (told["auto_earn"], told["is_bills_refused"]) == (False, True)
    assert phone.asked() == ["POST sign-in"]
    assert phone.calls()[1][2] == {"auth_code": "code-1", "scopes": [BASE], "text_version": "2026-11"}


def test_a_code_that_was_too_old_is_fetched_anew_once(phone: Phone) -> None:
    expired = refused(409, "AUTH_CODE_EXPIRED")
    phone.fresh(answers={"POST sign-in": [expired, signed_in("token-1"), expired]})

    told = phone.tell("client.signIn()")
    found = failure(phone.tell("client.signIn()"))

    assert told["member"] == MEMBER
    assert found["code"] == "AUTH_CODE_EXPIRED"
    assert phone.asked() == ["POST sign-in"] * 4


def test_a_stranger_is_not_signed_in_by_opening_the_mini_app(phone: Phone) -> None:
    told = phone.tell("client.resume()")

    assert told is None
    assert phone.calls("getAuthCode") == []


def test_who_was_here_before_is_back_without_a_question(phone: Phone) -> None:
    phone.fresh(
        token="old",
        answers={
            "GET me": [refused(401, "SESSION_INVALID"), [200, MEMBER]],
            "POST sign-in": [signed_in("new")],
        },
    )

    told = phone.tell("client.resume()")

    assert told == MEMBER
    assert phone.calls("getAuthCode") == [[[BASE], "2160120041113167"]]
    assert [call[1] for call in phone.calls() if call[0] == "GET me"] == ["Bearer old", "Bearer new"]


def test_a_session_is_renewed_once_however_many_calls_find_it_ended(phone: Phone) -> None:
    phone.fresh(
        token="old",
        answers={
            "GET me": [refused(401, "SESSION_INVALID"), [200, MEMBER]],
            "GET me/transactions": [refused(401, "SESSION_INVALID"), [200, mini_page.HISTORY]],
        },
    )

    told = phone.tell("Promise.all([client.me(), client.historyPage()])")

    assert told == [MEMBER, mini_page.HISTORY]
    assert phone.asked().count("POST sign-in") == 1


@pytest.mark.parametrize("by", ["success", "fail"])
def test_a_second_401_is_the_callers(phone: Phone, by: str) -> None:
    phone.fresh(token="old", answers={"GET me": [refused(401, "SESSION_INVALID")]})
    phone.wallet(failsBy=by)

    found = failure(phone.tell("client.me()"))

    assert (found["code"], found["status"]) == ("SESSION_INVALID", 401)
    assert phone.asked() == ["GET me", "POST sign-in", "GET me"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (3, "WALLET_FAILED"), (11, "USER_CANCELLED"), (12, "NETWORK"), (13, "AUTHORIZATION_TIMEOUT"), (101, "NO_EKYC"),
    ],
)  # fmt: skip
def test_what_the_wallet_refuses_reaches_nobody_else(phone: Phone, fault: int, code: str) -> None:
    phone.wallet(codes=[{"error": fault}])

    found = failure(phone.tell("client.join({ textVersion: argument })", "2026-11"))

    assert (found["code"], found["status"]) == (code, 0)
    assert phone.asked() == []
    assert phone.tell("client.isSignedIn()") is False


def test_an_answer_of_the_wallet_without_a_code_is_no_sign_in(phone: Phone) -> None:
    phone.page.evaluate(
        """() => { client.wallet = { ...my, getAuthCode: ({ success }) => success({ authSuccessScopes: [] }) }; }"""
    )

    assert failure(phone.tell("client.signIn()"))["code"] == "WALLET_FAILED"
    assert phone.asked() == []


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        ("offline", "NETWORK", 0),
        ([503, "<html>away</html>"], "SERVICE_AWAY", 503),
        ([200, "<html>a hotel's log-in page</html>"], "UNREADABLE_ANSWER", 200),
        ([404, "<html>no such page</html>"], "UNREADABLE_ANSWER", 404),
        (refused(429, "TOO_MANY_REQUESTS"), "TOO_MANY_REQUESTS", 429),
        ([409, '{"error": {"code": "AS_TEXT", "message_en": "a", "message_zh": "b"}}'], "AS_TEXT", 409),
    ],
)
def test_everything_that_goes_wrong_has_one_shape(
    phone: Phone, answer: object, code: str, status: int
) -> None:
    phone.fresh(token="token-1", answers={"GET me": [answer]})

    found = failure(phone.tell("client.me()"))

    assert (found["code"], found["status"]) == (code, status)


def test_a_refused_registration_names_its_fields(phone: Phone) -> None:
    fields = [
        {"field": "phone", "code": "PHONE_UNREADABLE", "message_en": "No number", "message_zh": "號碼不正確"}
    ]
    phone.fresh(token="token-1", answers={"POST register": [refused(422, "FORM_INVALID", fields)]})

    found = failure(phone.tell("client.register({ name: 'Chan', phone: '1' })"))

    assert found["fields"] == fields


def test_nothing_is_asked_of_a_member_who_has_not_signed_in(phone: Phone) -> None:
    found = failure(phone.tell("client.me()"))

    assert found["code"] == "SIGN_IN_FIRST"
    assert phone.asked() == []


def test_the_token_never_stands_in_an_address(phone: Phone) -> None:
    phone.fresh(token="se&cret", answers={"GET me/transactions?cursor=a%26b": [[200, mini_page.HISTORY]]})

    phone.tell("client.historyPage('a&b')")

    assert phone.calls() == [["GET me/transactions?cursor=a%26b", "Bearer se&cret", None]]


def test_consent_is_withdrawn_by_what_every_wallet_can_send(phone: Phone) -> None:
    phone.fresh(token="token-1", answers={"DELETE me/consent": [[200, STRANGER]]})

    by_post = phone.tell("client.withdrawConsent()")
    by_delete = phone.tell("((client.deleteBy = 'DELETE'), client.withdrawConsent())")

    assert by_delete == by_post == STRANGER
    assert phone.asked() == ["POST me/consent", "DELETE me/consent"]


def test_a_tag_may_hold_slashes(phone: Phone) -> None:
    base = phone.page.evaluate("new LoyaltyClient({ mallUrl: 'https://m.example', tag: 'a/b c' }).base")

    assert base == "https://m.example/api/miniapp/v1/a/b%20c/"


def test_submitting_opens_the_bill_page_with_what_it_wants(phone: Phone) -> None:
    phone.tell("client.submitTransactions()")

    assert phone.calls("navigateToMiniProgram") == [
        ["2102020000000001", "pages/bills/index", {"mallLabel": "20230389001"}]
    ]


def test_a_mall_without_a_bill_page_says_so(phone: Phone) -> None:
    phone.fresh(answers={"GET setup": [[200, mini_page.SETUP | {"bill_page": None}]]})

    found = failure(phone.tell("client.submitTransactions()"))

    assert found["code"] == "UPLOAD_OFF"
    assert phone.calls("navigateToMiniProgram") == []


@pytest.mark.parametrize(
    "options",
    [
        None, {}, {"query": {}}, {"referrerInfo": {}},
        {"referrerInfo": {"appId": "2102999999999999", "extraData": {"batchNo": "B9"}}},
        {"referrerInfo": {"appId": "2102020000000001", "extraData": {}}},
        {"query": {"from": "poster"}}, {"referrerInfo": {"extraData": {"batchNo": ""}}},
        {"referrerInfo": {"extraData": {"batchNo": 2023032800090060}}}, {"referrerInfo": {"extraData": "no JSON"}},
    ],
)  # fmt: skip
def test_waking_up_without_a_batch_submits_nothing(phone: Phone, options: object) -> None:
    phone.fresh(token="token-1")

    told = phone.tell("client.onShow(argument)", options)

    assert told is None
    assert phone.asked() == []


@pytest.mark.parametrize(
    "options",
    [BATCH, {"query": {"batchNo": "B1"}}, {"referrerInfo": {"extraData": '{"batchNo": "B1"}'}}],
)
def test_a_batch_is_submitted_once_however_often_it_comes(phone: Phone, options: object) -> None:
    phone.fresh(token="token-1")

    at_once = phone.tell("Promise.all([client.onShow(argument), client.onShow(argument)])", options)
    later = phone.tell("client.onShow(argument)", options)

    assert at_once == [mini_page.VERDICT, None]
    assert later is None
    assert phone.calls()[1:] == [["POST batches", "Bearer token-1", {"batch_no": "B1"}]]
    assert phone.tell("client.waitingBatch()") == ""


def test_the_key_of_the_batch_is_the_malls(phone: Phone) -> None:
    phone.fresh(token="token-1", answers={"GET setup": [[200, mini_page.SETUP | {"batch_key": "selection"}]]})

    others = phone.tell("client.onShow(argument)", BATCH)
    ours = phone.tell("client.onShow({ query: { selection: 'B7' } })")

    assert (others, ours) == (None, mini_page.VERDICT)
    assert phone.calls()[1][2] == {"batch_no": "B7"}


@pytest.mark.parametrize("answer", ["offline", [503, ""], refused(429, "TOO_MANY_REQUESTS")])
def test_a_batch_that_got_no_verdict_waits_and_is_submitted_again(phone: Phone, answer: object) -> None:
    phone.fresh(token="token-1", answers={"POST batches": [answer, [200, mini_page.VERDICT]]})

    failure(phone.tell("client.onShow(argument)", BATCH))
    waiting = phone.tell("client.waitingBatch()")
    told = phone.tell("client.onShow(argument)", BATCH)

    assert waiting == "B1"
    assert told == mini_page.VERDICT


def test_a_batch_that_is_refused_for_good_is_not_asked_again(phone: Phone) -> None:
    phone.fresh(token="token-1", answers={"POST batches": [refused(404, "BATCH_UNKNOWN")]})

    found = failure(phone.tell("client.onShow(argument)", BATCH))
    again = phone.tell("client.onShow(argument)", BATCH)

    assert (found["code"], again) == ("BATCH_UNKNOWN", None)
    assert phone.asked() == ["POST batches"]


def test_a_batch_waits_while_the_member_authorises_anew(phone: Phone) -> None:
    phone.fresh(token="token-1", answers={"POST batches": [refused(409, "AUTHORIZATION_ENDED")]})

    found = failure(phone.tell("client.onShow(argument)", BATCH))

    assert (found["code"], phone.tell("client.waitingBatch()")) == ("AUTHORIZATION_ENDED", "B1")


def test_a_batch_back_after_the_session_ended_renews_it(phone: Phone) -> None:
    phone.fresh(
        token="old", answers={"POST batches": [refused(401, "SESSION_INVALID"), [200, mini_page.VERDICT]]}
    )

    told = phone.tell("client.onShow(argument)", BATCH)

    assert told == mini_page.VERDICT
    assert phone.asked() == ["POST batches", "POST sign-in", "POST batches"]


def test_a_redemption_whose_answer_was_lost_is_asked_for_again_as_the_same(phone: Phone) -> None:
    made = {
        "code": "7K2M9QXA", "points": 2500, "state": "RESERVED",
        "reserved_at": "2026-11-22T12:00:00+08:00", "expires_at": "2026-11-22T12:10:00+08:00",
    }  # fmt: skip
    phone.fresh(token="token-1", answers={"POST redemptions": ["offline", [201, made]]})

    lost = failure(phone.tell("client.redeem(2500)"))
    told = phone.tell("client.redeem(2500)")
    phone.tell("client.redeem(2500)")

    keys = [call[2]["request_key"] for call in phone.calls()]
    assert lost["code"] == "NETWORK"
    assert told == made | {"lasts_ms": 600_000}
    assert keys[0] == keys[1] != keys[2]


def test_forgetting_leaves_nothing_on_the_phone(phone: Phone) -> None:
    phone.fresh(token="token-1")

    phone.tell("client.forget()")

    assert phone.page.evaluate("wallet.kept") == {}
    assert phone.tell("client.isSignedIn()") is False
