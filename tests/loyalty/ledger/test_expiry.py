"""Points lapse after their last second, once; holds end; warnings go out on the right day, once."""

from datetime import date, datetime, timedelta

import pytest

from loyalty.ledger import expiry
from loyalty.ledger.models import ExpiryNotice, PointLot
from pms.clock import HONG_KONG
from tests.loyalty.ledger.spenders import NOON, Spender, breaches, end_of, spender, untouched

pytestmark = pytest.mark.django_db

SOON, LATE = end_of(2026, 4, 30), end_of(2026, 12, 31)
A_SECOND = timedelta(seconds=1)


def midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 0, 1, tzinfo=HONG_KONG)


def test_e18_spending_from_a_lot_that_then_lapses_never_reduces_other_lots() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.gets(50, expires_at=LATE)
    person.redeems(80)

    expiry.expire(now=SOON + A_SECOND)

    assert [points for kind, points in person.moves if kind != "EARN"] == [-80, -20]
    assert (person.balance, person.lots) == (50, [0, 50])
    assert (person.total_of("REDEEMED"), person.total_of("EXPIRED")) == (80, 20)
    assert breaches() == []


def test_points_are_usable_until_the_last_second_of_their_day() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)

    on_time = expiry.expire(now=SOON)
    after = expiry.expire(now=SOON + A_SECOND)

    assert (on_time, after, person.balance) == (0, 1, 0)


def test_expiring_twice_removes_nothing_twice() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.gets(50)
    expiry.expire(now=SOON + A_SECOND)
    before = untouched(), person.account.version

    again = expiry.expire(now=SOON + timedelta(days=400))

    assert (again, person.balance) == (0, 50)
    assert (untouched(), person.account.version) == before


def test_many_lots_of_many_members_lapse_with_a_posting_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "BATCH", 4)
    people = [spender() for _ in range(3)]
    for person in people:
        for points in (10, 20, 30):
            person.gets(points, expires_at=SOON)
        person.gets(5, expires_at=LATE)
    version = people[0].account.version

    count = expiry.expire(now=SOON + A_SECOND)

    assert count == 9
    assert [person.balance for person in people] == [5, 5, 5]
    assert (people[0].account.version, people[0].total_of("EXPIRED")) == (version + 3, 60)
    assert people[0].account.changed_at == SOON + A_SECOND
    assert breaches() == []


def test_a_deficit_is_not_deepened_by_a_lapsing_lot() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.loses(130)

    count = expiry.expire(now=SOON + A_SECOND)

    assert (count, person.balance) == (0, -30)


def test_points_after_a_deficit_lapse_only_as_far_as_they_became_a_lot() -> None:
    person = spender()
    person.loses(30)
    person.gets(100, expires_at=SOON)

    expiry.expire(now=SOON + A_SECOND)

    assert person.moves == [("CLAW_BACK", -30), ("EARN", 100), ("EXPIRE", -70)]
    assert (person.balance, breaches()) == (0, [])


def test_a_hold_ends_and_its_points_can_be_spent() -> None:
    person = spender()
    person.gets(100, held_until_at=SOON)

    early = expiry.release(now=SOON - A_SECOND)
    count = expiry.release(now=SOON)
    again = expiry.release(now=SOON)

    assert (early, count, again) == (0, 1, 0)
    assert (person.balance, person.account.pending.balance) == (100, 0)
    assert person.moves == [("RELEASE", 100)]
    assert not PointLot.objects.filter(is_held=True).exists()


def test_a_hold_that_ends_settles_a_deficit_first() -> None:
    person = spender()
    person.gets(50, held_until_at=SOON)
    person.gets(100, held_until_at=SOON + A_SECOND)
    person.loses(70)

    expiry.release(now=SOON + A_SECOND)

    assert (person.balance, person.lots) == (80, [0, 80])


def test_a_hold_whose_points_were_taken_back_ends_without_a_posting() -> None:
    person = spender()
    lot = person.gets(50, held_until_at=SOON)
    assert lot is not None
    PointLot.objects.filter(pk=lot.pk).update(remaining=0)
    before = untouched()

    count = expiry.release(now=SOON)

    assert (count, untouched(), PointLot.objects.get(pk=lot.pk).is_held) == (1, before, False)


def test_points_that_wait_for_somebody_to_confirm_are_not_freed_by_time() -> None:
    person = spender()
    lot = person.gets(50, held_until_at=SOON)
    assert lot is not None
    PointLot.objects.filter(pk=lot.pk).update(held_until_at=None)

    count = expiry.release(now=LATE)

    assert (count, person.balance) == (0, 0)


def test_points_on_hold_lapse_only_after_they_were_freed() -> None:
    person = spender()
    person.gets(50, expires_at=SOON, held_until_at=LATE)

    held = expiry.expire(now=SOON + A_SECOND)
    expiry.release(now=LATE)
    freed = expiry.expire(now=LATE)

    assert (held, freed, person.balance) == (0, 1, 0)


@pytest.mark.parametrize(
    ("day", "days_ahead"),
    [
        (date(2026, 3, 30), []),
        (date(2026, 3, 31), [30]),
        (date(2026, 4, 23), [7]),
        (date(2026, 4, 29), [1]),
        (date(2026, 5, 1), []),
    ],
)
def test_a_warning_goes_out_thirty_seven_and_one_days_ahead(day: date, days_ahead: list[int]) -> None:
    person = spender()
    person.gets(100, expires_at=SOON)

    expiry.warn(now=midnight(day.year, day.month, day.day))

    assert list(ExpiryNotice.objects.values_list("days_ahead", flat=True)) == days_ahead


def test_day_after_day_each_warning_is_written_once_with_what_is_left_then() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)

    for day in range(40):
        now = midnight(2026, 3, 25) + timedelta(days=day)
        if day == 10:
            person.redeems(40, now=now)
        expiry.expire(now=now)
        expiry.warn(now=now)
        expiry.warn(now=now)

    written = ExpiryNotice.objects.order_by("pk").values_list("days_ahead", "points", "sent_at")
    assert list(written) == [(30, 100, None), (7, 60, None), (1, 60, None)]


def test_nothing_is_warned_of_that_is_spent_never_lapses_or_is_on_hold() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.redeems(100)
    person.gets(50)
    person.gets(50, expires_at=SOON, held_until_at=LATE)

    assert expiry.warn(now=midnight(2026, 4, 29)) == 0


def test_another_day_may_be_named_while_the_books_say_when_it_was_posted() -> None:
    person: Spender = spender()
    person.gets(100, expires_at=SOON)

    count = expiry.expire(now=NOON, as_of=SOON + A_SECOND)

    assert (count, person.balance) == (1, 0)
    assert person.account.changed_at == NOON
