"""Tiers by net spend: reached at once, kept to the end of the following period, undone by refunds."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.earning import tiers
from members.models import MemberTier, Tier
from pms.clock import HONG_KONG
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db

GOLD = 3_000_000


@pytest.fixture
def person() -> Shopper:
    """V Rewards: Gold from HK$30,000 net in twelve months, at one and a half times the points."""
    return shopper("verdant")


def tier_of(person: Shopper) -> str:
    held = MemberTier.objects.filter(member=person.wallet_pass.member, ended_at=None).first()
    return held.tier.code if held else ""


def is_reviewed(person: Shopper, at: datetime) -> None:
    tiers.review(member_id=person.wallet_pass.member_id, now=at)


def test_a_tier_is_reached_by_the_payment_that_reaches_its_spend(person: Shopper) -> None:
    person.pays(GOLD - 1, at=TUESDAY)
    before = tier_of(person)
    reaching = person.pays(10_000, at=TUESDAY + timedelta(minutes=5))
    next_one = person.pays(10_000, at=TUESDAY + timedelta(days=1))

    assert (before, tier_of(person)) == ("", "GOLD")
    assert reaching.facts["tier"] == "SILVER"
    assert next_one.facts["tier"] == "GOLD"


def test_a_late_notice_counts_the_tier_of_the_time_of_payment(person: Shopper) -> None:
    person.pays(GOLD, at=TUESDAY)

    late = person.pays(10_000, at=TUESDAY - timedelta(hours=1), now=TUESDAY + timedelta(hours=2))

    assert late.facts["tier"] == "SILVER"


def test_a_refund_of_what_reached_the_tier_undoes_it(person: Shopper) -> None:
    person.pays(GOLD - 10_000, at=TUESDAY)
    award = person.pays(10_000, at=TUESDAY + timedelta(minutes=5))

    person.is_refunded(award, 1, at=TUESDAY + timedelta(days=1))

    assert tier_of(person) == ""
    assert MemberTier.objects.get().ended_at == TUESDAY + timedelta(days=1)


def test_a_refund_that_leaves_the_spend_changes_nothing(person: Shopper) -> None:
    award = person.pays(GOLD + 10_000, at=TUESDAY)

    person.is_refunded(award, 10_000, at=TUESDAY + timedelta(days=1))

    assert tier_of(person) == "GOLD"


def test_a_tier_is_kept_when_the_spend_has_left_the_window(person: Shopper) -> None:
    person.pays(GOLD, at=TUESDAY)
    [held] = MemberTier.objects.all()

    is_reviewed(person, held.keeps_until_at)
    kept = tier_of(person)
    is_reviewed(person, held.keeps_until_at + timedelta(seconds=1))

    assert (kept, tier_of(person)) == ("GOLD", "")


def test_a_tier_given_by_hand_is_kept_without_any_spend(person: Shopper) -> None:
    person.has_tier("GOLD")

    award = person.pays(10_000)
    person.is_refunded(award, 10_000)

    assert tier_of(person) == "GOLD"


def test_spend_in_another_currency_does_not_count(person: Shopper) -> None:
    person.pays(GOLD, at=TUESDAY, currency="CNY")

    assert tiers.standing_of(member_id=person.wallet_pass.member_id, now=TUESDAY).net_cents == 0
    assert tier_of(person) == ""


def test_a_calendar_year_counts_from_1_january_in_hong_kong(person: Shopper) -> None:
    program = person.wallet_pass.program
    program.tier_window = "CALENDAR_YEAR"
    program.save()
    new_year = datetime(2026, 1, 1, tzinfo=HONG_KONG)

    person.pays(GOLD, at=new_year - timedelta(seconds=1), now=new_year + timedelta(seconds=1))
    late = tier_of(person)
    person.pays(GOLD, at=new_year + timedelta(seconds=1))

    assert (late, tier_of(person)) == ("", "GOLD")
    assert MemberTier.objects.get().keeps_until_at == datetime(2028, 1, 1, tzinfo=HONG_KONG)


def test_a_program_without_tiers_gives_none(person: Shopper) -> None:
    Tier.objects.all().delete()

    is_reviewed(person, TUESDAY)

    assert tier_of(person) == ""


def test_a_payment_that_changes_no_tier_asks_once(person: Shopper) -> None:
    person.pays(10_000)

    with CaptureQueriesContext(connection) as seen:
        is_reviewed(person, TUESDAY)

    assert len(seen) == 1


def test_tiers_are_reviewed_under_the_accounts_lock_though_nothing_is_posted(person: Shopper) -> None:
    with CaptureQueriesContext(connection) as seen:
        award = person.pays(10_000, tender="CASH")

    asked = [query["sql"] for query in seen.captured_queries]
    lock = next(
        place for place, sql in enumerate(asked) if "FROM ledger_pointaccount" in sql and "FOR NO KEY" in sql
    )
    review = next(place for place, sql in enumerate(asked) if "deserved" in sql)
    assert (award.points, lock < review) == (0, True)
