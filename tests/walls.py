"""Two malls of one group and a third of another, each with a row of everything that a wall must hide."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from members.models import Member
from pms.models import Mall, MallStaff, User
from tests.factories import (
    AwardFactory,
    BacktestRunFactory,
    CardTemplateFactory,
    ConsentFactory,
    ContactChangeFactory,
    CredentialFactory,
    CredentialKeyFactory,
    DuplicateCaseFactory,
    MallFactory,
    MallStaffFactory,
    MemberFactory,
    MemberTierFactory,
    NotificationFactory,
    NumberClaimFactory,
    PassCallFactory,
    PassFactory,
    PassUpdateFactory,
    PointAccountFactory,
    PointEntryFactory,
    PointLotFactory,
    PostingFactory,
    RedemptionFactory,
    RefundFactory,
    ReportRunFactory,
    RuleFactory,
    RuleVersionFactory,
    StoreFactory,
    TierFactory,
    TransactionFactory,
    UserFactory,
)


@dataclass
class World:
    """A mall and its rows. `mark` stands in every text of what belongs to the mall, `group_mark` of its group."""

    mall: Mall
    mark: str
    group_mark: str
    rows: list[Model] = field(default_factory=list)

    def of(self, model: type[Model]) -> Any:
        return next(row for row in self.rows if type(row) is model)


def plant(mall: Mall, mark: str, group_mark: str) -> World:
    """Everything, each text with its mark."""
    world = World(mall, mark, group_mark)
    member = _plant_people(world, mall)
    _plant_purchases(world, mall, member)
    _plant_program(world, mall, member)
    _plant_wire(world, mall, member)
    return world


def mall_with(mark: str, **options: Any) -> Mall:
    return MallFactory.create(
        name_en=f"{mark} mall", name_zh=f"{mark} 商場", tag=f"tag-{mark}", label=mark, **options
    )


def staff_of(mall: Mall, role: str = MallStaff.Role.MANAGER, **options: Any) -> User:
    user: User = UserFactory.create(**options)
    MallStaffFactory.create(user=user, mall=mall, role=role)
    return user


def _plant_people(world: World, mall: Mall) -> Member:
    mark = world.group_mark
    member = MemberFactory.create(program__group=mall.group, name=f"{mark} member")
    rule = RuleFactory.create(program=member.program)
    wallet_pass = PassFactory.create(member=member, mall=mall, active=True, external_id=f"{mark}{mall.pk}")
    account = PointAccountFactory.create(member=member)
    posting = PostingFactory.create(program=member.program, source=f"{mark}/{mall.pk}")
    world.rows += [
        member, rule, RuleVersionFactory.create(rule=rule), member.program, mall.group, wallet_pass, account, posting,
        ConsentFactory.create(wallet_pass=wallet_pass, evidence=mark), ContactChangeFactory.create(member=member),
        PointEntryFactory.create(account=account, posting=posting), PointLotFactory.create(account=account),
    ]  # fmt: skip
    return member


def _plant_purchases(world: World, mall: Mall, member: Member) -> None:
    mark = world.mark
    store = StoreFactory.create(
        mall=mall, name_en=f"{mark} store", name_zh=f"{mark} 店", code=mark, pms_label=mark, category=mark
    )
    purchase = TransactionFactory.create(
        mall=mall, store=store, member=member, merchant_name=f"{mark} merchant"
    )
    earlier = TransactionFactory.create(
        mall=mall, store=store, member=member, merchant_name=f"{mark} earlier"
    )
    world.rows += [
        mall, store, purchase, NumberClaimFactory.create(transaction=purchase),
        AwardFactory.create(transaction=purchase),
        RefundFactory.create(transaction=purchase, number=f"{mark}R"),
        DuplicateCaseFactory.create(transaction=purchase, earlier=earlier),
        ReportRunFactory.create(group=mall.group, mall_ids=[mall.pk], asked_by__username=f"{mark} asker"),
    ]  # fmt: skip


def _plant_program(world: World, mall: Mall, member: Member) -> None:
    """A back-test tells sums of every mall of its group, so it bears the mark of a mall: staff of one see none."""
    tier = TierFactory.create(program=member.program, name_en=f"{world.group_mark} tier")
    world.rows += [
        tier, MemberTierFactory.create(member=member, tier=tier),
        BacktestRunFactory.create(program=member.program, name_en=f"{world.mark} draft", name_zh=f"{world.mark} 草稿"),
        RedemptionFactory.create(account=member.account, mall=mall, payment_number=f"{world.mark}P"),
    ]  # fmt: skip


def _plant_wire(world: World, mall: Mall, member: Member) -> None:
    mark = world.mark
    credential = CredentialFactory.create(mall=mall, merchant_id=f"{mark}M", app_id=f"{mark}A")
    update = PassUpdateFactory.create(
        wallet_pass=world.of(type(member.passes.get())), last_code=world.group_mark
    )
    world.rows += [
        credential, CredentialKeyFactory.create(credential=credential), update, PassCallFactory.create(update=update),
        CardTemplateFactory.create(credential=credential, code=f"{mark}T"),
        NotificationFactory.create(
            mall=mall, group=mall.group, credential=credential, user_id=f"{mark}U", tracer_id=f"{mark}t",
            raw_body=f'{{"note": "{mark}"}}'.encode(), detail=f"{mark} detail",
        ),
    ]  # fmt: skip
