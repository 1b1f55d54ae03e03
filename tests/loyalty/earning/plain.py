"""A plain base rule and a shopper under it, for tests that are about one rule and not about programs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from loyalty.earning import awards, refunds
from loyalty.earning.models import Transaction
from loyalty.earning.outcomes import Outcome
from loyalty.earning.purchases import Purchase
from loyalty.earning.refunds import GivenBack
from members.models import Pass
from pms.clock import HONG_KONG
from pms.models import Store
from tests import factories

TUESDAY = datetime(2026, 3, 10, 13, 0, tzinfo=HONG_KONG)
LUMINA = {
    "min_spend_cents": 10000,
    "is_min_spend_on_net": True,
    "max_spend_cents": 3000000,
    "rounding": "FLOOR",
}
HALF_UP = {
    "min_spend_cents": 100,
    "is_min_spend_on_net": False,
    "max_spend_cents": None,
    "rounding": "HALF_UP",
}


@dataclass
class Shopper:
    """A member with consent in force, who pays and is refunded."""

    wallet_pass: Pass
    store: Store
    numbers: Any = field(default_factory=lambda: count(1))

    def pays(self, cents: int, **facts: Any) -> Outcome:
        number = f"B{next(self.numbers)}"
        values: dict[str, Any] = {
            "group_id": self.store.group_id,
            "mall_id": self.store.mall_id,
            "channel": Transaction.Channel.WALLET,
            "wallet": self.wallet_pass.wallet,
            "user_id": self.wallet_pass.user_id,
            "amount_cents": cents,
            "currency": "HKD",
            "paid_at": TUESDAY,
            "numbers": {"PAYMENT": number},
            "store_label": self.store.pms_label,
            "merchant_id": "",
            "merchant_name": "",
        }
        return awards.earn(purchase=Purchase(**values | facts), now=TUESDAY + timedelta(minutes=1))

    def buys(self, cents: int) -> Transaction:
        self.pays(cents)
        return self.wallet_pass.member.transactions.order_by("-pk")[0]

    def is_refunded(self, transaction: Transaction, cents: int, **facts: Any) -> Outcome:
        key = f"R{next(self.numbers)}"
        values: dict[str, Any] = {
            "group_id": self.store.group_id,
            "wallet": self.wallet_pass.wallet,
            "user_id": self.wallet_pass.user_id,
            "payment_number": transaction.payment_number,
            "mainland_number": "",
            "number": key,
            "key": key,
            "amount_cents": cents,
            "currency": "HKD",
            "refunded_at": TUESDAY + timedelta(days=1),
        }
        return refunds.claw_back(given_back=GivenBack(**values | facts), now=TUESDAY + timedelta(days=1))

    @property
    def balance(self) -> int:
        account = self.wallet_pass.member.account
        account.refresh_from_db()
        return account.balance or 0


def shopper(rule: dict[str, Any]) -> Shopper:
    wallet_pass = factories.PassFactory.create(active=True)
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=TUESDAY - timedelta(days=30))
    factories.PointAccountFactory.create(member=wallet_pass.member)
    store = factories.StoreFactory.create(mall=wallet_pass.mall)
    factories.RuleVersionFactory.create(rule__program=wallet_pass.program, **rule)
    return Shopper(wallet_pass, store)


def codes(reasons: list[dict[str, Any]]) -> list[str]:
    return [entry["code"] for entry in reasons]
