"""The worked examples of the programs page that the base rule covers, through the real functions on PostgreSQL."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from loyalty.earning import awards, refunds
from loyalty.earning.models import Award, Refund, Transaction
from loyalty.earning.outcomes import Outcome, Verdict
from loyalty.earning.purchases import Purchase
from loyalty.earning.refunds import GivenBack
from loyalty.ledger.models import PointEntry
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


EARNING = [
    ("E1", LUMINA, 13890, 138, ["EARNED_BASE"]),
    ("E2 below", LUMINA, 9999, 0, ["BELOW_MIN_SPEND"]),
    ("E2 at", LUMINA, 10000, 100, ["EARNED_BASE"]),
    ("E3", LUMINA, 4250000, 30000, ["EARNED_BASE", "CAPPED_PER_TRANSACTION"]),
    ("E6 half", HALF_UP, 8750, 88, ["EARNED_BASE"]),
    ("E6 below half", HALF_UP, 8749, 87, ["EARNED_BASE"]),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "rule", "cents", "points", "reasons"), EARNING, ids=[row[0] for row in EARNING]
)
def test_a_payment_earns_what_the_example_says(
    name: str, rule: dict[str, Any], cents: int, points: int, reasons: list[str]
) -> None:
    member = shopper(rule)

    outcome = member.pays(cents)

    award = Award.objects.get(transaction=outcome.transaction_id)
    assert (award.points, codes(award.reasons)) == (points, reasons)
    assert member.balance == points


REFUNDS = [
    ("E9a", LUMINA, 100000, [33333, 33333, 33334], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E9b first", LUMINA, 100000, [33334, 33333, 33333], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E9b second", LUMINA, 100000, [33333, 33334, 33333], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E10a", LUMINA, 15000, [6000], [150], ["REFUND_BELOW_MIN_SPEND"]),
    ("E10b", LUMINA | {"is_min_spend_on_net": False}, 15000, [6000], [60], ["REFUND_CLAWED_BACK"]),
    ("E11", LUMINA, 4250000, [1000000], [0], ["STILL_CAPPED"]),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "rule", "cents", "parts", "taken", "reasons"), REFUNDS, ids=[r[0] for r in REFUNDS]
)
def test_refunds_take_back_what_the_example_says(
    name: str, rule: dict[str, Any], cents: int, parts: list[int], taken: list[int], reasons: list[str]
) -> None:
    member = shopper(rule)
    transaction = member.buys(cents)
    earned = member.balance

    for part in parts:
        member.is_refunded(transaction, part)

    found = list(transaction.refunds.order_by("pk"))
    assert [refund.points for refund in found] == taken
    assert [codes(refund.reasons)[0] for refund in found] == reasons
    assert member.balance == earned - sum(taken)


@pytest.mark.django_db
def test_e9c_a_refund_above_the_amount_paid_posts_nothing() -> None:
    member = shopper(LUMINA)
    transaction = member.buys(100000)
    member.is_refunded(transaction, 100000)
    entries = PointEntry.objects.count()

    outcome = member.is_refunded(transaction, 1)

    assert (outcome.verdict, outcome.reason) == (Verdict.CONFLICT, "REFUND_OVER_TRANSACTION")
    assert (member.balance, PointEntry.objects.count(), Refund.objects.count()) == (0, entries, 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "balance", "uncollected"),
    [("ALLOW_NEGATIVE", -214, 0), ("STOP_AT_ZERO", 0, 214), ("PENDING_ONLY", 120, 334)],
    ids=["E12a", "E12b", "E12c"],
)
def test_e12_a_claw_back_larger_than_the_balance_follows_the_policy(
    policy: str, balance: int, uncollected: int
) -> None:
    member = shopper(LUMINA)
    member.wallet_pass.program.negative_balance = policy
    member.wallet_pass.program.save()
    transaction = member.buys(33400)
    factories.PointEntryFactory.create(account=member.wallet_pass.member.account, points=-214)
    type(member.wallet_pass.member.account).objects.filter(pk=member.wallet_pass.member.account.pk).update(
        balance=120
    )

    member.is_refunded(transaction, 33400)

    refund = transaction.refunds.get()
    assert (member.balance, refund.uncollected) == (balance, uncollected)
    assert ("UNCOLLECTED" in codes(refund.reasons)) == bool(uncollected)
