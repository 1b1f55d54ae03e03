"""A purchase loses a wrong store and finds another: in any order with refunds it ends where a right one would."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.earning import places, standing
from loyalty.earning.models import (
    Award,
    BudgetUse,
    CapUse,
    Correction,
    NumberClaim,
    Transaction,
)
from loyalty.earning.outcomes import Verdict
from loyalty.ledger import adjusting, postings
from members.models import Program
from pms.models import Store
from tests import factories
from tests.loyalty.earning.placing import LATER, State, breaches, mapped
from tests.loyalty.earning.plain import LUMINA, codes

pytestmark = pytest.mark.django_db


def test_a_purchase_that_never_had_a_store_gets_its_award() -> None:
    one = mapped()
    purchase = one.buys(20_000)
    one.maps()

    verdict = one.finds(purchase)

    assert (verdict, one.person.balance) == (Verdict.RECORDED, 200)
    assert Award.objects.get().points == 200
    assert not Correction.objects.exists()


def test_without_a_store_it_goes_on_waiting() -> None:
    one = mapped()
    purchase = one.buys(20_000)

    verdict = one.finds(purchase)

    purchase.refresh_from_db()
    assert (verdict, purchase.state) == (Verdict.WAITING, State.PARKED)


def test_unplacing_takes_the_points_back_and_it_waits_again() -> None:
    one = mapped()
    one.maps()
    purchase = one.buys(20_000)

    taken = one.unplaces(purchase)

    purchase.refresh_from_db()
    correction = Correction.objects.get()
    assert taken == places.Taken(points=200, missed=0)
    assert (purchase.state, purchase.store, one.person.balance) == (State.PARKED, None, 0)
    assert (correction.kind, correction.points, codes(correction.reasons)) == (
        "TAKE",
        -200,
        ["STORE_UNMAPPED"],
    )
    assert NumberClaim.objects.get().transaction == purchase
    assert breaches() == []


def test_twice_unplaced_is_once_unplaced() -> None:
    one = mapped()
    one.maps()
    purchase = one.buys(20_000)
    one.unplaces(purchase)

    taken = one.unplaces(purchase)

    assert taken == places.Taken()
    assert Correction.objects.count() == 1


def test_another_store_judges_it_by_its_own_facts() -> None:
    one = mapped()
    one.maps("DINING")
    purchase = one.buys(20_000)
    one.unplaces(purchase)
    store = one.maps("BEAUTY")

    one.finds(purchase)

    purchase.refresh_from_db()
    given_back = Correction.objects.latest("pk")
    judged = standing.judgement_of(purchase)
    assert (purchase.state, purchase.store, one.person.balance) == (State.EARNED, store, 400)
    assert (given_back.kind, given_back.points, given_back.facts["category"]) == ("GIVE", 400, "BEAUTY")
    assert codes(given_back.reasons)[-1] == "STORE_MAPPED"
    assert judged == given_back
    assert breaches() == []


def test_a_store_in_another_mall_takes_the_purchase_there_and_back() -> None:
    one = mapped()
    called = one.person.store.mall
    other = factories.MallFactory.create(group=called.group)
    one.stores["DINING"] = factories.StoreFactory.create(mall=other, category="DINING")
    one.maps("DINING")
    purchase = one.buys(20_000)
    assert Transaction.objects.get().mall == other

    one.unplaces(purchase)

    assert Transaction.objects.get().mall == called


def test_an_excluded_store_gave_nothing_and_the_right_one_gives() -> None:
    one = mapped()
    Store.objects.filter(pk=one.maps("TOYS").pk).update(is_excluded=True)
    purchase = one.buys(20_000)
    assert Transaction.objects.get().state == State.NOTHING

    one.unplaces(purchase)
    one.maps("DINING")
    one.finds(purchase)

    assert (Transaction.objects.get().state, one.person.balance) == (State.EARNED, 200)
    assert list(Correction.objects.order_by("pk").values_list("kind", "points")) == [
        ("TAKE", 0),
        ("GIVE", 200),
    ]
    assert breaches() == []


def test_a_refund_that_comes_while_it_waits_again_waits_too() -> None:
    one = mapped()
    one.maps("DINING")
    purchase = one.buys(20_000)
    one.unplaces(purchase)

    early = one.person.is_refunded(purchase, 5_000, key="R", number="R")
    one.maps("BEAUTY")
    one.finds(purchase)
    late = one.person.is_refunded(purchase, 5_000, key="R", number="R")

    assert (early.verdict, late.verdict) == (Verdict.WAITING, Verdict.RECORDED)
    assert one.person.balance == 300
    assert breaches() == []


def test_what_could_not_be_taken_is_settled_by_what_comes_next() -> None:
    one = mapped()
    Program.objects.update(negative_balance=Program.NegativeBalance.STOP_AT_ZERO)
    one.maps("DINING")
    purchase = one.buys(20_000)
    account = postings.lock(member_id=purchase.member_id)
    adjusting.adjust(account=account, points=-150, source="adjustment/1", now=LATER)

    taken = one.unplaces(purchase)
    assert taken == places.Taken(points=50, missed=150)
    one.maps("BEAUTY")
    one.finds(purchase)

    assert list(Correction.objects.order_by("pk").values_list("points", "uncollected")) == [
        (-50, 150),
        (250, -150),
    ]
    assert one.person.balance == 400 - 150
    assert breaches() == []


@pytest.mark.parametrize("is_open", [True, False])
def test_limits_that_it_used_are_free_again_and_used_by_the_next_judgement(is_open: bool) -> None:
    one = mapped(LUMINA | {"limit_unit": "CENTS", "limit_period": "DAY", "limit_amount": 25_000})
    one.maps("DINING")
    purchase = one.buys(20_000)
    assert CapUse.objects.get().used == 20_000

    one.unplaces(purchase)
    assert CapUse.objects.get().used == 0
    if is_open:
        one.maps("DINING")
        one.finds(purchase)

    assert CapUse.objects.get().used == (20_000 if is_open else 0)
    assert one.person.balance == (200 if is_open else 0)
    assert breaches() == []


def test_a_campaign_s_budget_is_free_again() -> None:
    one = mapped()
    factories.RuleVersionFactory.create(
        rule__program=one.person.wallet_pass.program, rule__code="R-F", rule__kind="FLAT",
        points_numerator=50, min_spend_cents=0, budget_points=60,
    )  # fmt: skip
    one.maps("DINING")
    purchase = one.buys(20_000)
    assert BudgetUse.objects.get().used == 50

    one.unplaces(purchase)
    assert BudgetUse.objects.get().used == 0
    one.maps("DINING")
    one.finds(purchase)

    assert (BudgetUse.objects.get().used, one.person.balance) == (50, 250)
    assert breaches() == []


@pytest.mark.parametrize("act", [places.place, partial(places.unplace, mall_id=1)])
def test_outside_a_block_nothing_is_placed_or_unplaced(act: Callable[..., object]) -> None:
    """As in a thread of its own, which has no block."""
    purchase = factories.TransactionFactory.build()

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="in an atomic block"):
        pool.submit(act, transaction=purchase, now=LATER).result()


steps = st.lists(
    st.one_of(
        st.just(("unmap", 0)),
        st.tuples(st.sampled_from(["DINING", "JEWELLERY", "BEAUTY"]), st.just(0)),
        st.tuples(st.just("refund"), st.integers(0, 120_00)),
    ),
    max_size=6,
)


@settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(order=steps, amount=st.integers(1, 300_00), is_short=st.booleans())
def test_any_order_of_mapping_and_refunding_ends_like_a_purchase_mapped_right_at_first(
    order: list[tuple[str, int]], amount: int, is_short: bool
) -> None:
    one, right = mapped(), mapped()
    policy = Program.NegativeBalance.STOP_AT_ZERO if is_short else Program.NegativeBalance.ALLOW_NEGATIVE
    Program.objects.update(negative_balance=policy)
    purchase = one.buys(amount)
    is_mapped, refunded = False, []
    for deed, cents in [*order, ("unmap", 0), ("BEAUTY", 0)]:
        if deed == "refund":
            if one.person.is_refunded(purchase, cents).verdict == Verdict.RECORDED:
                refunded.append(cents)
        elif deed == "unmap":
            one.unplaces(purchase)
            is_mapped = False
        elif not is_mapped:
            one.maps(deed)
            one.finds(purchase)
            is_mapped = True
    right.maps("BEAUTY")
    model = right.buys(amount)
    for cents in refunded:
        right.person.is_refunded(model, cents)

    assert one.person.balance == right.person.balance
    assert breaches() == []
