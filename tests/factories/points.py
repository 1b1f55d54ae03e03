"""Rows of the ledger. Balances follow postings, not factories: a test about points posts them."""

from datetime import timedelta
from typing import Any

import factory
from factory.django import DjangoModelFactory

from loyalty.ledger.models import (
    ExpiryNotice,
    LedgerBlock,
    PointAccount,
    PointEntry,
    PointLot,
    Posting,
    ProofRun,
    Redemption,
    RedemptionPart,
)
from tests.factories.moment import MOMENT
from tests.factories.people import MemberFactory, ProgramFactory
from tests.factories.places import MallFactory


class PointAccountFactory(DjangoModelFactory[PointAccount]):
    """A member's account; `ProgramAccountFactory` makes the other side."""

    class Meta:
        model = PointAccount
        django_get_or_create = ("member",)

    member = factory.SubFactory(MemberFactory)
    program = factory.SelfAttribute("member.program")
    kind = PointAccount.Kind.MEMBER
    balance = 0
    changed_at = MOMENT


class ProgramAccountFactory(DjangoModelFactory[PointAccount]):
    class Meta:
        model = PointAccount
        django_get_or_create = ("program", "kind", "member")

    program = factory.SubFactory(ProgramFactory)
    kind = PointAccount.Kind.ISSUED
    member = None
    changed_at = MOMENT


class PostingFactory(DjangoModelFactory[Posting]):
    class Meta:
        model = Posting

    program = factory.SubFactory(ProgramFactory)
    kind = Posting.Kind.EARN
    source = factory.Sequence(lambda n: f"factory/{n}")
    posted_at = MOMENT


class PointEntryFactory(DjangoModelFactory[PointEntry]):
    """One line on a member's account, and its counterpart: a lone line cannot be committed."""

    class Meta:
        model = PointEntry

    account = factory.SubFactory(PointAccountFactory)
    posting = factory.SubFactory(PostingFactory, program=factory.SelfAttribute("..account.program"))
    points = 100

    @classmethod
    def _create(cls, model_class: type[PointEntry], *args: Any, **fields: Any) -> PointEntry:
        entry: PointEntry = super()._create(model_class, *args, **fields)
        issued = ProgramAccountFactory.create(program=entry.posting.program)
        PointEntry.objects.create(posting=entry.posting, account=issued, points=-entry.points)
        return entry


class PointLotFactory(DjangoModelFactory[PointLot]):
    class Meta:
        model = PointLot

    account = factory.SubFactory(PointAccountFactory)
    posting = factory.SubFactory(PostingFactory, program=factory.SelfAttribute("..account.program"))
    points = 100
    remaining = factory.SelfAttribute("points")


class RedemptionFactory(DjangoModelFactory[Redemption]):
    """A row that is set aside. Nothing is posted: tests about points call `redemptions.reserve`."""

    class Meta:
        model = Redemption
        skip_postgeneration_save = True

    account = factory.SubFactory(PointAccountFactory)
    mall = factory.SubFactory(MallFactory, group=factory.SelfAttribute("..account.program.group"))
    code = factory.Sequence(lambda n: f"CODE{n:04d}")
    points = 2500
    value_cents = 1000
    reserved_at = MOMENT
    expires_at = MOMENT + timedelta(seconds=60)
    reserve_posting = factory.SubFactory(PostingFactory, program=factory.SelfAttribute("..account.program"))
    parts = factory.RelatedFactory("tests.factories.points.RedemptionPartFactory", "redemption")


class RedemptionPartFactory(DjangoModelFactory[RedemptionPart]):
    class Meta:
        model = RedemptionPart

    redemption = factory.SubFactory(RedemptionFactory, parts=None)
    lot = factory.SubFactory(PointLotFactory, account=factory.SelfAttribute("..redemption.account"))
    points = factory.SelfAttribute("redemption.points")


class ExpiryNoticeFactory(DjangoModelFactory[ExpiryNotice]):
    class Meta:
        model = ExpiryNotice

    lot = factory.SubFactory(PointLotFactory)
    days_ahead = 30
    points = factory.SelfAttribute("lot.remaining")
    noticed_at = MOMENT


class LedgerBlockFactory(DjangoModelFactory[LedgerBlock]):
    """A row like a block; a chain that holds is sealed by `chain`."""

    class Meta:
        model = LedgerBlock

    program = factory.SubFactory(ProgramFactory)
    number = factory.Sequence(lambda n: n + 1)
    last_entry_id = 1
    entry_count = 1
    digests = b""
    block_hash = "0" * 64
    sealed_at = MOMENT


class ProofRunFactory(DjangoModelFactory[ProofRun]):
    class Meta:
        model = ProofRun

    began_at = MOMENT
    ended_at = MOMENT
    is_green = True
    counts = factory.LazyFunction(dict)
