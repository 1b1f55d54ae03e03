"""A purchase loses a wrong store and finds another: in any order with refunds it ends where a right one would."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.earning import places, recount, settlement, standing
from loyalty.earning.models import (
    Award,
    BudgetUse,
    CapUse,
    Correction,
    DuplicateCase,
    NumberClaim,
    Transaction,
)
from loyalty.earning.outcomes import Verdict
from loyalty.ledger import adjusting, postings, proof
from members.models import Member, Program
from pms.models import Store, StoreMapping
from tests import factories
from tests.loyalty.earning.plain import LUMINA, TUESDAY, Shopper, codes, shopper

pytestmark = pytest.mark.django_db
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


def held_case(one: Mapped) -> tuple[Transaction, DuplicateCase]:
    """A receipt at the same store, amount and minute came first."""
    store = one.maps("DINING")
    Member.objects.update(joined_at=TUESDAY - timedelta(days=30))
    one.person.pays(
        20_000, channel="COUNTER", numbers={"RECEIPT": "000123"}, store_label=store.pms_label,
        wallet="", user_id="", member_id=one.person.wallet_pass.member_id, submitted_at=TUESDAY,
    )  # fmt: skip
    purchase = one.buys(20_000)
    return purchase, DuplicateCase.objects.get(transaction=purchase)


def test_a_held_purchase_waits_with_its_case_which_ends_where_nothing_is_alike() -> None:
    one = mapped()
    purchase, case = held_case(one)
    assert (case.state, case.verdict) == ("OPEN", "HELD")

    one.unplaces(purchase)
    case.refresh_from_db()
    assert (case.state, Transaction.objects.get(pk=purchase.pk).state) == ("OPEN", State.PARKED)
    assert breaches() == []
    Transaction.objects.exclude(pk=purchase.pk).update(paid_at=TUESDAY - timedelta(days=3))
    one.maps("BEAUTY")
    one.finds(purchase)

    case.refresh_from_db()
    assert (case.state, case.decided_by) == ("DIFFERENT", None)
    assert Transaction.objects.get(pk=purchase.pk).state == State.EARNED


def test_an_open_case_follows_the_next_judgement() -> None:
    one = mapped()
    purchase, case = held_case(one)
    one.unplaces(purchase)
    one.maps("DINING")

    one.finds(purchase)

    assert DuplicateCase.objects.get() == case
    assert Transaction.objects.get(pk=purchase.pk).state == State.HELD
    assert breaches() == []


@pytest.mark.parametrize(("answer", "state"), [("SAME", State.DUPLICATE), ("DIFFERENT", State.EARNED)])
def test_what_people_decided_while_it_waited_stays_decided(answer: str, state: str) -> None:
    one = mapped()
    purchase, _case = held_case(one)
    one.unplaces(purchase)
    DuplicateCase.objects.update(state=answer, decided_at=LATER, decided_by=factories.UserFactory.create())
    one.maps("DINING")

    one.finds(purchase)

    assert Transaction.objects.get(pk=purchase.pk).state == state
    assert DuplicateCase.objects.get().state == answer
    assert breaches() == []


def test_a_duplicate_stays_one_and_a_later_answer_judges_it_at_the_right_store() -> None:
    one = mapped()
    store = one.maps("DINING")
    purchase = one.buys(20_000)
    settlement.withhold(transaction=purchase, state=State.DUPLICATE, now=LATER)

    one.unplaces(purchase)

    purchase = Transaction.objects.get()
    assert (purchase.state, purchase.store) == (State.DUPLICATE, None)
    assert breaches() == []
    assert store != one.maps("BEAUTY")
    settlement.grant(transaction=purchase, now=LATER)
    assert (Transaction.objects.get().store, one.person.balance) == (one.stores["BEAUTY"], 400)
    assert breaches() == []


def test_a_case_stands_on_the_desk_of_the_mall_that_its_purchase_is_in() -> None:
    one = mapped()
    purchase, case = held_case(one)
    elsewhere = factories.MallFactory.create(group=case.group)
    DuplicateCase.objects.update(mall=elsewhere)

    one.unplaces(purchase)
    case.refresh_from_db()
    assert case.mall == one.person.store.mall
    DuplicateCase.objects.update(mall=elsewhere)
    one.maps("DINING")
    one.finds(purchase)

    case.refresh_from_db()
    assert case.mall == Transaction.objects.get(pk=purchase.pk).mall == one.person.store.mall


def test_what_was_blocked_for_being_like_one_without_a_store_waits_for_people() -> None:
    one = mapped()
    purchase, case = held_case(one)
    DuplicateCase.objects.update(
        earlier=purchase,
        transaction=case.earlier,
        verdict="BLOCKED",
        state="SAME",
        decided_at=LATER,
        points_saved=9,
    )

    one.unplaces(purchase)

    case.refresh_from_db()
    assert (case.state, case.decided_at, case.points_saved) == ("OPEN", None, 0)


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
