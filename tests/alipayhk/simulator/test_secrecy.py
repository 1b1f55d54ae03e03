"""RSA_AES: the twin and the product, written apart, read each other; off unless a mall asks for it."""

import pytest

from alipayhk import encryption, signature
from alipayhk.simulator import notices, secrecy
from alipayhk.simulator.clients import from_register
from alipayhk.simulator.gateway import Request
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import GATEWAY, FakeMall, faces
from tests.alipayhk.simulator.test_gateway import create_body

BODY = '{"userId":"2160000000000001","name":"陳大文"}'.encode()


def test_the_product_reads_what_the_twin_encrypts(simulator: Simulator) -> None:
    key = simulator.twin.keys.merchant
    body, header = secrecy.seal(BODY, key=key.public_key(), version=1)

    found = encryption.read_encrypt_header(header)

    assert found is not None
    assert BODY not in body
    assert encryption.decrypt(body, header=found, key=key) == BODY


def test_the_twin_reads_what_the_product_encrypts(simulator: Simulator) -> None:
    key = simulator.twin.keys.next
    made = encryption.encrypt(BODY, key=key.public_key(), key_version=3)

    wrapped = secrecy.sealed_key(made.header)

    assert secrecy.unseal(made.body, wrapped, keys=simulator.twin.keys.opening()) == BODY


def test_a_header_without_a_key_means_plain() -> None:
    assert secrecy.sealed_key("algorithm=rsa, keyVersion=2") == ""


def test_nobody_else_can_read_it(simulator: Simulator) -> None:
    body, header = secrecy.seal(BODY, key=simulator.twin.keys.old.public_key(), version=1)

    with pytest.raises(secrecy.Unsealable):
        secrecy.unseal(body, secrecy.sealed_key(header), keys=simulator.twin.keys.opening())


def test_notices_are_encrypted_for_a_mall_that_wants_it_and_signed_over_the_cipher_text(
    simulator: Simulator,
) -> None:
    document, keys = simulator.document(), simulator.twin.keys
    document["alipayhk"]["encryption"] = "IN"
    client = from_register(document, mall_url="http://127.0.0.1:9")

    sealed = notices.seal(kind="bill", body=BODY, client=client, keys=keys, fault="none")

    wrapped = secrecy.sealed_key(sealed.headers["Encrypt"])
    assert secrecy.unseal(sealed.body, wrapped, keys=[keys.merchant]) == BODY
    assert sealed.readable == BODY
    signature.verify(
        keys=[keys.current.public_key()],
        signature=signature.read_header(sealed.headers["Signature"]),
        target=sealed.target,
        client_id=sealed.client_id,
        time=sealed.headers["Request-Time"],
        body=sealed.body,
    )


def test_the_gateway_takes_an_encrypted_call(simulator: Simulator, mall: FakeMall) -> None:
    order = notices.to_bytes(create_body(mall, dataInfo=faces(5)))
    made = encryption.encrypt(order, key=simulator.twin.keys.current.public_key(), key_version=2)
    target, moment = f"{GATEWAY}createPass".encode(), "2026-11-21T20:30:17.000+08:00"
    client_id = mall.wire["client_id"]
    signed = signature.sign(key=mall.key, target=target, client_id=client_id, time=moment, body=made.body)
    headers = {
        "client-id": client_id,
        "request-time": moment,
        "signature": signature.header(signature=signed, key_version=1),
        "encrypt": made.header,
    }

    reply = simulator.twin.gateway.answer(Request("POST", target, headers, made.body))

    assert b'"SUCCESS"' in reply.body
    call = simulator.control("GET", "calls?direction=IN&limit=1")["calls"][0]
    assert (call["encrypted"], call["request"]) == (True, order.decode())
