"""The mini-app's API for a member who is signed in: who may ask, what is told, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alipayhk.models import MiniAppSession
from members import enrollment
from members.models import Consent, Member
from pms import clock
from pms.models import Mall
from tests import factories
from tests.alipayhk import changes, mini_app
from tests.alipayhk.mini_app import ROOT, MiniApp, code_of
from tests.loyalty.earning import programs

pytestmark = pytest.mark.django_db

EVERYWHERE = [
    ("GET", "me"),
    ("GET", "me/transactions"),
    ("POST", "me/consent"),
    ("DELETE", "me/consent"),
    ("POST", "register"),
    ("POST", "batches"),
    ("POST", "redemptions"),
    ("GET", "redemptions/ABCDEFGH"),
    ("DELETE", "redemptions/ABCDEFGH"),
]
NOT_SIGNED_IN = (401, "SESSION_INVALID")


@pytest.fixture
def app() -> MiniApp:
    return mini_app.signed_in()


def test_me_tells_the_card_its_points_and_the_consent(app: MiniApp) -> None:
    app.shopper.pays(13890)

    answer = app.get("me")

    told = answer.json()
    assert (answer.status_code, told["balance"]) == (200, {"points": 138, "held": 0})
    assert (told["card_number"], told["name"]) == (app.member.card_number, app.member.name)
    assert (told["is_registered"], told["auto_earn"]) == (False, True)
    assert told["consent"]["is_given"] is True
    assert 0 < told["tier"]["next"]["missing_cents"] < told["tier"]["next"]["needed_cents"]
    assert told["phone"].endswith(app.member.phone[-4:])
    assert app.member.phone not in answer.text
    assert app.member.email not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_me_costs_the_same_few_queries_and_little_time(app: MiniApp, django_assert_num_queries: Any) -> None:
    app.shopper.pays(10000)
    app.get("me")
    with CaptureQueriesContext(connection) as few:
        app.get("me")
    for place in range(30):
        app.shopper.pays(10000, at=programs.TUESDAY + timedelta(minutes=place + 1))

    with django_assert_num_queries(len(few)):
        app.get("me")

    assert len(few) <= 6
    assert mini_app.quickest(lambda: app.get("me"), limit=0.020) < 0.020


def test_payments_are_told_with_their_reasons_twenty_a_page(app: MiniApp) -> None:
    for place in range(21):
        app.shopper.pays(10000, at=programs.TUESDAY + timedelta(minutes=place))

    first = app.get("me/transactions").json()
    second = app.get(f"me/transactions?cursor={first['next']}").json()

    assert (len(first["transactions"]), len(second["transactions"]), second["next"]) == (20, 1, None)
    one = first["transactions"][0]
    assert (one["amount_cents"], one["points"], one["state"]) == (10000, 100, "EARNED")
    assert one["reasons"][0]["message_en"] != one["reasons"][0]["message_zh"]
    assert second["transactions"][0]["number"] not in [each["number"] for each in first["transactions"]]


@pytest.mark.parametrize("cursor", ["x", "eyJ", "%00", "é", "a" * 300, "1&cursor=2"])
def test_a_page_that_is_none_is_refused(app: MiniApp, cursor: str) -> None:
    answer = app.get(f"me/transactions?cursor={cursor}")

    assert code_of(answer) == (400, "CURSOR_UNREADABLE")


def test_the_cursor_of_another_members_history_is_refused(app: MiniApp) -> None:
    other = mini_app.signed_in(programs.shopper("pier8"))
    for place in range(21):
        other.shopper.pays(10000, at=programs.TUESDAY + timedelta(minutes=place))

    answer = app.get(f"me/transactions?cursor={other.get('me/transactions').json()['next']}")

    assert code_of(answer) == (400, "CURSOR_UNREADABLE")


def test_a_stranger_gets_a_401_everywhere_and_leaves_nothing(app: MiniApp) -> None:
    session = MiniAppSession.objects.get()
    forged = ["", "lms_", "x" * 47, app.token[:-1] + "~", app.token.upper(), "lms_" + "a" * 43, "kéy"]

    with changes.only():
        answers = [app.call(method, path, {}, token="lms_" + "a" * 43) for method, path in EVERYWHERE]
        answers += [app.get("me", token=one) for one in forged]
        answers += [app.get("me", token="", headers={"Authorization": f"Basic {app.token}"})]

    assert {code_of(answer) for answer in answers} == {NOT_SIGNED_IN}
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert session.token_hash not in answers[0].text


def test_a_session_is_good_for_its_mall_alone(app: MiniApp) -> None:
    sister = factories.MallFactory.create(group=app.credential.mall.group)
    factories.CredentialFactory.create(mall=sister)

    answers = [app.call(method, path, {}, tag=sister.tag) for method, path in EVERYWHERE]
    answers += [app.get("me", tag=tag) for tag in ("a%00b", "no/such/mall", "x" * 300)]

    assert {code_of(answer) for answer in answers} == {NOT_SIGNED_IN}


@pytest.mark.parametrize("times", [{"expires_at": timedelta(0)}, {"ended_at": timedelta(0)}])
def test_a_session_that_is_over_opens_nothing(app: MiniApp, times: dict[str, timedelta]) -> None:
    now = clock.now()
    MiniAppSession.objects.update(**{name: now + after for name, after in times.items()})

    assert code_of(app.get("me")) == NOT_SIGNED_IN


@pytest.mark.parametrize("state", ["SUSPENDED", "CLOSED"])
def test_a_member_who_is_suspended_or_closed_is_refused_everywhere(app: MiniApp, state: str) -> None:
    Member.objects.filter(pk=app.member.pk).update(state=state)

    with changes.only():
        answers = [app.call(method, path, {}) for method, path in EVERYWHERE]

    assert {code_of(answer) for answer in answers} == {(403, "MEMBER_CLOSED")}


def test_a_token_in_an_address_is_refused_even_with_a_good_header(app: MiniApp) -> None:
    addresses = [
        f"me?token={app.token}",
        "me?access_token=1",
        f"me?x={app.token}",
        f"redemptions/{app.token}",
    ]

    answers = [app.get(address) for address in addresses] + [app.get("setup?Token=a")]

    assert {code_of(answer) for answer in answers} == {(400, "TOKEN_IN_URL")}


def test_a_session_that_asks_too_often_waits(app: MiniApp, settings: Any) -> None:
    settings.MINIAPP_REQUESTS_PER_MINUTE = 2

    answers = [app.get("me") for _ in range(5)]

    # The minute may turn in between.
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert code_of(refused[0]) == (429, "TOO_MANY_REQUESTS")
    assert refused[0].headers["Retry-After"] == "60"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("[]", (400, "BODY_UNREADABLE")),
        ("{", (400, "BODY_UNREADABLE")),
        ('{"points": 1, "points": 2}', (400, "BODY_UNREADABLE")),
        ('{"points": NaN}', (400, "BODY_UNREADABLE")),
        (b"\xff{}", (400, "BODY_UNREADABLE")),
        ("[" * 60_000, (400, "BODY_UNREADABLE")),
        (r'{"request_key": "\ud800"}', (400, "BODY_UNREADABLE")),
        ('{"a": "' + "x" * 70_000 + '"}', (413, "BODY_TOO_LARGE")),
        ("", (422, "REQUIRED")),
        ({"points": 2500, "more": 1}, (422, "UNKNOWN_FIELD")),
        ({"points": "2500"}, (422, "NOT_WHOLE")),
        ({"points": True}, (422, "NOT_WHOLE")),
        ({"points": 2500.0}, (422, "NOT_WHOLE")),
        ({"points": 10**30}, (422, "TOO_LARGE")),
        ({"points": 2500, "request_key": "é"}, (422, "UNREADABLE")),
    ],
)
def test_a_body_that_is_no_clean_object_is_refused(app: MiniApp, body: Any, refusal: tuple[int, str]) -> None:
    with changes.only():
        answer = app.post("redemptions", body)

    assert code_of(answer) == refusal


def test_a_form_is_no_json(app: MiniApp) -> None:
    answer = app.post("redemptions", "points=1", content_type="application/x-www-form-urlencoded")

    assert code_of(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_every_other_address_or_method_is_refused_in_both_languages(app: MiniApp) -> None:
    nowhere = [Client().get(f"{ROOT}/{path}") for path in ("", "me", "a/b/c", "x/me/", "x%0Ay/me")]

    assert {code_of(answer) for answer in nowhere} == {(404, "NOT_FOUND")}
    assert code_of(app.call("PUT", "me")) == (405, "METHOD_NOT_ALLOWED")
    assert code_of(app.call("OPTIONS", "me")) == (405, "METHOD_NOT_ALLOWED")


def test_consent_is_withdrawn_and_given_again(app: MiniApp) -> None:
    program = app.card.program
    program.consent_text_version = "2026-11"
    program.save()

    withdrawn = app.delete("me/consent").json()
    again = app.post("me/consent", headers={"X-HTTP-Method-Override": "DELETE"}).json()
    given = app.post("me/consent", {"text_version": "2026-11"}).json()

    assert (withdrawn["auto_earn"], again["auto_earn"], given["auto_earn"]) == (False, False, True)
    assert given["consent"]["text_version"] == "2026-11"
    ended, begun = Consent.objects.filter(wallet_pass=app.card).order_by("pk")
    assert (ended.ended_reason, begun.ended_at) == ("MEMBER", None)
    assert begun.evidence.startswith("mini-app session ")


@pytest.mark.parametrize("body", [{}, {"text_version": "2025-01"}])
def test_consent_to_a_text_that_is_not_in_force_is_none(app: MiniApp, body: dict[str, str]) -> None:
    program = app.card.program
    program.consent_text_version = "2026-11"
    program.save()
    enrollment.withdraw(wallet_pass=app.card, now=clock.now())

    with changes.only():
        answer = app.post("me/consent", body)

    assert code_of(answer) == (409, "CONSENT_TEXT_OLD")


def test_setup_tells_what_the_mini_app_needs_before_anybody_signs_in(app: MiniApp) -> None:
    factories.RegistrationFieldFactory.create(program=app.card.program, code="car", kind="YES_NO")

    told = app.get("setup", token="").json()

    assert told["auth"]["scopes"] == ["auth_base", "SCOPE_USER_BILL"]
    assert told["auth"]["auth_client_id"] == app.credential.merchant_id
    assert told["bill_page"]["app_id"] == "2102020000000001"
    assert (told["batch_key"], told["mall"]["tag"]) == ("batchNo", app.tag)
    assert [(one["code"], one["kind"]) for one in told["registration"]] == [("car", "YES_NO")]
    assert told["redemption"] == {
        "min_points": app.card.program.redemption_min_points,
        "points_per_hkd": app.card.program.redemption_points_per_hkd,
    }


def test_a_mall_without_its_page_of_transactions_says_so(app: MiniApp, settings: Any) -> None:
    settings.MINIAPP_BILL_PAGE_APP_ID = ""

    assert app.get("setup", token="").json()["bill_page"] is None


def test_a_mall_without_a_mini_app_says_so_and_an_unknown_one_is_not_found(app: MiniApp) -> None:
    without = factories.CredentialFactory.create(app_id="").mall

    assert code_of(app.get("setup", token="", tag=without.tag)) == (409, "MINI_APP_OFF")
    assert code_of(app.get("setup", token="", tag="no-such")) == (404, "NOT_FOUND")
    assert code_of(app.get("setup", token="", tag="a%00b")) == (404, "NOT_FOUND")


def test_a_mall_without_a_program_or_that_is_suspended_is_not_open(app: MiniApp) -> None:
    empty = factories.CredentialFactory.create().mall
    Mall.objects.filter(pk=app.credential.mall_id).update(state=Mall.State.SUSPENDED)

    answers = [app.get("setup", token="", tag=tag) for tag in (empty.tag, app.tag)]

    assert {code_of(answer) for answer in answers} == {(409, "MINI_APP_OFF")}
    assert code_of(app.get("me")) == NOT_SIGNED_IN
