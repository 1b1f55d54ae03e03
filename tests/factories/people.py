"""Rows of members: programs, members, passes, consents."""

import uuid
from datetime import timedelta

import factory
from factory.django import DjangoModelFactory

from members.models import (
    Consent,
    ContactChange,
    Member,
    MembershipClaim,
    MemberTier,
    Pass,
    Program,
    RegistrationField,
    Tier,
)
from tests.factories.moment import MOMENT
from tests.factories.places import MallFactory, MallGroupFactory


class ProgramFactory(DjangoModelFactory[Program]):
    class Meta:
        model = Program
        django_get_or_create = ("group",)

    group = factory.SubFactory(MallGroupFactory)
    name_en = "Lumina Club"
    name_zh = "朗曜會"


class MemberFactory(DjangoModelFactory[Member]):
    class Meta:
        model = Member

    program = factory.SubFactory(ProgramFactory)
    card_number = factory.Sequence(lambda n: f"{8000000000000000 + n}")
    name = factory.Sequence(lambda n: f"Chan Siu Ming {n}")
    phone = factory.Sequence(lambda n: f"+8526{n:07d}")
    phone_raw = factory.SelfAttribute("phone")
    email = factory.Sequence(lambda n: f"member-{n}@example.com")
    joined_at = MOMENT - timedelta(days=30)


class PassFactory(DjangoModelFactory[Pass]):
    class Meta:
        model = Pass

    class Params:
        active = factory.Trait(
            state=Pass.State.ACTIVE,
            external_id=factory.Sequence(lambda n: f"2020091119027102160530200{n:06d}"),
        )

    member = factory.SubFactory(MemberFactory)
    program = factory.SelfAttribute("member.program")
    mall = factory.SubFactory(MallFactory, group=factory.SelfAttribute("..program.group"))
    wallet = "ALIPAYHK"
    user_id = factory.Sequence(lambda n: f"{2160120037000000 + n}")
    serial = factory.LazyFunction(lambda: uuid.uuid4().hex)
    joined_at = factory.SelfAttribute("member.joined_at")


class ConsentFactory(DjangoModelFactory[Consent]):
    class Meta:
        model = Consent

    wallet_pass = factory.SubFactory(PassFactory)
    member = factory.SelfAttribute("wallet_pass.member")
    began_at = factory.SelfAttribute("wallet_pass.joined_at")
    text_version = "2026-01"


class ContactChangeFactory(DjangoModelFactory[ContactChange]):
    class Meta:
        model = ContactChange

    member = factory.SubFactory(MemberFactory)
    phone = factory.Sequence(lambda n: f"+8529{n:07d}")
    noticed_at = MOMENT


class MembershipClaimFactory(DjangoModelFactory[MembershipClaim]):
    class Meta:
        model = MembershipClaim

    wallet_pass = factory.SubFactory(PassFactory)
    moved_from = factory.SelfAttribute("wallet_pass.member")
    card_number = factory.Sequence(lambda n: f"{7000000000000000 + n}")
    outcome = MembershipClaim.Outcome.REFUSED
    claimed_at = MOMENT


class RegistrationFieldFactory(DjangoModelFactory[RegistrationField]):
    class Meta:
        model = RegistrationField

    program = factory.SubFactory(ProgramFactory)
    code = factory.Sequence(lambda n: f"field_{n}")
    label_en = factory.Sequence(lambda n: f"Favorite shop {n}")
    label_zh = factory.Sequence(lambda n: f"最愛店舖 {n}")


class TierFactory(DjangoModelFactory[Tier]):
    class Meta:
        model = Tier

    program = factory.SubFactory(ProgramFactory)
    code = factory.Sequence(lambda n: f"TIER{n}")
    name_en = factory.Sequence(lambda n: f"Gold {n}")
    name_zh = factory.Sequence(lambda n: f"金 {n}")
    min_spend_cents = factory.Sequence(lambda n: n * 100)


class MemberTierFactory(DjangoModelFactory[MemberTier]):
    class Meta:
        model = MemberTier

    member = factory.SubFactory(MemberFactory)
    tier = factory.SubFactory(TierFactory, program=factory.SelfAttribute("..member.program"))
    began_at = MOMENT
    keeps_until_at = MOMENT + timedelta(days=365)
