"""What a call to AlipayHK looks like, and when there is none."""

import logging
import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from alipayhk import client, encryption, sealed, signature
from alipayhk.models import Credential, CredentialKey, PassCall
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk import raw_gateway as raw
from tests.alipayhk.raw_gateway import RawGateway, Request, result

pytestmark = pytest.mark.django_db

OTHER_PASS = "2020091119027102160530200000039"
HOUR = 3600


def test_a_call_is_signed_by_our_newest_active_key(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    newest: RSAPrivateKey = factories.key_pair("OURS 2")
    factories.CredentialKeyFactory.create(credential=credential, ours=True, version=2, pair=newest)
    factories.CredentialKeyFactory.create(
        credential=credential, ours=True, version=3, state=CredentialKey.State.RETIRING
    )
    raw_gateway.says(result("SUCCESS"))

    raw.push(credential)

    (request,) = raw_gateway.requests
    header = signature.read_header(request.headers["signature"])
    signature.verify(
        keys=[newest.public_key()],
        signature=header,
        target=client.UPDATE_PASS.encode(),
        client_id=credential.client_id,
        time=request.headers["request-time"],
        body=request.body,
    )
    assert (request.target.decode(), header.key_version) == (client.UPDATE_PASS, 2)
    assert "agent-token" not in request.headers
    assert "encrypt" not in request.headers


def test_an_agent_token_is_sent_and_kept_nowhere(
    raw_gateway: RawGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    credential = raw_gateway.mall(sealed_agent_token=sealed.seal("planted-agent-token"))
    raw_gateway.says(result("SUCCESS"))

    wallet_pass = raw.push(credential)

    kept = PassCall.objects.get(update__wallet_pass=wallet_pass)
    texts = [str(vars(kept)), caplog.text, repr(client.caller(credential))]
    header = raw_gateway.requests[0].headers["signature"]
    assert raw_gateway.requests[0].headers["agent-token"] == "planted-agent-token"
    assert not any("planted-agent-token" in text or header in text or "PRIVATE" in text for text in texts)


@pytest.mark.parametrize("is_answer_encrypted", [False, True])
def test_bodies_are_encrypted_when_the_mall_says_so(
    raw_gateway: RawGateway, is_answer_encrypted: bool
) -> None:
    credential = raw_gateway.mall(encryption=Credential.Encryption.BOTH)
    plain: list[bytes] = []

    def answer(connection: socket.socket, request: Request) -> None:
        header = encryption.read_encrypt_header(request.headers["encrypt"])
        assert header is not None
        plain.append(encryption.decrypt(request.body, header=header, key=raw_gateway.ring.next))
        body = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S"}}'
        made = encryption.encrypt(body, key=raw_gateway.ring.merchant.public_key(), key_version=1)
        is_cipher = is_answer_encrypted
        connection.sendall(
            raw_gateway.genuine(
                request, made.body if is_cipher else body, Encrypt=made.header if is_cipher else None
            )
        )

    raw_gateway.answer = answer

    wallet_pass = raw.push(credential)

    assert b'"passId"' in plain[0]
    assert b"passId" not in raw_gateway.requests[0].body
    assert outbound.outcomes(wallet_pass) == ["DONE SUCCESS"]


def test_an_encrypted_answer_is_unknown_while_encryption_is_off(raw_gateway: RawGateway) -> None:
    made = encryption.encrypt(b"{}", key=raw_gateway.ring.merchant.public_key(), key_version=1)
    raw_gateway.says(made.body, Encrypt=made.header)

    wallet_pass = raw.push(raw_gateway.mall())

    raw.assert_unknown(wallet_pass, "ANSWER_ENCRYPTED")


def test_a_gateway_that_is_not_allowed_is_not_called(raw_gateway: RawGateway, settings: Any) -> None:
    credential = raw_gateway.mall()
    settings.ALIPAYHK_GATEWAY_HOSTS = ["open.alipay.hk"]

    wallet_pass = raw.push(credential)

    raw.assert_unknown(wallet_pass, "GATEWAY_NOT_ALLOWED")
    assert raw_gateway.requests == []


def test_a_mall_without_an_active_key_does_not_call(raw_gateway: RawGateway) -> None:
    credential = raw_gateway.mall()
    credential.keys.filter(side=CredentialKey.Side.OURS).update(state=CredentialKey.State.RETIRING)

    wallet_pass = raw.push(credential)

    raw.assert_unknown(wallet_pass, "NO_ACTIVE_KEY")
    assert raw_gateway.requests == []
