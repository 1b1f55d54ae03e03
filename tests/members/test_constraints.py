"""What the database refuses of members, passes and consents, whoever asks."""

from datetime import timedelta

import pytest

from members.models import Consent, Member
from tests.constraints import Make, refused_by
from tests.factories import ConsentFactory, ContactChangeFactory, MemberFactory, PassFactory

pytestmark = pytest.mark.django_db


def same_phone() -> object:
    member = MemberFactory.create()
    return MemberFactory.create(program=member.program, phone=member.phone)


def same_email() -> object:
    member = MemberFactory.create()
    return MemberFactory.create(program=member.program, email=member.email)


def same_wallet_user() -> object:
    known = PassFactory.create()
    return PassFactory.create(member__program=known.program, user_id=known.user_id)


def same_external_id() -> object:
    known = PassFactory.create(active=True)
    return PassFactory.create(active=True, external_id=known.external_id)


def second_open_consent() -> object:
    consent = ConsentFactory.create()
    return ConsentFactory.create(wallet_pass=consent.wallet_pass)


def consent_that_ends_early() -> object:
    consent = ConsentFactory.create()
    early = consent.began_at - timedelta(seconds=1)
    return Consent.objects.filter(pk=consent.pk).update(ended_at=early)


def same_contact_change() -> object:
    change = ContactChangeFactory.create()
    return ContactChangeFactory.create(member=change.member, phone=change.phone)


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("members_member_one_per_phone", same_phone),
        ("members_member_one_per_email", same_email),
        ("members_pass_one_per_wallet_user", same_wallet_user),
        ("members_pass_one_per_external_id", same_external_id),
        ("members_pass_active_has_external_id", lambda: PassFactory.create(state="ACTIVE")),
        ("members_consent_one_open_per_pass", second_open_consent),
        ("members_consent_ends_after_it_began", consent_that_ends_early),
        ("members_contactchange_open_once", same_contact_change),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


def test_members_without_a_phone_or_email_may_be_many() -> None:
    first = MemberFactory.create(phone="", email="")

    MemberFactory.create(program=first.program, phone="", email="")

    assert Member.objects.filter(program=first.program).count() == 2


def test_a_consent_may_follow_one_that_ended() -> None:
    ended = ConsentFactory.create()
    ended.ended_at = ended.began_at + timedelta(days=1)
    ended.save()

    ConsentFactory.create(wallet_pass=ended.wallet_pass)

    assert Consent.objects.filter(wallet_pass=ended.wallet_pass).count() == 2
