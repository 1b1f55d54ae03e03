"""The registration form: what is refused by the field, what waits for staff, and the one proof that links."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from members import enrollment, registering
from members.models import Consent, ContactChange, Member, MembershipClaim, Pass, RegistrationField
from members.registering import RegistrationForm, RegistrationRefused
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.MOMENT


@pytest.fixture
def wallet_pass() -> Pass:
    """Of somebody who came by a mini-app and of whom nothing is known."""
    mall = factories.MallFactory.create()
    program = factories.ProgramFactory.create(group=mall.group)
    make = factories.RegistrationFieldFactory.create
    make(program=program, code="shop", kind="CHOICE", is_required=True,
         choices=[{"code": "food", "en": "Food", "zh": "美食"}])  # fmt: skip
    make(program=program, code="offers", kind="YES_NO")
    make(program=program, code="child", kind="MONTH")
    make(program=program, code="wish", kind="TEXT")
    made, _ = enrollment.enter(mall=mall, wallet="ALIPAYHK", user_id="2160120037098191", now=NOW)
    return made


def form(**changes: Any) -> RegistrationForm:
    words: dict[str, Any] = {"name": "Chan Mei", "phone": "6123 4567", "supplied": {"shop": "food"}}
    return RegistrationForm(**words | changes)


def register(wallet_pass: Pass, **changes: Any) -> Member:
    return registering.register(wallet_pass=wallet_pass, form=form(**changes), now=NOW)


def test_what_a_member_says_is_kept(wallet_pass: Pass) -> None:
    supplied = {"shop": "food", "offers": False, "child": 12, "wish": " more\n seats "}

    member = register(wallet_pass, email="Mei@Example.com", birth_month=3, supplied=supplied)

    member.refresh_from_db()
    assert member == wallet_pass.member
    assert (member.name, member.phone, member.phone_raw) == ("Chan Mei", "+85261234567", "+85261234567")
    assert (member.email, member.birth_month, member.registered_at) == ("mei@example.com", 3, NOW)
    assert member.supplied == supplied | {"wish": "more seats"}
    assert not ContactChange.objects.exists()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": " \n"}, ("name", "REQUIRED")),
        ({"name": "x" * 129}, ("name", "TOO_LONG")),
        ({"phone": ""}, ("phone", "REQUIRED")),
        ({"phone": "1234"}, ("phone", "UNREADABLE")),
        ({"phone": "+852 61234567 ext 5"}, ("phone", "UNREADABLE")),
        ({"email": "a@b"}, ("email", "UNREADABLE")),
        ({"email": "a" * 250 + "@b.hk"}, ("email", "TOO_LONG")),
        ({"birth_month": 13}, ("birth_month", "UNREADABLE")),
        ({"birth_month": True}, ("birth_month", "UNREADABLE")),
        ({"card_number": "12"}, ("card_number", "UNREADABLE")),
        ({"supplied": {}}, ("supplied.shop", "REQUIRED")),
        ({"supplied": {"shop": "cars"}}, ("supplied.shop", "NOT_OFFERED")),
        ({"supplied": {"shop": ["food"]}}, ("supplied.shop", "UNREADABLE")),
        ({"supplied": {"shop": "food", "offers": "yes"}}, ("supplied.offers", "UNREADABLE")),
        ({"supplied": {"shop": "food", "child": 0}}, ("supplied.child", "UNREADABLE")),
        ({"supplied": {"shop": "food", "wish": "x" * 201}}, ("supplied.wish", "TOO_LONG")),
        ({"supplied": {"shop": "food", "hkid": "A123456"}}, ("supplied.hkid", "UNKNOWN_FIELD")),
    ],
    ids=lambda one: ".".join(one) if isinstance(one, tuple) else None,
)
def test_what_cannot_be_is_refused_by_the_field_and_nothing_is_kept(
    wallet_pass: Pass, changes: dict[str, Any], fault: tuple[str, str]
) -> None:
    with pytest.raises(RegistrationRefused) as caught:
        register(wallet_pass, **changes)

    assert caught.value.faults == [fault]
    assert fault[1] in registering.FAULTS
    assert Member.objects.get(passes=wallet_pass).registered_at is None


def test_a_birth_month_is_said_once(wallet_pass: Pass) -> None:
    register(wallet_pass, birth_month=3)

    again = register(wallet_pass, birth_month=3)
    with pytest.raises(RegistrationRefused) as caught:
        register(wallet_pass, birth_month=4)

    assert caught.value.faults == [("birth_month", "ALREADY_SET")]
    assert again.birth_month == register(wallet_pass).birth_month == 3


def test_a_phone_and_an_email_that_somebody_has_wait_for_staff_and_the_answer_looks_the_same(
    wallet_pass: Pass,
) -> None:
    other = factories.MemberFactory.create(
        program=wallet_pass.program, phone="+85261234567", email="mei@example.com"
    )

    member = register(wallet_pass, email="mei@example.com")

    other.refresh_from_db()
    assert (member.phone, member.email, member.name) == ("", "", "Chan Mei")
    assert member.registered_at == NOW
    assert (other.phone, other.email) == ("+85261234567", "mei@example.com")
    change = ContactChange.objects.get()
    assert (change.member, change.held_by) == (member, other)
    assert (change.phone, change.email) == ("+85261234567", "mei@example.com")


def test_another_phone_than_the_known_one_waits_for_staff(wallet_pass: Pass) -> None:
    register(wallet_pass)

    member = register(wallet_pass, phone="6999 9999")
    register(wallet_pass, phone="+85269999999")

    assert member.phone == "+85261234567"
    change = ContactChange.objects.get()
    assert (change.phone, change.held_by) == ("+85269999999", None)


def test_card_number_and_phone_together_bring_back_an_earlier_membership(wallet_pass: Pass) -> None:
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234567", email="")
    blank = wallet_pass.member
    enrollment.give_consent(wallet_pass=wallet_pass, text_version="1", evidence="test", now=NOW)
    register(wallet_pass, email="mei@example.com")

    member = register(wallet_pass, card_number=earlier.card_number, email="mei@example.com")

    blank.refresh_from_db()
    assert (blank.phone, blank.email) == ("", "")
    assert member == earlier == Pass.objects.get(pk=wallet_pass.pk).member == wallet_pass.member
    assert blank.state == Member.State.CLOSED
    assert Consent.objects.get().member == earlier
    assert ContactChange.objects.get().state == ContactChange.State.DISMISSED
    assert earlier.passes.count() == 1


@pytest.mark.parametrize(
    "why", ["phone", "has a card", "not blank", "points", "SUSPENDED", "CLOSED", "other program"]
)
def test_without_full_proof_nothing_is_linked(wallet_pass: Pass, why: str) -> None:
    program = None if why == "other program" else wallet_pass.program
    earlier = factories.MemberFactory.create(
        phone="+85261234568" if why == "phone" else "+85261234567",
        state=why if why.isupper() else "ACTIVE",
        **({"program": program} if program else {}),
    )
    if why == "has a card":
        factories.PassFactory.create(member=earlier)
    elif why == "not blank":
        factories.TransactionFactory.create(member=wallet_pass.member)
    elif why == "points":
        factories.PointAccountFactory.create(member=wallet_pass.member, version=1)

    member = register(wallet_pass, card_number=earlier.card_number)

    assert member == wallet_pass.member != earlier
    assert (earlier.passes.count(), member.state) == (int(why == "has a card"), "ACTIVE")


def test_agreeing_to_a_newer_text_begins_another_interval_without_a_gap(wallet_pass: Pass) -> None:
    give: dict[str, Any] = {"wallet_pass": wallet_pass, "evidence": "test", "now": NOW}
    first = enrollment.give_consent(text_version="1", **give)
    same = enrollment.give_consent(text_version="1", **give)
    second = enrollment.give_consent(text_version="2", **give)

    first.refresh_from_db()
    assert same == first != second
    assert (first.ended_at, first.ended_reason) == (second.began_at, "")
    assert second.ended_at is None


def test_a_consent_is_of_the_member_whose_card_it_is_now(wallet_pass: Pass) -> None:
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234567")
    before = Pass.objects.select_related("member").get(pk=wallet_pass.pk)
    register(wallet_pass, card_number=earlier.card_number)

    consent = enrollment.give_consent(wallet_pass=before, text_version="1", evidence="test", now=NOW)

    assert consent.member == earlier != before.member


def test_a_question_is_called_by_both_of_its_labels(wallet_pass: Pass) -> None:
    asked = RegistrationField.objects.get(code="wish")

    assert asked.label_en in str(asked) and asked.label_zh in str(asked)


def claim(wallet_pass: Pass, earlier: Member, phone: str = "", *, days: int = 0) -> Member:
    """With a wrong phone unless it is said, so many days later."""
    wrong = f"+852612{MembershipClaim.objects.count():05d}"
    typed = form(phone=phone or wrong, card_number=earlier.card_number)
    return registering.register(
        wallet_pass=wallet_pass, form=typed, now=NOW + timedelta(days=days, minutes=1)
    )


def test_after_five_wrong_phones_in_a_day_a_card_claims_nothing_and_the_right_one_waits_for_staff(
    wallet_pass: Pass,
) -> None:
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234567")
    for _ in range(5):
        claim(wallet_pass, earlier)

    sixth = claim(wallet_pass, earlier, "+85261234567")

    assert sixth == wallet_pass.member and not earlier.passes.exists()
    assert ContactChange.objects.get(phone="+85261234567").held_by == earlier
    newest = MembershipClaim.objects.latest("pk")
    assert (newest.outcome, newest.moved_to) == ("TOO_MANY", None)
    assert claim(wallet_pass, earlier, "+85261234567", days=1) == earlier


def test_many_cards_together_have_five_guesses_at_one_membership_and_others_are_open_still(
    wallet_pass: Pass,
) -> None:
    program, mall = wallet_pass.program, wallet_pass.mall
    earlier, other = factories.MemberFactory.create_batch(2, program=program)
    Member.objects.filter(pk=earlier.pk).update(phone="+85261234567")
    Member.objects.filter(pk=other.pk).update(phone="+85261234568")
    cards = [
        enrollment.enter(mall=mall, wallet="ALIPAYHK", user_id=f"21601200370{n}", now=NOW)[0]
        for n in range(5)
    ]
    for card in cards:
        claim(card, earlier)

    assert claim(wallet_pass, earlier, "+85261234567") == wallet_pass.member
    assert claim(wallet_pass, other, "+85261234568") == other


def test_who_moved_which_card_is_kept(wallet_pass: Pass) -> None:
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234567", birth_month=5)
    blank = wallet_pass.member

    register(wallet_pass, card_number=earlier.card_number, birth_month=6)

    kept = MembershipClaim.objects.get()
    assert (kept.outcome, kept.moved_from, kept.moved_to) == ("MOVED", blank, earlier)
    assert (kept.wallet_pass, kept.card_number, kept.claimed_at) == (wallet_pass, earlier.card_number, NOW)
    earlier.refresh_from_db()
    assert earlier.birth_month == 5


def test_a_form_asks_staff_five_times_a_day_at_most(wallet_pass: Pass) -> None:
    for last in range(8):
        register(wallet_pass, phone=f"6999999{last}")

    assert ContactChange.objects.count() == 5


def test_staff_see_who_moved_which_card_and_that_a_phone_was_only_typed(
    wallet_pass: Pass, client: Client
) -> None:
    blank = register(wallet_pass)
    typed = _page(client, blank)
    earlier = factories.MemberFactory.create(program=wallet_pass.program, phone="+85261234568")

    claim(wallet_pass, earlier, "+85261234568")
    moved = _page(client, earlier)

    assert "typed by the member, not verified" in typed
    assert "Proved: the wallet card moved" in moved
    assert blank.card_number in moved and "not verified" not in moved


def _page(client: Client, member: Member) -> str:
    client.force_login(factories.UserFactory.create(is_superuser=True, is_staff=True))
    return client.get(reverse("admin:members_member_change", args=[member.pk])).content.decode()
