"""A user of AlipayHK who opens the mini-app of a mall that the simulator serves."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alipayhk import miniapp
from alipayhk.miniapp import SignedIn
from alipayhk.models import Credential, WalletToken
from alipayhk.simulator.batches import Batch
from alipayhk.simulator.calls import Call
from alipayhk.uploads import Told
from members.models import Pass
from pms import clock
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway

BASE, BILLS = "auth_base", "SCOPE_USER_BILL"
BOTH = (BASE, BILLS)
_numbers = itertools.count(1)


@dataclass
class Visitor:
    """Somebody whom the mall may not know yet."""

    gateway: Gateway
    credential: Credential
    user_id: str = field(default_factory=lambda: f"216012007700{next(_numbers):04d}")

    def code(self, scopes: Collection[str] = BOTH, *, seconds: float = 600) -> str:
        return self.gateway.twin.authorizations.grant(
            client_id=self.credential.client_id,
            app_id=self.credential.app_id,
            user_id=self.user_id,
            scopes=scopes,
            seconds=seconds,
        )

    def signs_in(
        self,
        scopes: Collection[str] = BOTH,
        *,
        code: str = "",
        text_version: str | None = None,
        now: datetime | None = None,
    ) -> SignedIn:
        return miniapp.sign_in(
            credential=self.credential,
            auth_code=code or self.code(scopes),
            scopes=scopes,
            text_version=text_version,
            now=now or clock.now(),
        )

    @property
    def wallet_pass(self) -> Pass:
        return Pass.objects.select_related("member", "program").get(user_id=self.user_id)

    @property
    def token(self) -> WalletToken:
        return WalletToken.objects.get(wallet_pass__user_id=self.user_id)

    def picks(self, *bills: Any, **more: Any) -> Batch:
        order = {"client_id": self.credential.client_id, "user_id": self.user_id, "bills": list(bills)}
        return self.gateway.twin.make_batch(order | {"app_id": self.credential.app_id} | more)

    def submits(self, batch: Batch, *, now: datetime | None = None) -> list[Told]:
        return miniapp.submit_batch(
            wallet_pass=self.wallet_pass,
            credential=self.credential,
            batch_number=batch.batch_no,
            now=now or clock.now(),
        )

    def fault(self, name: str, *, times: int | None = 1, **more: Any) -> None:
        """What this user's next calls to applyToken meet."""
        self.gateway.fault(name, user_id=self.user_id, times=times, **{"api": "applyToken"} | more)

    def calls(self, api: str = "applyToken") -> list[Call]:
        found = self.gateway.twin.ring.listing(direction="IN", user_id=self.user_id)
        return [call for call in found[::-1] if call.api == api]


def new_visitor(gateway: Gateway, **fields: Any) -> Visitor:
    """At a mall of its own, with a program whose consent text has a version."""
    credential = outbound.mall(gateway, **fields)
    factories.ProgramFactory.create(
        group=credential.mall.group,
        consent_text_version="2026-11",
        consent_text_en="Share my payments.",
        consent_text_zh="分享付款紀錄。",
    )
    return Visitor(gateway, credential)
