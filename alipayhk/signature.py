"""Signs what we send to AlipayHK and verifies what AlipayHK sends to us.

Works on raw bytes: the target as called and the body as sent, never a re-serialised one.
Knows one algorithm, RSA PKCS#1 v1.5 with SHA-256; the header never chooses the code that runs.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

ALGORITHM = "RSA256"
SMALLEST_KEY_BITS = 2048
# A 4096-bit signature with every letter percent-escaped is 2,052 letters; 10 KB is an attack on our time.
LONGEST_HEADER = 4096

# One verifier, the spellings of it that AlipayHK's pages and samples print (compared without case).
_SPELLINGS = frozenset({"rsa256", "sha256withrsa"})
_KEYS = frozenset({"algorithm", "keyversion", "signature"})
_KEY_VERSION = re.compile(r"[0-9]{1,9}", re.ASCII)
_BLANKS = re.compile(r"[ \t]+")
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_PADDING = PKCS1v15()
_HASH = SHA256()


class SignatureInvalid(Exception):
    """The signature header cannot be read, or no active key made this signature over this message."""


class UnreadableKey(ValueError):
    """The text is not an RSA key of the expected kind with at least 2048 bits."""


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """A `Signature` header, decoded. `algorithm` is always the one we verify with."""

    algorithm: str
    key_version: int | None
    signature: bytes


def read_private_key(text: str) -> RSAPrivateKey:
    """Read our key in any form in circulation: PKCS#1 or PKCS#8, as PEM or as bare base64 DER."""
    try:
        key = load_der_private_key(_der(text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("not an unencrypted RSA private key in PEM or base64 form") from error
    if not isinstance(key, RSAPrivateKey):
        raise UnreadableKey("a private key, but not an RSA one")
    _check_size(key.key_size)
    return key


def read_public_key(text: str) -> RSAPublicKey:
    """Read a public key as PEM or as the bare base64 SubjectPublicKeyInfo that AlipayHK hands out."""
    try:
        key = load_der_public_key(_der(text))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnreadableKey("not an RSA public key in PEM or base64 form") from error
    if not isinstance(key, RSAPublicKey):
        raise UnreadableKey("a public key, but not an RSA one")
    _check_size(key.key_size)
    return key


def public_fingerprint(key: RSAPublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, in hex: what two people compare over the telephone."""
    return hashlib.sha256(_public_der(key)).hexdigest()


def private_pem(key: RSAPrivateKey) -> str:
    """The key as unencrypted PKCS#8 PEM; for the envelope encryption at rest only."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_base64(key: RSAPublicKey) -> str:
    """The key as one line of base64 SubjectPublicKeyInfo, the form AlipayHK exchanges."""
    return b64encode(_public_der(key)).decode()


def string_to_sign(*, target: bytes, client_id: str, time: str, body: bytes, method: str = "POST") -> bytes:
    """Wire §4.1. `target` is path and query as called; an answer repeats the target of its request."""
    return b"%b %b\n%b.%b.%b" % (method.encode(), target, client_id.encode(), time.encode(), body)


def sign(*, key: RSAPrivateKey, target: bytes, client_id: str, time: str, body: bytes) -> str:
    """Return the signature as percent-encoded standard base64, the form that goes into the header."""
    text = string_to_sign(target=target, client_id=client_id, time=time, body=body)
    return quote(b64encode(key.sign(text, _PADDING, _HASH)), safe="")


def header(*, signature: str, key_version: int) -> str:
    return f"algorithm={ALGORITHM},keyVersion={key_version},signature={signature}"


def read_header(text: str) -> SignatureHeader:
    """Read every spelling of wire §4.3; whatever is doubtful raises SignatureInvalid."""
    if len(text) > LONGEST_HEADER:
        raise SignatureInvalid("signature header too long")
    pairs = _pairs(text)
    _check_algorithm(pairs.get("algorithm", ALGORITHM).lower())
    return SignatureHeader(
        algorithm=ALGORITHM,
        key_version=_key_version(pairs.get("keyversion", "")),
        signature=_signature(pairs.get("signature", "")),
    )


def read_base64(text: str) -> bytes:
    """Decode base64 in every dress AlipayHK prints it in: percent-escaped, bare, URL-safe, unpadded.

    Anything else, letters outside the alphabet included, raises ValueError.
    """
    if " " in text or "\t" in text:
        text = _BLANKS.sub("", text)
    # Not unquote_plus: an unescaped `+` is a letter of base64, not a blank.
    letters = unquote_to_bytes(text).translate(_URL_SAFE_TO_STANDARD)
    return a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)


def verify(
    *,
    keys: Sequence[RSAPublicKey],
    signature: SignatureHeader,
    target: bytes,
    client_id: str,
    time: str,
    body: bytes,
) -> None:
    """Raise SignatureInvalid unless one of `keys` (active ones only, newest first) made the signature.

    The key version in the header is no authority: it neither adds a key nor takes one away.
    """
    try:
        text = string_to_sign(target=target, client_id=client_id, time=time, body=body)
    except UnicodeEncodeError as error:
        raise SignatureInvalid("header text cannot be encoded") from error
    for key in keys:
        if _is_by(key, signature.signature, text):
            return
    raise SignatureInvalid("no active key made this signature")


def _is_by(key: RSAPublicKey, signature: bytes, text: bytes) -> bool:
    if len(signature) * 8 != key.key_size:
        return False
    try:
        key.verify(signature, text, _PADDING, _HASH)
    except (InvalidSignature, ValueError):
        return False
    return True


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.rstrip(" \t;,").split(","):
        name, _, value = part.partition("=")
        name = name.strip(" \t").lower()
        if name not in _KEYS:
            continue
        if name in found:
            raise SignatureInvalid(f"{name} given twice")
        found[name] = value.strip(" \t")
    return found


def _key_version(text: str) -> int | None:
    if not text:
        return None
    if not _KEY_VERSION.fullmatch(text):
        raise SignatureInvalid("key version is not a number")
    return int(text)


def _check_algorithm(name: str) -> None:
    if name == "ecc224":
        raise SignatureInvalid("ECC224 signatures are not supported, only RSA256")
    if name not in _SPELLINGS:
        raise SignatureInvalid("signature algorithm not supported, only RSA256")


def _signature(value: str) -> bytes:
    try:
        signature = read_base64(value)
    except ValueError as error:
        raise SignatureInvalid("signature is not base64") from error
    if not signature:
        raise SignatureInvalid("signature missing")
    return signature


def _der(text: str) -> bytes:
    """The bytes inside the armour; the armour's own words are not trusted to say what they are."""
    return b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)


def _check_size(bits: int) -> None:
    if bits < SMALLEST_KEY_BITS:
        raise UnreadableKey(f"an RSA key of {bits} bits; at least {SMALLEST_KEY_BITS} are needed")


def _public_der(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
