"""The three demo programs as the tests' shoppers meet them: files loaded, stores of every category, a member."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from loyalty.earning import awards, program_files, recount, refunds
from loyalty.earning.models import Award, Transaction
from loyalty.earning.outcomes import Outcome
from loyalty.earning.purchases import Purchase
from loyalty.earning.refunds import GivenBack
from loyalty.ledger import postings, proof
from loyalty.ledger.proof import Breach
from members.models import MemberTier, Pass, Tier
from pms.clock import HONG_KONG
from pms.models import Store
from tests import factories

FILES = Path(program_files.__file__).parent / "programs"
TUESDAY = datetime(2026, 3, 10, 13, 0, tzinfo=HONG_KONG)
MALLS = {"lumina": "lumina-plaza", "verdant": "verdant-place", "pier8": "pier-8"}
PREFIX = {"lumina": "LP", "verdant": "VP", "pier8": "P8"}
CATEGORIES = {
    "S12": "FASHION",
    "210": "DINING",
    "J01": "JEWELLERY",
    "M01": "SUPERMARKET",
    "E01": "ELECTRONICS",
}


@cache
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text())
    return found


@dataclass
class Shopper:
    """A member with consent in force, who pays in the program's mall and is refunded."""

    wallet_pass: Pass
    stores: dict[str, Store]
    numbers: Any = field(default_factory=lambda: count(1))

    def purchase(self, cents: int, *, at: datetime = TUESDAY, store: str = "S12", **facts: Any) -> Purchase:
        place = self.stores[store]
        values: dict[str, Any] = {
            "group_id": place.group_id,
            "mall_id": place.mall_id,
            "channel": Transaction.Channel.WALLET,
            "wallet": self.wallet_pass.wallet,
            "user_id": self.wallet_pass.user_id,
            "amount_cents": cents,
            "currency": "HKD",
            "paid_at": at,
            "numbers": {"PAYMENT": f"B{next(self.numbers)}"},
            "store_label": place.pms_label,
            "merchant_id": "",
            "merchant_name": "",
        }
        return Purchase(**values | facts)

    def pays(self, cents: int, *, now: datetime | None = None, **facts: Any) -> Award:
        purchase = self.purchase(cents, **facts)
        outcome = awards.earn(purchase=purchase, now=now or purchase.paid_at + timedelta(minutes=1))
        return Award.objects.select_related("transaction").get(transaction=outcome.transaction_id)

    def hands_in(self, cents: int, *, now: datetime | None = None, **facts: Any) -> Transaction:
        """The same member at the counter, with a receipt that names no number unless `numbers` does."""
        purchase = self.purchase(cents, **{"channel": Transaction.Channel.COUNTER, "numbers": {}} | facts)
        outcome = awards.earn(purchase=purchase, now=now or purchase.paid_at + timedelta(minutes=5))
        assert outcome.transaction_id is not None
        return Transaction.objects.get(pk=outcome.transaction_id)

    def is_refunded(self, award: Award, cents: int, **facts: Any) -> Outcome:
        key = f"R{next(self.numbers)}"
        transaction = award.transaction
        refunded_at = facts.pop("at", transaction.paid_at + timedelta(hours=1))
        values: dict[str, Any] = {
            "group_id": transaction.group_id,
            "wallet": self.wallet_pass.wallet,
            "user_id": self.wallet_pass.user_id,
            "payment_number": transaction.payment_number,
            "mainland_number": "",
            "number": key,
            "key": key,
            "amount_cents": cents,
            "currency": "HKD",
            "refunded_at": refunded_at,
        }
        return refunds.claw_back(given_back=GivenBack(**values | facts), now=refunded_at)

    def has_tier(self, code: str) -> None:
        tier = Tier.objects.get(program=self.wallet_pass.program, code=code)
        MemberTier.objects.create(
            member=self.wallet_pass.member,
            tier=tier,
            began_at=TUESDAY - timedelta(days=300),
            keeps_until_at=TUESDAY + timedelta(days=600),
        )

    @property
    def balance(self) -> int:
        account = self.wallet_pass.member.account
        account.refresh_from_db()
        return account.balance or 0

    @property
    def pending(self) -> int:
        account = postings.open_pending(account=self.wallet_pass.member.account, now=TUESDAY)
        return account.balance or 0


def shopper(name: str, *, is_welcomed: bool = True) -> Shopper:
    """A fresh group with the demo program `name`; the welcome gift was given unless the test is about it."""
    mall = factories.MallFactory.create(tag=MALLS[name])
    factories.MallFactory.create(group=mall.group, tag=f"{MALLS[name]}-2")
    program = factories.ProgramFactory.create(group=mall.group)
    prefix = PREFIX[name]
    stores = {
        code: factories.StoreFactory.create(
            mall=mall, code=f"{prefix}-{code}", pms_label=f"{prefix}-{code}", category=category
        )
        for code, category in ({"088": "FASHION", "B01": "BEAUTY"} | CATEGORIES).items()
    }
    program_files.load(document=document(name), program=program, now=TUESDAY - timedelta(days=60))
    wallet_pass = factories.PassFactory.create(active=True, member__program=program, mall=mall)
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=datetime(2020, 1, 1, tzinfo=HONG_KONG))
    postings.open_account(member=wallet_pass.member, now=TUESDAY)
    person = Shopper(wallet_pass, stores)
    if is_welcomed:
        _welcome(person)
    return person


def _welcome(person: Shopper) -> None:
    welcome = person.wallet_pass.program.rules.filter(code="R4").first()
    if welcome:
        factories.CapUseFactory.create(
            account=person.wallet_pass.member.account, key=f"{welcome.pk}/ever", used=1
        )


def breaches() -> list[Breach]:
    """What the proofs find, but for the welcome gift that `shopper` says was given."""
    found = [*proof.breaches(), *recount.breaches()]
    return [one for one in found if not (one.table == "earning_capuse" and "/ever are used" in one.sentence)]


def codes(reasons: list[dict[str, Any]]) -> list[str]:
    return [entry["code"] for entry in reasons]
