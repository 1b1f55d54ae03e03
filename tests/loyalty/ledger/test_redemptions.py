"""Spending points: what is set aside, from which lots, what comes back, and what is refused."""

from datetime import timedelta

import pytest

from loyalty.ledger import expiry, redemptions
from loyalty.ledger.models import PointAccount, PointLot, Redemption
from loyalty.ledger.redemptions import RedemptionRefused
from members.models import Member
from pms.models import Mall
from tests import factories
from tests.loyalty.ledger.spenders import LATER, NOON, breaches, end_of, spender, untouched

pytestmark = pytest.mark.django_db

SOON, LATE = end_of(2026, 4, 30), end_of(2026, 12, 31)
TOO_LATE = NOON + timedelta(seconds=61)


def test_reserved_points_leave_the_balance_and_wait_for_confirmation() -> None:
    person = spender()
    person.gets(100)

    redemption = person.reserves(80)

    assert (redemption.state, redemption.points, redemption.value_cents) == ("RESERVED", 80, 800)
    assert redemption.expires_at == NOON + timedelta(seconds=60)
    assert (person.balance, person.total_of("RESERVED"), person.total_of("REDEEMED")) == (20, 80, 0)
    assert person.moves[-1] == ("RESERVE", -80)
    assert breaches() == []


def test_confirming_spends_what_was_set_aside() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(80)

    confirmed = redemptions.confirm(redemption=redemption, by=None, now=LATER)

    assert (confirmed.state, confirmed.ended_at) == ("CONFIRMED", LATER)
    assert (person.balance, person.total_of("RESERVED"), person.total_of("REDEEMED")) == (20, 0, 80)
    assert breaches() == []


def test_a_reservation_moves_the_version_that_the_card_follows() -> None:
    person = spender()
    person.gets(100)
    before = person.account.version

    redemption = person.reserves(80)
    reserved = person.account.version
    redemptions.release(redemption=redemption, by=None, now=LATER)

    assert (reserved, person.account.version) == (before + 1, before + 2)
    assert person.account.changed_at == LATER


def test_the_lot_that_expires_soonest_is_spent_first_and_one_that_never_does_last() -> None:
    person = spender()
    for expires_at in (None, LATE, SOON):
        person.gets(50, expires_at=expires_at)

    first = person.reserves(70)
    after_first = person.lots
    person.reserves(40)

    assert after_first == [50, 30, 0]
    assert person.lots == [40, 0, 0]
    assert sorted(first.parts.values_list("points", flat=True)) == [20, 50]


def test_releasing_gives_points_back_to_the_lots_they_came_from() -> None:
    person = spender()
    person.gets(50, expires_at=LATE)
    person.gets(50, expires_at=SOON)
    redemption = person.reserves(70)

    released = redemptions.release(redemption=redemption, by=None, now=LATER)

    assert released.state == "RELEASED"
    assert (person.balance, person.lots, person.total_of("RESERVED")) == (100, [50, 50], 0)
    assert person.moves[-1] == ("UNRESERVE", 70)
    assert breaches() == []


def test_points_given_back_to_a_lapsed_lot_lapse_at_the_next_expiry() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    redemption = person.reserves(80, now=SOON)
    after = SOON + timedelta(seconds=10)
    expiry.expire(now=after)

    redemptions.release(redemption=redemption, by=None, now=after)
    given_back = person.balance
    expiry.expire(now=after)

    assert (given_back, person.balance, person.lots) == (80, 0, [0])
    assert person.moves[-4:] == [("RESERVE", -80), ("EXPIRE", -20), ("UNRESERVE", 80), ("EXPIRE", -80)]
    assert breaches() == []


def test_a_deficit_that_arose_meanwhile_is_settled_by_what_is_released() -> None:
    person = spender()
    person.gets(30, expires_at=SOON)
    person.gets(50, expires_at=LATE)
    redemption = person.reserves(80)
    person.loses(40)

    redemptions.release(redemption=redemption, by=None, now=LATER)

    assert (person.balance, person.lots) == (40, [0, 40])
    assert breaches() == []


def test_what_lapsed_before_the_job_ran_cannot_be_spent() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.gets(50, expires_at=LATE)

    person.reserves(40, now=SOON + timedelta(seconds=2))

    assert (person.balance, person.lots) == (10, [0, 10])
    assert breaches() == []


def test_points_on_hold_cannot_be_spent() -> None:
    person = spender()
    person.gets(100, held_until_at=LATE)

    with pytest.raises(RedemptionRefused, match="Not enough points"):
        person.reserves(50)

    assert person.balance == 0


@pytest.mark.parametrize(
    ("points", "code"),
    [
        (110, "INSUFFICIENT_POINTS"),
        (2**70, "REDEMPTION_STEP"),
        (10**30, "INSUFFICIENT_POINTS"),
        (9, "BELOW_MIN_REDEMPTION"),
        (0, "BELOW_MIN_REDEMPTION"),
        (-50, "BELOW_MIN_REDEMPTION"),
        (15, "REDEMPTION_STEP"),
    ],
)
def test_a_wish_outside_the_terms_is_refused_and_changes_nothing(points: int, code: str) -> None:
    person = spender()
    person.gets(100)
    before = untouched(), person.balance, person.account.version

    with pytest.raises(RedemptionRefused) as refusal:
        person.reserves(points)

    assert refusal.value.code == code
    assert (untouched(), person.balance, person.account.version) == before


def test_the_smallest_redemption_of_lumina_is_2500_points_in_steps_of_250() -> None:
    person = spender(redemption_points_per_hkd=250, redemption_min_points=2500, redemption_seconds=120)
    person.gets(6000)

    with pytest.raises(RedemptionRefused, match="at least 2500 points"):
        person.reserves(2250)
    with pytest.raises(RedemptionRefused, match="steps of 250"):
        person.reserves(2600)
    smallest = person.reserves(2500)

    assert smallest.value_cents == 1000
    assert smallest.expires_at - smallest.reserved_at == timedelta(seconds=120)


@pytest.mark.parametrize("state", [Member.State.CLOSED, Member.State.SUSPENDED])
def test_a_member_who_is_not_active_redeems_nothing(state: str) -> None:
    person = spender()
    person.gets(100)
    person.member.state = state
    before = untouched()

    with pytest.raises(RedemptionRefused) as refusal:
        person.reserves(50)

    assert (refusal.value.code, untouched(), person.balance) == ("MEMBER_CLOSED", before, 100)


def test_a_negative_balance_redeems_nothing() -> None:
    person = spender()
    person.gets(50)
    person.loses(80)

    with pytest.raises(RedemptionRefused, match="Not enough points"):
        person.reserves(10)

    assert person.balance == -30


def test_a_code_is_confirmed_once() -> None:
    person = spender()
    person.gets(100)
    redemption = person.redeems(80)
    before = untouched()

    with pytest.raises(RedemptionRefused) as again:
        redemptions.confirm(redemption=redemption, by=None, now=LATER)
    with pytest.raises(RedemptionRefused) as undo:
        redemptions.release(redemption=redemption, by=None, now=LATER)

    assert (again.value.code, undo.value.code) == ("REDEMPTION_ENDED", "REDEMPTION_ENDED")
    assert (untouched(), person.balance, person.total_of("REDEEMED")) == (before, 20, 80)


def test_a_released_code_is_not_confirmed() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(80)
    redemptions.release(redemption=redemption, by=None, now=LATER)

    with pytest.raises(RedemptionRefused) as refusal:
        redemptions.confirm(redemption=redemption, by=None, now=LATER)

    assert (refusal.value.code, person.balance, person.total_of("REDEEMED")) == ("REDEMPTION_ENDED", 100, 0)


def test_a_code_after_its_time_is_refused_and_changes_nothing() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(80)
    before = untouched()

    with pytest.raises(RedemptionRefused) as refusal:
        redemptions.confirm(redemption=redemption, by=None, now=TOO_LATE)

    assert (refusal.value.code, untouched(), person.balance) == ("REDEMPTION_CODE_EXPIRED", before, 20)
    assert Redemption.objects.get().state == "RESERVED"


def test_unconfirmed_codes_release_by_themselves_once() -> None:
    person = spender()
    person.gets(100)
    person.reserves(40)
    person.reserves(20, now=NOON + timedelta(seconds=30))
    person.redeems(10)

    early = redemptions.release_overdue(now=NOON + timedelta(seconds=60))
    first = redemptions.release_overdue(now=TOO_LATE)
    second = redemptions.release_overdue(now=TOO_LATE)

    assert (early, first, second) == (0, 1, 0)
    assert (person.balance, person.lots) == (70, [70])
    assert breaches() == []


def test_the_same_request_is_one_redemption() -> None:
    person = spender()
    person.gets(100)
    wish = person.wish(40, request_key="till-7/42")

    first = redemptions.reserve(wish=wish, by=None, now=NOON)
    second = redemptions.reserve(wish=wish, by=None, now=LATER)

    assert (second.pk, second.code) == (first.pk, first.code)
    assert (person.balance, Redemption.objects.count()) == (60, 1)


def test_a_request_key_does_not_serve_for_another_wish() -> None:
    person = spender()
    person.gets(100)
    redemptions.reserve(wish=person.wish(40, request_key="k"), by=None, now=NOON)

    with pytest.raises(RedemptionRefused) as refusal:
        redemptions.reserve(wish=person.wish(50, request_key="k"), by=None, now=NOON)

    assert (refusal.value.code, person.balance) == ("REQUEST_KEY_USED", 60)


def test_a_code_is_found_as_typed_in_the_malls_asked_for_only() -> None:
    person = spender()
    person.gets(100)
    redemption = person.reserves(40)
    elsewhere = factories.MallFactory.create()

    found = redemptions.by_code(
        code=f" {redemption.code.lower()} ", malls=Mall.objects.filter(pk=person.mall.pk)
    )
    with pytest.raises(RedemptionRefused) as refusal:
        redemptions.by_code(code=redemption.code, malls=Mall.objects.filter(pk=elsewhere.pk))

    assert found == redemption
    assert refusal.value.code == "REDEMPTION_CODE_UNKNOWN"


def test_points_returned_after_a_refund_go_back_to_their_lots_once() -> None:
    person = spender()
    person.gets(50, expires_at=SOON)
    person.gets(50, expires_at=LATE)
    person.redeems(70, payment_number="B1")
    person.redeems(10, payment_number="B2")

    first = redemptions.give_back(account=person.account, payment_number="b1", now=LATER)
    second = redemptions.give_back(account=person.account, payment_number="B1", now=LATER)

    assert ([one.state for one in first], second) == (["RETURNED"], [])
    assert (person.balance, person.lots) == (90, [50, 40])
    assert (person.moves[-1], person.total_of("REDEEMED")) == (("RETURN", 70), 10)
    assert breaches() == []


def test_two_redemptions_of_one_purchase_both_come_back() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.redeems(40, payment_number="B1")
    person.redeems(30, payment_number="B1")

    returned = redemptions.give_back(account=person.account, payment_number="B1", now=LATER)

    assert [one.points for one in returned] == [40, 30]
    assert (person.balance, person.lots) == (100, [100])
    assert breaches() == []


def test_a_refund_of_a_purchase_without_number_returns_nothing() -> None:
    person = spender()
    person.gets(100)
    person.redeems(40)

    assert redemptions.give_back(account=person.account, payment_number="", now=LATER) == []
    assert person.balance == 60


def test_every_lot_and_account_is_named_by_the_reservation() -> None:
    person = spender()
    lot = person.gets(100)

    redemption = person.reserves(40)

    assert lot is not None
    assert list(redemption.parts.values_list("lot", "points")) == [(lot.pk, 40)]
    assert redemption.account == PointAccount.objects.get(member=person.member)
    assert PointLot.objects.get(pk=lot.pk).remaining == 60
