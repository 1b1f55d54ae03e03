"""Points by hand: one asks, another approves, and only then points move, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.transaction import atomic

from loyalty.ledger.models import PointAccount, Posting
from loyalty.review import adjustments
from loyalty.review.adjustments import (
    AdjustmentRefused,
    AlreadyEnded,
    MembershipOver,
    NoReason,
    NotYours,
    OwnRequest,
    PointsOutOfRange,
    TooFewPoints,
    Wish,
)
from loyalty.review.models import AdjustmentRequest
from members.models import Member, Program
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper

pytestmark = pytest.mark.django_db

LATER = TUESDAY + timedelta(days=1)


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


@pytest.fixture
def mei() -> User:
    return factories.UserFactory.create(username="mei")


@pytest.fixture
def ken() -> User:
    return factories.UserFactory.create(username="ken")


def wish(person: Shopper, points: int = 100, **facts: Any) -> Wish:
    account = PointAccount.objects.get(member=person.wallet_pass.member)
    values: dict[str, Any] = {
        "mall": person.stores["S12"].mall,
        "account": account,
        "points": points,
        "reason": AdjustmentRequest.Reason.GOODWILL,
        "note": "The escalator ate her shoe",
    }
    return Wish(**values | facts)


def asked(person: Shopper, by: User, points: int = 100, **facts: Any) -> AdjustmentRequest:
    return adjustments.request(wish=wish(person, points, **facts), by=by, now=TUESDAY)


def test_a_request_moves_nothing_until_another_approves_it(person: Shopper, mei: User, ken: User) -> None:
    request = asked(person, mei)
    before = person.balance

    done = adjustments.approve(request=request, by=ken, now=LATER)

    assert (before, person.balance, done.state, done.decided_by, breaches()) == (0, 100, "APPROVED", ken, [])
    assert done.posting is not None
    assert (done.posting.kind, done.posting.source) == ("ADJUST", f"adjustment/{request.pk}")
    assert sorted(done.posting.entries.values_list("account__kind", "points")) == [
        ("ADJUSTED", -100),
        ("MEMBER", 100),
    ]


def test_points_given_can_be_spent_and_lapse_like_earned_ones(person: Shopper, mei: User, ken: User) -> None:
    earned = person.pays(10000)

    adjustments.approve(request=asked(person, mei), by=ken, now=TUESDAY)

    lots = person.wallet_pass.member.account.lots.order_by("pk")
    assert [lot.remaining for lot in lots] == [100, 100]
    assert {lot.expires_at for lot in lots} == {earned.posting.lots.get().expires_at}  # type: ignore[union-attr]


def test_points_taken_are_those_that_lapse_first(person: Shopper, mei: User, ken: User) -> None:
    person.pays(10000)
    person.pays(20000)

    adjustments.approve(request=asked(person, mei, -150), by=ken, now=LATER)

    left = person.wallet_pass.member.account.lots.order_by("pk").values_list("remaining", flat=True)
    assert (person.balance, list(left), breaches()) == (150, [0, 150], [])


@pytest.mark.parametrize(("policy", "balance"), [("ALLOW_NEGATIVE", -50), ("STOP_AT_ZERO", 100)])
def test_a_balance_falls_below_zero_only_where_the_program_lets_it(
    person: Shopper, mei: User, ken: User, policy: str, balance: int
) -> None:
    person.pays(10000)
    Program.objects.update(negative_balance=policy)
    request = asked(person, mei, -150)

    try:
        adjustments.approve(request=request, by=ken, now=LATER)
    except TooFewPoints:
        request.refresh_from_db()
        assert request.is_waiting

    assert (person.balance, breaches()) == (balance, [])


def test_what_settles_a_balance_below_zero_makes_no_lot(person: Shopper, mei: User, ken: User) -> None:
    Program.objects.update(negative_balance="ALLOW_NEGATIVE")
    adjustments.approve(request=asked(person, mei, -30), by=ken, now=LATER)

    adjustments.approve(request=asked(person, mei, 100), by=ken, now=LATER)

    lots = person.wallet_pass.member.account.lots.values_list("points", flat=True)
    assert (person.balance, list(lots), breaches()) == (70, [70], [])


def test_nobody_approves_or_rejects_what_they_asked_for(person: Shopper, mei: User) -> None:
    request = asked(person, mei)

    with pytest.raises(OwnRequest):
        adjustments.approve(request=request, by=mei, now=LATER)
    with pytest.raises(OwnRequest):
        adjustments.reject(request=request, by=mei, now=LATER, note="no")

    request.refresh_from_db()
    assert (request.state, person.balance, Posting.objects.count()) == ("PENDING", 0, 0)


def test_a_decided_request_is_never_decided_again(person: Shopper, mei: User, ken: User) -> None:
    request = asked(person, mei)
    adjustments.approve(request=request, by=ken, now=LATER)

    for late in (adjustments.approve, adjustments.reject):
        with pytest.raises(AlreadyEnded) as caught:
            late(request=request, by=factories.UserFactory.create(), now=LATER, note="me too")
        assert caught.value.request.decided_by == ken

    assert (person.balance, Posting.objects.count()) == (100, 1)


def test_a_rejection_says_why_and_moves_nothing(person: Shopper, mei: User, ken: User) -> None:
    request = asked(person, mei)
    with pytest.raises(NoReason):
        adjustments.reject(request=request, by=ken, now=LATER, note="  ")

    done = adjustments.reject(request=request, by=ken, now=LATER, note="She lost it elsewhere")

    assert (done.state, done.decision_note, person.balance) == ("REJECTED", "She lost it elsewhere", 0)


def test_only_who_asked_takes_a_request_back(person: Shopper, mei: User, ken: User) -> None:
    request = asked(person, mei)
    with pytest.raises(NotYours):
        adjustments.cancel(request=request, by=ken, now=LATER)

    assert adjustments.cancel(request=request, by=mei, now=LATER).state == "CANCELED"


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"points": 0}, PointsOutOfRange),
        ({"points": 10**12}, PointsOutOfRange),
        ({"note": " "}, NoReason),
    ],
)
def test_a_request_without_sense_is_refused(
    person: Shopper, mei: User, facts: dict[str, Any], refusal: type[AdjustmentRefused]
) -> None:
    with pytest.raises(refusal):
        asked(person, mei, **facts)

    assert AdjustmentRequest.objects.count() == 0


def test_a_form_that_was_sent_twice_is_one_request(person: Shopper, mei: User) -> None:
    first = asked(person, mei, request_key="form-1")

    second = asked(person, mei, request_key="form-1")

    assert (second.pk, AdjustmentRequest.objects.count()) == (first.pk, 1)


@pytest.mark.parametrize("change", [{"points": 51}, {"note": "another reason"}])
def test_a_form_sent_again_with_other_content_is_refused(
    person: Shopper, mei: User, change: dict[str, Any]
) -> None:
    asked(person, mei, request_key="form-1", points=50)

    again: dict[str, Any] = {"request_key": "form-1", "points": 50} | change
    with pytest.raises(adjustments.FormUsed):
        asked(person, mei, **again)

    assert AdjustmentRequest.objects.get().points == 50


def test_nothing_moves_for_who_has_left(person: Shopper, mei: User, ken: User) -> None:
    request = asked(person, mei)
    Member.objects.update(state=Member.State.CLOSED)

    with pytest.raises(MembershipOver):
        adjustments.approve(request=request, by=ken, now=LATER)
    with pytest.raises(MembershipOver):
        asked(person, mei)

    assert (person.balance, AdjustmentRequest.objects.get().state) == (0, "PENDING")


@pytest.mark.parametrize("change", [{"points": 5000}, {"note": "x"}, {"requested_at": LATER}])
def test_the_database_lets_nobody_edit_a_request(person: Shopper, mei: User, change: dict[str, Any]) -> None:
    request = asked(person, mei)

    with pytest.raises(DatabaseError), atomic():
        AdjustmentRequest.objects.filter(pk=request.pk).update(**change)

    request.refresh_from_db()
    assert (request.points, request.note) == (100, "The escalator ate her shoe")


def test_the_database_keeps_what_was_decided(person: Shopper, mei: User, ken: User) -> None:
    request = adjustments.reject(request=asked(person, mei), by=ken, now=LATER, note="no")

    with pytest.raises(DatabaseError), atomic():
        AdjustmentRequest.objects.filter(pk=request.pk).update(
            state="PENDING", decided_by=None, decided_at=None
        )
    with pytest.raises(DatabaseError), atomic():
        AdjustmentRequest.objects.filter(pk=request.pk)._raw_delete(using="default")

    assert AdjustmentRequest.objects.get().state == "REJECTED"


def test_the_database_approves_only_what_was_posted(person: Shopper, mei: User, ken: User) -> None:
    request, other = asked(person, mei), asked(person, mei, 7)
    posting = adjustments.approve(request=other, by=ken, now=LATER).posting

    with pytest.raises(DatabaseError), atomic():
        AdjustmentRequest.objects.filter(pk=request.pk).update(
            state="APPROVED", decided_by=ken, decided_at=LATER, posting=posting
        )

    request.refresh_from_db()
    assert request.is_waiting
