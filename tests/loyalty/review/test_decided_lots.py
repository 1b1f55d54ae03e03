"""Which lots a member had on an earlier day, where staff decided, undid that, or moved points by hand."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from loyalty.earning.models import DuplicateCase
from loyalty.ledger import adjusting, lot_history, postings
from loyalty.ledger.models import PointAccount
from loyalty.review import cases
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.review.doubles import SAME

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
Lots = dict[int, tuple[int, bool]]


@pytest.fixture
def by() -> User:
    return factories.UserFactory.create()


def lots_now(account: PointAccount) -> Lots:
    return {lot.pk: (lot.remaining, lot.is_held) for lot in account.lots.all() if lot.remaining}


def lots_played(account: PointAccount, at: datetime) -> Lots:
    return {then.lot.pk: (then.remaining, then.is_held) for then in lot_history.lots_at(account, at)}


def adjusted(person: Shopper, points: int, at: datetime) -> None:
    account = postings.lock(member_id=person.wallet_pass.member_id)
    adjusting.adjust(account=account, points=points, source=f"adjustment/{at:%d}", now=at)


@pytest.mark.parametrize("program", ["lumina", "verdant", "pier8"])
def test_lots_of_every_day_around_a_decision_are_those_of_that_day(by: User, program: str) -> None:
    """The payment is flagged, taken, given again, refunded in part, taken again; points move by hand between."""
    person = shopper(program)
    person.hands_in(70000)
    award = person.pays(68800, at=TUESDAY + timedelta(minutes=20))
    case = DuplicateCase.objects.get(transaction=award.transaction)
    account = person.wallet_pass.member.account
    days = [TUESDAY + number * DAY for number in range(1, 7)]
    deeds: list[Callable[[datetime], object]] = [
        lambda now: cases.decide(case=case, answer=SAME, by=by, now=now),
        lambda now: adjusted(person, 50, now),
        lambda now: cases.reopen(case=case, by=by, now=now),
        lambda now: person.is_refunded(award, 10000, at=now),
        lambda now: adjusted(person, -40, now),
        lambda now: cases.decide(case=case, answer=SAME, by=by, now=now),
    ]

    noted = []
    for day, deed in zip(days, deeds, strict=True):
        deed(day)
        noted.append(lots_now(account))

    assert [lots_played(account, day) for day in days] == noted
