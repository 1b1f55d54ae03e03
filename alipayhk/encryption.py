"""Encrypts and decrypts whole bodies as RSA_AES: AES for the body, RSA for its key in the `Encrypt` header.

The page stops before it names modes and paddings; the defaults are what gateways of this family do
(wire §4.5), so both are a Scheme and not code. Encrypt first, then sign the cipher text.
"""

import re
import secrets
import string
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.padding import PKCS7

from alipayhk import signature

ALGORITHM = "RSA_AES"
BLOCK = 16
KEY_LENGTHS = (16, 24, 32)
_KEY_VERSION = re.compile(r"[0-9]{1,9}")
_KEY_LETTERS = string.ascii_letters + string.digits


class DecryptionFailed(Exception):
    """The body cannot be decrypted. Which step failed is not said, as that would help to break the key."""


class Mode(StrEnum):
    ECB = "ECB"
    CBC = "CBC"  # the initialisation vector stands before the cipher text


class KeyPadding(StrEnum):
    PKCS1_V15 = "PKCS1_V15"
    OAEP_SHA256 = "OAEP_SHA256"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """The parts of RSA_AES that AlipayHK's pages leave open."""

    mode: Mode = Mode.ECB
    key_padding: KeyPadding = KeyPadding.PKCS1_V15


@dataclass(frozen=True, kw_only=True, slots=True)
class EncryptHeader:
    """An `Encrypt` header that carries a key; the key as written, since reading it may fail."""

    algorithm: str
    key_version: int | None
    symmetric_key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Encrypted:
    """A body as it goes over the wire, and the `Encrypt` header that goes with it."""

    body: bytes
    header: str


DEFAULT_SCHEME = Scheme()


def read_encrypt_header(text: str) -> EncryptHeader | None:
    """None if no key is given: many samples carry such a header beside a plain body."""
    pairs: dict[str, str] = {}
    for part in text.rstrip(" \t;,").split(","):
        name, _, value = part.partition("=")
        pairs[name.strip().lower()] = value.strip()
    if not pairs.get("symmetrickey"):
        return None
    version = _KEY_VERSION.fullmatch(pairs.get("keyversion", ""))
    return EncryptHeader(
        algorithm=pairs.get("algorithm", ""),
        key_version=int(version[0]) if version else None,
        symmetric_key=pairs["symmetrickey"],
    )


def encrypt(
    plain: bytes, *, key: RSAPublicKey, key_version: int, scheme: Scheme = DEFAULT_SCHEME
) -> Encrypted:
    """Encrypt a body for the owner of `key`, under an AES key made for it alone."""
    letters = "".join(secrets.choice(_KEY_LETTERS) for _ in range(32)).encode()
    padder = PKCS7(BLOCK * 8).padder()
    padded = padder.update(plain) + padder.finalize()
    vector = secrets.token_bytes(BLOCK) if scheme.mode is Mode.CBC else b""
    encryptor = _cipher(letters, vector).encryptor()
    body = b64encode(vector + encryptor.update(padded) + encryptor.finalize())
    wrapped = quote(b64encode(key.encrypt(letters, _key_padding(scheme))), safe="")
    return Encrypted(
        body=body, header=f"algorithm={ALGORITHM},keyVersion={key_version},symmetricKey={wrapped}"
    )


def decrypt(
    body: bytes, *, header: EncryptHeader, key: RSAPrivateKey, scheme: Scheme = DEFAULT_SCHEME
) -> bytes:
    """Return the plain body, or raise DecryptionFailed. Verify the signature first: it is over `body`."""
    if header.algorithm.upper() != ALGORITHM:
        raise DecryptionFailed(f"only {ALGORITHM} is supported")
    secret = _unwrap(header.symmetric_key, key, scheme)
    try:
        # Without a key the work is done under a random one, so that both failures look and last alike.
        plain = _plain(body, secret or secrets.token_bytes(32), scheme)
    except ValueError:
        # The reason is cut off on purpose: it must reach neither a log nor an answer.
        raise DecryptionFailed("the body cannot be decrypted") from None
    if not secret:
        raise DecryptionFailed("the body cannot be decrypted")
    return plain


def _unwrap(text: str, key: RSAPrivateKey, scheme: Scheme) -> bytes:
    """The AES key, or nothing if it cannot be had."""
    try:
        secret = key.decrypt(signature.read_base64(text), _key_padding(scheme))
    except ValueError:
        return b""
    return secret if len(secret) in KEY_LENGTHS else b""


def _plain(body: bytes, secret: bytes, scheme: Scheme) -> bytes:
    vector, cipher_text = _split(signature.read_base64("".join(body.decode("ascii").split())), scheme)
    decryptor = _cipher(secret, vector).decryptor()
    padded = decryptor.update(cipher_text) + decryptor.finalize()
    unpadder = PKCS7(BLOCK * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _split(cipher_text: bytes, scheme: Scheme) -> tuple[bytes, bytes]:
    size = BLOCK if scheme.mode is Mode.CBC else 0
    return cipher_text[:size], cipher_text[size:]


def _cipher(secret: bytes, vector: bytes) -> Cipher[CBC] | Cipher[ECB]:
    return Cipher(AES(secret), CBC(vector)) if vector else Cipher(AES(secret), ECB())  # noqa: S305 - the gateways' mode


def _key_padding(scheme: Scheme) -> AsymmetricPadding:
    if scheme.key_padding is KeyPadding.OAEP_SHA256:
        return OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    return PKCS1v15()
