"""Every spelling of a genuine signature is accepted, and nothing else is."""

import base64
import itertools
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from alipayhk import signature

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
TARGET = b"/merchant/api/alipayhk/points/bill/notify"
CLIENT_ID = "211020000000000000044"
TIME = "2023-12-18T02:33:31Z"
BODY = '{"userId":"21601234567890","merchantName":"海港麵家"}'.encode()
RAW = KEY.sign(
    signature.string_to_sign(target=TARGET, client_id=CLIENT_ID, time=TIME, body=BODY),
    padding.PKCS1v15(),
    SHA256(),
)
PLAIN = base64.b64encode(RAW).decode()
ESCAPED = quote(PLAIN, safe="")
LOWER_CASE_ESCAPES = PLAIN.replace("+", "%2b").replace("/", "%2f").replace("=", "%3d")


def accept(text: str, *, keys: list[rsa.RSAPublicKey] | None = None) -> None:
    signature.verify(
        keys=keys if keys is not None else [KEY.public_key()],
        signature=signature.read_header(text),
        target=TARGET,
        client_id=CLIENT_ID,
        time=TIME,
        body=BODY,
    )


def value(raw: bytes) -> str:
    return quote(base64.b64encode(raw), safe="")


def signed(scheme: padding.AsymmetricPadding, algorithm: HashAlgorithm) -> str:
    text = signature.string_to_sign(target=TARGET, client_id=CLIENT_ID, time=TIME, body=BODY)
    return value(KEY.sign(text, scheme, algorithm))


def hmac_of_public_key_text() -> str:
    mac = HMAC(signature.public_base64(KEY.public_key()).encode(), SHA256())
    mac.update(signature.string_to_sign(target=TARGET, client_id=CLIENT_ID, time=TIME, body=BODY))
    return value(mac.finalize())


def test_the_string_to_sign_is_method_target_client_time_and_body() -> None:
    text = signature.string_to_sign(target=b"/points?x=1", client_id="c", time="t", body=b"{}\xff")

    assert text == b"POST /points?x=1\nc.t.{}\xff"


def test_our_own_header_is_written_as_the_vendor_writes_it() -> None:
    own = signature.sign(key=KEY, target=TARGET, client_id=CLIENT_ID, time=TIME, body=BODY)
    header = signature.header(signature=own, key_version=3)

    assert header == f"algorithm=RSA256,keyVersion=3,signature={ESCAPED}"


def test_a_header_is_read_into_its_parts() -> None:
    found = signature.read_header(f"algorithm=RSA256, keyVersion=2, signature={ESCAPED}")

    assert found == signature.SignatureHeader(algorithm="RSA256", key_version=2, signature=RAW)


GENUINE = {
    "B003 algorithm absent": f"keyVersion=1,signature={ESCAPED}",
    "B005 rsa256": f"algorithm=rsa256,keyVersion=1,signature={ESCAPED}",
    "B005 SHA256withRSA": f"algorithm=SHA256withRSA,keyVersion=1,signature={ESCAPED}",
    "B005 sha256withrsa": f"algorithm=sha256withrsa,keyVersion=1,signature={ESCAPED}",
    "B007 other order": f"signature={ESCAPED},keyVersion=1,algorithm=RSA256",
    "B007 other letter case": f"ALGORITHM=RSA256,keyversion=1,Signature={ESCAPED}",
    "B007 blank after a comma": f"algorithm=RSA256, keyVersion=1, signature={ESCAPED}",
    "B007 tab after a comma": f"algorithm=RSA256,\tkeyVersion=1,\tsignature={ESCAPED}",
    "B007 trailing semicolon": f"algorithm=RSA256,keyVersion=1,signature={ESCAPED};",
    "B007 trailing comma": f"algorithm=RSA256,keyVersion=1,signature={ESCAPED},",
    "B007 an extra pair": f"algorithm=RSA256,keyVersion=1,nonce=1=2,signature={ESCAPED}",
    "B009 plain base64": f"algorithm=RSA256,keyVersion=1,signature={PLAIN}",
    "B009 URL-safe": f"algorithm=RSA256,keyVersion=1,signature={base64.urlsafe_b64encode(RAW).decode()}",
    "B009 URL-safe, not padded": f"signature={base64.urlsafe_b64encode(RAW).decode().rstrip('=')}",
    "B009 lower-case escapes": f"signature={LOWER_CASE_ESCAPES}",
    "B011 blanks inside": f"signature={ESCAPED[:90]} {ESCAPED[90:200]}  {ESCAPED[200:]}",
    "B011 tab inside": f"signature={PLAIN[:90]}\t{PLAIN[90:]}",
    "B015 keyVersion absent": f"algorithm=RSA256,signature={ESCAPED}",
    "B015 keyVersion empty": f"algorithm=RSA256,keyVersion=,signature={ESCAPED}",
    "B015 keyVersion unknown": f"algorithm=RSA256,keyVersion=999999999,signature={ESCAPED}",
}


@pytest.mark.parametrize("text", GENUINE.values(), ids=GENUINE.keys())
def test_a_genuine_signature_is_accepted_in_every_spelling(text: str) -> None:
    accept(text)


MODULUS_MINUS_ONE = (KEY.public_key().public_numbers().n - 1).to_bytes(256, "big")
FORGED: dict[str, str | Callable[[], str]] = {
    "B001 empty": "",
    "B001 signature empty": "algorithm=RSA256,keyVersion=1,signature=",
    "B001 no signature pair": "algorithm=RSA256,keyVersion=1",
    "B001 signature without a value": "algorithm=RSA256,keyVersion=1,signature",
    "B002 none, genuine value": f"algorithm=none,keyVersion=1,signature={ESCAPED}",
    "B002 none, any value": "algorithm=none,keyVersion=1,signature=AAAA",
    "B002 none, no value": "algorithm=none,keyVersion=1,signature=",
    "B004 algorithm empty": f"algorithm=,keyVersion=1,signature={ESCAPED}",
    "B004 ECC224": f"algorithm=ECC224,keyVersion=1,signature={ESCAPED}",
    "B004 HMAC256": lambda: f"algorithm=HMAC256,keyVersion=1,signature={hmac_of_public_key_text()}",
    "B004 HMAC under RSA256": lambda: f"algorithm=RSA256,keyVersion=1,signature={hmac_of_public_key_text()}",
    "B006 SHA-1 under RSA256": lambda: f"algorithm=RSA256,signature={signed(padding.PKCS1v15(), SHA1())}",
    "B006 SHA1withRSA": lambda: f"algorithm=SHA1withRSA,signature={signed(padding.PKCS1v15(), SHA1())}",
    "B006 PSS under RSA256": lambda: (
        f"algorithm=RSA256,signature={signed(padding.PSS(padding.MGF1(SHA256()), 32), SHA256())}"
    ),
    "B010 escaped twice": f"signature={quote(ESCAPED, safe='')}",
    "B010 exclamation mark": f"signature=!{PLAIN}",
    "B010 asterisk inside": f"signature={PLAIN[:9]}*{PLAIN[9:]}",
    "B010 full-width letter": f"signature=\uff21{PLAIN[1:]}",
    "B010 half a surrogate": f"signature=\ud800{PLAIN[1:]}",
    "B010 escaped line end": f"signature={PLAIN[:76]}%0A{PLAIN[76:]}",
    "B012 twice, good first": f"signature={ESCAPED},signature=AAAA",
    "B012 twice, good last": f"signature=AAAA,signature={ESCAPED}",
    "B012 twice, equal": f"signature={ESCAPED},Signature={ESCAPED}",
    "B012 whole header twice": ",".join([f"algorithm=RSA256,keyVersion=1,signature={ESCAPED}"] * 2),
    "B012 algorithm twice": f"algorithm=RSA256,algorithm=none,signature={ESCAPED}",
    "B013 10 KB": "signature=" + "A" * 10_240,
    "B014 one bit flipped": f"signature={value(bytes([RAW[0] ^ 1]) + RAW[1:])}",
    "B014 zero bytes": f"signature={value(bytes(256))}",
    "B014 modulus minus one": f"signature={value(MODULUS_MINUS_ONE)}",
    "B014 255 bytes": f"signature={value(RAW[1:])}",
    "B014 257 bytes": f"signature={value(bytes(1) + RAW)}",
    "B016 keyVersion -1": f"keyVersion=-1,signature={ESCAPED}",
    "B016 keyVersion huge": f"keyVersion=1{'0' * 30},signature={ESCAPED}",
    "B016 keyVersion full-width": f"keyVersion=\uff11,signature={ESCAPED}",
    "B016 keyVersion word": f"keyVersion=latest,signature={ESCAPED}",
    "B016 keyVersion SQL": f"keyVersion=1' or 1=1,signature={ESCAPED}",
    "B018 signed by another key": lambda: "signature=" + signature.sign(
        key=OTHER_KEY, target=TARGET, client_id=CLIENT_ID, time=TIME, body=BODY
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_anything_else_is_refused(forged: str | Callable[[], str]) -> None:
    text = forged if isinstance(forged, str) else forged()

    with pytest.raises(signature.SignatureInvalid):
        accept(text)


def test_ecc224_is_refused_by_name() -> None:
    with pytest.raises(signature.SignatureInvalid, match="ECC224"):
        signature.read_header(f"algorithm=ecc224,signature={ESCAPED}")


def test_all_active_keys_are_tried_whatever_the_key_version_says() -> None:
    accept(f"keyVersion=7,signature={ESCAPED}", keys=[OTHER_KEY.public_key(), KEY.public_key()])


@pytest.mark.parametrize("version", ["", "1", "2"])
def test_a_revoked_key_verifies_nothing_whatever_the_key_version_says(version: str) -> None:
    """B017: a revoked key is not among the keys, and without keys nothing is genuine."""
    text = f"keyVersion={version},signature={ESCAPED}"

    with pytest.raises(signature.SignatureInvalid):
        accept(text, keys=[OTHER_KEY.public_key()])
    with pytest.raises(signature.SignatureInvalid):
        accept(text, keys=[])


def test_a_text_that_cannot_be_encoded_is_no_signed_text() -> None:
    found = signature.read_header(f"signature={ESCAPED}")

    with pytest.raises(signature.SignatureInvalid):
        signature.verify(
            keys=[KEY.public_key()], signature=found, target=TARGET, client_id="\ud800", time=TIME, body=BODY
        )


# ---- P10: forgeries accepted, none of 2,000


def flip(octets: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes([octets[at] ^ 1 << chance.randrange(8)]) + octets[at + 1 :]


def cut(octets: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + octets[at + chance.randint(1, 9) :]


def double(octets: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + octets[at : at + 9] + octets[at:]


def mutants(count: int) -> list[dict[str, bytes]]:
    chance = random.Random(20240506)
    genuine = {
        "target": TARGET,
        "client_id": CLIENT_ID.encode(),
        "time": TIME.encode(),
        "body": BODY,
        "header": f"algorithm=RSA256,keyVersion=1,signature={ESCAPED}".encode(),
    }
    found: list[dict[str, bytes]] = []
    while len(found) < count:
        part = chance.choice(list(genuine))
        mutant = genuine | {part: chance.choice([flip, cut, double])(genuine[part], chance)}
        if mutant != genuine and not says_the_same(mutant["header"], part):
            found.append(mutant)
    return found


def says_the_same(header: bytes, part: str) -> bool:
    """A header that decodes to the same signature over the same text is no forgery."""
    if part != "header":
        return False
    try:
        return signature.read_header(header.decode("latin-1")).signature == RAW
    except signature.SignatureInvalid:
        return False


def test_of_two_thousand_mutants_none_is_accepted() -> None:
    accepted = 0

    for mutant in mutants(2000):
        try:
            signature.verify(
                keys=[KEY.public_key()],
                signature=signature.read_header(mutant["header"].decode("latin-1")),
                target=mutant["target"],
                client_id=mutant["client_id"].decode("latin-1"),
                time=mutant["time"].decode("latin-1"),
                body=mutant["body"],
            )
            accepted += 1
        except signature.SignatureInvalid:
            pass

    assert accepted == 0


# ---- P11: genuine messages refused, none of 2,000


def escape_all(text: str) -> str:
    return "".join(f"%{ord(letter):02x}" for letter in text)


def escape_standard(text: str) -> str:
    return quote(text, safe="")


def spelling(
    letters: str,
    is_padded: bool,
    escape: Callable[[str], str],
    blanks: list[int],
    others: tuple[str, str, str],
    order: tuple[int, ...],
    recase: Callable[[str], str],
    ends: tuple[str, str],
) -> str:
    text = escape(letters if is_padded else letters.rstrip("="))
    for at in blanks:
        text = f"{text[:at]} {text[at:]}"
    pairs = [*others, f"signature={text}"]
    recased = [recase(name) + "=" + word for name, _, word in (pair.partition("=") for pair in pairs) if name]
    return ends[0].join(recased[at] for at in order if at < len(recased)) + ends[1]


SPELLINGS = st.builds(
    spelling,
    st.sampled_from([PLAIN, base64.urlsafe_b64encode(RAW).decode()]),
    st.booleans(),
    st.sampled_from([str, escape_standard, escape_all]),
    st.lists(st.integers(0, 340), max_size=2),
    st.tuples(
        st.sampled_from(["", *(f"algorithm={name}" for name in ("RSA256", "rsa256", "SHA256withRSA"))]),
        st.sampled_from(["", *(f"keyVersion={number}" for number in ("", "0", "1", "2", "999999999"))]),
        st.sampled_from(["", "extra=", "extra=a=b"]),
    ),
    st.sampled_from(list(itertools.permutations(range(4)))),
    st.sampled_from([str, str.lower, str.upper]),
    st.tuples(st.sampled_from([",", ", ", ",\t", " , "]), st.sampled_from(["", ";", ",", " "])),
)


@given(SPELLINGS)
@settings(max_examples=2000, derandomize=True, database=None, deadline=None)
def test_of_two_thousand_spellings_none_is_refused(text: str) -> None:
    accept(text)
