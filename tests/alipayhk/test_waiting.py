"""What waits is judged when its missing half comes, by whichever door, and by staff."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alipayhk import inbox, waiting
from alipayhk.models import Notification
from loyalty.earning.models import Award, Transaction
from pms import clock, registry
from pms.models import Mall, Store
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def parked(mall: Wallet, count: int) -> None:
    for _ in range(count):
        mall.send("BILL", mall.bill(userId="2160120037055555"))


def test_a_sweep_with_nothing_ready_touches_nothing(mall: Wallet) -> None:
    parked(mall, 2)

    with changes.only():
        assert waiting.sweep(now=clock.now()) == 0


def test_a_sweep_takes_the_oldest_first_and_no_more_than_its_limit(mall: Wallet) -> None:
    parked(mall, 3)
    mall.joined("2160120037055555")

    assert waiting.sweep(now=clock.now(), limit=2) == 2

    left = Notification.objects.get(state="PARKED")
    assert left == Notification.objects.order_by("-received_at")[0]


def test_the_webhook_wakes_twenty_and_leaves_the_rest_to_the_sweep(mall: Wallet) -> None:
    parked(mall, waiting.MOST_JUDGED_IN_A_WEBHOOK + 2)

    mall.send("CARD", mall.card(userId="2160120037055555"))

    assert Notification.objects.filter(state="PARKED").count() == 2
    assert waiting.sweep(now=clock.now()) == 2


def test_only_what_waits_for_it_is_woken(mall: Wallet) -> None:
    parked(mall, 1)
    other = wallet.lumina()
    other.send("BILL", other.bill(userId="2160120037055555"))

    judged = waiting.judge_waiting(
        group_id=other.mall.group_id, waits_for="USER:2160120037055555", now=clock.now()
    )

    assert judged == 0
    assert Notification.objects.filter(state="PARKED").count() == 2


def test_a_woken_message_keeps_the_answer_it_was_given(mall: Wallet) -> None:
    parked(mall, 1)
    mall.joined("2160120037055555")

    waiting.sweep(now=clock.now())

    kept = Notification.objects.get()
    assert (kept.state, kept.answer, kept.reason, kept.waits_for) == ("PROCESSED", "SUCCESS", "", "")


def test_a_payment_woken_after_its_rule_changed_earns_by_the_rule_of_its_day(mall: Wallet) -> None:
    parked(mall, 1)
    version = mall.mall.group.program.rules.get().versions.get()
    factories.RuleVersionFactory.create(
        rule=version.rule, number=2, points_numerator=9, effective_at=clock.now()
    )
    mall.joined("2160120037055555")

    waiting.sweep(now=clock.now())

    assert (Award.objects.get().rule_version, Award.objects.get().points) == (version, 138)


def test_a_label_that_is_also_the_merchant_id_of_two_stores_is_a_label(mall: Wallet) -> None:
    for _ in range(2):
        factories.StoreFactory.create(mall=mall.mall, merchant_id="2160777")
    mall.send("BILL", mall.bill(pmsLabel="2160777"))
    Store.objects.filter(pk=mall.store.pk).update(pms_label="2160777")

    assert waiting.sweep(now=clock.now()) == 1


@pytest.mark.parametrize("closed", ["then", "now"])
def test_what_waits_is_judged_as_soon_as_the_mall_of_its_day_is_active(mall: Wallet, closed: str) -> None:
    mall.send("BILL", mall.bill(pmsLabel="MOVING"))
    then, now = (factories.MallFactory.create(group=mall.mall.group) for _ in range(2))
    store = factories.StoreFactory.create(mall=then, pms_label="MOVING")
    day = Transaction.objects.get().paid_at.date() + timedelta(days=2)
    registry.move(store=store, to_mall=now, moved_date=day, by=None, now=clock.now())
    Mall.objects.filter(pk={"then": then, "now": now}[closed].pk).update(state="SUSPENDED")

    judged = waiting.sweep(now=clock.now())

    assert judged == (closed == "now")
    with CaptureQueriesContext(connection) as seen:
        waiting.sweep(now=clock.now())
    assert not [query for query in seen.captured_queries if "FOR NO KEY UPDATE" in query["sql"]]


def test_staff_may_try_again_what_was_rejected(mall: Wallet) -> None:
    """As after encryption was switched on; the message stays as it came."""
    assert mall.send("BILL", b"hello").verdict == PARAM_ILLEGAL
    kept = changes.latest()

    with changes.only():
        tried = waiting.try_again(notification=kept, by=factories.UserFactory.build(), now=clock.now())

    assert (tried.state, tried.reason) == ("REJECTED", "MALFORMED")


@pytest.mark.parametrize("times", [1, 3])
def test_trap_14_confirming_again_gives_nothing_again(mall: Wallet, times: int) -> None:
    mall.send("BILL", mall.bill(orderAmount=13890))
    staff = factories.UserFactory.create()

    for _ in range(times):
        waiting.confirm(notification=changes.latest(), by=staff, now=clock.now())

    assert (changes.latest().state, changes.balance(), Transaction.objects.count()) == ("PROCESSED", 138, 1)


def test_what_is_done_is_not_tried_again(mall: Wallet) -> None:
    assert mall.send("BILL", mall.bill()).verdict == SUCCESS
    kept = changes.latest()

    with changes.only():
        waiting.try_again(notification=kept, by=factories.UserFactory.build(), now=clock.now())


def test_failures_are_tried_later_each_time_up_to_an_hour(mall: Wallet) -> None:
    now = clock.now()
    parked(mall, 1)
    kept = changes.latest()
    waits = []
    for _ in range(14):
        waiting._put_off(kept.pk, ValueError(), now=now)
        kept.refresh_from_db()
        assert kept.try_at is not None
        waits.append(kept.try_at - now)

    assert waits[:3] == [inbox.FIRST_RETRY, inbox.FIRST_RETRY * 2, inbox.FIRST_RETRY * 4]
    assert waits[-1] == waiting.LONGEST_RETRY
    assert waits == sorted(waits)


def test_b129_what_waits_longer_than_alipayhk_sends_again_is_for_staff(mall: Wallet) -> None:
    parked(mall, 1)
    mall.send("BILL", mall.bill())

    assert list(waiting.overdue(now=clock.now() + timedelta(hours=25))) == []
    assert [row.reason for row in waiting.overdue(now=clock.now() + timedelta(hours=27))] == [
        "PARKED_NO_PASS"
    ]
