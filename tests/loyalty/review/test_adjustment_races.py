"""Two approvers at one instant, a repair against a late notice, one file sent four times: on a database of its own."""

import io
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.db.transaction import atomic

from loyalty.doors import provider_files
from loyalty.earning.models import Transaction
from loyalty.ledger.models import PointAccount, Posting
from loyalty.review import adjustments
from loyalty.review.adjustments import AlreadyEnded, Wish
from loyalty.review.models import AdjustmentRequest, Finding, Reconciliation
from loyalty.review.repairs import KnownMeanwhile
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper
from tests.loyalty.review.daily import NEXT_DAY, as_file, asked, compared, line, mall_of

pytestmark = pytest.mark.usefixtures("fresh_database")
Work = Callable[[], object]


def at_once(*works: Work) -> list[str]:
    """Each in a thread of its own, released together: `done`, or who or what was faster."""
    barrier = Barrier(len(works))

    def done(work: Work) -> str:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            work()
        except AlreadyEnded as late:
            return str(late.request.decided_by)
        except KnownMeanwhile:
            return "known"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(done, works))


def requested(person: Shopper) -> AdjustmentRequest:
    wish = Wish(
        mall=mall_of(person),
        account=PointAccount.objects.get(member=person.wallet_pass.member),
        points=100,
        reason="GOODWILL",
        note="The escalator ate her shoe",
    )
    return adjustments.request(wish=wish, by=factories.UserFactory.create(), now=TUESDAY)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told_who() -> None:
    person = shopper("lumina")
    mei, ken = (factories.UserFactory.create(username=name) for name in ("mei", "ken"))
    approved = 0
    for _ in range(8):
        request = requested(person)

        told = at_once(
            lambda request=request: adjustments.approve(request=request, by=mei, now=NEXT_DAY),  # type: ignore[misc]
            lambda request=request: adjustments.approve(request=request, by=ken, now=NEXT_DAY),  # type: ignore[misc]
        )

        request.refresh_from_db()
        approved += 1
        assert Counter(told) == Counter(["done", str(request.decided_by)])
    assert (Posting.objects.count(), person.balance, breaches()) == (approved, 100 * approved, [])


def test_a_repair_and_the_notice_that_comes_late_pay_once() -> None:
    person = shopper("lumina")
    for number in range(1, 7):
        name = f"B{number}"
        compared(mall_of(person), as_file([line(name, "688.00")]))
        request = asked(
            Finding.objects.get(number=name, kind="PAID_NOT_AWARDED"),
            factories.UserFactory.create(),
            member=person.wallet_pass.member,
            store=person.stores["S12"],
        )
        ken = factories.UserFactory.create()

        def notice(name: str = name) -> None:
            with atomic():
                person.pays(68800, numbers={"PAYMENT": name})

        def repair(request: AdjustmentRequest = request, ken: object = ken) -> None:
            adjustments.approve(request=request, by=ken, now=NEXT_DAY)  # type: ignore[arg-type]

        told = at_once(notice, repair)

        assert set(told) <= {"done", "known"}
        assert person.balance == 688 * number
    paid = Transaction.objects.filter(state="EARNED").values_list("payment_number", flat=True)
    assert (sorted(paid), breaches()) == ([f"B{number}" for number in range(1, 7)], [])


def test_one_file_sent_by_four_at_once_is_one_reconciliation() -> None:
    person = shopper("lumina")
    content = as_file([line(f"B{number}", "688.00") for number in range(200)])

    def send() -> None:
        kept, _is_new = provider_files.accept(
            mall=mall_of(person), file=io.BytesIO(content), name="daily.csv", by=None, now=NEXT_DAY
        )
        provider_files.work(job_id=kept.pk, clock=lambda: NEXT_DAY)

    assert at_once(send, send, send, send) == ["done"] * 4
    assert (Reconciliation.objects.get().state, Finding.objects.count()) == ("DONE", 200)
