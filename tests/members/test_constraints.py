"""What the database refuses of members, passes and consents, whoever asks."""

from datetime import timedelta

import pytest

from members.models import Consent, Member, MemberTier
from tests.constraints import Make, refused_by
from tests.factories import (
    ConsentFactory,
    ContactChangeFactory,
    MemberFactory,
    MembershipClaimFactory,
    MemberTierFactory,
    PassFactory,
    ProgramFactory,
    RegistrationFieldFactory,
    TierFactory,
)

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


def same_question() -> object:
    asked = RegistrationFieldFactory.create()
    return RegistrationFieldFactory.create(program=asked.program, code=asked.code)


def same_contact_change() -> object:
    change = ContactChangeFactory.create()
    return ContactChangeFactory.create(member=change.member, phone=change.phone)


def same_tier_code() -> object:
    tier = TierFactory.create()
    return TierFactory.create(program=tier.program, code=tier.code)


def same_tier_spend() -> object:
    tier = TierFactory.create()
    return TierFactory.create(program=tier.program, min_spend_cents=tier.min_spend_cents)


def second_open_tier() -> object:
    held = MemberTierFactory.create()
    return MemberTierFactory.create(member=held.member)


def tier_that_ends_early() -> object:
    held = MemberTierFactory.create()
    return MemberTier.objects.filter(pk=held.pk).update(ended_at=held.began_at - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("members_program_expiry_has_its_count", lambda: ProgramFactory.create(expiry="DAYS")),
        ("members_program_expiry_has_its_count", lambda: ProgramFactory.create(expiry_count=3)),
        ("members_program_redemption_positive", lambda: ProgramFactory.create(redemption_min_points=0)),
        ("members_program_likeness_rises", lambda: ProgramFactory.create(duplicate_flag_score=90)),
        ("members_program_likeness_rises", lambda: ProgramFactory.create(duplicate_block_score=80)),
        ("members_program_percent_to_100", lambda: ProgramFactory.create(spot_check_percent=101)),
        ("members_tier_one_per_code", same_tier_code),
        ("members_tier_one_per_spend", same_tier_spend),
        ("members_tier_figures_positive", lambda: TierFactory.create(factor_numerator=0)),
        ("members_member_birth_month_is_a_month", lambda: MemberFactory.create(birth_month=13)),
        ("members_membertier_one_open_per_member", second_open_tier),
        ("members_membertier_ends_after_it_began", tier_that_ends_early),
        ("members_member_one_per_phone", same_phone),
        ("members_member_one_per_email", same_email),
        ("members_pass_one_per_wallet_user", same_wallet_user),
        ("members_pass_one_per_external_id", same_external_id),
        ("members_pass_active_has_external_id", lambda: PassFactory.create(state="ACTIVE")),
        ("members_consent_one_open_per_pass", second_open_consent),
        ("members_consent_ends_after_it_began", consent_that_ends_early),
        ("members_consent_only_an_end_has_a_reason", lambda: ConsentFactory.create(ended_reason="MEMBER")),
        (
            "members_membershipclaim_moved_names_to_whom",
            lambda: MembershipClaimFactory.create(outcome="MOVED"),
        ),
        ("members_contactchange_open_once", same_contact_change),
        ("members_registrationfield_one_per_code", same_question),
        (
            "members_registrationfield_choices_belong_to_a_choice",
            lambda: RegistrationFieldFactory.create(kind="CHOICE"),
        ),
        (
            "members_registrationfield_choices_belong_to_a_choice",
            lambda: RegistrationFieldFactory.create(choices=[{"code": "a", "en": "A", "zh": "甲"}]),
        ),
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
