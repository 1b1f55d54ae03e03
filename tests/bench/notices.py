"""Payment notices as AlipayHK sends them, signed before the clock starts: signing costs more than sending."""

import json
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from alipayhk import signature, wire_time
from pms.clock import HONG_KONG

CHUNK = 100
FIRST_USER = 2160_1200_0000_0000


@dataclass(frozen=True, slots=True)
class Sender:
    """AlipayHK as it calls one mall: its key and what of the addresses differs between malls."""

    tag: str
    client_id: str
    key: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One body, and the path behind the tag that it is sent to."""

    path: str
    body: bytes


class Signer:
    """Makes requests in as many processes as there are cores; use it between rounds, never in one."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self._pool = ProcessPoolExecutor(max_workers=os.cpu_count())

    def requests(self, messages: Iterable[Message]) -> list[bytes]:
        signed = self._pool.map(_sign_all, *zip(*self._chunks(messages), strict=True))
        return [request for chunk in signed for request in chunk]

    def close(self) -> None:
        self._pool.shutdown()

    def _chunks(self, messages: Iterable[Message]) -> Iterator[tuple[Sender, list[Message]]]:
        found = list(messages)
        for start in range(0, len(found), CHUNK):
            yield self.sender, found[start : start + CHUNK]


class Bills:
    """Payments of members drawn at random, each with a number never used before."""

    def __init__(self, sender: Sender, members: int) -> None:
        self._sender, self._members = sender, members
        self._numbers, self._random = count(1), random.Random(20230316)

    def draw(self, how_many: int) -> list[Message]:
        return [self.one(FIRST_USER + self._random.randrange(self._members)) for _ in range(how_many)]

    def one(self, user_id: int) -> Message:
        number, now = next(self._numbers), datetime.now(HONG_KONG)
        store = self._random.choice(self._sender.stores)
        return Message(
            path="bill/notify",
            body=_json(
                {
                    "userId": str(user_id),
                    "billNo": f"{now:%Y%m%d}22001432{number:012d}",
                    "merchantId": "21609876543945",
                    "merchantName": "Harbour Noodles",
                    "orderAmount": {"currency": "HKD", "value": self._random.randrange(10_000, 300_000)},
                    "payTime": f"{now:%Y-%m-%d %H:%M:%S}",
                    "pointsProvider": "ALIPAYHK",
                    "outBillNo": f"A{now:%Y%m%d}{number:09d}",
                    "pmsLabel": store,
                }
            ),
        )


def joining(user_id: int) -> Message:
    return Message(path="membercard/create", body=_json({"userId": str(user_id)}))


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _sign_all(sender: Sender, messages: list[Message]) -> list[bytes]:
    return [_request(sender, message) for message in messages]


def _request(sender: Sender, message: Message) -> bytes:
    target = f"/{sender.tag}/points/{message.path}"
    time = wire_time.format_header_time(datetime.now(HONG_KONG))
    made = signature.sign(
        key=_key(sender.key), target=target.encode(), client_id=sender.client_id, time=time, body=message.body
    )
    head = [
        f"POST {target} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json; charset=UTF-8",
        f"Client-Id: {sender.client_id}",
        f"Request-Time: {time}",
        f"Signature: {signature.header(signature=made, key_version=1)}",
        f"Tracer-Id: {abs(hash(made)):032x}",
        f"Content-Length: {len(message.body)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + message.body


@cache
def _key(text: str) -> RSAPrivateKey:
    return signature.read_private_key(text)
