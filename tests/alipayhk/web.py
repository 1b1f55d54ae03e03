"""A mall of its own in a running installation, called over sockets byte by byte, as a web server meets the world."""

import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from alipayhk import signature
from alipayhk.models import Credential
from pms.models import Mall, Store
from tests import live
from tests.alipayhk import wallet
from tests.alipayhk.wallet import ALIPAYHK, OURS, Answer, Wallet

TAG = "framing-plaza"
CLIENT_ID = "2110200000770044"
PMS_LABEL = "PMS-FRAMING"
USER_ID = "2160120037770001"


@dataclass
class Web:
    """The installation seen from AlipayHK, or from anybody else."""

    installation: live.Installation
    alipayhk: Wallet

    @contextmanager
    def connected(self, *, source: str = "127.0.0.1") -> Iterator[socket.socket]:
        port = self.installation.port
        with socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(source, 0)) as client:
            yield client

    def send(self, raw: bytes, *, source: str = "127.0.0.1") -> Answer:
        with self.connected(source=source) as client:
            client.sendall(raw)
            return read(client, self.alipayhk.path("BILL"))

    def bill(self, **changed: Any) -> bytes:
        return wallet.encoded(self.alipayhk.bill(userId=USER_ID) | changed)

    def signed(self, body: bytes) -> dict[str, str]:
        return self.alipayhk.sign(self.alipayhk.path("BILL"), body)

    def notices(self) -> int:
        """How many messages of this mall are kept."""
        with psycopg.connect(self.installation.running()["environment"]["DATABASE_URL"]) as database:
            found = database.execute(
                "SELECT count(*) FROM alipayhk_notification JOIN pms_mall mall ON mall.id = mall_id WHERE tag = %s",
                [TAG],
            ).fetchone()
        return int(found[0]) if found else 0

    def register(self, **alipayhk: Any) -> None:
        """Change the mall's credential while everything runs."""
        changed = document()
        changed["alipayhk"] = {"client_id": CLIENT_ID, **alipayhk}
        self.installation.manage("register_mall", "-", given=json.dumps(changed))

    def log(self) -> str:
        return self.installation.serve.output()


def opened(installation: live.Installation) -> Web:
    """Registers the mall, and lets its one member join over HTTP."""
    installation.manage("register_mall", "-", given=json.dumps(document()))
    mall = Wallet(
        mall=Mall(tag=TAG),
        credential=Credential(client_id=CLIENT_ID),
        store=Store(pms_label=PMS_LABEL, merchant_id=""),
    )
    web = Web(installation, mall)
    body, target = wallet.encoded({"userId": USER_ID, "mobileNo": "852-97770001"}), mall.path("CARD")
    answer = web.send(request(target, body, mall.sign(target, body)))
    assert answer.status == 200, answer
    return web


def document() -> dict[str, Any]:
    return {
        "group": {"label": "20239999", "name_en": "Framing", "name_zh": "框"},
        "mall": {"label": "20239999001", "tag": TAG, "name_en": "Framing Plaza", "name_zh": "框廣場"},
        "program": {"name_en": "Framing Club", "name_zh": "框會", "points_per_hkd": "1", "rounding": "FLOOR"},
        "alipayhk": {
            # Nobody answers there; how cards fare is shown elsewhere.
            "gateway_url": f"http://127.0.0.1:{live.free_port()}",
            "client_id": CLIENT_ID,
            "merchant_id": "2160120041113167",
            "private_key": signature.private_pem(OURS),
            "private_key_version": 1,
            "public_keys": [public_key(1, ALIPAYHK)],
            "card_template": {
                "code": "22023041200135606000000000297866",
                "type": "COUPON",
                "product": "GIFT_CARD",
                "shape": "NESTED",
                "placeholders": {"$points$": "balance"},
            },
        },
        "stores": [{"pms_label": PMS_LABEL, "name_en": "Corner", "name_zh": "角"}],
    }


def public_key(version: int, pair: RSAPrivateKey) -> dict[str, Any]:
    return {"version": version, "key": signature.public_base64(pair.public_key())}


def request(
    target: str,
    body: bytes,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    *,
    method: str = "POST",
    version: str = "HTTP/1.1",
    host: str | None = "localhost",
    length: int | None = -1,
) -> bytes:
    """The bytes of one request; `length` None leaves its header out, -1 is the true one."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if length is not None:
        pairs.append(("Content-Length", str(len(body) if length == -1 else length)))
    if host is not None:
        pairs.insert(0, ("Host", host))
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{method} {target} {version}\r\n{head}\r\n".encode("latin-1") + body


def read(client: socket.socket, target: str) -> Answer:
    begun = time.monotonic()
    response = HTTPResponse(client, method="POST")
    response.begin()
    body = response.read()
    headers = dict(response.getheaders())
    return Answer(response.status, headers, body, target, time.monotonic() - begun)
