"""B001–B018: every genuine spelling of the signature header is read, every other one is a stranger's."""

import hashlib
import hmac
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, unquote_to_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from alipayhk import signature
from alipayhk.models import CredentialKey
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import ALIPAYHK, OURS, STRANGER, SUCCESS, Wallet

pytestmark = pytest.mark.django_db
KINDS = ["BILL", "REFUND", "CARD"]


class Signed:
    """One genuine message; a case writes another `Signature` header for it."""

    def __init__(self, mall: Wallet, kind: str, body: bytes) -> None:
        self.target, self.body = mall.path(kind), body
        self.headers = mall.sign(self.target, body)
        self.header = self.headers["Signature"]
        self.escaped = self.header.rpartition("signature=")[2]
        self.value = unquote_to_bytes(self.escaped).decode()
        self.raw = signature.read_base64(self.escaped)

    @property
    def text(self) -> bytes:
        return signature.string_to_sign(
            target=self.target.encode(),
            client_id=self.headers["Client-Id"],
            time=self.headers["Request-Time"],
            body=self.body,
        )


def base64(raw: bytes) -> str:
    return quote(b64encode(raw).decode(), safe="")


def rsa256(value: str) -> str:
    return f"algorithm=RSA256,keyVersion=1,signature={value}"


def flipped(raw: bytes) -> bytes:
    return raw[:100] + bytes([raw[100] ^ 1]) + raw[101:]


def modulus_minus_one() -> bytes:
    return (ALIPAYHK.public_key().public_numbers().n - 1).to_bytes(256, "big")


def keyed_with_the_public_key(message: Signed) -> str:
    key = signature.public_base64(ALIPAYHK.public_key()).encode()
    return base64(hmac.digest(key, message.text, hashlib.sha256))


def pss(message: Signed) -> str:
    padding = PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH)
    return base64(ALIPAYHK.sign(message.text, padding, SHA256()))


def sha1(message: Signed) -> str:
    return base64(ALIPAYHK.sign(message.text, PKCS1v15(), SHA1()))


def by_ourselves(message: Signed) -> str:
    return base64(OURS.sign(message.text, PKCS1v15(), SHA256()))


Respelling = Callable[[Signed], str]
FORGERIES: dict[str, Respelling] = {
    "B001 header empty": lambda message: "",
    "B001 value empty": lambda message: rsa256(""),
    "B001 no signature pair": lambda message: "algorithm=RSA256,keyVersion=1",
    "B002 none, genuine value": lambda message: message.header.replace("RSA256", "none"),
    "B002 none, any value": lambda message: "algorithm=none,keyVersion=1,signature=AAAA",
    "B002 none, no value": lambda message: "algorithm=none,keyVersion=1,signature=",
    "B004 algorithm empty": lambda message: message.header.replace("RSA256", ""),
    "B004 ECC224": lambda message: message.header.replace("RSA256", "ECC224"),
    "B004 HMAC256": lambda message: rsa256(keyed_with_the_public_key(message)).replace("RSA256", "HMAC256"),
    "B004 HMAC as RSA256": lambda message: rsa256(keyed_with_the_public_key(message)),
    "B006 SHA-1 under RSA256": lambda message: rsa256(sha1(message)),
    "B006 SHA1withRSA": lambda message: rsa256(sha1(message)).replace("RSA256", "SHA1withRSA"),
    "B006 PSS": lambda message: rsa256(pss(message)),
    "B010 encoded twice": lambda message: rsa256(quote(quote(message.value, safe=""), safe="")),
    "B010 exclamation mark": lambda message: rsa256("!" + message.escaped),
    "B010 star": lambda message: rsa256(message.escaped[:8] + "*" + message.escaped[8:]),
    "B010 full-width": lambda message: rsa256("%EF%BC%A1" + message.escaped[1:]),
    "B010 letter after the padding": lambda message: rsa256(message.value + "A"),
    "B012 good one first": lambda message: f"{message.header},signature={base64(bytes(256))}",
    "B012 good one last": lambda message: rsa256(f"{base64(bytes(256))},signature={message.escaped}"),
    "B012 the same twice": lambda message: f"{message.header},signature={message.escaped}",
    "B013 10 KB": lambda message: rsa256(message.escaped + "A" * 10_240),
    "B014 one bit flipped": lambda message: rsa256(base64(flipped(message.raw))),
    "B014 256 zero bytes": lambda message: rsa256(base64(bytes(256))),
    "B014 modulus minus one": lambda message: rsa256(base64(modulus_minus_one())),
    "B014 255 bytes": lambda message: rsa256(base64(message.raw[:-1])),
    "B014 257 bytes": lambda message: rsa256(base64(b"\0" + message.raw)),
    "B016 negative": lambda message: message.header.replace("Version=1", "Version=-1"),
    "B016 huge": lambda message: message.header.replace("Version=1", f"Version={10**30}"),
    "B016 full-width": lambda message: message.header.replace("Version=1", "Version=\xef\xbc\x91"),
    "B016 latest": lambda message: message.header.replace("Version=1", "Version=latest"),
    "B016 injection": lambda message: message.header.replace("Version=1", "Version=1' or 1=1"),
    "B018 our own key": lambda message: rsa256(by_ourselves(message)),
}
SPELLINGS: dict[str, Respelling] = {
    "B003 algorithm absent": lambda message: message.header.replace("algorithm=RSA256,", ""),
    "B005 rsa256": lambda message: message.header.replace("RSA256", "rsa256"),
    "B005 SHA256withRSA": lambda message: message.header.replace("RSA256", "SHA256withRSA"),
    "B005 sha256withrsa": lambda message: message.header.replace("RSA256", "sha256withrsa"),
    "B007 other order": lambda message: f"signature={message.escaped},keyVersion=1,algorithm=RSA256",
    "B007 other case": lambda message: f"ALGORITHM=RSA256,KeyVersion=1,SIGNATURE={message.escaped}",
    "B007 blank after the comma": lambda message: message.header.replace(",", ", "),
    "B007 tab after the comma": lambda message: message.header.replace(",", ",\t"),
    "B007 semicolon at the end": lambda message: message.header + ";",
    "B007 comma at the end": lambda message: message.header + ",",
    "B007 unknown pair": lambda message: f"colour=blue,{message.header}",
    "B009 plain base64": lambda message: rsa256(message.value),
    "B009 base64url": lambda message: rsa256(urlsafe_b64encode(message.raw).decode()),
    "B009 base64url without padding": lambda message: rsa256(
        urlsafe_b64encode(message.raw).decode().rstrip("=")
    ),
    "B009 escapes in lower case": lambda message: rsa256(
        message.escaped.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")
    ),
    "B011 blanks and tabs inside": lambda message: rsa256(
        message.escaped[:20] + " " + message.escaped[20:50] + "\t " + message.escaped[50:]
    ),
    "B015 no key version": lambda message: message.header.replace("keyVersion=1,", ""),
    "B015 key version empty": lambda message: message.header.replace("Version=1", "Version="),
    "B015 unknown key version": lambda message: message.header.replace("Version=1", "Version=77"),
}


@pytest.fixture
def mall() -> Wallet:
    return wallet.lumina()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("respelling", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_message_without_alipayhks_signature_is_a_strangers(
    mall: Wallet, kind: str, respelling: Respelling
) -> None:
    message = Signed(mall, kind, wallet.encoded(mall.genuine(kind)))

    with changes.only():
        answer = mall.post(message.target, message.body, message.headers | {"Signature": respelling(message)})

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("respelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_of_a_genuine_signature_is_read(
    mall: Wallet, kind: str, respelling: Respelling
) -> None:
    message = Signed(mall, kind, wallet.encoded(mall.genuine(kind)))

    with changes.only(*changes.DONE[kind]):
        answer = mall.post(message.target, message.body, message.headers | {"Signature": respelling(message)})

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_b001_a_message_without_a_signature_header_is_a_strangers(mall: Wallet, kind: str) -> None:
    message = Signed(mall, kind, wallet.encoded(mall.genuine(kind)))
    del message.headers["Signature"]

    with changes.only():
        answer = mall.post(message.target, message.body, message.headers)

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("kind", KINDS)
def test_b012_two_signature_headers_are_a_strangers_even_if_equal(mall: Wallet, kind: str) -> None:
    message = Signed(mall, kind, wallet.encoded(mall.genuine(kind)))

    with changes.only():
        answer = mall.post(
            message.target, message.body, [*message.headers.items(), ("Signature", message.header)]
        )

    assert answer.verdict == STRANGER


def test_b015_active_keys_are_tried_whatever_version_is_named(mall: Wallet) -> None:
    newer = factories.key_pair("ALIPAYHK 2")
    factories.CredentialKeyFactory.create(credential=mall.credential, version=2, pair=newer)
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    other = wallet.encoded(mall.bill())

    by_newer = mall.post(target, body, mall.sign(target, body, key=newer, version=1))
    by_older = mall.post(target, other, mall.sign(target, other, version=2))

    assert (by_newer.verdict, by_older.verdict) == (SUCCESS, SUCCESS)
    assert changes.balance() == 276


@pytest.mark.parametrize("named", [1, 2, 0])
def test_b017_a_revoked_key_verifies_nothing_and_raises_the_alarm(
    mall: Wallet, named: int, caplog: pytest.LogCaptureFixture
) -> None:
    old = factories.key_pair("ALIPAYHK 2")
    factories.CredentialKeyFactory.create(
        credential=mall.credential,
        version=2,
        pair=old,
        state=CredentialKey.State.REVOKED,
        revoked_at=clock.now(),
    )
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")

    with changes.only(), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.post(target, body, mall.sign(target, body, key=old, version=named))

    assert answer.verdict == STRANGER
    assert "revoked" in caplog.text


def test_b017_a_retiring_key_still_verifies(mall: Wallet) -> None:
    CredentialKey.objects.filter(credential=mall.credential, side="ALIPAYHK").update(state="RETIRING")

    answer = mall.send("BILL", mall.genuine("BILL"))

    assert answer.verdict == SUCCESS


def test_a_prepared_key_of_ours_signs_no_answer(mall: Wallet) -> None:
    newer = factories.key_pair("OURS 2")
    factories.CredentialKeyFactory.create(
        credential=mall.credential, ours=True, pair=newer, version=2, state=CredentialKey.State.PREPARED
    )

    answer = mall.send("BILL", mall.genuine("BILL"))

    assert answer.verdict == SUCCESS
    assert "keyVersion=1," in answer.headers["Signature"]
