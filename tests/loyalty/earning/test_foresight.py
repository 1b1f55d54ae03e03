"""What waits is foreseen as it would be judged: limits in turn, refunds counted, look-alikes held, all unwritten."""

from datetime import timedelta

import pytest

from loyalty.earning import foresight
from loyalty.earning.foresight import Foreseen
from loyalty.earning.models import CapUse, Transaction
from members.models import Member
from tests import factories
from tests.loyalty.earning.placing import LATER, Mapped, mapped
from tests.loyalty.earning.plain import LUMINA, TUESDAY

pytestmark = pytest.mark.django_db


def foreseen(one: Mapped) -> list[Foreseen]:
    store = one.stores.get("DINING") or factories.StoreFactory.create(
        mall=one.person.store.mall, category="DINING"
    )
    waiting = Transaction.objects.filter(state="PARKED").select_related("wallet_pass").order_by("pk")
    return foresight.at_store(list(waiting), store, now=LATER)


def test_nothing_waits_so_nothing_is_foreseen() -> None:
    assert foreseen(mapped()) == []


def test_each_sees_what_those_before_it_would_use_of_a_limit_and_nothing_is_written() -> None:
    one = mapped(LUMINA | {"limit_unit": "CENTS", "limit_period": "DAY", "limit_amount": 25_000})
    purchases = [one.buys(20_000), one.buys(20_000), one.buys(20_000)]

    found = foreseen(one)

    assert [each.points for each in found] == [200, 50, 0]
    assert found[2].reasons[0]["code"] == "CAPPED_PER_DAY"
    assert not CapUse.objects.exists()
    one.maps("DINING")
    for purchase in purchases:
        one.finds(purchase)
    assert one.person.balance == sum(each.points for each in found)


def test_a_refund_that_came_before_is_counted() -> None:
    one = mapped()
    one.maps("BEAUTY")
    purchase = one.buys(20_000)
    one.person.is_refunded(purchase, 5_000)
    one.unplaces(purchase)

    assert [each.points for each in foreseen(one)] == [150]


def test_one_that_looks_like_an_earlier_record_would_be_held() -> None:
    one = mapped()
    Member.objects.update(joined_at=TUESDAY - timedelta(days=30))
    store = one.maps("DINING")
    one.unmaps()
    one.person.pays(
        20_000, channel="COUNTER", numbers={"RECEIPT": "000123"}, store_label=store.pms_label,
        wallet="", user_id="", member_id=one.person.wallet_pass.member_id, submitted_at=TUESDAY,
    )  # fmt: skip
    one.buys(20_000)

    [found] = foreseen(one)

    assert (found.points, found.state) == (0, "HELD")
