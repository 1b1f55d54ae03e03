"""The daily review of tiers: what is no longer kept ends, for every program."""

from datetime import timedelta

import pytest

from loyalty.earning import tasks
from members.models import MemberTier, Tier
from pms import clock
from tests.loyalty.earning.programs import Shopper, shopper

pytestmark = pytest.mark.django_db


def holds(person: Shopper, code: str, *, kept_for: timedelta) -> MemberTier:
    now = clock.now()
    tier = Tier.objects.get(program=person.wallet_pass.program, code=code)
    return MemberTier.objects.create(
        member=person.wallet_pass.member,
        tier=tier,
        began_at=now - timedelta(days=700),
        keeps_until_at=now + kept_for,
    )


def test_a_tier_ends_when_its_keeping_is_over_and_no_spend_deserves_it() -> None:
    over = holds(shopper("lumina"), "GOLD", kept_for=timedelta(seconds=-1))
    kept = holds(shopper("verdant"), "GOLD", kept_for=timedelta(days=1))

    tasks.review_tiers()
    tasks.review_tiers()

    over.refresh_from_db()
    kept.refresh_from_db()
    assert over.ended_at is not None
    assert kept.ended_at is None
    assert MemberTier.objects.count() == 2
