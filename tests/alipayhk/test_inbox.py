"""A message is stored once: the key decides who is first, the content who is the same."""

import pytest

from alipayhk import inbox, messages
from alipayhk.messages import Message
from alipayhk.models import Notification, PassUpdate
from pms import clock
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def message(mall: Wallet, kind: str, fields: dict[str, object], *, time: str = "now") -> Message:
    return Message(
        kind=kind,
        group_id=mall.mall.group_id,
        mall_id=mall.mall.pk,
        credential_id=mall.credential.pk,
        encryption="OFF",
        target=mall.path(kind).encode(),
        body=wallet.encoded(fields),
        headers={"Content-Type": wallet.JSON_UTF8, "Request-Time": time},
    )


def test_a_new_message_is_judged_and_answered(mall: Wallet) -> None:
    bill = mall.bill()

    received = inbox.receive(message(mall, "BILL", bill), now=clock.now())

    assert received == inbox.Received("SUCCESS", is_new=True, wakes="")
    kept = changes.latest()
    assert (kept.key, kept.state, kept.member_id is not None) == (bill["billNo"], "PROCESSED", True)
    assert kept.transaction is not None
    assert bytes(kept.raw_body) == wallet.encoded(bill)
    assert bytes(kept.raw_target) == mall.path("BILL").encode()


def test_a_payment_that_something_waits_for_says_so(mall: Wallet) -> None:
    bill = mall.bill()
    inbox.receive(message(mall, "REFUND", mall.refund(bill)), now=clock.now())

    received = inbox.receive(message(mall, "BILL", bill), now=clock.now())

    assert received.wakes == f"PAYMENT:{bill['billNo']}"


def test_a_repeat_is_not_new_and_says_whether_it_was_signed_anew(mall: Wallet) -> None:
    bill = mall.bill()
    first = message(mall, "BILL", bill)
    inbox.receive(first, now=clock.now())

    replayed = inbox._store(first, messages.read(first, now=clock.now()), now=clock.now())
    resent = message(mall, "BILL", bill, time="later")
    anew = inbox._store(resent, messages.read(resent, now=clock.now()), now=clock.now())

    assert (replayed.is_new, replayed.is_signed_anew) == (False, False)
    assert (anew.is_new, anew.is_signed_anew) == (False, True)
    assert changes.latest().repeats == 2


def test_one_number_in_two_groups_is_two_messages(mall: Wallet) -> None:
    other = wallet.lumina()
    fields = mall.bill()

    for each in (mall, other):
        assert inbox.receive(message(each, "BILL", fields), now=clock.now()).is_new

    assert Notification.objects.filter(is_first=True).count() == 2


def test_one_number_at_two_malls_of_a_group_is_one_message(mall: Wallet) -> None:
    bill = mall.bill()
    inbox.receive(message(mall, "BILL", bill), now=clock.now())
    elsewhere = message(mall, "BILL", bill)

    received = inbox.receive(elsewhere, now=clock.now())

    assert (received.is_new, Notification.objects.count()) == (False, 1)


def test_points_make_the_members_cards_want_the_new_version(mall: Wallet) -> None:
    for version in (1, 2):
        inbox.receive(message(mall, "BILL", mall.bill()), now=clock.now())

        update = PassUpdate.objects.get()
        assert update.wanted_version == version
        assert update.due_at is not None


def test_no_points_no_wish(mall: Wallet) -> None:
    before = PassUpdate.objects.values().get()

    inbox.receive(
        message(mall, "BILL", mall.bill(orderAmount={"currency": "HKD", "value": 1})), now=clock.now()
    )

    assert PassUpdate.objects.values().get() == before


def test_a_long_reason_is_cut_to_its_column(mall: Wallet) -> None:
    fields = {"x" * 5000: 1}
    body = wallet.encoded(fields).replace(b"}", b', "' + b"x" * 5000 + b'": 2}')
    twice = message(mall, "BILL", {})

    received = inbox.receive(
        Message(
            kind="BILL", group_id=twice.group_id, mall_id=twice.mall_id, credential_id=twice.credential_id,
            encryption="OFF", target=twice.target, body=body, headers=twice.headers,
        ), now=clock.now(),
    )  # fmt: skip

    assert received.answer == "PARAM_ILLEGAL"
    assert len(changes.latest().detail) <= 255
