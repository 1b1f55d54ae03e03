"""Staff decide about a phone or an e-mail that a wallet sent."""

import pytest

from members import contact_changes
from members.contact_changes import ContactTaken, NotOpen, PhoneUnreadable
from members.models import ContactChange, Member
from tests.factories import ContactChangeFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_taking_over_changes_the_member_and_closes_the_change() -> None:
    change = ContactChangeFactory.create(phone="+85261234567", email="new@example.com")

    contact_changes.take_over(change=change, by=UserFactory.create())

    change.refresh_from_db()
    member = Member.objects.get(pk=change.member_id)
    assert (member.phone, member.phone_raw, member.email) == (
        "+85261234567",
        "+85261234567",
        "new@example.com",
    )
    assert change.state == ContactChange.State.TAKEN_OVER


def test_an_empty_part_of_a_change_takes_nothing_away() -> None:
    change = ContactChangeFactory.create(phone="+85261234567", email="")
    email = change.member.email

    contact_changes.take_over(change=change, by=UserFactory.create())

    assert Member.objects.get(pk=change.member_id).email == email


def test_dismissing_leaves_the_member_as_it_is() -> None:
    change = ContactChangeFactory.create(phone="+85261234567")
    before = Member.objects.filter(pk=change.member_id).values().get()

    contact_changes.dismiss(change=change, by=UserFactory.create())

    change.refresh_from_db()
    assert change.state == ContactChange.State.DISMISSED
    assert Member.objects.filter(pk=change.member_id).values().get() == before


@pytest.mark.parametrize(
    ("phone", "refusal"), [("+85261234567", ContactTaken), ("not a phone", PhoneUnreadable)]
)
def test_what_cannot_be_taken_over_stays_open(phone: str, refusal: type[Exception]) -> None:
    change = ContactChangeFactory.create(phone=phone)
    MemberFactory.create(program=change.member.program, phone="+85261234567")
    before = Member.objects.filter(pk=change.member_id).values().get()

    with pytest.raises(refusal):
        contact_changes.take_over(change=change, by=UserFactory.create())

    change.refresh_from_db()
    assert change.state == ContactChange.State.OPEN
    assert Member.objects.filter(pk=change.member_id).values().get() == before


def test_a_change_is_decided_once() -> None:
    change = ContactChangeFactory.create(phone="+85261234567")
    contact_changes.dismiss(change=change, by=UserFactory.create())

    with pytest.raises(NotOpen):
        contact_changes.take_over(change=change, by=UserFactory.create())

    assert Member.objects.get(pk=change.member_id).phone != "+85261234567"
