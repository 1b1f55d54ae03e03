"""A mall with the first demo program, a member with a card and no wallet, and staff at its doors."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.test import Client

from loyalty.ledger.models import PointAccount
from members.models import Member, Program
from pms import clock
from pms.models import Mall, MallStaff, Store
from tests import factories
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import Shopper


@dataclass
class Desk:
    shopper: Shopper
    member: Member
    store: Store

    @property
    def mall(self) -> Mall:
        return self.store.mall

    @property
    def balance(self) -> int:
        account = PointAccount.objects.filter(member=self.member).first()
        return account.balance or 0 if account else 0

    @property
    def balances(self) -> int:
        """Of all members together."""
        accounts = PointAccount.objects.filter(member__program=self.member.program)
        return accounts.aggregate(sum=Sum("balance"))["sum"] or 0

    def regulars(self, many: int) -> list[Member]:
        """Members with nothing in common, whose equal receipts are not likely one purchase."""
        return [regular(self.member.program) for _ in range(many)]

    def staff(self, role: str = MallStaff.Role.COUNTER, mall: Mall | None = None) -> Client:
        found = mall or self.mall
        client = Client()
        client.force_login(factories.MallStaffFactory.create(mall=found, group=found.group, role=role).user)
        return client


def lumina() -> Desk:
    """Without the welcome gift, so that a dollar is a point."""
    shopper = programs.shopper("lumina")
    member = regular(shopper.wallet_pass.program, phone="+85291234567")
    return Desk(shopper, member, shopper.stores["S12"])


def regular(program: Program, **fields: object) -> Member:
    """A member of long standing, with no wallet and the welcome gift behind them."""
    member = factories.MemberFactory.create(
        program=program, joined_at=clock.now() - timedelta(days=400), **fields
    )
    account = factories.PointAccountFactory.create(member=member)
    factories.CapUseFactory.create(account=account, key=f"{program.rules.get(code='R4').pk}/ever", used=1)
    return member


def an_hour_ago() -> datetime:
    return clock.now() - timedelta(hours=1)
