"""B019–B040: whose client calls, which address, which method, and what a proxy or a forger adds."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from alipayhk import payloads
from alipayhk.models import Credential
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import ALIPAYHK, OURS, STRANGER, SUCCESS, UNKNOWN_TAG, Answer, Wallet

pytestmark = pytest.mark.django_db
KINDS = ["BILL", "REFUND", "CARD"]


@pytest.fixture
def mall() -> Wallet:
    return wallet.lumina()


@pytest.fixture
def other() -> Wallet:
    return wallet.lumina()


def signed_for(mall: Wallet, kind: str, target: str = "") -> tuple[bytes, dict[str, str]]:
    body = wallet.encoded(mall.genuine(kind))
    return body, mall.sign(target or mall.path(kind), body)


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize("kind", KINDS)
def test_b019_another_malls_client_id_is_a_strangers_and_raises_the_alarm(
    mall: Wallet, other: Wallet, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = wallet.encoded(mall.genuine(kind))
    headers = mall.sign(mall.path(kind), body, client_id=other.credential.client_id)

    with changes.only(), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.post(mall.path(kind), body, headers)

    assert answer.verdict == STRANGER
    assert "Client-Id of another mall" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client_id", ["4Q5Y8W0WSG45P907917", "2110200000000044 ", "x" * 300, "'; --"])
def test_b020_an_unknown_client_id_is_a_strangers(mall: Wallet, kind: str, client_id: str) -> None:
    body = wallet.encoded(mall.genuine(kind))

    with changes.only():
        answer = mall.post(mall.path(kind), body, mall.sign(mall.path(kind), body, client_id=client_id))

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flaw", ["missing", "empty", "other case", "blank inside", "twice", "two different"])
def test_b021_a_client_id_is_there_once_and_exact(mall: Wallet, kind: str, flaw: str) -> None:
    mall.credential.client_id = "4Q5Y8W0WSG45P907917"
    mall.credential.save()
    body, headers = signed_for(mall, kind)
    rest = list(without(headers, "Client-Id").items())
    spoiled: dict[str, list[tuple[str, str]]] = {
        "missing": rest,
        "empty": [*rest, ("Client-Id", "")],
        "other case": [*rest, ("Client-Id", "4q5y8w0wsg45p907917")],
        "blank inside": [*rest, ("Client-Id", "4Q5Y8W0W SG45P907917")],
        "twice": [*rest, ("Client-Id", "4Q5Y8W0WSG45P907917"), ("Client-Id", "4Q5Y8W0WSG45P907917")],
        "two different": [*rest, ("Client-Id", "4Q5Y8W0WSG45P907917"), ("Client-Id", "another")],
    }

    with changes.only():
        answer = mall.post(mall.path(kind), body, spoiled[flaw])

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("kind", KINDS)
def test_b022_client_id_without_a_hyphen_is_read_where_the_right_name_is_absent(
    mall: Wallet, kind: str
) -> None:
    body, headers = signed_for(mall, kind)
    headers["clientId"] = headers.pop("Client-Id")

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(mall.path(kind), body, headers)

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_b023_beside_the_right_name_the_wrong_one_says_nothing(mall: Wallet, kind: str) -> None:
    body, headers = signed_for(mall, kind)

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(mall.path(kind), body, headers | {"clientId": "another"})

    assert answer.verdict == SUCCESS


def test_a_further_client_id_of_the_credential_is_accepted_and_answered(mall: Wallet) -> None:
    Credential.objects.filter(pk=mall.credential.pk).update(client_ids=["2110200000009999"])
    body = wallet.encoded(mall.genuine("BILL"))

    answer = mall.post(
        mall.path("BILL"), body, mall.sign(mall.path("BILL"), body, client_id="2110200000009999")
    )

    assert answer.verdict == SUCCESS
    assert answer.headers["Client-Id"] == "2110200000009999"


def test_each_of_two_credentials_of_a_mall_has_its_own_keys(mall: Wallet) -> None:
    second = factories.CredentialFactory.create(mall=mall.mall)
    theirs = factories.key_pair("ALIPAYHK 2")
    factories.CredentialKeyFactory.create(credential=second, pair=theirs)
    factories.CredentialKeyFactory.create(credential=second, ours=True, pair=OURS)
    body = wallet.encoded(mall.genuine("BILL"))
    target = mall.path("BILL")

    crossed = mall.post(target, body, mall.sign(target, body, key=ALIPAYHK, client_id=second.client_id))
    right = mall.post(target, body, mall.sign(target, body, key=theirs, client_id=second.client_id))

    assert (crossed.verdict, right.verdict) == (STRANGER, SUCCESS)


ADDED: dict[str, dict[str, str]] = {
    "B025 other case": {},
    "B027 forwarded": {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=203.0.113.7;host=evil.example;proto=https",
    },
    "B028 method override": {"X-HTTP-Method-Override": "DELETE"},
    "B029 accept of the SDK": {"Accept": "text/plain,text/xml,text/javascript,text/html"},
    "B030 accept gzip": {"Accept-Encoding": "gzip"},
    "B070 agent": {"Agent-Token": "an-agent", "Tracer-Id": "abcdefg135202000000000263818"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED.keys())
def test_headers_that_say_nothing_to_us_change_nothing(
    mall: Wallet, kind: str, added: dict[str, str]
) -> None:
    body, headers = signed_for(mall, kind)
    spelled = {name.swapcase(): value for name, value in headers.items()}

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(mall.path(kind), body, spelled | added)

    assert answer.verdict == SUCCESS
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert "Content-Encoding" not in answer.headers


def test_b027_the_log_shows_the_true_peer(mall: Wallet, caplog: pytest.LogCaptureFixture) -> None:
    forged = {"X-Forwarded-For": "203.0.113.7", "Signature": "algorithm=none"}

    with caplog.at_level(logging.INFO):
        mall.post(mall.path("BILL"), b"{}", forged)

    assert mall.address in caplog.text
    assert "203.0.113.7" not in caplog.text


def test_behind_a_proxy_the_header_we_configured_names_the_peer(
    mall: Wallet, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.ALIPAYHK_CLIENT_ADDRESS_HEADER = "X-Real-IP"

    with caplog.at_level(logging.INFO):
        mall.post(mall.path("BILL"), b"{}", {"X-Real-IP": "203.0.113.9"})

    assert "refused a call from 203.0.113.9" in caplog.text


DRESSED: dict[str, tuple[str, set[int]]] = {
    "slash doubled": ("//{tag}/points/bill/notify", {404, 401}),
    "slash doubled within": ("/{tag}//points/bill/notify", {404, 401}),
    "dot": ("/./{tag}/points/bill/notify", {404, 401}),
    "dot-dot": ("/x/%2e%2e/{tag}/points/bill/notify", {404, 401}),
    "escaped slash": ("/{tag}%2Fpoints/bill/notify", {401}),
    "escaped slash at the end": ("/{tag}/points/bill/notify%2F", {404}),
    "trailing slash": ("/{tag}/points/bill/notify/", {404}),
    "other case": ("/{tag}/points/Bill/notify", {404}),
    "tag in other case": ("/{TAG}/points/bill/notify", {404}),
    "parameter": ("/{tag}/points/bill/notify;v=1", {404}),
    "parameter of the tag": ("/{tag};v=1/points/bill/notify", {404}),
    "bare question mark": ("/{tag}/points/bill/notify?", {401}),
    "query": ("/{tag}/points/bill/notify?x=1", {401}),
    "escaped letter": ("/{tag}/points/bill/notif%79", {401}),
    "B164 line ends in the path": ("/{tag}/points/bill/notify%0d%0aSet-Cookie:a=b", {404}),
    "B164 line ends in the query": ("/{tag}/points/bill/notify?x=%0d%0aSet-Cookie:a=b", {401}),
}


@pytest.mark.parametrize(("dressed", "statuses"), DRESSED.values(), ids=DRESSED.keys())
def test_b033_b164_an_address_in_another_dress_is_not_the_one_that_was_signed(
    mall: Wallet, dressed: str, statuses: set[int]
) -> None:
    body, headers = signed_for(mall, "BILL")
    target = dressed.format(tag=mall.mall.tag, TAG=mall.mall.tag.upper())

    with changes.only():
        answer = mall.post(target, body, headers)

    assert answer.status in statuses
    assert not answer.is_signed
    assert not {"Location", "Set-Cookie"} & set(answer.headers)


@pytest.mark.parametrize("kind", KINDS)
def test_b034_a_query_that_was_signed_is_part_of_the_target(mall: Wallet, kind: str) -> None:
    target = mall.path(kind) + "?x=1"
    body, headers = signed_for(mall, kind, target)

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(target, body, headers)

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_b035_a_trailing_slash_is_another_address_even_when_signed(mall: Wallet, kind: str) -> None:
    target = mall.path(kind) + "/"
    body, headers = signed_for(mall, kind, target)

    with changes.only():
        answer = mall.post(target, body, headers)

    assert (answer.status, answer.is_signed) == (404, False)
    assert "Location" not in answer.headers


@pytest.mark.parametrize("kind", KINDS)
def test_b036_a_prefix_that_the_proxy_removed_is_part_of_what_was_signed(mall: Wallet, kind: str) -> None:
    Credential.objects.filter(pk=mall.credential.pk).update(path_prefix="/edge/v1")
    body, headers = signed_for_prefix(mall, kind, "/edge/v1")

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(mall.path(kind), body, headers)

    assert wallet_answer(answer, "/edge/v1").verdict == SUCCESS


def signed_for_prefix(mall: Wallet, kind: str, prefix: str) -> tuple[bytes, dict[str, str]]:
    fields = mall.genuine("BILL" if kind == "REFUND" else kind)
    if kind == "REFUND":
        body = wallet.encoded(fields)
        mall.post(mall.path("BILL"), body, mall.sign(prefix + mall.path("BILL"), body))
        fields = mall.refund(fields)
    body = wallet.encoded(fields)
    return body, mall.sign(prefix + mall.path(kind), body)


def wallet_answer(answer: Answer, prefix: str) -> Answer:
    """The answer as AlipayHK sees it, before its proxy."""
    return Answer(answer.status, answer.headers, answer.body, prefix + answer.target, answer.seconds)


@pytest.mark.parametrize("kind", KINDS)
def test_b036_a_tag_may_have_three_segments(mall: Wallet, kind: str) -> None:
    mall.mall.tag = "merchant/api/alipayhk"
    mall.mall.save()
    body, headers = signed_for(mall, kind)

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(f"/merchant/api/alipayhk/points/{wallet.PATHS[kind]}", body, headers)

    assert answer.verdict == SUCCESS


TAGS = {
    "unknown": "nowhere",
    "NUL": "%00",
    "NUL within": "lumina%00plaza",
    "not UTF-8": "%ff",
    "300 letters": "x" * 300,
    "dots": "..",
    "Chinese": "%E6%9C%97%E6%9B%9C",
    "quote": "'",
    "percent sign": "%25",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS.keys())
def test_b037_an_unknown_tag_has_one_answer(mall: Wallet, kind: str, tag: str) -> None:
    target = f"/{tag}/points/{wallet.PATHS[kind]}"
    body, headers = signed_for(mall, kind, target)

    with changes.only():
        answer = mall.post(target, body, headers)

    assert answer.verdict == UNKNOWN_TAG


@pytest.mark.parametrize(
    "target",
    [
        "/api/open/alipay/v1/ipass/pass/manage/updatePass",
        "/api/open/alipay/v1/ipass/pass/manage/createPass",
        "/{tag}/points/bill/query",
        "/{tag}/points/",
        "/{tag}",
        "/nothing",
    ],
)
def test_b038_an_unknown_path_is_never_answered_with_a_signature(mall: Wallet, target: str) -> None:
    target = target.format(tag=mall.mall.tag)
    body, headers = signed_for(mall, "BILL", target)

    with changes.only():
        answer = mall.post(target, body, headers)

    assert answer.status == 404
    assert "Signature" not in answer.headers
    assert mall.mall.tag.encode() not in answer.body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_b039_only_post_is_a_method_here(mall: Wallet, kind: str, method: str) -> None:
    body, headers = signed_for(mall, kind)

    with changes.only():
        answer = mall.post(mall.path(kind), body, headers, method=method)

    assert (answer.status, answer.body, answer.is_signed) == (405, b"", False)
    assert answer.headers["Allow"] == "POST"


def test_b040_a_message_goes_only_where_it_was_signed_for(mall: Wallet) -> None:
    body, headers = signed_for(mall, "BILL")

    with changes.only():
        answer = mall.post(mall.path("REFUND"), body, headers)

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_echoes_nothing_and_says_when_and_for_whom_it_was_signed(mall: Wallet, kind: str) -> None:
    answer = mall.send(kind, mall.genuine(kind))

    assert answer.body == payloads.SUCCESS
    assert answer.headers["Client-Id"] == mall.credential.client_id
    assert answer.headers["Response-Time"].endswith("+08:00")
    assert answer.headers["Signature"].startswith("algorithm=RSA256,keyVersion=1,signature=")
