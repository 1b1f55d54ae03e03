"""What lists, pages, documents and the front page say a purchase gave, once staff decided what it was."""

from datetime import timedelta

import pytest
from django.test import Client, RequestFactory

from loyalty.doors import verdicts
from loyalty.earning import takings, transaction_document
from loyalty.earning.models import DuplicateCase
from pms.models import Mall, User
from pms.today import Day
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, shopper
from tests.loyalty.review.doubles import DIFFERENT, SAME, decide, flagged, reopen

pytestmark = pytest.mark.django_db


def staff_of(mall: Mall) -> User:
    return factories.MallStaffFactory.create(mall=mall, group=mall.group, role="REVIEWER").user


def told(case: DuplicateCase) -> list[object]:
    """By every reader of one transaction's points."""
    transaction = type(case.transaction).objects.get(pk=case.transaction_id)
    document = transaction_document.explained(transaction)
    return [document["earned"], document["points"], verdicts.told(transaction)["points"]]


def test_points_that_a_decision_took_back_are_not_shown_as_given() -> None:
    person = shopper("lumina")
    case = flagged(person)
    by = staff_of(person.wallet_pass.mall)

    case = decide(case, SAME, by)

    assert told(case) == [0, 0, 0]
    case = decide(reopen(case, by), DIFFERENT, by)
    assert told(case) == [700, 700, 700]


def test_the_list_shows_what_is_left_after_a_decision(client: Client) -> None:
    person = shopper("lumina")
    by = staff_of(person.wallet_pass.mall)
    decide(flagged(person), SAME, by)
    client.force_login(by)

    page = client.get("/admin/earning/transaction/")

    assert page.status_code == 200
    assert ["+688" in page.content.decode(), "+700" in page.content.decode()] == [True, False]


def test_the_front_page_counts_what_was_taken_and_given_again_once(rf: RequestFactory) -> None:
    person = shopper("lumina")
    case = flagged(person)
    request = rf.get("/admin/")
    request.user = by = staff_of(person.wallet_pass.mall)
    day = Day(start=TUESDAY - timedelta(hours=8), now=TUESDAY + timedelta(hours=8))

    shown = []
    for answer in (SAME, DIFFERENT, SAME):
        case = decide(case, answer, by)
        shown.append([figure.shown for figure in takings.takings(request, day).figures])
        case = reopen(case, by)

    assert shown == [["2", "688"], ["2", "1,388"], ["2", "688"]]
