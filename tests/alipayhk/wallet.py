"""AlipayHK as the tests' caller: signs messages for one mall and verifies the answers."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.test import Client

from alipayhk import signature
from alipayhk.models import Credential, CredentialKey
from loyalty.earning.models import RuleVersion
from loyalty.ledger import postings
from pms.models import Mall, Store
from tests import factories

ALIPAYHK = factories.key_pair("ALIPAYHK 1")
OURS = factories.key_pair("OURS 1")
PATHS = {"BILL": "bill/notify", "REFUND": "refund/notify", "CARD": "membercard/create"}


@dataclass
class Wallet:
    """One mall seen from AlipayHK. `post` sends what `sign` signed; tests spoil either."""

    mall: Mall
    credential: Credential
    store: Store
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

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
        time = time or f"{datetime.now(ZoneInfo('Asia/Hong_Kong')):%Y-%m-%dT%H:%M:%S.%f}"[:23] + "+08:00"
        client_id = client_id or self.credential.client_id
        text = signature.sign(
            key=key, target=target.encode("latin-1"), client_id=client_id, time=time, body=body
        )
        return {
            "Client-Id": client_id,
            "Request-Time": time,
            "Signature": signature.header(signature=text, key_version=version),
            "Content-Type": "application/json; charset=UTF-8",
        }

    def send(self, kind: str, fields: dict[str, Any] | bytes, **headers: str) -> HttpResponse:
        """A genuine message, `headers` laid over the right ones."""
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        target = self.path(kind)
        return self.post(target, body, self.sign(target, body) | headers)

    def post(self, target: str, body: bytes, headers: dict[str, str], method: str = "POST") -> HttpResponse:
        content_type = headers.pop("Content-Type", "application/json; charset=UTF-8")
        return self.client.generic(  # type: ignore[return-value]
            method,
            target,
            body,
            content_type=content_type,
            headers=headers,
            RAW_URI=target,
            HTTP_HOST="localhost",
        )

    def is_signed(self, response: HttpResponse, target: str) -> bool:
        """Whether the answer carries our signature over exactly its bytes and the caller's target."""
        if "Signature" not in response.headers:
            return False
        signature.verify(
            keys=[OURS.public_key()],
            signature=signature.read_header(response.headers["Signature"]),
            target=target.encode("latin-1"),
            client_id=response.headers["Client-Id"],
            time=response.headers["Response-Time"],
            body=response.content,
        )
        return True


def lumina(**figures: Any) -> Wallet:
    """Lumina Plaza with its base rule (HK$100 minimum on the net, HK$30,000 ceiling), keys, card and one store."""
    mall = factories.MallFactory.create()
    program = factories.ProgramFactory.create(group=mall.group)
    store = factories.StoreFactory.create(mall=mall)
    base = {"min_spend_cents": 10000, "is_min_spend_on_net": True, "max_spend_cents": 3000000}
    rule = factories.RuleFactory.create(program=program)
    RuleVersion.objects.create(
        rule=rule,
        number=1,
        points_numerator=1,
        effective_at=datetime(2000, 1, 1, tzinfo=ZoneInfo("UTC")),
        published_at=factories.MOMENT,
        **base | figures,
    )
    credential = factories.CredentialFactory.create(mall=mall)
    factories.CredentialKeyFactory.create(
        credential=credential, side=CredentialKey.Side.ALIPAYHK, pair=ALIPAYHK
    )
    factories.CredentialKeyFactory.create(credential=credential, ours=True, pair=OURS)
    factories.CardTemplateFactory.create(credential=credential)
    postings.open_program_accounts(program=program, now=factories.MOMENT)
    return Wallet(mall=mall, credential=credential, store=store)
