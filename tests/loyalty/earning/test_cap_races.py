"""Limits, budgets and once-only benefits when many payments come at one instant, on a database of the test's own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.transaction import atomic

from loyalty.earning.models import Award, BudgetUse, CapUse
from loyalty.ledger.models import PointAccount
from tests import factories
from tests.databases import Database
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

AT_ONCE = 20


@pytest.fixture
def many(fresh_database: Database) -> Callable[[list[Callable[[], Award]]], list[Award]]:
    """Runs payments at one instant, each in a thread and a transaction of its own."""

    def run(payments: list[Callable[[], Award]]) -> list[Award]:
        barrier = Barrier(len(payments))

        def pay(payment: Callable[[], Award]) -> Award:
            barrier.wait()
            try:
                with atomic():
                    return payment()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(payments)) as pool:
            return list(pool.map(pay, payments))

    return run


def test_twenty_payments_at_once_never_exceed_a_daily_limit(
    many: Callable[[list[Callable[[], Award]]], list[Award]],
) -> None:
    person = shopper("verdant")

    awards = many([lambda: person.pays(100_000) for _ in range(AT_ONCE)])

    assert sum(award.points for award in awards) == 10_000
    assert (person.balance, CapUse.objects.get().used) == (10_000, 1_000_000)


def test_a_welcome_gift_is_given_once_to_twenty_first_payments(
    many: Callable[[list[Callable[[], Award]]], list[Award]],
) -> None:
    person = shopper("lumina", is_welcomed=False)

    awards = many([lambda: person.pays(10_000) for _ in range(AT_ONCE)])

    assert sorted(award.points for award in awards) == [100] * (AT_ONCE - 1) + [3_100]


def test_a_campaigns_budget_is_never_exceeded_by_many_members_at_once(
    many: Callable[[list[Callable[[], Award]]], list[Award]],
) -> None:
    first = shopper("lumina")
    rule = first.wallet_pass.program.rules.get(code="R9")
    BudgetUse.objects.create(rule=rule, used=2_000_000 - 120)
    members = [first, *(_another(first) for _ in range(9))]
    in_autumn = TUESDAY.replace(month=9, day=12)

    awards = many([partial(member.pays, 10_000, at=in_autumn) for member in members])

    assert sum(award.points for award in awards) == 10 * 100 + 120
    assert BudgetUse.objects.get().used == 2_000_000
    assert PointAccount.objects.filter(kind="MEMBER").aggregate(total=Sum("balance"))["total"] == 1_120


def _another(person: Shopper) -> Shopper:
    wallet_pass = factories.PassFactory.create(
        active=True, member__program=person.wallet_pass.program, mall=person.wallet_pass.mall
    )
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=TUESDAY.replace(year=2020))
    account = factories.PointAccountFactory.create(member=wallet_pass.member)
    welcome = wallet_pass.program.rules.get(code="R4")
    factories.CapUseFactory.create(account=account, key=f"{welcome.pk}/ever", used=1)
    return Shopper(wallet_pass, person.stores, numbers=person.numbers)
