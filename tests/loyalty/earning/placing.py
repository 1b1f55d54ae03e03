"""A shopper whose payments wait for their store, find one, lose it and find another: for tests."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from loyalty.earning import places, recount
from loyalty.earning.models import (
    Transaction,
)
from loyalty.earning.outcomes import Verdict
from loyalty.ledger import proof
from pms.models import Store, StoreMapping
from tests import factories
from tests.loyalty.earning.plain import LUMINA, TUESDAY, Shopper, shopper

LABEL = "KIOSK-7"
LATER = TUESDAY + timedelta(days=2)
State = Transaction.State


@dataclass
class Mapped:
    """A shopper whose payments name a label that is mapped, unmapped and mapped elsewhere."""

    person: Shopper
    stores: dict[str, Store] = field(default_factory=dict)

    def maps(self, category: str = "DINING") -> Store:
        """To a store of this category, as the rules tell them apart."""
        store = self.stores.get(category) or factories.StoreFactory.create(
            mall=self.person.store.mall, category=category
        )
        self.stores[category] = store
        StoreMapping.objects.create(group=store.group, store=store, label=LABEL, began_at=TUESDAY)
        return store

    def unmaps(self) -> None:
        StoreMapping.objects.filter(label=LABEL, ended_at=None).update(ended_at=LATER)

    def buys(self, cents: int, **facts: Any) -> Transaction:
        self.person.pays(cents, store_label=LABEL, **facts)
        return Transaction.objects.latest("pk")

    def finds(self, purchase: Transaction) -> Verdict:
        return places.place(transaction=places.locked(purchase.pk), now=LATER).verdict

    def unplaces(self, purchase: Transaction) -> places.Taken:
        self.unmaps()
        mall_id = self.person.store.mall_id
        return places.unplace(transaction=places.locked(purchase.pk), mall_id=mall_id, now=LATER)


def mapped(rule: dict[str, Any] = LUMINA) -> Mapped:
    """Where jewellery earns a third, and beauty twice."""
    one = Mapped(shopper(rule))
    program = one.person.wallet_pass.program
    for code, category, rate in (("R-J", "JEWELLERY", (1, 3)), ("R-B", "BEAUTY", (2, 1))):
        factories.RuleVersionFactory.create(
            rule__program=program, rule__code=code, rule__kind="RATE", categories=[category],
            points_numerator=rate[0], points_denominator=rate[1], min_spend_cents=0,
        )  # fmt: skip
    return one


def breaches() -> list[object]:
    return [*proof.breaches(), *recount.breaches()]
