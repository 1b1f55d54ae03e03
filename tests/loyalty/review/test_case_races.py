"""Two people decide one case at one instant, and refunds come meanwhile: on a database of the test's own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import psycopg
import pytest
from django.db import connection
from django.db.transaction import atomic

from loyalty.earning.models import DuplicateCase
from loyalty.review import cases
from loyalty.review.cases import AlreadyDecided
from loyalty.review.models import Decision
from tests import factories
from tests.databases import Database
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper

pytestmark = pytest.mark.usefixtures("fresh_database")

LATER = TUESDAY + timedelta(days=30)
Work = Callable[[], object]


def at_once(*works: Work) -> list[str]:
    """Each in a thread of its own, released together: `done`, or who was faster."""
    barrier = Barrier(len(works))

    def done(work: Work) -> str:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            work()
        except AlreadyDecided as refused:
            return str(refused.case.decided_by)
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(done, works))


def held(person: Shopper, day: int) -> DuplicateCase:
    moment = TUESDAY + timedelta(days=day)
    with atomic():
        person.pays(68800, at=moment)
        receipt = person.hands_in(68800, at=moment + timedelta(minutes=3))
    return DuplicateCase.objects.get(transaction=receipt)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told_who() -> None:
    person = shopper("lumina")
    mei, ken = (factories.UserFactory.create(username=name) for name in ("mei", "ken"))
    total = 0
    for day in range(8):
        case = held(person, day)

        told = at_once(
            lambda case=case: cases.decide(case=case, answer="SAME", by=mei, now=LATER),  # type: ignore[misc]
            lambda case=case: cases.decide(case=case, answer="DIFFERENT", by=ken, now=LATER),  # type: ignore[misc]
        )

        case.refresh_from_db()
        winner = {"SAME": "mei", "DIFFERENT": "ken"}[case.state]
        assert Counter(told) == Counter(["done", winner])
        total += 688 if winner == "mei" else 1376
    assert (Decision.objects.count(), person.balance, breaches()) == (8, total, [])


def test_refunds_while_a_flagged_payment_is_decided_and_undone_stay_exact() -> None:
    person = shopper("lumina")
    mei = factories.UserFactory.create(username="mei")
    with atomic():
        person.hands_in(70000, at=TUESDAY)
        award = person.pays(68800, at=TUESDAY + timedelta(minutes=20))
    case = DuplicateCase.objects.get(transaction=award.transaction)

    def refund() -> None:
        for _ in range(4):
            with atomic():
                person.is_refunded(award, 10000)

    def change_minds() -> None:
        for _ in range(3):
            cases.decide(case=case, answer="SAME", by=mei, now=LATER)
            cases.reopen(case=case, by=mei, now=LATER)

    at_once(refund, change_minds)

    assert (person.balance, breaches()) == (700 + 288, [])


def test_of_cases_decided_together_one_that_somebody_holds_stops_no_other(fresh_database: Database) -> None:
    person = shopper("lumina")
    mei = factories.UserFactory.create(username="mei")
    both = [held(person, day) for day in range(2)]

    with psycopg.connect(fresh_database.owner_url) as somebody:
        somebody.execute("SELECT FROM earning_duplicatecase WHERE id = %s FOR UPDATE", [both[0].pk])
        connection.cursor().execute("SET lock_timeout = '300ms'")
        together = cases.decide_all(cases=both, answer="DIFFERENT", by=mei, now=LATER)

    assert together.decided == both[1:]
    assert [(case, type(why)) for case, why in together.refused] == [(both[0], cases.HeldByAnother)]
    assert (Decision.objects.count(), person.balance, breaches()) == (1, 3 * 688, [])
