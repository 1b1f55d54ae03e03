"""The engine against a plain model written apart from it: any payments, any split, order and repetition of refunds."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from loyalty.earning.models import Award
from loyalty.ledger import expiry
from loyalty.ledger.models import PointLot
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db

DAY_LIMIT = 1_000_000
# A failing example is small already; shrinking it on a database takes minutes.
NO_SHRINK = (Phase.explicit, Phase.reuse, Phase.generate)


@dataclass
class Verdant:
    """V Rewards for a Gold member, said in a few lines: 1.5 points per HK$1, half of it at the supermarket,
    HK$10,000 counted a day, rounded down once.
    """

    used: dict[str, int] = field(default_factory=dict)

    def room(self, day: str) -> int:
        return DAY_LIMIT - self.used.get(day, 0)

    def counted(self, cents: int, room: int) -> int:
        return min(cents, room)

    def points(self, cents: int, store: str, room: int) -> int:
        half = 2 if store == "M01" else 1
        return self.counted(cents, room) * 3 // (200 * half)


@dataclass
class Paid:
    award: Award
    cents: int
    store: str
    room: int
    refunded: int = 0


PAYMENTS = st.lists(
    st.tuples(
        st.integers(min_value=100, max_value=900_000),
        st.sampled_from(["S12", "M01"]),
        st.integers(min_value=0, max_value=2),
        st.lists(st.integers(min_value=1, max_value=400_000), max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25,
    deadline=None,
    phases=NO_SHRINK,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(payments=PAYMENTS, order=st.randoms(use_true_random=False))
def test_any_payments_and_refunds_end_where_the_model_ends(payments: list[Any], order: Any) -> None:
    with atomic():
        person = shopper("verdant")
        person.has_tier("GOLD")
        model = Verdant()
        paid = [_pay(person, model, *payment[:3]) for payment in payments]
        parts = [(one, cents) for one, payment in zip(paid, payments, strict=True) for cents in payment[3]]
        order.shuffle(parts)

        for one, cents in parts:
            _refund(person, one, cents)
            _refund(person, one, 0)

        expected = sum(model.points(one.cents - one.refunded, one.store, one.room) for one in paid)
        assert person.balance == expected
        lots = PointLot.objects.filter(account=person.wallet_pass.member.account)
        assert sum(lot.remaining for lot in lots) == expected
        set_rollback(True)


def _pay(person: Shopper, model: Verdant, cents: int, store: str, day: int) -> Paid:
    at = TUESDAY + timedelta(days=day)
    room = model.room(f"{at:%F}")
    award = person.pays(cents, store=store, at=at)
    model.used[f"{at:%F}"] = model.used.get(f"{at:%F}", 0) + model.counted(cents, room)
    assert award.points == model.points(cents, store, room)
    return Paid(award, cents, store, room)


def _refund(person: Shopper, paid: Paid, cents: int) -> None:
    before = person.balance
    outcome = person.is_refunded(paid.award, cents, at=TUESDAY + timedelta(days=5))
    if outcome.refund_id:
        paid.refunded += cents
    else:
        assert person.balance == before


@settings(
    max_examples=15,
    deadline=None,
    phases=NO_SHRINK,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cents=st.integers(min_value=10_000, max_value=500_000),
    parts=st.lists(st.integers(min_value=1, max_value=200_000), max_size=4),
    release_after=st.integers(min_value=0, max_value=4),
)
@example(cents=351_689, parts=[33_533, 3_470, 77_365, 3_216], release_after=3)  # more than 32,767 points
def test_a_hold_that_ends_between_refunds_changes_nothing(
    cents: int, parts: list[int], release_after: int
) -> None:
    """Pier Points would leave usable points uncollected, so the policy here is V Rewards' on a 21-day hold."""
    with atomic():
        person = shopper("verdant")
        paid_at = datetime(2026, 5, 2, 13, tzinfo=TUESDAY.tzinfo)
        award = person.pays(cents, store="088", at=paid_at)
        refunded = 0

        for number, part in enumerate(parts):
            if number == release_after:
                expiry.release(now=paid_at + timedelta(days=22))
            outcome = person.is_refunded(award, part, at=paid_at + timedelta(days=23, minutes=number))
            refunded += part if outcome.refund_id else 0

        net = cents - refunded
        assert person.balance + person.pending == net // 100 + net * 9 // 100
        set_rollback(True)
