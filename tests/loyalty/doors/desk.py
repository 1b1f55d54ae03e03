"""A mall with the first demo program, a member with a card and no wallet, and staff at its doors."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.test import Client

from loyalty.ledger.models import PointAccount
from members.models import Member
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

    def staff(self, role: str = MallStaff.Role.COUNTER, mall: Mall | None = None) -> Client:
        found = mall or self.mall
        client = Client()
        client.force_login(factories.MallStaffFactory.create(mall=found, group=found.group, role=role).user)
        return client


def lumina() -> Desk:
    """Without the welcome gift, so that a dollar is a point."""
    shopper = programs.shopper("lumina")
    program = shopper.wallet_pass.program
    member = factories.MemberFactory.create(
        program=program, phone="+85291234567", joined_at=clock.now() - timedelta(days=400)
    )
    account = factories.PointAccountFactory.create(member=member)
    factories.CapUseFactory.create(account=account, key=f"{program.rules.get(code='R4').pk}/ever", used=1)
    return Desk(shopper, member, shopper.stores["S12"])


def an_hour_ago() -> datetime:
    return clock.now() - timedelta(hours=1)
