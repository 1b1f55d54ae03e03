"""Reads the JSON of `register_mall`: which keys there are, what values they may have, what `null` clears.

Pure: never touches the database. What it returns holds only what was given, under the names of our models.
"""

import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from alipayhk import environments, signature, store_payloads
from alipayhk.models import CardTemplate, CollectionSetup, Credential
from loyalty.earning import rule_versions
from loyalty.earning.models import RuleVersion
from members.models import Program

Key = TypeVar("Key", RSAPrivateKey, RSAPublicKey)
Given = dict[str, Any]
Read = Callable[[object], Any]

# What a card can show; the words `passes` has values for.
CARD_WORDS = ("balance", "member_name", "card_number", "program_name")
MOST_STORES = 20_000

_RATE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Faulty(Exception):
    """The document cannot be registered. `path` says where, `sentence` says why."""

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(f"{path}: {sentence}")
        self.path = path
        self.sentence = sentence


class Unfit(ValueError):
    """A value breaks its rule; the message is a whole sentence, to which the reader adds the path."""


class _Refused:
    """Marks keys that `null` cannot clear."""


REFUSED = _Refused()


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the JSON: the model's field it sets, how its value is read, what `null` means."""

    field: str
    read: Read
    cleared: Any = REFUSED
    is_needed: bool = False


Entries = Mapping[str, Entry]


def text(longest: int, pattern: str = "", like: str = "") -> Read:
    """Text on one line, not blank, of the pattern if there is one; `like` is a sample of it."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            raise Unfit("must be text and not empty.")
        found = value.strip()
        if len(found) > longest:
            raise Unfit(f"must have at most {longest} letters.")
        if _UNPRINTABLE.search(found):
            raise Unfit("must be printable text on one line.")
        if pattern and not re.fullmatch(pattern, found, re.ASCII):
            raise Unfit(f"must look like {like}.")
        return found

    return read


def optional(read: Read) -> Read:
    """As `read`, but may be empty."""
    return lambda value: "" if value == "" else read(value)


def whole(lowest: int, highest: int) -> Read:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise Unfit(f"must be a whole number from {lowest} to {highest}.")
        return value

    return read


def one_of(words: list[str]) -> Read:
    def read(value: object) -> str:
        if value not in words:
            raise Unfit(f"must be one of {', '.join(words)}.")
        return str(value)

    return read


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit("must be true or false.")
    return value


def rate(value: object) -> Fraction:
    """Points per HK$1, exactly: text, since a JSON number would be a binary fraction."""
    if not isinstance(value, str) or not _RATE.fullmatch(value):
        raise Unfit('must be a decimal number in quotes with at most 6 decimals, such as "1.5".')
    found = Fraction(value)
    if not 0 < found <= rule_versions.HIGHEST_RATE:
        raise Unfit(f"must be above 0 and at most {rule_versions.HIGHEST_RATE}.")
    return found


def private_key(value: object) -> RSAPrivateKey:
    return _key(value, signature.read_private_key)


def public_key(value: object) -> RSAPublicKey:
    return _key(value, signature.read_public_key)


def gateway(value: object) -> str:
    found: str = text(255)(value)
    try:
        environments.check_gateway(found)
    except environments.GatewayRefused as error:
        raise Unfit(str(error)) from error
    return found.rstrip("/")


def client_ids(value: object) -> list[str]:
    if not isinstance(value, list):
        raise Unfit("must be a list of Client-Ids.")
    return list(dict.fromkeys(client_id(member) for member in value))


def mapping(key: Read, word: Read, sentence: str) -> Read:
    def read(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise Unfit(sentence)
        return {key(name): word(member) for name, member in value.items()}

    return read


def _key(value: object, read: Callable[[str], Key]) -> Key:
    if not isinstance(value, str):
        raise Unfit("must be a key as text.")
    try:
        return read(value)
    except signature.UnreadableKey as error:
        raise Unfit(f"is {error}.") from error


name = text(128)
client_id = text(128, r"[\x21-\x7e]+", "2110200000000044")
label = text(64)
cents = whole(0, rule_versions.HIGHEST_CENTS)
placeholders = mapping(text(64), one_of(list(CARD_WORDS)), "must be an object from placeholder to word.")
field_paths = mapping(
    one_of(list(store_payloads.FIELD_PLACES)), text(255), "must be an object from field to place."
)
version = whole(1, 2**31 - 1)

GROUP: Entries = {
    "label": Entry("label", label, is_needed=True),
    "name_en": Entry("name_en", name, is_needed=True),
    "name_zh": Entry("name_zh", name, is_needed=True),
}
MALL: Entries = {
    "label": Entry("label", optional(text(64)), cleared=""),
    "tag": Entry(
        "tag", text(128, r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", "lumina-plaza or a/b/c"), is_needed=True
    ),
    "name_en": Entry("name_en", name, is_needed=True),
    "name_zh": Entry("name_zh", name, is_needed=True),
}
PROGRAM: Entries = {
    "name_en": Entry("name_en", name, is_needed=True),
    "name_zh": Entry("name_zh", name, is_needed=True),
    "joining_grace_days": Entry("joining_grace_days", whole(0, 3650), cleared=1),
    "negative_balance": Entry(
        "negative_balance",
        one_of(Program.NegativeBalance.values),
        cleared=Program.NegativeBalance.ALLOW_NEGATIVE.value,
    ),
}
FIGURES: Entries = {
    "points_per_hkd": Entry("points_per_hkd", rate),
    "rounding": Entry(
        "rounding", one_of(RuleVersion.Rounding.values), cleared=RuleVersion.Rounding.FLOOR.value
    ),
    "min_spend_cents": Entry("min_spend_cents", cents, cleared=0),
    "min_spend_on_net": Entry("is_min_spend_on_net", flag, cleared=False),
    "max_spend_cents": Entry("max_spend_cents", whole(1, rule_versions.HIGHEST_CENTS), cleared=None),
}
PREFIX = optional(text(255, r"(/[A-Za-z0-9._~-]+)+", "/merchant/api"))
CREDENTIAL: Entries = {
    "client_id": Entry("client_id", client_id, is_needed=True),
    "client_ids": Entry("client_ids", client_ids, cleared=[]),
    "merchant_id": Entry("merchant_id", text(64, r"2160[0-9]+", "2160120041113167"), is_needed=True),
    "app_id": Entry("app_id", optional(text(64)), cleared=""),
    "auth_client_id": Entry("auth_client_id", optional(text(128)), cleared=""),
    "environment": Entry(
        "environment", one_of(Credential.Environment.values), cleared=Credential.Environment.CUSTOM.value
    ),
    "gateway_url": Entry("gateway_url", gateway, is_needed=True),
    "path_prefix": Entry("path_prefix", PREFIX, cleared=""),
    "encryption": Entry(
        "encryption", one_of(Credential.Encryption.values), cleared=Credential.Encryption.OFF.value
    ),
}
KEYS: Entries = {
    "agent_token": Entry(
        "agent_token", optional(text(1024, r"[\x21-\x7e]+", "one word of ASCII")), cleared=""
    ),
    "private_key": Entry("private_key", private_key, cleared=None),
    "private_key_version": Entry("private_key_version", version),
}
PUBLIC_KEY: Entries = {
    "version": Entry("version", version, is_needed=True),
    "key": Entry("key", public_key),
    "state": Entry("state", one_of(["ACTIVE", "RETIRING", "REVOKED"])),
}
CARD_TEMPLATE: Entries = {
    "code": Entry("code", text(64, r"[\x21-\x7e]+", "22023041200135606000000000297866"), is_needed=True),
    "type": Entry("type", optional(text(32)), cleared=""),
    "product": Entry("product", optional(text(32)), cleared=""),
    "shape": Entry("shape", one_of(CardTemplate.Shape.values), is_needed=True),
    "placeholders": Entry("placeholders", placeholders, cleared={}),
    "update_detail_type": Entry("update_detail_type", text(32), cleared="UPDATE_DATA_INFO"),
    "valid_days": Entry("valid_days", whole(1, 36_500), cleared=3650),
}
STORE: Entries = {
    "pms_label": Entry("pms_label", text(128), is_needed=True),
    "partner_id": Entry("partner_id", optional(text(64)), cleared=""),
    "merchant_id": Entry("merchant_id", optional(text(64)), cleared=""),
    "store_id": Entry("store_id", optional(text(64)), cleared=""),
    "code": Entry("code", optional(text(32)), cleared=""),
    "name_en": Entry("name_en", name, is_needed=True),
    "name_zh": Entry("name_zh", name, is_needed=True),
    "category": Entry("category", optional(text(32)), cleared=""),
    "excluded": Entry("is_excluded", flag, cleared=False),
}


COLLECTION: Entries = {
    "is_on": Entry("is_on", flag, cleared=False),
    "way_by_pms": Entry("way_by_pms", optional(text(64)), cleared=""),
    "way_by_number": Entry("way_by_number", optional(text(64)), cleared=""),
    "names": Entry(
        "names", one_of(CollectionSetup.Names.values), cleared=CollectionSetup.Names.ENGLISH.value
    ),
    "first_page": Entry("first_page", whole(0, 1), cleared=1),
    "page_size": Entry("page_size", whole(1, 500), cleared=20),
    "list_path": Entry("list_path", optional(text(255)), cleared=""),
    "field_paths": Entry("field_paths", field_paths, cleared={}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """The `alipayhk` part: the credential, its keys, and what is given of its card template and collection."""

    credential: Given
    keys: Given
    public_keys: list[Given]
    card_template: Given | None
    collection: Given | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A whole document, part by part; None and empty are parts that are not given."""

    group: Given
    mall: Given
    program: Given | None
    figures: Given
    wire: Wire | None
    stores: list[Given]


def read(document: object) -> Document:
    """Read a parsed JSON document; Faulty names the first key that is unknown, missing or wrong."""
    parts = _object("document", document)
    _refuse_unknown("", parts, {"group", "mall", "program", "alipayhk", "stores"})
    program = _part(parts, "program")
    return Document(
        group=_identified("group", _needed_part(parts, "group"), GROUP, "label"),
        mall=_identified("mall", _needed_part(parts, "mall"), MALL, "tag"),
        program=None if program is None else _section("program", program, PROGRAM, beside=FIGURES),
        figures={} if program is None else _section("program", program, FIGURES, beside=PROGRAM),
        wire=None if _part(parts, "alipayhk") is None else _wire(parts["alipayhk"]),
        stores=_listed("stores", _part(parts, "stores"), STORE, "pms_label"),
    )


def missing(path: str, given: Given, entries: Entries) -> None:
    """Raise Faulty if a new row would lack something that has no default."""
    for key, entry in entries.items():
        if entry.is_needed and entry.field not in given:
            raise Faulty(f"{path}.{key}", "is missing.")


def _wire(value: object) -> Wire:
    found = _object("alipayhk", value)
    within = ("public_keys", "card_template", "collection")
    keys, template, collection = (_part(found, key, "alipayhk.") for key in within)
    parts = {key: member for key, member in found.items() if key not in within}
    return Wire(
        credential=_identified("alipayhk", parts, CREDENTIAL, "client_id", beside=KEYS),
        keys=_section("alipayhk", parts, KEYS, beside=CREDENTIAL),
        public_keys=_listed("alipayhk.public_keys", keys, PUBLIC_KEY, "version"),
        card_template=None
        if template is None
        else _section("alipayhk.card_template", template, CARD_TEMPLATE),
        collection=None if collection is None else _section("alipayhk.collection", collection, COLLECTION),
    )


def _part(parts: Mapping[str, object], key: str, path: str = "") -> object:
    """A part that may be left out, but that `null` cannot clear."""
    if key in parts and parts[key] is None:
        raise Faulty(f"{path}{key}", "must not be null.")
    return parts.get(key)


def _needed_part(parts: Mapping[str, object], key: str) -> object:
    if key not in parts:
        raise Faulty(key, "is missing.")
    return parts[key]


def _listed(path: str, value: object, entries: Entries, identity: str) -> list[Given]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST_STORES:
        raise Faulty(path, f"must be a list of at most {MOST_STORES} objects.")
    seen: set[object] = set()
    found = []
    for place, member in enumerate(value):
        given = _identified(f"{path}[{place}]", member, entries, identity)
        if given[identity] in seen:
            raise Faulty(f"{path}[{place}].{identity}", f"{given[identity]} is listed twice.")
        seen.add(given[identity])
        found.append(given)
    return found


def _identified(
    path: str, value: object, entries: Entries, identity: str, *, beside: Entries | None = None
) -> Given:
    given = _section(path, value, entries, beside=beside)
    if identity not in given:
        raise Faulty(f"{path}.{identity}", "is missing.")
    return given


def _section(path: str, value: object, entries: Entries, *, beside: Entries | None = None) -> Given:
    """Read the given keys among `entries`; `beside` are keys of the same object that another table reads."""
    found = _object(path, value)
    _refuse_unknown(path, found, {*entries, *(beside or {})})
    return {
        entry.field: _value(f"{path}.{key}", found[key], entry)
        for key, entry in entries.items()
        if key in found
    }


def _value(path: str, value: object, entry: Entry) -> Any:
    if value is None:
        if entry.cleared is REFUSED:
            raise Faulty(path, "must not be null.")
        return copy(entry.cleared)
    try:
        return entry.read(value)
    except Unfit as error:
        raise Faulty(path, str(error)) from error


def _object(path: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Faulty(path, "must be an object.")
    return value


def _refuse_unknown(path: str, found: Mapping[str, object], known: set[str]) -> None:
    for key in found:
        if key not in known:
            raise Faulty(f"{path}.{key}" if path else key, "is not a key that is known here.")
