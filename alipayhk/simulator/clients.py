"""The malls that this AlipayHK serves: their Client-Id, addresses, keys, card template, rule and stores."""

import threading
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from alipayhk import signature
from alipayhk.simulator import points

PATHS = {
    "membercard": "/points/membercard/create",
    "bill": "/points/bill/notify",
    "refund": "/points/refund/notify",
}


class ClientRefused(Exception):
    """This description of a client cannot be used."""


@dataclass(frozen=True)
class Template:
    """A card template: what createPass must name, and which placeholder shows what."""

    code: str
    type: str = "COUPON"
    product: str = "GIFT_CARD"
    shape: str = "NESTED"
    placeholders: dict[str, str] = field(default_factory=lambda: {"$points$": "balance"})

    def points_placeholder(self) -> str:
        """The placeholder that shows the balance; `$points$` if the mall did not say."""
        return next((key for key, source in self.placeholders.items() if source == "balance"), "$points$")


@dataclass(frozen=True)
class Client:
    """One mall as AlipayHK knows it, in the words of a `register_mall` document.

    `encryption` is said from the mall's side: IN or BOTH means that notices to it are encrypted. What a mall
    sends encrypted is always understood.
    """

    client_id: str
    tag: str
    mall_url: str
    merchant_id: str
    public_keys: tuple[str, ...]
    template: Template
    app_id: str = "2102020132609344"
    path_prefix: str = ""
    encryption: str = "OFF"
    name_en: str = "Mall"
    name_zh: str = "商場"
    program: dict[str, Any] = field(default_factory=dict)
    stores: tuple[dict[str, Any], ...] = ()

    def url(self, kind: str) -> str:
        """The address that AlipayHK calls for a notice of this kind."""
        return f"{self.mall_url.rstrip('/')}{self.path_prefix}/{self.tag}{PATHS[kind]}"

    def target(self, kind: str) -> bytes:
        """The part of that address that is signed."""
        return urlsplit(self.url(kind)).path.encode()

    def wants_encryption(self) -> bool:
        return self.encryption in ("IN", "BOTH")

    def rule(self) -> points.BaseRule:
        return points.read_rule(self.program)

    def keys(self) -> list[RSAPublicKey]:
        return [signature.read_public_key(text) for text in self.public_keys]

    def open_stores(self, *categories: str) -> list[dict[str, Any]]:
        """Stores that earn, of these categories or of any."""
        wanted = [store for store in self.stores if not store.get("excluded")]
        return [store for store in wanted if not categories or store.get("category") in categories]


class Registry:
    """All clients, by Client-Id; the first is the default. Keys are parsed once, as that is slow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._keys: dict[str, list[RSAPublicKey]] = {}

    def add(self, client: Client) -> None:
        keys = client.keys()
        with self._lock:
            self._clients[client.client_id] = client
            self._keys[client.client_id] = keys

    def get(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def need(self, client_id: str | None) -> Client:
        """The client asked for; the first one when nobody is named."""
        if client_id is None:
            return next(iter(self._clients.values()))
        found = self._clients.get(client_id)
        if found is None:
            raise ClientRefused(f"no client {client_id}")
        return found

    def keys(self, client_id: str) -> list[RSAPublicKey]:
        return self._keys[client_id]

    def listing(self) -> list[Client]:
        return list(self._clients.values())


def read_client(fields: dict[str, Any]) -> Client:
    """A client as `POST /control/clients` and the journal describe it."""
    try:
        template = Template(**fields["template"])
        given = {name: value for name, value in fields.items() if name in Client.__dataclass_fields__}
        given |= {"template": template, "public_keys": tuple(fields["public_keys"])}
        client = Client(**given | {"stores": tuple(fields.get("stores", ()))})
        client.keys()
        client.rule()
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ClientRefused(f"a client needs {_reason(error)}") from error
    return client


def from_register(document: dict[str, Any], *, mall_url: str) -> Client:
    """A client from the very document that `register_mall` reads."""
    try:
        mall, wire = document["mall"], document["alipayhk"]
        private_key = signature.read_private_key(wire["private_key"])
        fields = {
            "client_id": wire["client_id"],
            "tag": mall["tag"],
            "mall_url": mall_url,
            "merchant_id": wire["merchant_id"],
            "public_keys": [signature.public_base64(private_key.public_key())],
            "template": _template_fields(wire["card_template"]),
            "app_id": wire.get("app_id") or Client.app_id,
            "path_prefix": wire.get("path_prefix") or "",
            "encryption": wire.get("encryption") or "OFF",
            "name_en": mall.get("name_en", mall["tag"]),
            "name_zh": mall.get("name_zh", mall["tag"]),
            "program": document.get("program", {}),
            "stores": document.get("stores", []),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ClientRefused(f"the register document needs {_reason(error)}") from error
    return read_client(fields)


def to_json(client: Client) -> dict[str, Any]:
    return asdict(client)


def _template_fields(template: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in template.items() if name in Template.__dataclass_fields__}


def _reason(error: Exception) -> str:
    return f"{error.args[0]}" if isinstance(error, KeyError) else f"other fields: {error}"
