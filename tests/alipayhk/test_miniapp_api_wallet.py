"""The mini-app's API against the simulated AlipayHK: sign-in by its codes, batches by its tokens, and their faults."""

from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alipayhk import bulkhead, miniapp_sessions
from alipayhk.models import MiniAppSession
from members import enrollment
from members.models import Consent, Member, Pass, Program
from pms import clock
from pms.models import Store
from tests import factories
from tests.alipayhk import changes, mini_app
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.mini_app import MiniApp, code_of
from tests.alipayhk.picking import Picker, bill

pytestmark = pytest.mark.django_db

BOTH = ["auth_base", "SCOPE_USER_BILL"]
NEWCOMER = "2160120037555001"


@pytest.fixture
def app(picker: Picker) -> MiniApp:
    """Not signed in; the mall is one that the simulator serves."""
    return MiniApp(picker.shopper, picker.credential)


def code_for(app: MiniApp, gateway: Gateway, user_id: str = "", *, seconds: float = 600.0) -> str:
    """As `my.getAuthCode` gives it."""
    return gateway.twin.authorizations.grant(
        client_id=app.credential.client_id,
        app_id=app.credential.app_id,
        user_id=user_id or app.card.user_id,
        scopes=BOTH,
        seconds=seconds,
    )


def sign_in(app: MiniApp, auth_code: str, scopes: Any = BOTH) -> Any:
    return app.post("sign-in", {"auth_code": auth_code, "scopes": scopes})


def signed_in(app: MiniApp, gateway: Gateway) -> MiniApp:
    app.token = sign_in(app, code_for(app, gateway)).json()["token"]
    return app


def test_a_newcomer_signs_in_and_is_a_member_with_a_card_and_consent(app: MiniApp, gateway: Gateway) -> None:
    answer = sign_in(app, code_for(app, gateway, NEWCOMER))

    told = answer.json()
    assert (answer.status_code, told["is_new"], told["auto_earn"]) == (200, True, True)
    assert told["member"]["consent"]["is_given"] is True
    assert (told["member"]["balance"], told["member"]["is_registered"]) == ({"points": 0, "held": 0}, False)
    assert app.get("me", token=told["token"]).json() == told["member"]
    card = Pass.objects.get(user_id=NEWCOMER)
    assert (card.member.card_number, card.state) == (told["member"]["card_number"], "WAITING")
    assert not [one for one in gateway.twin.authorizations._tokens if one in answer.text]


def test_a_sign_in_hands_over_which_text_the_member_was_shown(app: MiniApp, gateway: Gateway) -> None:
    Program.objects.update(consent_text_version="2", consent_text_en="Share.", consent_text_zh="分享。")
    words = {"auth_code": code_for(app, gateway, NEWCOMER), "scopes": BOTH}

    told = app.post("sign-in", words | {"text_version": "1"}).json()

    assert (told["auto_earn"], told["member"]["consent"]["is_given"]) == (False, False)


def test_signing_in_without_the_bill_scope_is_a_member_without_auto_earn(
    app: MiniApp, gateway: Gateway
) -> None:
    told = sign_in(app, code_for(app, gateway, NEWCOMER), ["auth_base"]).json()

    assert (told["is_new"], told["auto_earn"], told["member"]["auto_earn"]) == (True, False, False)
    assert not Consent.objects.filter(wallet_pass__user_id=NEWCOMER).exists()


def test_coming_back_by_auth_base_alone_leaves_member_and_consent_as_they_are(
    app: MiniApp, gateway: Gateway
) -> None:
    sign_in(app, code_for(app, gateway, NEWCOMER))

    told = sign_in(app, code_for(app, gateway, NEWCOMER), ["auth_base"]).json()

    assert (told["is_new"], told["auto_earn"]) == (False, True)
    assert Pass.objects.filter(user_id=NEWCOMER).count() == 1
    assert MiniAppSession.objects.count() == 2


def test_a_consent_that_the_member_withdrew_is_not_opened_by_signing_in(
    app: MiniApp, gateway: Gateway
) -> None:
    enrollment.withdraw(wallet_pass=app.card, now=clock.now())

    told = sign_in(app, code_for(app, gateway)).json()

    assert (told["is_new"], told["auto_earn"]) == (False, False)


def test_a_code_that_is_expired_or_unknown_signs_nobody_in(app: MiniApp, gateway: Gateway) -> None:
    expired = code_for(app, gateway, NEWCOMER, seconds=-1.0)

    with changes.only():
        answers = [sign_in(app, expired), sign_in(app, "2810111301never")]

    assert [code_of(one) for one in answers] == [(409, "AUTH_CODE_EXPIRED"), (409, "AUTH_CODE_INVALID")]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"scopes": BOTH}, "auth_code", "REQUIRED"),
        ({"auth_code": "", "scopes": BOTH}, "auth_code", "REQUIRED"),
        ({"auth_code": "a b", "scopes": BOTH}, "auth_code", "UNREADABLE"),
        ({"auth_code": 5, "scopes": BOTH}, "auth_code", "NOT_TEXT"),
        ({"auth_code": "a"}, "scopes", "REQUIRED"),
        ({"auth_code": "a", "scopes": "auth_base"}, "scopes", "NOT_TEXTS"),
        ({"auth_code": "a", "scopes": [1]}, "scopes", "NOT_TEXT"),
        ({"auth_code": "a", "scopes": ["x"] * 11}, "scopes", "TOO_LONG"),
    ],
)
def test_a_sign_in_that_cannot_be_read_asks_nobody(app: MiniApp, body: Any, field: str, code: str) -> None:
    with changes.only():
        answer = app.post("sign-in", body)

    assert code_of(answer) == (422, code)
    assert [one["field"] for one in answer.json()["error"]["fields"]] == [field]


def test_while_alipayhk_is_away_nothing_is_half_made(app: MiniApp, gateway: Gateway) -> None:
    gateway.fault("http_500", times=None)

    with changes.only():
        answer = sign_in(app, code_for(app, gateway, NEWCOMER))

    assert code_of(answer) == (503, "ALIPAYHK_AWAY")


@pytest.mark.parametrize("state", ["SUSPENDED", "CLOSED"])
def test_who_is_suspended_or_closed_gets_no_session(app: MiniApp, gateway: Gateway, state: str) -> None:
    Member.objects.filter(pk=app.member.pk).update(state=state)

    answer = sign_in(app, code_for(app, gateway))

    assert code_of(answer) == (403, "MEMBER_CLOSED")
    assert not MiniAppSession.objects.exists()


def test_while_many_wait_for_alipayhk_the_next_is_asked_to_try_again_and_other_calls_have_threads(
    app: MiniApp, gateway: Gateway, settings: Any
) -> None:
    phone, code = signed_in(app, gateway), code_for(app, gateway, NEWCOMER)
    asked = len(gateway.twin.ring.listing(direction="IN"))

    with ExitStack() as waiting:
        for _ in range(settings.MINIAPP_WAITING_THREADS):
            waiting.enter_context(bulkhead.place())
        with changes.only():
            answers = [sign_in(app, code), phone.post("batches", {"batch_no": "B-1"})]
        me = phone.get("me")

    assert [code_of(one) for one in answers] == [(503, "BUSY")] * 2
    assert len(gateway.twin.ring.listing(direction="IN")) == asked
    assert (me.status_code, sign_in(app, code).status_code) == (200, 200)


def test_sign_ins_of_one_address_are_counted_by_mall(app: MiniApp, settings: Any) -> None:
    settings.MINIAPP_SIGN_INS_PER_MINUTE = 1
    sister = factories.CredentialFactory.create(mall__group=app.credential.mall.group)

    answers = [app.post("sign-in", {}) for _ in range(3)]

    # The minute may turn in between.
    assert (429, "TOO_MANY_REQUESTS") in [code_of(one) for one in answers]
    assert code_of(app.post("sign-in", {}, tag=sister.mall.tag)) == (422, "REQUIRED")


def test_picked_payments_are_told_line_by_line_and_again_change_nothing(
    app: MiniApp, picker: Picker, gateway: Gateway
) -> None:
    picker.pays("SEEN-1")
    phone = signed_in(app, gateway)
    batch = picker.batch(bill("UP-1"), bill("SEEN-1"), bill("UP-3", userId="2160999999999999"))

    first = phone.post("batches", {"batch_no": batch.batch_no})
    with changes.only("alipayhk_uploadbatch"):
        again = phone.post("batches", {"batch_no": batch.batch_no}).json()

    told = first.json()
    assert (first.status_code, told["batch_no"], told["points"]) == (200, batch.batch_no, 138)
    assert [one["verdict"] for one in told["lines"]] == ["ACCEPTED", "ALREADY_EARNED", "OTHER_PAYER"]
    assert [one["number"] for one in told["lines"]] == ["UP-1", "SEEN-1", ""]
    assert all(one["message_en"] and one["message_zh"] for one in told["lines"])
    assert (again["points"], [one["is_repeat"] for one in again["lines"]]) == (0, [True, True, False])
    assert picker.balance() == 276


def test_what_staff_alone_may_read_of_a_line_is_not_told(
    app: MiniApp, picker: Picker, gateway: Gateway
) -> None:
    Store.objects.update(state=Store.State.SUSPENDED)
    phone = signed_in(app, gateway)
    batch = picker.batch(bill("UP-1"), bill("UP-2", payTime="yesterday"))

    told = phone.post("batches", {"batch_no": batch.batch_no}).json()["lines"]

    assert [one["verdict"] for one in told] == ["PARKED", "MALFORMED"]
    assert {(one["reason"], one["message_zh"]) for one in told} == {("ASK_STAFF", "請就此交易向禮賓部查詢。")}


def test_the_batch_of_another_member_is_refused(app: MiniApp, picker: Picker, gateway: Gateway) -> None:
    phone = signed_in(app, gateway)
    batch = picker.batch(bill("UP-1"), user_id="2160999999999999")

    answers = [phone.post("batches", {"batch_no": number}) for number in (batch.batch_no, "NO-SUCH")]

    assert {code_of(one) for one in answers} == {(409, "BATCH_REFUSED")}
    assert picker.balance() == 0


def test_a_batch_whose_lines_are_all_anothers_is_refused(
    app: MiniApp, picker: Picker, gateway: Gateway
) -> None:
    phone = signed_in(app, gateway)
    batch = picker.batch(bill("UP-1", userId="2160999999999999"))

    answer = phone.post("batches", {"batch_no": batch.batch_no})

    assert code_of(answer) == (409, "BATCH_REFUSED")
    assert "UP-1" not in answer.text


def test_an_access_token_that_ended_is_exchanged_once_and_nobody_notices(
    app: MiniApp, picker: Picker, gateway: Gateway
) -> None:
    phone = signed_in(app, gateway)
    gateway.twin.authorizations.expire(app.card.user_id)

    answer = phone.post("batches", {"batch_no": picker.batch(bill("UP-1")).batch_no})

    assert (answer.status_code, answer.json()["points"]) == (200, 138)


def test_an_authorization_that_was_taken_back_ends_auto_earn(
    app: MiniApp, picker: Picker, gateway: Gateway
) -> None:
    phone = signed_in(app, gateway)
    gateway.twin.authorizations.revoke(app.card.user_id)

    answer = phone.post("batches", {"batch_no": picker.batch(bill("UP-1")).batch_no})

    assert code_of(answer) == (409, "AUTHORIZATION_ENDED")
    assert phone.get("me").json()["auto_earn"] is False
    assert Consent.objects.get(wallet_pass=app.card).ended_reason == "AUTHORIZATION_ENDED"


@pytest.mark.parametrize("number", ["", "a b", "x" * 129, "é", 5, None])
def test_a_batch_number_that_is_none_asks_nobody(app: MiniApp, number: Any) -> None:
    _session, phone = miniapp_sessions.begin(wallet_pass=app.card, credential=app.credential, now=clock.now())

    with changes.only():
        answer = app.post("batches", {"batch_no": number}, token=phone)

    assert code_of(answer)[0] == 422


def test_manual_upload_that_is_off_says_so(app: MiniApp, gateway: Gateway, settings: Any) -> None:
    phone = signed_in(app, gateway)
    settings.ALIPAYHK_UPLOAD_LINES = [""]

    assert code_of(phone.post("batches", {"batch_no": "B-1"})) == (409, "UPLOADS_OFF")


def test_signing_in_costs_few_queries_and_little_time_of_our_own(app: MiniApp, gateway: Gateway) -> None:
    sign_in(app, code_for(app, gateway))

    with CaptureQueriesContext(connection) as queries:
        sign_in(app, code_for(app, gateway))
    spent = mini_app.quickest(lambda: sign_in(app, code_for(app, gateway)), limit=0.030)

    assert len(queries) <= 28
    assert spent < 0.030
