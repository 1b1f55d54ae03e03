"""The same purchase from many sides at once: unique keys and one row lock decide, whoever comes first.

Each test has a database of its own, and waits for locks as briefly as the web process does.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.transaction import atomic

from alipayhk import waiting
from alipayhk.models import Notification
from loyalty.earning import recount
from loyalty.earning.models import Award, Refund, Transaction
from loyalty.earning.outcomes import Outcome
from loyalty.ledger import proof
from loyalty.ledger.models import PointAccount, Posting
from members.models import Consent, ContactChange, Member, Pass
from pms import clock
from tests.alipayhk import wallet
from tests.alipayhk.test_bad_bills import amount
from tests.alipayhk.test_bad_purchases import at_the_counter
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Answer, Wallet
from tests.databases import Database

T = TypeVar("T")
MEMBER = "2160120037098191"


@pytest.fixture
def as_in_web(fresh_database: Database) -> Iterator[Database]:
    """The timeouts of a web process, for every connection of every thread."""
    options = connections.databases["default"]["OPTIONS"]
    before = options["options"]
    connection.close()
    options["options"] = settings.TIMEOUTS
    yield fresh_database
    connection.close()
    options["options"] = before


@pytest.fixture
def mall(as_in_web: Database) -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def at_once(calls: Sequence[Callable[[], T]], *, threads: int) -> list[T]:
    """All calls, `threads` at a time, the first ones released together; each on a connection of its own."""
    barrier = Barrier(threads)

    def one(numbered: tuple[int, Callable[[], T]]) -> T:
        number, call = numbered
        try:
            connection.ensure_connection()
            if number < threads:
                barrier.wait(timeout=30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, enumerate(calls)))


def verdicts(answers: Sequence[Answer]) -> Counter[str]:
    return Counter(answer.verdict for answer in answers)


def assert_sound() -> None:
    """Whatever happened, the books agree with themselves, with the rules, and with the numbers claimed."""
    assert [*proof.breaches(), *recount.breaches()] == []
    for account in PointAccount.objects.filter(member__isnull=False):
        assert account.version == account.entries.count()


def sweep() -> int:
    """The worker's, a minute later, with all the patience in the world."""
    return waiting.sweep(now=clock.now() + timedelta(minutes=1))


def balance(user_id: str = MEMBER) -> int:
    return int(PointAccount.objects.get(member__passes__user_id=user_id).balance or 0)


@contextmanager
def locked(database: Database, statement: str, *values: Any) -> Iterator[None]:
    """Another connection holds what the statement locks."""
    with psycopg.connect(database.owner_url) as other:
        other.execute(statement, values)
        yield
        other.rollback()


def test_trap_1_the_same_notice_eight_times_four_at_once_is_one_award(mall: Wallet) -> None:
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")
    headers = mall.sign(target, body)

    answers = at_once([lambda: mall.post(target, body, headers)] * 8, threads=4)

    assert verdicts(answers) == {SUCCESS: 8}
    assert (Notification.objects.count(), Notification.objects.get().repeats) == (1, 7)
    assert (Award.objects.count(), Posting.objects.count(), balance()) == (1, 1, 138)
    assert_sound()


def test_b105_fifty_identical_at_once_are_one_judged_and_forty_nine_repeats(mall: Wallet) -> None:
    bill = mall.bill()

    answers = at_once([partial(mall.send, "BILL", bill)] * 50, threads=16)

    assert verdicts(answers) == {SUCCESS: 50}
    assert (Notification.objects.count(), Notification.objects.get().repeats) == (1, 49)
    assert (Transaction.objects.count(), balance()) == (1, 138)
    assert_sound()


def test_b106_one_number_with_eight_contents_at_once_pays_one_and_the_rest_are_conflicts(
    mall: Wallet,
) -> None:
    bills = [mall.bill(billNo="SAME-1", orderAmount=amount(20000 + 100 * number)) for number in range(8)]

    answers = at_once([partial(mall.send, "BILL", bill) for bill in bills], threads=8)

    assert verdicts(answers) == {SUCCESS: 1, PARAM_ILLEGAL: 7}
    assert (Award.objects.count(), Notification.objects.filter(state="CONFLICT").count()) == (1, 7)
    assert_sound()


def test_b110_two_payments_with_one_acquirer_number_at_once_pay_one(mall: Wallet) -> None:
    for pair in range(6):
        bills = [mall.bill(outBillNo=f"A-{pair}") for _ in range(2)]

        answers = at_once([partial(mall.send, "BILL", bill) for bill in bills], threads=2)

        assert verdicts(answers) == {SUCCESS: 2}
    assert sorted(Award.objects.values_list("points", flat=True)) == [0] * 6 + [138] * 6
    assert balance() == 6 * 138
    assert_sound()


def test_b111_the_counter_and_the_notice_at_once_pay_one(mall: Wallet) -> None:
    def counter(number: str) -> Outcome:
        with atomic():
            return at_the_counter(mall, numbers={"ACQUIRER": number})

    for pair in range(6):
        bill = mall.bill(outBillNo=f"A-{pair}")

        calls: list[Callable[[], object]] = [partial(counter, f"a-{pair}"), partial(mall.send, "BILL", bill)]
        at_once(calls, threads=2)

    assert sorted(Award.objects.values_list("points", flat=True)) == [0] * 6 + [138] * 6
    assert_sound()


def test_different_payments_of_one_member_at_once_all_count(mall: Wallet) -> None:
    bills = [mall.bill() for _ in range(40)]

    answers = at_once([partial(mall.send, "BILL", bill) for bill in bills], threads=8)
    sweep()

    assert verdicts(answers) == {SUCCESS: 40}
    assert balance() == 40 * 138
    assert_sound()


def test_b130_fifty_identical_refunds_at_once_are_one_claw_back(mall: Wallet) -> None:
    bill = mall.bill(orderAmount=amount(100000))
    mall.send("BILL", bill)
    refund = mall.refund(bill, refundAmount=amount(33333))

    answers = at_once([partial(mall.send, "REFUND", refund)] * 50, threads=16)

    assert verdicts(answers) == {SUCCESS: 50}
    assert (Refund.objects.count(), balance()) == (1, 666)
    assert_sound()


def test_b136_parts_of_a_refund_at_once_end_at_the_right_number(mall: Wallet) -> None:
    bill = mall.bill(orderAmount=amount(100000))
    mall.send("BILL", bill)
    parts = [mall.refund(bill, refundAmount=amount(cents)) for cents in (11111, 22222, 33333, 7, 4999, 28328)]

    answers = at_once([partial(mall.send, "REFUND", part) for part in parts], threads=6)
    sweep()

    assert verdicts(answers) == {SUCCESS: 6}
    assert (Refund.objects.count(), balance()) == (6, 0)
    assert_sound()


def test_b135_refunds_at_once_that_exceed_the_payment_stop_at_it(mall: Wallet) -> None:
    bill = mall.bill(orderAmount=amount(100000))
    mall.send("BILL", bill)
    halves = [mall.refund(bill, refundAmount=amount(50000)) for _ in range(5)]

    at_once([partial(mall.send, "REFUND", half) for half in halves], threads=5)
    sweep()

    assert Counter(Notification.objects.filter(kind="REFUND").values_list("state", flat=True)) == {
        "PROCESSED": 2,
        "CONFLICT": 3,
    }
    assert balance() == 0
    assert_sound()


def test_b128_a_payment_and_its_refund_at_once_settle_in_either_order(mall: Wallet) -> None:
    for _ in range(8):
        bill = mall.bill(orderAmount=amount(100000))
        refund = mall.refund(bill, refundAmount=amount(40000))

        answers = at_once(
            [partial(mall.send, "BILL", bill), partial(mall.send, "REFUND", refund)],
            threads=2,
        )

        assert verdicts(answers) == {SUCCESS: 2}
    sweep()
    assert not Notification.objects.exclude(state="PROCESSED").exists()
    assert balance() == 8 * 600
    assert_sound()


def test_b145_fifty_requests_of_one_user_at_once_are_one_member(mall: Wallet) -> None:
    card = mall.card()

    answers = at_once([partial(mall.send, "CARD", card)] * 50, threads=16)
    sweep()

    assert verdicts(answers) == {SUCCESS: 50}
    wallet_pass = Pass.objects.get(user_id=card["userId"])
    assert (Member.objects.count(), Consent.objects.filter(wallet_pass=wallet_pass).count()) == (2, 1)
    assert PointAccount.objects.filter(member=wallet_pass.member).count() == 1


def test_b151_two_users_with_one_phone_at_once_are_two_members_and_a_case(mall: Wallet) -> None:
    cards = [mall.card(mobileNo="98765432") for _ in range(2)]

    answers = at_once([partial(mall.send, "CARD", card) for card in cards], threads=2)
    sweep()

    assert verdicts(answers) == {SUCCESS: 2}
    joined = Member.objects.filter(phone_raw="98765432")
    assert sorted(joined.values_list("phone", flat=True)) == ["", "+85298765432"]
    assert ContactChange.objects.count() == 1


def test_b157_a_membership_and_its_first_payment_at_once_settle(mall: Wallet) -> None:
    for _ in range(6):
        card = mall.card()
        bill = mall.bill(userId=card["userId"])

        answers = at_once([partial(mall.send, "CARD", card), partial(mall.send, "BILL", bill)], threads=2)

        assert verdicts(answers) == {SUCCESS: 2}
    sweep()
    assert not Notification.objects.exclude(state="PROCESSED").exists()
    assert Award.objects.filter(points=138).count() == 6
    assert_sound()


def test_two_sweeps_at_once_judge_each_notice_once(mall: Wallet) -> None:
    for _ in range(10):
        mall.send("BILL", mall.bill(userId="2160120037055555"))
    mall.joined("2160120037055555")

    judged = at_once([sweep] * 3, threads=3)

    assert sum(judged) + sweep() == 10
    assert balance("2160120037055555") == 10 * 138
    assert_sound()


def test_b121_a_locked_account_parks_the_notice_and_the_sweep_judges_it(
    mall: Wallet, as_in_web: Database
) -> None:
    account = PointAccount.objects.get(member__passes__user_id=MEMBER)
    bill = mall.bill()

    with locked(as_in_web, "SELECT FROM ledger_pointaccount WHERE id = %s FOR UPDATE", account.pk):
        begun = time.monotonic()
        answer = mall.send("BILL", bill)
        seconds = time.monotonic() - begun
        kept = Notification.objects.get()
        again = mall.send("BILL", bill)

    assert (answer.verdict, again.verdict) == (SUCCESS, SUCCESS)
    assert seconds <= 1
    assert (kept.state, kept.reason, kept.judged_at) == ("PARKED", "PARKED_NOT_JUDGED", None)
    assert (Transaction.objects.count(), balance()) == (0, 0)
    assert waiting.sweep(now=kept.received_at + timedelta(seconds=1)) == 0
    assert sweep() == 1
    assert (balance(), Notification.objects.get().state) == (138, "PROCESSED")
    assert_sound()


def test_b121_a_locked_account_holds_up_nobody_who_is_woken(mall: Wallet, as_in_web: Database) -> None:
    """Refunds that wait for one payment: the first lock not had is the last one tried."""
    bill = mall.bill(orderAmount=amount(100000))
    for _ in range(10):
        mall.send("REFUND", mall.refund(bill, refundAmount=amount(10000)))
    account = PointAccount.objects.get(member__passes__user_id=MEMBER)
    mall.send("BILL", mall.bill())

    with locked(as_in_web, "SELECT FROM ledger_pointaccount WHERE id = %s FOR UPDATE", account.pk):
        answer = mall.send("BILL", bill)
        begun = time.monotonic()
        woken = waiting.judge_waiting(
            group_id=mall.mall.group_id, waits_for=f"PAYMENT:{bill['billNo']}", now=clock.now()
        )
        seconds = time.monotonic() - begun

    assert (answer.verdict, woken) == (SUCCESS, 0)
    assert seconds < 1
    sweep()
    sweep()
    assert balance() == 138
    assert_sound()


def test_p13_shuffled_and_doubled_messages_end_alike(mall: Wallet) -> None:
    shuffle = random.Random(20260510)
    messages: list[tuple[str, dict[str, Any]]] = []
    for number in range(6):
        card = mall.card()
        bill = mall.bill(userId=card["userId"], orderAmount=amount(50000 + number))
        messages += [("CARD", card), ("BILL", bill)]
        messages += [("REFUND", mall.refund(bill, refundAmount=amount(cents))) for cents in (10000, 5001)]
    messages += shuffle.choices(messages, k=20)
    shuffle.shuffle(messages)

    answers = at_once([partial(mall.send, kind, fields) for kind, fields in messages], threads=6)
    for _ in range(3):
        sweep()

    assert verdicts(answers) == {SUCCESS: len(messages)}
    assert not Notification.objects.exclude(state="PROCESSED").exists()
    balances = PointAccount.objects.exclude(member__passes__user_id=MEMBER).filter(member__isnull=False)
    expected = [(50000 + number - 15001) // 100 for number in range(6)]
    assert sorted(found or 0 for found in balances.values_list("balance", flat=True)) == expected
    assert_sound()
