"""B116–B120: purchases in nobody's shop, outside a consent, at a mall that is closed, or under no rule."""

import logging
from datetime import datetime, timedelta

import pytest

from alipayhk import waiting
from loyalty.earning.models import Award, RuleVersion, Transaction
from members import enrollment
from members.models import Consent, Member, Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_bills import amount, assert_earned, assert_recorded
from tests.alipayhk.test_bad_purchases import assert_parked
from tests.alipayhk.wallet import SUCCESS, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


PARKED_PURCHASE = ("earning_transaction", "earning_numberclaim")


def test_b116_an_unknown_store_waits_until_it_is_mapped(mall: Wallet) -> None:
    bill = mall.bill(pmsLabel="PMS-NEW", merchantId="21600000000001")
    kept = assert_parked(mall, bill, "PARKED_UNKNOWN_STORE", "STORE:PMS-NEW", *PARKED_PURCHASE)
    assert kept.transaction is not None
    assert kept.transaction.state == "PARKED"
    assert waiting.sweep(now=clock.now()) == 0

    store = factories.StoreFactory.create(mall=mall.mall, pms_label="PMS-NEW")
    judged = waiting.sweep(now=clock.now())

    purchase = Transaction.objects.get()
    assert (judged, purchase.store, purchase.state) == (1, store, "EARNED")
    assert changes.balance() == 138
    with changes.only(changes.NOTIFICATION):
        assert mall.send("BILL", bill).verdict == SUCCESS


def test_b116_a_merchant_id_names_its_single_store(mall: Wallet) -> None:
    award = assert_earned(mall, mall.bill(pmsLabel=""), 138)

    assert award.transaction.store == mall.store


def test_b116_a_merchant_id_of_two_stores_names_none_and_is_not_judged_again_and_again(mall: Wallet) -> None:
    factories.StoreFactory.create(mall=mall.mall, merchant_id=mall.store.merchant_id)
    bill = mall.bill(pmsLabel="")
    waits_for = f"STORE:{mall.store.merchant_id}"
    assert_parked(mall, bill, "PARKED_UNKNOWN_STORE", waits_for, *PARKED_PURCHASE)

    with changes.only():
        assert waiting.sweep(now=clock.now()) == 0


def test_b116_a_payment_that_names_no_shop_waits(mall: Wallet) -> None:
    bill = mall.bill(pmsLabel="", merchantId="")
    factories.StoreFactory.create(mall=mall.mall, merchant_id="")

    assert_parked(mall, bill, "PARKED_UNKNOWN_STORE", "STORE:", *PARKED_PURCHASE)

    with changes.only():
        assert waiting.sweep(now=clock.now()) == 0


def test_trap_4_a_second_store_needs_rows_only(mall: Wallet) -> None:
    second = factories.StoreFactory.create(mall=mall.mall)

    award = assert_earned(mall, mall.bill(pmsLabel=second.pms_label, merchantId="x"), 138)

    assert award.transaction.store == second


def test_a_store_of_a_sister_mall_earns_in_the_sister_mall(mall: Wallet) -> None:
    sister = factories.MallFactory.create(group=mall.mall.group)
    store = factories.StoreFactory.create(mall=sister)

    award = assert_earned(mall, mall.bill(pmsLabel=store.pms_label), 138)

    assert award.transaction.mall == sister


def test_b117_a_store_of_another_group_earns_nothing_and_raises_the_alarm(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    other = wallet.lumina()

    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        assert_recorded(mall, mall.bill(pmsLabel=other.store.pms_label), "WRONG_MALL")

    assert "another mall group" in caplog.text


def consents(mall: Wallet, *intervals: tuple[int, int | None]) -> None:
    """In hours before now."""
    Consent.objects.all().delete()
    wallet_pass = Pass.objects.get(user_id="2160120037098191")
    for began, ended in intervals:
        factories.ConsentFactory.create(
            wallet_pass=wallet_pass,
            began_at=clock.now() - timedelta(hours=began),
            ended_at=None if ended is None else clock.now() - timedelta(hours=ended),
        )


CONSENTS: dict[str, tuple[list[tuple[int, int | None]], int, str]] = {
    "in force": ([(100, None)], 50, ""),
    "within the joining grace": ([(10, None)], 33, ""),
    "before the joining grace": ([(10, None)], 35, "BEFORE_JOINING"),
    "in a gap": ([(100, 60), (40, None)], 50, "NO_CONSENT"),
    "in a gap, within the grace of the second": ([(100, 60), (40, None)], 41, "NO_CONSENT"),
    "after the last one ended": ([(100, 60)], 50, "NO_CONSENT"),
    "before the last one ended": ([(100, 60)], 70, ""),
    "never": ([], 1, "NO_CONSENT"),
}


@pytest.mark.parametrize(("intervals", "hours", "reason"), CONSENTS.values(), ids=CONSENTS.keys())
def test_b118_only_a_consent_in_force_or_its_grace_earns(
    mall: Wallet, intervals: list[tuple[int, int | None]], hours: int, reason: str
) -> None:
    consents(mall, *intervals)
    bill = mall.bill(payTime=wallet.business_time(clock.now() - timedelta(hours=hours)))

    if reason:
        assert_recorded(mall, bill, reason)
    else:
        assert_earned(mall, bill, 138)


def test_b118_after_a_withdrawal_nothing_is_earned(mall: Wallet) -> None:
    enrollment.withdraw(
        wallet_pass=Pass.objects.get(user_id="2160120037098191"), now=clock.now() - timedelta(minutes=30)
    )

    assert_recorded(mall, mall.bill(), "NO_CONSENT")


@pytest.mark.parametrize("ended", ["member closed", "member suspended", "card closed"])
def test_b118_a_membership_that_is_over_earns_nothing(mall: Wallet, ended: str) -> None:
    if ended == "card closed":
        Pass.objects.filter(user_id="2160120037098191").update(state="CLOSED")
    else:
        state = Member.State.CLOSED if ended == "member closed" else Member.State.SUSPENDED
        Member.objects.filter(passes__user_id="2160120037098191").update(state=state)

    assert_recorded(mall, mall.bill(), "MEMBER_CLOSED")


@pytest.mark.parametrize("what", ["mall", "store"])
def test_b119_a_suspended_mall_or_store_waits_until_it_is_active_again(mall: Wallet, what: str) -> None:
    place = mall.mall if what == "mall" else mall.store
    place.state = "SUSPENDED"
    place.save()
    waits_for = f"MALL:{mall.mall.pk}" if what == "mall" else f"STORE:{mall.store.pms_label}"
    assert_parked(mall, mall.bill(), "STORE_SUSPENDED", waits_for)
    assert waiting.sweep(now=clock.now()) == 0

    place.state = "ACTIVE"
    place.save()

    assert waiting.sweep(now=clock.now()) == 1
    assert changes.balance() == 138


def test_b119_the_store_of_a_suspended_sister_mall_waits(mall: Wallet) -> None:
    sister = factories.MallFactory.create(group=mall.mall.group, state="SUSPENDED")
    store = factories.StoreFactory.create(mall=sister)

    assert_parked(mall, mall.bill(pmsLabel=store.pms_label), "STORE_SUSPENDED", f"STORE:{store.pms_label}")


def test_b120_without_a_rule_in_force_nothing_is_earned() -> None:
    mall = wallet.lumina(effective_at=clock.now())
    mall.joined()

    assert_recorded(mall, mall.bill(), "NO_RULE")


def test_an_excluded_store_earns_nothing(mall: Wallet) -> None:
    mall.store.is_excluded = True
    mall.store.save()

    assert_recorded(mall, mall.bill(), "EXCLUDED_STORE")


def test_trap_12_every_condition_is_reported_also_those_that_are_false_or_zero(mall: Wallet) -> None:
    mall.store.is_excluded = True
    mall.store.save()

    assert_recorded(mall, mall.bill(orderAmount=amount(0)), "EXCLUDED_STORE")

    found = {entry["condition"]: entry["is_met"] for entry in Award.objects.get().conditions}
    assert found == {
        "MEMBER_OPEN": True,
        "CONSENT": True,
        "CURRENCY": True,
        "STORE_OPEN": True,
        "STORE_TAKES_PART": False,
        "TENDER": True,
        "ITEM": True,
        "WINDOW": True,
        "RULE_IN_FORCE": True,
        "SPENT_SOMETHING": False,
        "MIN_SPEND": False,
    }


def test_the_award_names_the_frozen_rule_of_its_day(mall: Wallet) -> None:
    first = RuleVersion.objects.get()
    RuleVersion.objects.create(
        rule=first.rule, number=2, points_numerator=2, effective_at=clock.now(), published_at=clock.now()
    )

    award = assert_earned(mall, mall.bill(), 138)

    assert award.rule_version == first


def test_a_member_added_by_hand_gets_an_account_with_the_first_points(mall: Wallet) -> None:
    wallet_pass = factories.PassFactory.create(
        member__program=mall.mall.group.program, mall=mall.mall, user_id="2160120037066666"
    )
    factories.ConsentFactory.create(
        wallet_pass=wallet_pass, began_at=datetime(2026, 1, 1, tzinfo=clock.HONG_KONG)
    )

    answer = mall.send("BILL", mall.bill(userId="2160120037066666"))

    assert answer.verdict == SUCCESS
    assert changes.balance("2160120037066666") == 138
