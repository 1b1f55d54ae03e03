"""What a notice wakes, what it doubts, and that judging twice gives nothing twice."""

from datetime import timedelta

import pytest

from alipayhk import inbox, judging, messages
from alipayhk.models import CardTemplate
from loyalty.earning.models import Award, Transaction
from loyalty.earning.outcomes import Verdict
from loyalty.ledger.models import PointAccount
from members.models import Pass
from pms import clock
from tests.alipayhk import changes, samples, wallet
from tests.alipayhk.wallet import Wallet


@pytest.fixture
def mall(db: None) -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def test_a_payment_wakes_its_refunds_a_joiner_their_payments_and_a_refund_nothing() -> None:
    assert judging.awaited(samples.bill(billNo="abc-1")) == "PAYMENT:ABC-1"
    assert judging.awaited(samples.card()) == "USER:2160120037098191"
    assert judging.awaited(samples.refund()) == ""


def test_only_a_refund_without_a_number_may_be_another_of_the_same_kind() -> None:
    assert judging.may_be_another(samples.refund(refundOutBillNo=""))
    assert not judging.may_be_another(samples.refund())
    assert not judging.may_be_another(samples.bill())
    assert not judging.may_be_another(samples.card())


def test_trap_14_judging_a_payment_again_gives_no_points_again(mall: Wallet) -> None:
    mall.send("BILL", mall.bill())
    message = messages.of(changes.latest())
    notice = messages.read(message, now=clock.now()).notice

    outcome = judging.judge(notice, message=message, is_confirmed=False, now=clock.now())

    assert (outcome.verdict, outcome.version) == (Verdict.RECORDED, None)
    assert changes.balance() == 138
    assert sorted(Transaction.objects.values_list("state", flat=True)) == ["DUPLICATE", "EARNED"]


def test_a_doubted_notice_touches_nothing(mall: Wallet) -> None:
    mall.send("BILL", mall.bill(orderAmount=13890))
    message = messages.of(changes.latest())
    notice = messages.read(message, now=clock.now()).notice

    with changes.only():
        outcome = judging.judge(notice, message=message, is_confirmed=False, now=clock.now())

    assert (outcome.verdict, outcome.reason) == (Verdict.ASK, "AMOUNT_UNREADABLE")


def test_a_payment_keeps_its_numbers_as_they_were_sent(mall: Wallet) -> None:
    mall.send("BILL", mall.bill(billNo="abc-1", cnBillNo="cn-1", outBillNo="out-1"))

    assert Transaction.objects.get().numbers == {"PAYMENT": "abc-1", "MAINLAND": "cn-1", "ACQUIRER": "out-1"}
    assert sorted(Award.objects.get().transaction.claims.values_list("number", flat=True)) == [
        "ABC-1",
        "CN-1",
        "OUT-1",
    ]


def test_joining_opens_the_account_at_once(mall: Wallet) -> None:
    CardTemplate.objects.all().delete()
    card = mall.card()

    mall.send("CARD", card)

    account = PointAccount.objects.get(member=Pass.objects.get(user_id=card["userId"]).member)
    assert (account.balance, account.version) == (0, 0)


def test_every_verdict_has_a_state_and_an_answer() -> None:
    assert set(inbox.STATES) == set(Verdict)
    assert timedelta(0) < inbox.FIRST_RETRY <= timedelta(seconds=5)
