"""An installation from before facts were kept on awards: it migrates with what it holds, and is proved afterwards."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.utils import IntegrityError

from loyalty.earning import recount
from loyalty.earning.models import Award
from tests import databases
from tests.factories import MOMENT

BEFORE = [("earning", "0002_guards"), ("alipayhk", "0002_guards")]
MET = [
    {"condition": "MEMBER_OPEN", "is_met": True, "found": True},
    {"condition": "CONSENT", "is_met": True, "found": "in force"},
    {"condition": "CURRENCY", "is_met": True, "found": "HKD"},
    {"condition": "STORE_TAKES_PART", "is_met": True, "found": True},
    {"condition": "RULE_IN_FORCE", "is_met": True, "found": True},
    {"condition": "SPENT_SOMETHING", "is_met": True, "found": "138.90"},
]


@pytest.fixture
def before(django_db_blocker: Any) -> Iterator[Apps]:
    """The models as they were, in a database of their own."""
    database = databases.empty()
    with django_db_blocker.unblock(), databases.owned(database):
        for app, name in BEFORE:
            call_command("migrate", app, name, verbosity=0, interactive=False)
        yield MigrationLoader(connection).project_state(BEFORE).apps
    databases.drop(database.name)


class Then:
    """One member of one program with a base rule of a point a dollar from HK$100 on."""

    def __init__(self, apps: Apps) -> None:
        self.apps = apps
        group = self.make("pms", "MallGroup", label="20230389", name_en="Lumina", name_zh="明薈")
        self.mall = self.make(
            "pms", "Mall", group=group, tag="lumina-plaza", name_en="Lumina Plaza", name_zh="明薈廣場"
        )
        self.store = self.make(
            "pms",
            "Store",
            group=group,
            mall=self.mall,
            pms_label="88001",
            code="L1-08",
            name_en="Sakura",
            name_zh="櫻",
        )
        self.program = self.make("members", "Program", group=group, name_en="Lumina", name_zh="明薈")
        self.member = self.make(
            "members", "Member", program=self.program, card_number="1", joined_at=MOMENT - timedelta(days=9)
        )
        rule = self.make("earning", "Rule", program=self.program, kind="BASE", name_en="Base", name_zh="基本")
        self.version = self.make(
            "earning",
            "RuleVersion",
            rule=rule,
            number=1,
            effective_at=MOMENT - timedelta(days=90),
            published_at=MOMENT,
            points_numerator=1,
            min_spend_cents=10000,
        )
        self.issued = self.account(kind="ISSUED")
        self.mine = self.account(kind="MEMBER", member=self.member, balance=0)

    def make(self, app: str, model: str, **values: Any) -> Any:
        return self.apps.get_model(app, model).objects.create(**values)

    def account(self, **values: Any) -> Any:
        return self.make("ledger", "PointAccount", program=self.program, changed_at=MOMENT, **values)

    def award(self, cents: int, points: int, conditions: list[dict[str, Any]], *, state: str) -> Any:
        purchase = self.make(
            "earning",
            "Transaction",
            group=self.mall.group,
            mall=self.mall,
            store=self.store,
            member=self.member,
            channel="WEBHOOK",
            state=state,
            amount_cents=cents,
            currency="HKD",
            paid_at=MOMENT,
            recorded_at=MOMENT,
        )
        return self.make(
            "earning",
            "Award",
            transaction=purchase,
            rule_version=self.version if conditions else None,
            posting=self.earned(points) if points else None,
            points=points,
            counted_cents=cents if points else 0,
            reasons=[{"code": "EARNED_BASE", "values": {}}],
            conditions=conditions,
            awarded_at=MOMENT,
        )

    def earned(self, points: int) -> Any:
        posting = self.make(
            "ledger", "Posting", program=self.program, kind="EARN", source="transaction:1", posted_at=MOMENT
        )
        entry = self.apps.get_model("ledger", "PointEntry")
        entry.objects.bulk_create(
            entry(posting=posting, account=account, points=moved)
            for account, moved in ((self.mine, points), (self.issued, -points))
        )
        return posting


def test_awards_from_before_are_recounted_by_the_facts_they_told_and_stay_frozen(before: Apps) -> None:
    then = Then(before)
    then.award(
        13890, 138, [*MET, {"condition": "MIN_SPEND", "is_met": True, "found": "138.90"}], state="EARNED"
    )
    then.award(
        9900, 0, [*MET, {"condition": "MIN_SPEND", "is_met": False, "found": "99.00"}], state="NOTHING"
    )
    then.award(13890, 0, [], state="DUPLICATE")

    call_command("migrate", verbosity=0, interactive=False)

    assert list(recount.breaches()) == []
    earned, nothing, duplicate = Award.objects.order_by("pk")
    assert (earned.facts["amount_cents"], earned.facts["mall"], earned.versions) == (
        13890,
        "lumina-plaza",
        [then.version.pk],
    )
    assert earned.lines == [{"rule": "BASE", "version": 1, "points": 138}]
    assert (nothing.lines, nothing.versions) == ([], [then.version.pk])
    assert (duplicate.facts, duplicate.versions) == ({}, [])
    with pytest.raises(IntegrityError, match="append-only"):
        Award.objects.filter(pk=earned.pk).update(points=5)


def test_an_award_from_before_that_gave_too_much_is_still_found(before: Apps) -> None:
    then = Then(before)
    wrong = then.award(
        13890, 139, [*MET, {"condition": "MIN_SPEND", "is_met": True, "found": "138.90"}], state="EARNED"
    )

    call_command("migrate", verbosity=0, interactive=False)

    assert [(breach.table, breach.row_id) for breach in recount.breaches()] == [("earning_award", wrong.pk)]
