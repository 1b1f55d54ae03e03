"""What authentication reads at every request: malls, credentials and keys as they are at that moment."""

import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alipayhk.models import Credential, CredentialKey
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import STRANGER, SUCCESS, TOO_MANY, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def revoke(mall: Wallet) -> None:
    keys = CredentialKey.objects.filter(credential=mall.credential, side=CredentialKey.Side.ALIPAYHK)
    keys.update(state=CredentialKey.State.REVOKED, revoked_at=clock.now())


def test_a_mall_without_a_credential_knows_nobody() -> None:
    bare = factories.MallFactory.create()
    target = f"/{bare.tag}/points/bill/notify"

    answer = wallet.call(target, b"{}", {"Client-Id": "2110200000000044"}.items())

    assert answer.verdict == STRANGER


def test_a_credential_without_keys_knows_nobody(mall: Wallet) -> None:
    CredentialKey.objects.filter(credential=mall.credential, side="ALIPAYHK").delete()

    with changes.only():
        answer = mall.send("BILL", mall.bill())

    assert answer.verdict == STRANGER


def test_an_empty_client_id_of_a_credential_lets_nobody_in(mall: Wallet) -> None:
    Credential.objects.filter(pk=mall.credential.pk).update(client_ids=[""])
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")
    headers = mall.sign(target, body) | {"Client-Id": ""}

    assert mall.post(target, body, headers).verdict == STRANGER


def test_a_revoked_key_is_refused_at_once_and_a_new_one_taken_at_once(mall: Wallet) -> None:
    assert mall.send("BILL", mall.bill()).verdict == SUCCESS
    revoke(mall)
    assert mall.send("BILL", mall.bill()).verdict == STRANGER
    newer = factories.key_pair("ALIPAYHK 2")
    factories.CredentialKeyFactory.create(credential=mall.credential, version=2, pair=newer)
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")

    answer = mall.post(target, body, mall.sign(target, body, key=newer, version=2))

    assert answer.verdict == SUCCESS


def test_a_changed_client_id_holds_from_the_next_request_on(mall: Wallet) -> None:
    assert mall.send("BILL", mall.bill()).verdict == SUCCESS
    before = mall.credential.client_id
    mall.credential.client_id = "2110299999999999"
    mall.credential.save()
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")

    old = mall.post(target, body, mall.sign(target, body, client_id=before))

    assert old.verdict == STRANGER
    assert mall.send("BILL", body).verdict == SUCCESS


def test_one_statement_says_who_may_call(mall: Wallet) -> None:
    mall.send("BILL", mall.bill())

    with CaptureQueriesContext(connection) as found:
        mall.post(mall.path("BILL"), b"{}", mall.sign(mall.path("BILL"), b"{}", key=wallet.OURS))

    asked = [query["sql"] for query in found if "pms_mall" in query["sql"]]
    assert len(asked) == 1


def test_b060_after_too_many_forgeries_an_address_is_not_looked_at(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_BAD_SIGNATURES_PER_MINUTE = 3
    for _ in range(8):
        answer = mall.post(mall.path("BILL"), b"{}", {})
        if answer.verdict == TOO_MANY:
            break
    assert answer.verdict == TOO_MANY

    with CaptureQueriesContext(connection) as found:
        genuine = mall.send("BILL", mall.bill())

    assert genuine.verdict == TOO_MANY
    assert len(found) == 0
    mall.address = "198.51.100.7"
    assert mall.send("BILL", mall.bill()).verdict == SUCCESS


def test_what_a_stranger_is_told_does_not_say_what_was_wrong(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")
    right = mall.sign(target, body)

    with caplog.at_level(logging.INFO):
        answers = [
            mall.post(target, body, right | spoiled)
            for spoiled in (
                {"Client-Id": "nobody"},
                {"Request-Time": "now"},
                {"Signature": "algorithm=none"},
                {"Signature": right["Signature"][:-12]},
            )
        ]

    assert {(answer.verdict, tuple(sorted(answer.headers.items()))) for answer in answers} == {
        (STRANGER, tuple(sorted(answers[0].headers.items())))
    }
    assert right["Signature"][-40:] not in caplog.text
