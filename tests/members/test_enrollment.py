"""Joining makes one member and one pass per user, links by verified telephone only, and leaves doubts to staff."""

from datetime import timedelta
from typing import Any

import pytest

from members import enrollment, registering
from members.enrollment import Applicant, ContactTaken
from members.models import Consent, ContactChange, Member, Pass
from members.registering import RegistrationForm
from pms.models import Mall
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.MOMENT


@pytest.fixture
def mall() -> Mall:
    found = factories.MallFactory.create()
    factories.ProgramFactory.create(group=found.group)
    return found


def join(mall: Mall, user_id: str = "2160120037098191", **details: Any) -> Pass:
    known: dict[str, Any] = {"phone": "+85298765432", "phone_raw": "98765432", "email": "", "name": "Chan"}
    asked_at = details.pop("asked_at", NOW)
    applicant = Applicant(wallet="ALIPAYHK", user_id=user_id, **known | details)
    return enrollment.join(mall=mall, applicant=applicant, evidence="test", asked_at=asked_at, now=NOW)


def test_somebody_new_becomes_a_member_with_a_pass_and_a_consent(mall: Mall) -> None:
    wallet_pass = join(mall)

    member = wallet_pass.member
    assert (member.phone, member.name, member.state) == ("+85298765432", "Chan", "ACTIVE")
    assert (wallet_pass.state, wallet_pass.external_id, wallet_pass.mall) == ("WAITING", "", mall)
    assert len(wallet_pass.serial) == 32
    consent = Consent.objects.get()
    assert (consent.member, consent.began_at, consent.ended_at, consent.evidence) == (
        member,
        NOW,
        None,
        "test",
    )


def test_the_same_user_again_changes_nothing(mall: Mall) -> None:
    first = join(mall)

    again = join(mall)

    assert again == first
    assert (Member.objects.count(), Consent.objects.count(), ContactChange.objects.count()) == (1, 1, 0)
    assert again.serial == first.serial


def test_a_member_without_a_pass_is_linked_by_telephone(mall: Mall) -> None:
    known = factories.MemberFactory.create(program=mall.group.program, phone="+85298765432")

    wallet_pass = join(mall)

    assert wallet_pass.member == known
    assert Member.objects.count() == 1


def test_an_unreadable_telephone_links_nobody(mall: Mall) -> None:
    factories.MemberFactory.create(program=mall.group.program, phone="")

    wallet_pass = join(mall, phone="", phone_raw="call me")

    assert (wallet_pass.member.phone_raw, Member.objects.count()) == ("call me", 2)


@pytest.mark.parametrize("is_pass_holder", [True, False], ids=["pass holder", "closed member"])
def test_a_telephone_that_is_taken_is_left_to_staff(mall: Mall, is_pass_holder: bool) -> None:
    holder = factories.MemberFactory.create(program=mall.group.program, phone="+85298765432")
    if is_pass_holder:
        factories.PassFactory.create(member=holder, mall=mall)
    else:
        Member.objects.update(state="CLOSED")

    wallet_pass = join(mall)

    assert wallet_pass.member != holder
    assert wallet_pass.member.phone == ""
    change = ContactChange.objects.get()
    assert (change.member, change.held_by, change.phone) == (wallet_pass.member, holder, "+85298765432")


def test_an_e_mail_address_that_is_taken_is_left_to_staff(mall: Mall) -> None:
    holder = factories.MemberFactory.create(program=mall.group.program, email="chan@example.com")

    wallet_pass = join(mall, email="chan@example.com")

    assert (wallet_pass.member == holder, wallet_pass.member.email) == (False, "")
    assert ContactChange.objects.get().held_by == holder


def test_a_withdrawal_ends_the_consent_and_a_second_one_has_nothing_to_end(mall: Mall) -> None:
    wallet_pass = join(mall)

    ended = enrollment.withdraw(wallet_pass=wallet_pass, now=NOW + timedelta(days=1))
    again = enrollment.withdraw(wallet_pass=wallet_pass, now=NOW + timedelta(days=2))

    assert ended is not None
    assert (ended.ended_at, again) == (NOW + timedelta(days=1), None)


def test_joining_after_a_withdrawal_begins_another_consent(mall: Mall) -> None:
    enrollment.withdraw(wallet_pass=join(mall), now=NOW + timedelta(days=1))

    wallet_pass = join(mall, asked_at=NOW + timedelta(days=2))

    assert list(Consent.objects.order_by("pk").values_list("ended_at", flat=True)) == [
        NOW + timedelta(days=1),
        None,
    ]
    assert wallet_pass.consents.count() == 2


@pytest.mark.parametrize("hours", [0, 23, 24])
def test_what_was_asked_before_a_withdrawal_opens_no_consent(mall: Mall, hours: int) -> None:
    enrollment.withdraw(wallet_pass=join(mall), now=NOW + timedelta(days=1))

    wallet_pass = join(mall, asked_at=NOW + timedelta(hours=hours))

    assert wallet_pass.consents.filter(ended_at=None).count() == 0


def test_a_withdrawal_before_the_consent_began_ends_it_as_it_begins(mall: Mall) -> None:
    ended = enrollment.withdraw(wallet_pass=join(mall), now=NOW - timedelta(days=1))

    assert ended is not None
    assert ended.ended_at == NOW


@pytest.mark.parametrize(
    ("heard", "is_news"),
    [
        ({"phone": "+85261234567", "phone_raw": "61234567"}, True),
        ({"phone_raw": "+852 9876 5432"}, False),
        ({"phone": "", "phone_raw": ""}, False),
        ({"phone": "", "phone_raw": "call me"}, True),
        ({"email": "chan@example.com"}, True),
    ],
)
def test_what_is_heard_anew_of_a_known_user_is_kept_for_staff(
    mall: Mall, heard: dict[str, str], is_news: bool
) -> None:
    member = join(mall).member

    join(mall, **heard)

    member.refresh_from_db()
    assert (member.phone, member.email) == ("+85298765432", "")
    assert ContactChange.objects.count() == int(is_news)


def test_staff_take_over_a_change(mall: Mall) -> None:
    member = join(mall).member
    join(mall, phone="+85261234567", phone_raw="61234567", email="chan@example.com")

    enrollment.take_over(change=ContactChange.objects.get())

    member.refresh_from_db()
    assert (member.phone, member.email) == ("+85261234567", "chan@example.com")
    assert ContactChange.objects.get().state == "TAKEN_OVER"


def test_a_change_to_what_another_member_holds_cannot_be_taken_over(mall: Mall) -> None:
    join(mall)
    join(mall, "2160120037000002")

    with pytest.raises(ContactTaken):
        enrollment.take_over(change=ContactChange.objects.get())

    assert ContactChange.objects.get().state == "OPEN"
    assert sorted(Member.objects.values_list("phone", flat=True)) == ["", "+85298765432"]


def test_card_numbers_are_sixteen_digits_that_nobody_can_guess() -> None:
    numbers = {enrollment.new_card_number() for _ in range(1000)}

    assert len(numbers) == 1000
    assert all(len(number) == 16 and number.isdigit() for number in numbers)


def typing(mall: Mall, user_id: str, phone: str = "98765432") -> Member:
    """Somebody who came by a mini-app and typed a phone there."""
    card, _ = enrollment.enter(mall=mall, wallet="ALIPAYHK", user_id=user_id, now=NOW)
    form = RegistrationForm(name="Wong", phone=phone)
    return registering.register(wallet_pass=card, form=form, now=NOW)


def test_a_phone_that_a_wallet_has_verified_is_taken_from_somebody_who_only_typed_it(mall: Mall) -> None:
    squatter = typing(mall, "2160120037000001")

    owner = join(mall).member

    squatter.refresh_from_db()
    assert (owner.phone, owner.has_typed_phone) == ("+85298765432", False)
    assert (squatter.phone, squatter.phone_raw, squatter.has_typed_phone) == ("", "", False)
    assert squatter.typed_phone == "+85298765432"
    change = ContactChange.objects.get()
    assert (change.member, change.phone, change.state) == (squatter, "+85298765432", "OPEN")


@pytest.mark.parametrize("typed", ["98765432", "61234567"])
def test_a_members_own_typed_phone_gives_way_to_the_one_the_wallet_says(mall: Mall, typed: str) -> None:
    typing(mall, "2160120037098191", typed)

    member = join(mall, "2160120037098191").member

    assert (member.phone, member.has_typed_phone) == ("+85298765432", False)
    assert not ContactChange.objects.exists()


def test_a_verified_phone_is_not_taken_by_another_wallets_word(mall: Mall) -> None:
    first = join(mall).member

    typing(mall, "2160120037000001", "61234567")
    second = join(mall, "2160120037000001").member

    first.refresh_from_db()
    assert first.phone == "+85298765432"
    assert (second.phone, second.has_typed_phone) == ("+85261234567", True)
    assert ContactChange.objects.get().member == second
