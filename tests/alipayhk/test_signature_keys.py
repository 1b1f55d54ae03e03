"""Keys in every form in circulation, and what is no key of ours."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from alipayhk import signature

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)


def private_forms() -> dict[str, str]:
    pkcs8 = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    pkcs1 = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return {
        "PKCS#8 PEM": pkcs8,
        "PKCS#1 PEM": pkcs1,
        "PKCS#8 bare": "".join(pkcs8.splitlines()[1:-1]),
        "PKCS#1 bare": "".join(pkcs1.splitlines()[1:-1]),
        "CRLF": pkcs8.replace("\n", "\r\n"),
        "blanks": "  \n" + pkcs8.replace("\n", " \n ") + "\n\n",
        "bare in lines": "\r\n".join(pkcs8.splitlines()[1:-1]) + "\r\n",
    }


@pytest.mark.parametrize("form", private_forms().values(), ids=private_forms().keys())
def test_our_key_is_read_in_every_form_in_circulation(form: str) -> None:
    assert signature.read_private_key(form).private_numbers() == KEY.private_numbers()


def test_a_private_key_survives_its_own_normal_form() -> None:
    text = signature.private_pem(KEY)

    assert text.startswith("-----BEGIN PRIVATE KEY-----")
    assert signature.private_pem(signature.read_private_key(text)) == text


def public_forms() -> dict[str, str]:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    bare = "".join(pem.splitlines()[1:-1])
    return {
        "PEM": pem,
        "bare": bare,
        "CRLF": pem.replace("\n", "\r\n"),
        "blanks": f" {bare[:70]} \n {bare[70:]}\r\n",
    }


@pytest.mark.parametrize("form", public_forms().values(), ids=public_forms().keys())
def test_a_public_key_is_read_in_every_form_in_circulation(form: str) -> None:
    key = signature.read_public_key(form)

    assert key == KEY.public_key()
    assert signature.public_base64(key) == public_forms()["bare"]


def test_a_fingerprint_tells_keys_apart() -> None:
    fingerprint = signature.public_fingerprint(KEY.public_key())

    assert len(fingerprint) == 64
    assert fingerprint != signature.public_fingerprint(OTHER_KEY.public_key())


def refused_private_keys() -> dict[str, str]:
    small = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    locked = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()
    return {
        "empty": "",
        "B212 rubbish": "rubbish",
        "rubbish in base64": base64.b64encode(b"rubbish" * 40).decode(),
        "B212 1024 bit": signature.private_pem(small),
        "B212 a public one": signature.public_base64(KEY.public_key()),
        "elliptic": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "under a password": locked,
    }


@pytest.mark.parametrize("form", refused_private_keys().values(), ids=refused_private_keys().keys())
def test_what_is_no_private_key_of_ours_is_refused_in_words(form: str) -> None:
    with pytest.raises(signature.UnreadableKey, match=r"key"):
        signature.read_private_key(form)


def refused_public_keys() -> dict[str, str]:
    small = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    return {
        "rubbish": "rubbish",
        "1024 bit": signature.public_base64(small.public_key()),
        "a private one": signature.private_pem(KEY),
        "elliptic": curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    }


@pytest.mark.parametrize("form", refused_public_keys().values(), ids=refused_public_keys().keys())
def test_what_is_no_public_rsa_key_is_refused_in_words(form: str) -> None:
    with pytest.raises(signature.UnreadableKey, match=r"key"):
        signature.read_public_key(form)
