"""AlipayHK as the tests' caller: signs messages for one mall, sends them through the real WSGI application.

What the web server would make of the wire is made here; what only the web server itself can show is in
`test_bad_framing.py`.
"""

import io
import json
import time as clock_of_the_test
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import get_resolver

from alipayhk import payloads, sealed, signature
from alipayhk.models import Credential, CredentialKey
from loyalty import wsgi
from loyalty.earning.models import RuleVersion
from loyalty.ledger import postings
from members.models import Pass
from pms import clock
from pms.clock import HONG_KONG
from pms.models import Mall, Store
from tests import factories

ALIPAYHK = factories.key_pair("ALIPAYHK 1")
OURS = factories.key_pair("OURS 1")
PARSED = 10**9
PATHS = {"BILL": "bill/notify", "REFUND": "refund/notify", "CARD": "membercard/create"}
JSON_UTF8 = "application/json; charset=UTF-8"
LONGEST_ANSWER_SECONDS = 3.0

# What an answer says, in the words of the table on top of the list of bad inputs.
SUCCESS = "signed SUCCESS"
PARAM_ILLEGAL = "signed PARAM_ILLEGAL"
STRANGER = "unsigned 401 SIGNATURE_INVALID"
UNKNOWN_TAG = "unsigned 404 SIGNATURE_INVALID"
SIGNED_TROUBLE = "signed SYSTEM_ERROR"
TROUBLE = "unsigned SYSTEM_ERROR"
TOO_MANY = "unsigned 429 SYSTEM_ERROR"
_VERDICTS = {
    (200, True, payloads.SUCCESS): SUCCESS,
    (200, True, payloads.PARAM_ILLEGAL): PARAM_ILLEGAL,
    (401, False, payloads.SIGNATURE_INVALID): STRANGER,
    (404, False, payloads.SIGNATURE_INVALID): UNKNOWN_TAG,
    (429, False, payloads.SYSTEM_ERROR): TOO_MANY,
    (500, True, payloads.SYSTEM_ERROR): SIGNED_TROUBLE,
    (503, True, payloads.SYSTEM_ERROR): SIGNED_TROUBLE,
    (500, False, payloads.SYSTEM_ERROR): TROUBLE,
    (503, False, payloads.SYSTEM_ERROR): TROUBLE,
}
_addresses = count(1)
# What Django loads at its first request must not count as the answer's time.
get_resolver().resolve("/healthz")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    target: str
    seconds: float

    @property
    def is_signed(self) -> bool:
        """Whether it is signed; a signature that does not fit target, client, time and bytes raises."""
        if "Signature" not in self.headers:
            return False
        signature.verify(
            keys=[OURS.public_key()],
            signature=signature.read_header(self.headers["Signature"]),
            target=self.target.encode("latin-1"),
            client_id=self.headers["Client-Id"],
            time=self.headers["Response-Time"],
            body=self.body,
        )
        return True

    @property
    def verdict(self) -> str:
        found = _VERDICTS.get((self.status, self.is_signed, self.body))
        return found or f"{'signed' if self.is_signed else 'unsigned'} {self.status}"


@dataclass
class Wallet:
    """One mall seen from AlipayHK. `post` sends what `sign` signed; tests spoil either."""

    mall: Mall
    credential: Credential
    store: Store
    address: str = field(default_factory=lambda: f"198.18.{next(_addresses) % 250}.{next(_addresses) % 250}")
    numbers: Any = field(default_factory=lambda: count(1))

    def path(self, kind: str) -> str:
        return f"/{self.mall.tag}/points/{PATHS[kind]}"

    def sign(
        self,
        target: str,
        body: bytes,
        *,
        time: str = "",
        key: Any = ALIPAYHK,
        client_id: str = "",
        version: int = 1,
    ) -> dict[str, str]:
        time = time or header_time()
        client_id = client_id or self.credential.client_id
        text = signature.sign(
            key=key, target=target.encode("latin-1"), client_id=client_id, time=time, body=body
        )
        return {
            "Client-Id": client_id,
            "Request-Time": time,
            "Signature": signature.header(signature=text, key_version=version),
            "Content-Type": JSON_UTF8,
        }

    def send(self, kind: str, fields: Mapping[str, Any] | bytes, **headers: str) -> Answer:
        """A genuine message, `headers` (with `_` for `-`) laid over the right ones."""
        body = fields if isinstance(fields, bytes) else encoded(fields)
        target = self.path(kind)
        laid_over = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(target, body, self.sign(target, body) | laid_over)

    def post(
        self,
        target: str,
        body: bytes,
        headers: Mapping[str, str] | Iterable[tuple[str, str]],
        method: str = "POST",
    ) -> Answer:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        return call(target, body, pairs, method=method, address=self.address)

    def bill(self, **changed: Any) -> dict[str, Any]:
        """A payment of HK$138.90, just made, under a number of its own."""
        fields = {
            "userId": "2160120037098191",
            "billNo": f"20230421220014322714{next(self.numbers):08d}",
            "merchantId": self.store.merchant_id,
            "merchantName": "Harbour Noodles",
            "orderAmount": {"currency": "HKD", "value": 13890},
            "payTime": business_time(clock.now() - timedelta(minutes=1)),
            "pointsProvider": "ALIPAYHK",
            "pmsLabel": self.store.pms_label,
        }
        return fields | changed

    def refund(self, bill: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
        """The whole of `bill` given back, just now, under a number of its own."""
        fields = {
            "userId": bill["userId"],
            "relateBillNo": bill["billNo"],
            "merchantId": bill["merchantId"],
            "merchantName": "Harbour Noodles",
            "refundAmount": bill["orderAmount"],
            "refundTime": business_time(clock.now()),
            "pointsProvider": "ALIPAYHK",
            "refundOutBillNo": f"R20240506{next(self.numbers):08d}",
        }
        return fields | changed

    def card(self, **changed: Any) -> dict[str, Any]:
        """Somebody new who joins."""
        number = next(self.numbers)
        return {"userId": f"{2160120038000000 + number}", "mobileNo": f"852-9{number:07d}"} | changed

    def joined(self, user_id: str = "2160120037098191", **state: Any) -> Pass:
        """A member of a month, with an active pass, consent and an account."""
        program = self.mall.group.program
        wallet_pass = factories.PassFactory.create(
            member__program=program, mall=self.mall, user_id=user_id, active=True, **state
        )
        factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=clock.now() - timedelta(days=30))
        postings.open_account(member=wallet_pass.member, now=clock.now())
        factories.PassUpdateFactory.create(wallet_pass=wallet_pass, credential=self.credential)
        return wallet_pass

    def genuine(self, kind: str) -> dict[str, Any]:
        """Fields that will be accepted and change points or members; what must be there before is made."""
        if kind == "CARD":
            return self.card()
        if not Pass.objects.filter(program__group=self.mall.group, user_id="2160120037098191").exists():
            self.joined()
        bill = self.bill()
        if kind == "BILL":
            return bill
        assert self.send("BILL", bill).verdict == SUCCESS
        return self.refund(bill)


def call(
    target: str,
    body: bytes,
    headers: Iterable[tuple[str, str]],
    *,
    method: str = "POST",
    address: str = "127.0.0.1",
) -> Answer:
    """One request as gunicorn hands it over: doubled headers joined, names with an underscore dropped."""
    # Between requests Django closes connections that are in a transaction; that of a test is.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    started: list[Any] = []
    environ = _environ(target, body, headers) | {"REQUEST_METHOD": method, "REMOTE_ADDR": address}
    begun = clock_of_the_test.monotonic()
    answered = wsgi.application(environ, lambda *args: started.extend(args))
    content = b"".join(answered)
    close = getattr(answered, "close", None)
    if close:
        close()
    seconds = clock_of_the_test.monotonic() - begun
    assert seconds < LONGEST_ANSWER_SECONDS
    status, pairs = started[0], started[1]
    return Answer(int(status.split()[0]), dict(pairs), content, target, seconds)


def _environ(target: str, body: bytes, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "RAW_URI": target,
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    given: dict[str, str] = {}
    for name, value in headers:
        if "_" not in name:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            given[key] = f"{given[key]},{value}" if key in given else value
    return environ | given


def encoded(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def decoded(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(body)
    return fields


def header_time(moment: datetime | None = None) -> str:
    moment = moment or clock.now()
    return moment.astimezone(HONG_KONG).isoformat(timespec="milliseconds")


def business_time(moment: datetime) -> str:
    """As AlipayHK prints a time of business: Hong Kong's, without a zone."""
    return f"{moment.astimezone(HONG_KONG):%Y-%m-%d %H:%M:%S}"


def lumina(**figures: Any) -> Wallet:
    """Lumina Plaza with its base rule (HK$100 minimum on the net, HK$30,000 ceiling), keys, card and one store."""
    mall = factories.MallFactory.create()
    program = factories.ProgramFactory.create(group=mall.group)
    store = factories.StoreFactory.create(mall=mall)
    base: dict[str, Any] = {
        "effective_at": datetime(2000, 1, 1, tzinfo=HONG_KONG),
        "min_spend_cents": 10000,
        "is_min_spend_on_net": True,
        "max_spend_cents": 3000000,
    }
    rule = factories.RuleFactory.create(program=program)
    RuleVersion.objects.create(
        rule=rule, number=1, points_numerator=1, published_at=factories.MOMENT, **base | figures
    )
    credential = factories.CredentialFactory.create(mall=mall)
    CredentialKey.objects.bulk_create(_keys(credential))
    factories.CardTemplateFactory.create(credential=credential)
    postings.open_program_accounts(program=program, now=factories.MOMENT)
    return Wallet(mall=mall, credential=credential, store=store)


def _keys(credential: Credential) -> list[CredentialKey]:
    """The same rows in every test, so that the process parses each key once and not once a test (50 ms)."""
    number = PARSED + CredentialKey.objects.count()
    return [
        CredentialKey(pk=number, credential=credential, side="ALIPAYHK", **_described(ALIPAYHK)),
        CredentialKey(
            pk=number + 1,
            credential=credential,
            side="OURS",
            sealed_private_key=_sealed(),
            **_described(OURS),
        ),
    ]


@cache
def _sealed() -> str:
    return sealed.seal(signature.private_pem(OURS))


@cache
def _described(pair: RSAPrivateKey) -> dict[str, Any]:
    return {
        "version": 1,
        "public_key": signature.public_base64(pair.public_key()),
        "fingerprint": signature.public_fingerprint(pair.public_key()),
        "added_at": factories.MOMENT,
    }
