"""Rows of the ledger. Balances follow postings, not factories: a test about points posts them."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from tests.factories.moment import MOMENT
from tests.factories.people import MemberFactory, ProgramFactory


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
