"""A member picking payments for a manual upload at a mall that the simulator serves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alipayhk import uploads
from alipayhk.models import Credential
from alipayhk.simulator import times
from alipayhk.simulator.batches import Batch
from alipayhk.uploads import Order, Told
from loyalty.earning.models import Transaction
from members.models import Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import Shopper

TOKEN = "planted-access-token"


@dataclass
class Picker:
    """A member with a card at a mall that the simulator serves, picking payments."""

    gateway: Gateway
    credential: Credential
    shopper: Shopper

    @property
    def wallet_pass(self) -> Pass:
        return self.shopper.wallet_pass

    def batch(self, *bills: Any, **more: Any) -> Batch:
        order = {"client_id": self.credential.client_id, "user_id": self.wallet_pass.user_id}
        return self.gateway.twin.make_batch(
            order | {"access_token": TOKEN, "app_id": self.credential.app_id, "bills": list(bills)} | more
        )

    def order(self, batch: Batch, **changes: Any) -> Order:
        words = {"batch_number": batch.batch_no, "access_token": batch.access_token}
        return Order(**{"wallet_pass": self.wallet_pass} | words | changes)

    def upload(self, batch: Batch, **changes: Any) -> list[Told]:
        order = self.order(batch, **changes)
        return uploads.upload(order=order, credential=self.credential, now=clock.now())

    def balance(self) -> int:
        return changes.balance(self.wallet_pass.user_id)

    def pays(self, number: str, cents: int = 13890) -> Transaction:
        """A payment that AlipayHK notified."""
        award = self.shopper.pays(cents, at=an_hour_ago(), numbers={"PAYMENT": number}, now=clock.now())
        return award.transaction


def new_picker(gateway: Gateway) -> Picker:
    shopper = programs.shopper("lumina")
    member = shopper.wallet_pass.member
    member.joined_at = clock.now() - timedelta(days=400)
    member.save()
    mall = shopper.wallet_pass.mall
    credential = factories.CredentialFactory.create(mall=mall, gateway_url=gateway.url)
    outbound.give_keys(credential, gateway.twin.keys)
    outbound.serve(gateway, credential, factories.CardTemplateFactory.create(credential=credential))
    return Picker(gateway, credential, shopper)


def an_hour_ago() -> datetime:
    return (clock.now() - timedelta(hours=1)).replace(microsecond=0)


def bill(number: str, cents: int = 13890, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    words = {
        "billNo": number,
        "orderAmount": {"currency": "HKD", "value": cents},
        "payTime": times.body_time(at or an_hour_ago()),
        "pmsLabel": "LP-S12",
        "outBillNo": None,
    }
    return words | fields


def exact(picker: Picker, number: str, **fields: Any) -> dict[str, Any]:
    """A line exactly as it is sent."""
    words = bill(number) | {"userId": picker.wallet_pass.user_id, "pointsProvider": "ALIPAYHK"} | fields
    return {name: value for name, value in words.items() if value is not None}


def verdicts(told: list[Told]) -> list[str]:
    return [one.verdict.value for one in told]
