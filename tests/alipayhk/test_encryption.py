"""RSA_AES there and back, and refusals that all look alike."""

import base64
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from alipayhk import encryption

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
PLAIN = '{"userId":"2160120037098191","name":"陳大文"}'.encode()
SCHEMES = [
    encryption.Scheme(mode=mode, key_padding=key_padding)
    for mode in encryption.Mode
    for key_padding in encryption.KeyPadding
]


def header_of(encrypted: encryption.Encrypted) -> encryption.EncryptHeader:
    header = encryption.read_encrypt_header(encrypted.header)
    assert header is not None
    return header


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.mode}-{scheme.key_padding}")
@pytest.mark.parametrize(
    "plain", [PLAIN, b"", b"{}" * 8, b"x" * 65_536], ids=["JSON", "empty", "a block", "64 KB"]
)
def test_a_body_comes_back_as_it_was(plain: bytes, scheme: encryption.Scheme) -> None:
    encrypted = encryption.encrypt(plain, key=KEY.public_key(), key_version=1, scheme=scheme)

    assert encryption.decrypt(encrypted.body, header=header_of(encrypted), key=KEY, scheme=scheme) == plain


def test_by_default_we_write_what_gateways_of_this_family_read() -> None:
    """Wire §4.5: 32 ASCII characters under PKCS#1 v1.5; AES-256-ECB with PKCS#7; base64 of the result."""
    encrypted = encryption.encrypt(PLAIN, key=KEY.public_key(), key_version=3)

    start, _, wrapped = encrypted.header.partition("symmetricKey=")
    secret = KEY.decrypt(base64.b64decode(unquote(wrapped)), padding.PKCS1v15())
    decryptor = Cipher(AES(secret), ECB()).decryptor()
    padded = decryptor.update(base64.b64decode(encrypted.body)) + decryptor.finalize()
    assert start == "algorithm=RSA_AES,keyVersion=3,"
    assert (len(secret), secret.isalnum()) == (32, True)
    assert padded[: -padded[-1]] == PLAIN


def test_no_two_messages_share_a_key() -> None:
    first, second = (encryption.encrypt(PLAIN, key=KEY.public_key(), key_version=1) for _ in range(2))

    assert first.body != second.body


PLAIN_HEADERS = {
    "B068 as the old pages print it": "algorithm=rsa, keyVersion=2",
    "B068 key empty": "algorithm=RSA_AES,keyVersion=1,symmetricKey=",
    "B068 empty": "",
}


@pytest.mark.parametrize("text", PLAIN_HEADERS.values(), ids=PLAIN_HEADERS.keys())
def test_a_header_without_a_key_means_a_plain_body(text: str) -> None:
    assert encryption.read_encrypt_header(text) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("algorithm=RSA_AES,keyVersion=1,symmetricKey=AA%3D", 1),
        ("ALGORITHM=rsa_aes, KEYVERSION=1, SYMMETRICKEY=AA%3D;", 1),
        ("symmetricKey=AA%3D,algorithm=RSA_AES", None),
        ("algorithm=RSA_AES,keyVersion=latest,symmetricKey=AA%3D", None),
    ],
)
def test_b069_a_header_with_a_key_is_read_in_every_spelling(text: str, version: int | None) -> None:
    header = encryption.read_encrypt_header(text)

    assert header is not None
    assert (header.algorithm.upper(), header.key_version, header.symmetric_key) == (
        "RSA_AES",
        version,
        "AA%3D",
    )


def wrapped(secret: bytes) -> str:
    return base64.b64encode(KEY.public_key().encrypt(secret, padding.PKCS1v15())).decode()


def locked(plain: bytes, secret: bytes) -> bytes:
    """The body under a key we know; `plain` must fill whole blocks, its padding included."""
    encryptor = Cipher(AES(secret), ECB()).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize())


BLOCK = b"{}" + b"\x0e" * 14
SENT = encryption.encrypt(PLAIN, key=KEY.public_key(), key_version=1)
GOOD_KEY = SENT.header.partition("symmetricKey=")[2]
BROKEN = {
    "key is no base64": (SENT.body, "!!!"),
    "key of another length": (SENT.body, wrapped(b"short")),
    "key for somebody else": (
        SENT.body,
        encryption.encrypt(PLAIN, key=OTHER_KEY.public_key(), key_version=1).header.partition(
            "symmetricKey="
        )[2],
    ),
    "the sample of the page": (SENT.body, "bqS8HSmdaRrpKSuPy7CqUlyd8lJurG93"),
    "body is no base64": (b'{"userId":"1"}', GOOD_KEY),
    "body is not ASCII": ("海港".encode(), GOOD_KEY),
    "body is cut": (base64.b64encode(base64.b64decode(SENT.body)[:-5]), GOOD_KEY),
    "body under another key": (locked(BLOCK, b"a" * 32), wrapped(b"k" * 32)),
    "body empty": (b"", GOOD_KEY),
}


@pytest.mark.parametrize(("body", "symmetric_key"), BROKEN.values(), ids=BROKEN.keys())
def test_every_failure_looks_alike(body: bytes, symmetric_key: str) -> None:
    header = encryption.EncryptHeader(algorithm="RSA_AES", key_version=1, symmetric_key=symmetric_key)

    with pytest.raises(encryption.DecryptionFailed) as failed:
        encryption.decrypt(body, header=header, key=KEY)

    assert str(failed.value) == "the body cannot be decrypted"
    assert failed.value.__cause__ is None


def test_another_algorithm_is_refused() -> None:
    header = encryption.EncryptHeader(algorithm="RSA", key_version=1, symmetric_key=GOOD_KEY)

    with pytest.raises(encryption.DecryptionFailed, match="RSA_AES"):
        encryption.decrypt(SENT.body, header=header, key=KEY)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_shorter_aes_key_is_read_too(size: int) -> None:
    secret = b"k" * size
    header = encryption.EncryptHeader(algorithm="RSA_AES", key_version=1, symmetric_key=wrapped(secret))

    assert encryption.decrypt(locked(BLOCK, secret), header=header, key=KEY) == b"{}"


def test_line_ends_in_the_body_are_passed_over() -> None:
    body = SENT.body[:76] + b"\r\n" + SENT.body[76:] + b"\n"

    assert encryption.decrypt(body, header=header_of(SENT), key=KEY) == PLAIN
