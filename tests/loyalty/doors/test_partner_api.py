"""Partners' tills: a key opens one mall, a request counts once, and every refusal says what to do."""

import json
from typing import Any

import pytest
from django.test import Client

from loyalty.doors import partners, slips
from loyalty.doors.models import PartnerKey, PartnerRequest
from loyalty.earning.models import Transaction
from pms import clock
from tests import factories
from tests.loyalty.doors import desk
from tests.loyalty.doors.desk import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def till() -> Desk:
    return desk.lumina()


@pytest.fixture
def key(till: Desk) -> str:
    return partners.make_key(mall=till.mall, name="Till 1", by=None, now=clock.now())[1]


def body(till: Desk, **fields: Any) -> dict[str, Any]:
    return {
        "number": "R-1001",
        "store": till.store.code,
        "amount_cents": 68800,
        "currency": "HKD",
        "paid_at": desk.an_hour_ago().isoformat(),
        "member": till.member.card_number,
        "tender": "CARD",
    } | fields


def post(till: Desk, key: str, document: Any, *, once: str = "request-1", tag: str = "") -> Any:
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    headers = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": once} if once else {})
    address = f"/api/partner/v1/{tag or till.mall.tag}/transactions"
    return Client().post(address, text, content_type="application/json", headers=headers)


def test_a_purchase_is_recorded_and_its_verdict_told(till: Desk, key: str) -> None:
    answer = post(till, key, body(till))

    told = answer.json()
    assert (answer.status_code, told["state"], told["points"], told["reason"]) == (
        201,
        "EARNED",
        688,
        "EARNED_BASE",
    )
    assert (told["earlier"], "688 points" in told["message_en"], "688" in told["message_zh"]) == (
        None,
        True,
        True,
    )
    assert (Transaction.objects.get().channel, till.balance) == ("PARTNER", 688)


def test_the_same_request_again_is_the_same_answer_and_nothing_more(till: Desk, key: str) -> None:
    sent = body(till)
    first = post(till, key, sent)

    second = post(till, key, sent)

    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (Transaction.objects.count(), till.balance) == (1, 688)


def test_another_body_under_the_same_idempotency_key_is_a_conflict(till: Desk, key: str) -> None:
    post(till, key, body(till))

    answer = post(till, key, body(till, amount_cents=99900))

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_USED")
    assert Transaction.objects.count() == 1


def test_a_duplicate_is_told_which_door_won_and_when(till: Desk, key: str) -> None:
    till.shopper.pays(68800, numbers={"PAYMENT": "22023041200135606000000000297866"}, at=desk.an_hour_ago())

    answer = post(till, key, body(till, number="22023041200135606000000000297866"))

    told = answer.json()
    assert (told["state"], told["points"], told["reason"]) == ("DUPLICATE", 0, "DUPLICATE_NUMBER")
    assert told["earlier"]["door"] == "WALLET"
    assert till.balance == 0


def test_a_verdict_is_asked_for_again_by_its_reference(till: Desk, key: str) -> None:
    told = post(till, key, body(till)).json()
    address = f"/api/partner/v1/{till.mall.tag}/transactions/{told['reference']}"

    known = Client().get(address, headers={"Authorization": f"Bearer {key}"})
    unknown = Client().get(f"{address}0", headers={"Authorization": f"Bearer {key}"})

    assert (known.status_code, known.json()) == (200, told)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_a_stranger_is_refused_and_nothing_is_written(till: Desk, key: str) -> None:
    other = factories.MallFactory.create()
    elsewhere = partners.make_key(mall=other, name="Till", by=None, now=clock.now())[1]
    revoked, old = partners.make_key(mall=till.mall, name="Old", by=None, now=clock.now())
    partners.revoke(key=revoked, now=clock.now())

    answers = [post(till, one, body(till)) for one in ("", "ltk_wrong", f"{key}x", "kéy", old, elsewhere)]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["error"]["code"] for answer in answers} == {"KEY_INVALID"}
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert (Transaction.objects.count(), PartnerRequest.objects.count()) == (0, 0)


def test_only_the_digest_of_a_key_is_kept(till: Desk, key: str) -> None:
    row = PartnerKey.objects.values().get()

    assert key not in json.dumps(row, default=str)
    assert len(row["start"]) < len(key) / 3


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"amount_cents": "68800"}, "amount_cents", "AMOUNT_NOT_CENTS"),
        ({"amount_cents": 688.5}, "amount_cents", "AMOUNT_NOT_CENTS"),
        ({"amount_cents": True}, "amount_cents", "AMOUNT_NOT_CENTS"),
        ({"amount_cents": -1}, "amount_cents", "AMOUNT_NEGATIVE"),
        ({"amount_cents": 10**12}, "amount_cents", "AMOUNT_TOO_LARGE"),
        ({"paid_at": "2026-11-21T14:32:00"}, "paid_at", "PAID_AT_WITHOUT_ZONE"),
        ({"paid_at": "2026-02-31T14:32:00+08:00"}, "paid_at", "PAID_AT_UNREADABLE"),
        ({"paid_at": "2999-01-01T00:00:00Z"}, "paid_at", "PAID_IN_FUTURE"),
        ({"store": "NO-SUCH"}, "store", "STORE_UNKNOWN"),
        ({"member": "nobody"}, "member", "MEMBER_UNKNOWN"),
        ({"member": 5}, "member", "NOT_TEXT"),
        ({"number": "a b"}, "number", "NUMBER_UNREADABLE"),
        ({"number": ""}, "number", "MISSING"),
        ({"number_kind": "TICKET"}, "number_kind", "NUMBER_KIND_UNKNOWN"),
        ({"currency": "hkd"}, "currency", "CURRENCY_UNREADABLE"),
        ({"tender": "card!"}, "tender", "TENDER_UNREADABLE"),
        ({"points": 5}, "points", "FIELD_UNKNOWN"),
    ],
)
def test_a_fault_names_its_field_in_both_languages(
    till: Desk, key: str, wrong: dict[str, Any], field: str, code: str
) -> None:
    answer = post(till, key, body(till, **wrong))

    said = answer.json()["error"]
    assert (answer.status_code, said["code"]) == (422, code)
    assert [fault["field"] for fault in said["fields"]] == [field]
    assert said["message_en"] != said["message_zh"]
    assert not Transaction.objects.exists()


def test_a_store_of_another_mall_of_the_group_is_refused(till: Desk, key: str) -> None:
    other = factories.StoreFactory.create(
        mall=factories.MallFactory.create(group=till.mall.group), code="X-1"
    )

    answer = post(till, key, body(till, store=other.code))

    assert answer.json()["error"]["code"] == "STORE_OF_ANOTHER_MALL"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        b"\xff{}",
        "[" * 100_000,
        r'{"number": "\ud800"}',
        r'{"store": "a\u0000"}',
        r'{"\udc00": [{"a": ["\u0000"]}]}',
    ],
)
def test_what_is_not_one_clean_object_is_refused(till: Desk, key: str, text: str | bytes) -> None:
    answer = post(till, key, text)

    assert answer.status_code in (400, 413, 422)
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("name", ["number", "store", "member", "tender", "other"])
@pytest.mark.parametrize("letter", ["\ud800", "\x00"])
def test_what_is_no_text_in_any_field_is_unreadable(till: Desk, key: str, name: str, letter: str) -> None:
    answer = post(till, key, body(till, **{name: letter}))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BODY_UNREADABLE")


def test_a_nul_in_the_address_opens_nothing(till: Desk, key: str) -> None:
    assert post(till, key, body(till), tag="a%00b").status_code == 401


def test_a_till_asks_for_its_store_alone_and_for_no_member_while_another_field_is_wrong(
    till: Desk, django_assert_num_queries: Any
) -> None:
    # The store, and what was merged into it.
    with django_assert_num_queries(2), pytest.raises(partners.NotTaken) as refused:
        partners.read(body(till, amount_cents=-1, member="?"), mall=till.mall, now=clock.now())

    assert [fault.code for fault in refused.value.faults] == ["AMOUNT_NEGATIVE"]
    assert set(slips.Stores(till.mall, only=till.store.code.lower()).by_id) == {till.store.pk}


def test_two_presses_for_one_key_make_one(till: Desk) -> None:
    partners.make_key(mall=till.mall, name="Till 9", by=None, now=clock.now())

    with pytest.raises(partners.NameInUse):
        partners.make_key(mall=till.mall, name="Till 9", by=None, now=clock.now())

    assert PartnerKey.objects.filter(name="Till 9").count() == 1


def test_an_idempotency_key_is_needed(till: Desk, key: str) -> None:
    answer = post(till, key, body(till), once="")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "IDEMPOTENCY_KEY_MISSING")


def test_a_key_that_asks_too_often_waits(till: Desk, key: str, settings: Any) -> None:
    settings.PARTNER_REQUESTS_PER_MINUTE = 2

    answers = [post(till, key, body(till)) for _ in range(5)]

    # The minute may turn in between.
    assert [answer.status_code for answer in answers].count(429) >= 1
    assert (
        answers[-1].json()["error"]["code"] in ("TOO_MANY_REQUESTS", None) or answers[-1].status_code == 201
    )


def test_the_description_names_the_fields_that_are_taken(till: Desk) -> None:
    document = Client().get("/api/partner/v1/openapi.json").json()

    purchase = document["components"]["schemas"]["Purchase"]
    assert set(purchase["properties"]) == {*partners.REQUIRED, *partners.OPTIONAL}
    assert document["openapi"].startswith("3.1")


def test_the_screen_shows_a_key_once_and_revokes_it(till: Desk) -> None:
    client = till.staff("MANAGER")

    made = client.post("/admin/doors/partnerkey/add/", {"mall": till.mall.pk, "name": "Till 7"})
    row = PartnerKey.objects.get(name="Till 7")
    shown = client.get(f"/admin/doors/partnerkey/{row.pk}/change/")
    revoked = client.post(f"/admin/doors/partnerkey/{row.pk}/do/revoke/")

    key = made.content.decode().split("ltk_")[1].split("<")[0].split('"')[0]
    assert partners.keeper_of(f"ltk_{key}", tag=till.mall.tag) is None
    assert ("no-store" in made.headers["Cache-Control"], key in shown.content.decode()) == (True, False)
    row.refresh_from_db()
    assert (revoked.status_code, row.revoked_at is not None) == (302, True)


def test_a_counter_login_makes_no_keys(till: Desk) -> None:
    answer = till.staff().get("/admin/doors/partnerkey/add/")

    assert answer.status_code == 403
