"""B144–B158 without the races: people who join, join again, or come with a telephone that somebody has."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import passes
from alipayhk.models import CardTemplate, Notification, PassUpdate
from loyalty.ledger.models import PointAccount
from members import enrollment
from members.models import Consent, ContactChange, Member, Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.test_bad_json import assert_rejected
from tests.alipayhk.wallet import SUCCESS, TOO_MANY, Answer, Wallet

pytestmark = pytest.mark.django_db
Fields = dict[str, Any]
JOINED = {changes.NOTIFICATION, "members_pass", "members_consent", "ledger_pointaccount"}


@pytest.fixture
def mall() -> Wallet:
    return wallet.lumina()


def assert_joined(mall: Wallet, card: Fields, *more: str) -> Member:
    """A member and a pass that waits for its card, with consent in force and an empty account."""
    with changes.only(*JOINED, *more):
        answer = mall.send("CARD", card)

    assert answer.verdict == SUCCESS
    assert (changes.latest().state, changes.latest().kind) == ("PROCESSED", "CARD")
    wallet_pass = Pass.objects.get(user_id=card["userId"])
    assert (wallet_pass.state, wallet_pass.external_id, wallet_pass.mall) == ("WAITING", "", mall.mall)
    assert wallet_pass.consents.filter(ended_at=None).count() == 1
    account = PointAccount.objects.get(member=wallet_pass.member)
    assert (account.balance, account.version) == (0, 0)
    return wallet_pass.member


def assert_new_member(mall: Wallet, card: Fields, *more: str) -> Member:
    return assert_joined(mall, card, "members_member", *more)


def test_b144_the_same_user_again_is_the_same_member(mall: Wallet) -> None:
    card = mall.card()
    assert_new_member(mall, card)
    body, target = wallet.encoded(card), mall.path("CARD")
    headers = mall.sign(target, body)

    for _ in range(2):
        with changes.only(changes.NOTIFICATION):
            assert mall.post(target, body, headers).verdict == SUCCESS

    assert (Member.objects.count(), Pass.objects.count(), changes.latest().repeats) == (1, 1, 2)


PHONES = {
    "country and hyphen": "852-98765432",
    "international": "+852 9876 5432",
    "local": "98765432",
    "full-width": "９８７６５４３２",
    "brackets": "+852 (9876) 5432",
}


@pytest.mark.parametrize("raw", PHONES.values(), ids=PHONES.keys())
def test_b146_a_telephone_number_is_normalised_and_kept_raw(mall: Wallet, raw: str) -> None:
    member = assert_new_member(mall, mall.card(mobileNo=raw))

    assert (member.phone, member.phone_raw) == ("+85298765432", raw)


@pytest.mark.parametrize("raw", ["9" * 40, "call me", "", "852", "0000000000", "+", "＃" * 256])
def test_b147_what_is_no_telephone_number_is_kept_raw_and_links_nobody(mall: Wallet, raw: str) -> None:
    factories.MemberFactory.create(program=mall.mall.group.program, phone="", phone_raw=raw[:64])

    member = assert_new_member(mall, mall.card(mobileNo=raw))

    assert (member.phone, member.phone_raw) == ("", raw[:64])
    assert not ContactChange.objects.exists()


@pytest.mark.parametrize("channel", ["", "BRAND_CHANNEL", "no such channel", "頻道"])
def test_b148_neither_phone_nor_address_nor_a_known_channel_is_needed(mall: Wallet, channel: str) -> None:
    member = assert_new_member(mall, {"userId": "2160120037055555", "createCardChannel": channel})

    assert (member.phone, member.phone_raw, member.email) == ("", "", "")


REJECTED: dict[str, tuple[str, Any]] = {
    "line end in the address": ("userEmail", "a@example.com\r\nBcc: x@example.com"),
    "two @": ("userEmail", "a@b@example.com"),
    "300 letters": ("userEmail", "a" * 290 + "@example.com"),
    "no @": ("userEmail", "example.com"),
    "user missing": ("userId", None),
    "slash": ("userId", "2160/1"),
    "percent": ("userId", "2160%31"),
    "NUL": ("userId", "2160\u0000"),
    "129 letters": ("userId", "2" * 129),
    "colon": ("userId", "2160:1"),
}


@pytest.mark.parametrize(("name", "value"), REJECTED.values(), ids=REJECTED.keys())
def test_b149_an_address_or_user_id_that_breaks_its_rule_is_rejected(
    mall: Wallet, name: str, value: Any
) -> None:
    assert_rejected(mall, "CARD", wallet.encoded(mall.card(**{name: value})))


def test_b150_the_phone_of_a_member_without_a_pass_links_the_card(mall: Wallet) -> None:
    known = factories.MemberFactory.create(program=mall.mall.group.program, phone="+85298765432")

    member = assert_joined(mall, mall.card(mobileNo="9876 5432"))

    assert member == known
    assert Member.objects.count() == 1


def test_b150_the_phone_of_another_programs_member_links_nothing(mall: Wallet) -> None:
    known = factories.MemberFactory.create(phone="+85298765432")

    member = assert_new_member(mall, mall.card(mobileNo="98765432"))

    assert member != known
    assert member.phone == "+85298765432"


def test_b151_a_phone_that_a_card_holder_has_is_for_staff(mall: Wallet) -> None:
    first = assert_new_member(mall, mall.card(mobileNo="98765432"))
    shape = mall.send("CARD", mall.card())

    with changes.only(*JOINED, "members_member", "members_contactchange"):
        answer = mall.send("CARD", {"userId": "2160120037055555", "mobileNo": "98765432"})

    assert looks_like(answer) == looks_like(shape)
    second = Member.objects.get(passes__user_id="2160120037055555")
    assert (second.phone, second.phone_raw) == ("", "98765432")
    change = ContactChange.objects.get()
    assert (change.member, change.held_by, change.phone, change.state) == (
        second, first, "+85298765432", "OPEN",
    )  # fmt: skip


def looks_like(answer: Answer) -> tuple[object, ...]:
    return answer.status, answer.body, sorted(answer.headers)


def test_an_e_mail_address_alone_gives_nobody_another_members_points(mall: Wallet) -> None:
    known = factories.MemberFactory.create(program=mall.mall.group.program, email="chan@example.com")

    member = assert_new_member(mall, mall.card(userEmail="chan@example.com"), "members_contactchange")

    assert member != known
    assert (member.email, ContactChange.objects.get().held_by) == ("", known)


def test_the_phone_of_a_closed_membership_opens_none(mall: Wallet) -> None:
    program = mall.mall.group.program
    closed = factories.MemberFactory.create(program=program, phone="+85298765432", state="CLOSED")

    member = assert_new_member(mall, mall.card(mobileNo="98765432"), "members_contactchange")

    assert member != closed


NAMES: dict[str, tuple[str, str]] = {
    "10,000 letters": ("x" * 10_000, "x" * 60),
    "HTML": ("<b>Chan</b>", "<b>Chan</b>"),
    "Chinese": ("陳大文", "陳大文"),
    "control letters": ("Chan\u0007\u202e Siu\nMing", "Chan Siu Ming"),
    "formula": ("=1+1", "=1+1"),
}


@pytest.mark.parametrize(("sent", "kept"), NAMES.values(), ids=NAMES.keys())
def test_b152_a_name_is_cut_and_kept_as_text(mall: Wallet, sent: str, kept: str) -> None:
    member = assert_new_member(mall, mall.card(name=sent))

    assert member.name == kept


@pytest.mark.parametrize(
    "sent", ["e" + "\u0301" * 500, ("Z" + "\u0335" * 9) * 900, "👨‍👩‍👧‍👦" * 400, ("é" * 900)],
    ids=["one tower", "towers", "families", "accents"],
)  # fmt: skip
def test_b152_stacked_accents_and_families_are_cut_between_letters(mall: Wallet, sent: str) -> None:
    member = assert_new_member(mall, mall.card(name=sent))

    assert 0 < len(member.name) <= 128
    assert changes.latest().state == "PROCESSED"


def test_b152_a_name_that_is_no_text_is_passed_over(mall: Wallet) -> None:
    member = assert_new_member(mall, mall.card(name={"en": "Chan"}))

    assert member.name == ""


def test_b153_another_phone_of_a_known_user_is_kept_for_staff(mall: Wallet) -> None:
    card = mall.card(mobileNo="98765432")
    member = assert_new_member(mall, card)

    with changes.only(changes.NOTIFICATION, "members_contactchange"):
        answer = mall.send("CARD", card | {"mobileNo": "61234567"})

    assert answer.verdict == SUCCESS
    member.refresh_from_db()
    assert member.phone == "+85298765432"
    change = ContactChange.objects.get()
    assert (change.member, change.held_by, change.phone) == (member, None, "+85261234567")


def test_b153_the_same_news_twice_is_one_case(mall: Wallet) -> None:
    card = mall.card(mobileNo="98765432")
    assert_new_member(mall, card)

    for _ in range(2):
        mall.send("CARD", card | {"mobileNo": "61234567"})

    assert ContactChange.objects.count() == 1


def test_b153_the_same_phone_in_another_dress_is_no_news(mall: Wallet) -> None:
    card = mall.card(mobileNo="98765432")
    assert_new_member(mall, card)

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("CARD", card | {"mobileNo": "+852 9876 5432"})

    assert answer.verdict == SUCCESS


def test_b154_too_many_new_users_from_one_address_wait_a_minute(mall: Wallet, settings: Any) -> None:
    settings.ALIPAYHK_NEW_CARDS_PER_MINUTE = 3
    verdicts = [mall.send("CARD", mall.card()).verdict for _ in range(4)]
    if TOO_MANY not in verdicts:  # the minute ended in between
        verdicts = [mall.send("CARD", mall.card()).verdict for _ in range(4)]
    card = mall.card()

    with changes.only():
        answer = mall.send("CARD", card)
    mall.address = "198.51.100.1"
    from_elsewhere = mall.send("CARD", card)

    assert verdicts[-1] == answer.verdict == TOO_MANY
    assert from_elsewhere.verdict == SUCCESS


def test_b156_without_a_card_template_the_pass_waits_and_the_alarm_goes(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    CardTemplate.objects.all().delete()

    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        assert_new_member(mall, mall.card())
    passes.notice_changes()

    assert "no card template" in caplog.text
    assert PassUpdate.objects.get().due_at is None


def test_b158_a_card_is_due_without_any_message_having_gone_out(mall: Wallet) -> None:
    assert_new_member(mall, mall.card())

    passes.notice_changes()

    assert PassUpdate.objects.get().due_at is not None


def withdrawn(mall: Wallet) -> tuple[bytes, dict[str, str]]:
    """Somebody joined and withdrew; the message they joined with."""
    card = mall.card()
    body, target = wallet.encoded(card), mall.path("CARD")
    headers = mall.sign(target, body, time=wallet.header_time(clock.now() - timedelta(minutes=2)))
    assert mall.post(target, body, headers).verdict == SUCCESS
    enrollment.withdraw(wallet_pass=Pass.objects.get(user_id=card["userId"]), now=clock.now())
    return body, headers


def test_joining_again_after_a_withdrawal_opens_a_new_consent(mall: Wallet) -> None:
    body, _ = withdrawn(mall)
    target = mall.path("CARD")
    # A second ahead: milliseconds on the wire must not decide what came after the withdrawal.
    later = mall.sign(target, body, time=wallet.header_time(clock.now() + timedelta(seconds=1)))

    with changes.only(changes.NOTIFICATION, "members_consent"):
        answer = mall.post(target, body, later)

    assert answer.verdict == SUCCESS
    assert (Consent.objects.count(), Consent.objects.filter(ended_at=None).count()) == (2, 1)


def test_a_mere_replay_does_not_reopen_a_consent(mall: Wallet) -> None:
    body, headers = withdrawn(mall)

    with changes.only(changes.NOTIFICATION):
        answer = mall.post(mall.path("CARD"), body, headers)

    assert answer.verdict == SUCCESS
    assert not Consent.objects.filter(ended_at=None).exists()


def test_not_even_the_replay_of_a_resend_reopens_a_consent(mall: Wallet) -> None:
    card = mall.card()
    body, target = wallet.encoded(card), mall.path("CARD")
    resent = mall.sign(target, body, time=wallet.header_time(clock.now() - timedelta(minutes=1)))
    for headers in (
        mall.sign(target, body, time=wallet.header_time(clock.now() - timedelta(minutes=2))),
        resent,
    ):
        assert mall.post(target, body, headers).verdict == SUCCESS
    enrollment.withdraw(wallet_pass=Pass.objects.get(user_id=card["userId"]), now=clock.now())

    with changes.only(changes.NOTIFICATION):
        answer = mall.post(target, body, resent)

    assert answer.verdict == SUCCESS
    assert not Consent.objects.filter(ended_at=None).exists()


def test_one_person_in_two_groups_is_two_members(mall: Wallet) -> None:
    other = wallet.lumina()
    card = mall.card()
    assert_new_member(mall, card)

    assert other.send("CARD", card).verdict == SUCCESS

    assert Member.objects.count() == Notification.objects.count() == 2
