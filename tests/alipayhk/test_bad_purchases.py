"""B104–B124 without the races: the same purchase again, elsewhere, in conflict, too early, or in nobody's shop."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from alipayhk import waiting
from alipayhk.models import Notification
from loyalty.earning import awards
from loyalty.earning.models import Award, DuplicateCase, RuleVersion, Transaction
from loyalty.earning.outcomes import Outcome
from loyalty.earning.purchases import Purchase
from members import enrollment
from members.models import Consent, Member, Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_bills import amount, assert_earned, assert_recorded
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Wallet

pytestmark = pytest.mark.django_db
Fields = dict[str, Any]
DUPLICATE = {changes.NOTIFICATION} | changes.PURCHASE


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def at_the_counter(mall: Wallet, user_id: str = "2160120037098191", **facts: Any) -> Outcome:
    """A purchase that another door reported first."""
    values: dict[str, Any] = {
        "group_id": mall.mall.group_id,
        "mall_id": mall.mall.pk,
        "channel": Transaction.Channel.COUNTER,
        "wallet": "ALIPAYHK",
        "user_id": user_id,
        "amount_cents": 13890,
        "currency": "HKD",
        "paid_at": clock.now() - timedelta(minutes=5),
        "numbers": {"ACQUIRER": "A20240506000123"},
        "store_label": mall.store.pms_label,
        "merchant_id": "",
        "merchant_name": "",
    }
    return awards.earn(purchase=Purchase(**values | facts), now=clock.now())


def assert_parked(mall: Wallet, bill: Fields, reason: str, waits_for: str, *tables: str) -> Notification:
    with changes.only(changes.NOTIFICATION, *tables):
        answer = mall.send("BILL", bill)

    assert answer.verdict == SUCCESS
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.waits_for, kept.judged_at) == ("PARKED", reason, waits_for, None)
    return kept


def test_b104_an_exact_repeat_gets_the_first_answer_and_a_counter(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    for _ in range(3):
        with changes.only(changes.NOTIFICATION):
            assert mall.send("BILL", bill).verdict == SUCCESS

    assert (changes.latest().repeats, changes.balance()) == (3, 138)


OTHER: dict[str, Callable[[Wallet], Fields]] = {
    "B106 amount": lambda mall: {"orderAmount": amount(13891)},
    "B106 currency": lambda mall: {"orderAmount": amount(13890, "USD")},
    "B107 userId": lambda mall: {"userId": "2160120037099999"},
    "B107 payTime": lambda mall: {"payTime": wallet.business_time(clock.now() - timedelta(hours=2))},
    "B107 pointsProvider": lambda mall: {"pointsProvider": "ALIPAYCN"},
    "B107 merchantId": lambda mall: {"merchantId": "21609999999999"},
    "B107 pmsLabel": lambda mall: {"pmsLabel": "PMS9999"},
    "B107 cnBillNo": lambda mall: {"cnBillNo": "2023042122001400000000000000"},
    "B107 outBillNo": lambda mall: {"outBillNo": "A20240506000999"},
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER.keys())
def test_the_same_number_with_other_content_is_a_conflict_and_never_paid(
    mall: Wallet, other: Callable[[Wallet], Fields], caplog: pytest.LogCaptureFixture
) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    with changes.only(changes.NOTIFICATION), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.send("BILL", bill | other(mall))

    assert answer.verdict == PARAM_ILLEGAL
    kept = changes.latest()
    assert (kept.state, kept.reason, kept.is_first) == ("CONFLICT", "CONFLICTING_CONTENT", False)
    assert "other content" in caplog.text
    assert changes.balance() == 138


def test_b108_another_name_is_no_other_content(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", bill | {"merchantName": "HARBOUR NOODLES LTD", "colour": "blue"})

    assert answer.verdict == SUCCESS
    assert changes.latest().repeats == 1


def test_b109_a_conflict_again_gets_its_answer_again_and_the_first_one_keeps_its_own(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)
    other = bill | {"orderAmount": amount(20000)}
    mall.send("BILL", other)

    with changes.only(changes.NOTIFICATION):
        again, first = mall.send("BILL", other), mall.send("BILL", bill)

    assert (again.verdict, first.verdict) == (PARAM_ILLEGAL, SUCCESS)
    kept = Notification.objects.order_by("pk").values_list("state", "repeats")
    assert list(kept) == [("PROCESSED", 1), ("CONFLICT", 1)]


def test_b109_two_conflicts_with_one_number_are_two_rows(mall: Wallet) -> None:
    bill = mall.bill()
    assert_earned(mall, bill, 138)

    for cents in (20000, 30000):
        assert mall.send("BILL", bill | {"orderAmount": amount(cents)}).verdict == PARAM_ILLEGAL

    assert Notification.objects.filter(state="CONFLICT").count() == 2


@pytest.mark.parametrize("name", ["cnBillNo", "outBillNo"])
def test_b110_another_number_of_a_purchase_that_earned_earns_nothing(mall: Wallet, name: str) -> None:
    assert_earned(mall, mall.bill(**{name: "X-77"}), 138)

    with changes.only(*DUPLICATE):
        answer = mall.send("BILL", mall.bill(**{name: "x-77"}))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER"]
    assert Transaction.objects.order_by("-pk")[0].state == "DUPLICATE"
    assert (changes.balance(), DuplicateCase.objects.count()) == (138, 0)


def test_numbers_are_compared_kind_by_kind_only(mall: Wallet) -> None:
    assert_earned(mall, mall.bill(cnBillNo="X-77"), 138)

    answer = mall.send("BILL", mall.bill(outBillNo="X-77"))

    assert answer.verdict == SUCCESS
    assert changes.balance() == 276


def test_b111_a_purchase_the_counter_gave_points_for_names_the_counter(mall: Wallet) -> None:
    at_the_counter(mall)

    with changes.only(*DUPLICATE):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123"))

    assert answer.verdict == SUCCESS
    award = Award.objects.order_by("-pk")[0]
    assert (changes.codes(award), award.reasons[0]["values"]["channel"]) == (["DUPLICATE_NUMBER"], "COUNTER")
    assert (changes.balance(), DuplicateCase.objects.count()) == (138, 0)


@pytest.mark.parametrize("difference", ["amount", "store"])
def test_b112_the_same_number_with_another_amount_or_store_opens_a_case(
    mall: Wallet, difference: str
) -> None:
    at_the_counter(mall)
    other_store = factories.StoreFactory.create(mall=mall.mall)
    changed = {
        "amount": {"orderAmount": amount(20000)},
        "store": {"pmsLabel": other_store.pms_label, "merchantId": other_store.merchant_id},
    }

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123", **changed[difference]))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER", "CONFLICTING_CONTENT"]
    case = DuplicateCase.objects.get()
    assert (case.state, case.earlier.channel, case.transaction.channel) == ("OPEN", "COUNTER", "WALLET")
    assert changes.balance() == 138


def test_b113_a_number_another_member_claimed_at_the_counter_opens_a_case(mall: Wallet) -> None:
    mall.joined("2160120037000002")
    at_the_counter(mall, "2160120037000002")

    with changes.only(*DUPLICATE, "earning_duplicatecase"):
        answer = mall.send("BILL", mall.bill(outBillNo="A20240506000123"))

    assert answer.verdict == SUCCESS
    assert changes.codes() == ["DUPLICATE_NUMBER"]
    assert DuplicateCase.objects.get().earlier.member != DuplicateCase.objects.get().transaction.member
    assert (changes.balance("2160120037000002"), changes.balance()) == (138, 0)


@pytest.mark.parametrize("is_known_elsewhere", [False, True], ids=["unknown", "of another program"])
def test_b115_a_payment_before_the_membership_waits_and_is_judged_when_it_comes(
    mall: Wallet, is_known_elsewhere: bool
) -> None:
    if is_known_elsewhere:
        wallet.lumina().joined("2160120037055555")
    bill = mall.bill(userId="2160120037055555")
    assert_parked(mall, bill, "PARKED_NO_PASS", "USER:2160120037055555")

    joined = mall.send("CARD", mall.card(userId="2160120037055555"))

    assert joined.verdict == SUCCESS
    kept = Notification.objects.get(kind="BILL")
    assert (kept.state, kept.reason, kept.waits_for, kept.judged_at is not None) == (
        "PROCESSED",
        "",
        "",
        True,
    )
    assert Award.objects.get().points == 138


def test_b115_a_staff_link_wakes_it_by_the_sweep(mall: Wallet) -> None:
    assert_parked(mall, mall.bill(userId="2160120037055555"), "PARKED_NO_PASS", "USER:2160120037055555")
    mall.joined("2160120037055555")

    judged = waiting.sweep(now=clock.now())

    assert (judged, changes.balance("2160120037055555")) == (1, 138)
    assert waiting.sweep(now=clock.now()) == 0


def test_b157_twenty_five_payments_before_the_membership_all_settle(mall: Wallet) -> None:
    for _ in range(25):
        mall.send("BILL", mall.bill(userId="2160120037055555"))

    mall.send("CARD", mall.card(userId="2160120037055555"))
    waiting.sweep(now=clock.now())

    assert changes.balance("2160120037055555") == 25 * 138
    assert not Notification.objects.filter(state="PARKED").exists()


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
        "STORE_TAKES_PART": False,
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
