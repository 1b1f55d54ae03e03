"""RSA_AES as gateways of this family do it: AES-256 in ECB for the body, RSA PKCS#1 v1.5 for its key; wire §4.5.

AlipayHK's page stops before it names modes and paddings, so this is practice seen elsewhere, not a promise.
Written apart from the product's own encryption: what both read alike is not one mistake made twice.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from urllib.parse import quote, unquote

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

_KEY_SIZES = (16, 24, 32)


class Unsealable(Exception):
    """The body cannot be decrypted with any of these keys."""


def seal(plain: bytes, *, key: RSAPublicKey, version: int) -> tuple[bytes, str]:
    """The encrypted body and its `Encrypt` header, for the owner of `key`."""
    secret = secrets.token_hex(16).encode()
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(secret), ECB()).encryptor()  # noqa: S305 – the gateways' mode
    body = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    wrapped = quote(b64encode(key.encrypt(secret, PKCS1v15())), safe="")
    return b64encode(body), f"algorithm=RSA_AES,keyVersion={version},symmetricKey={wrapped}"


def sealed_key(header: str) -> str:
    """The encrypted AES key that an `Encrypt` header carries; empty means that the body is plain."""
    parts = (part.partition("=") for part in header.split(","))
    return next((value.strip() for name, _, value in parts if name.strip().lower() == "symmetrickey"), "")


def unseal(body: bytes, wrapped: str, *, keys: Sequence[RSAPrivateKey]) -> bytes:
    """The plain body. `wrapped` is what `sealed_key` found."""
    for key in keys:
        try:
            secret = key.decrypt(b64decode(unquote(wrapped)), PKCS1v15())
            if len(secret) in _KEY_SIZES:
                return _open(b64decode(body), secret)
        except ValueError:
            continue
    raise Unsealable


def _open(content: bytes, secret: bytes) -> bytes:
    decryptor = Cipher(AES(secret), ECB()).decryptor()  # noqa: S305 – the gateways' mode
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(content) + decryptor.finalize()) + unpadder.finalize()
