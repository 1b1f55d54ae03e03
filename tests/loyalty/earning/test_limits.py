"""Budgets and limits of purchases judged together: each has the room it would have had by itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.transaction import atomic, set_rollback
from django.test.utils import CaptureQueriesContext

from loyalty.earning import awards, drafts, rule_versions, trials
from loyalty.earning.models import Award, BudgetUse, Rule
from loyalty.earning.purchases import Purchase
from loyalty.earning.rule_versions import Naming
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db
AUTUMN = TUESDAY.replace(month=9, day=12)
NOW = AUTUMN + timedelta(days=20)


def raised(rule: Rule, budget_points: int, *, on: datetime) -> None:
    latest = rule_versions.latest_versions(rule.program)
    draft = drafts.of(next(version for version in latest if version.rule_id == rule.pk))
    naming = Naming(code=rule.code, kind=rule.kind, name_en=rule.name_en, name_zh=rule.name_zh)
    rule_versions.publish(
        program=rule.program, naming=naming, draft=replace(draft, budget_points=budget_points), effective_at=on,
        now=TUESDAY,
    )  # fmt: skip


def statements(seen: CaptureQueriesContext, *tables: str) -> list[str]:
    """Which of the tables' rows were locked, in order."""
    asked = [query["sql"] for query in seen.captured_queries if query["sql"].rstrip().endswith("UPDATE")]
    return [table for sql in asked for table in tables if table in sql]


def given(asked: Sequence[Sequence[Purchase]]) -> tuple[list[int], int]:
    """The points of each and what is used of the budget, when earned in these runs; leaves nothing behind."""
    with atomic():
        for run in asked:
            awards.earn_all(run, now=NOW)
        found = list(Award.objects.order_by("pk").values_list("points", flat=True))
        used = BudgetUse.objects.get().used
        set_rollback(True)
    return found, used


def of_both_days(person: Shopper) -> list[Purchase]:
    days = (AUTUMN, AUTUMN + timedelta(days=9), AUTUMN, AUTUMN + timedelta(days=9))
    return [person.purchase(10_000 + place * 100, at=day) for place, day in enumerate(days)]


@pytest.mark.parametrize("is_raised", [True, False], ids=["raised", "lowered"])
def test_a_budget_that_a_later_version_changes_counts_for_each_purchase_by_its_day(is_raised: bool) -> None:
    person = shopper("lumina")
    rule = person.wallet_pass.program.rules.get(code="R9")
    BudgetUse.objects.create(rule=rule, used=2_000_000 - (0 if is_raised else 70))
    raised(rule, 3_000_000 if is_raised else 1_000, on=AUTUMN + timedelta(days=5))
    asked = of_both_days(person)

    alone = given([[one] for one in asked])
    together = given([asked])
    foreseen = trials.foresee(asked, now=NOW, tried=Counter(), held=set())

    assert together == alone
    assert foreseen == alone[0]
    assert alone[0] == ([100, 151, 102, 153] if is_raised else [150, 101, 122, 103])


def test_a_member_is_locked_before_a_budget_though_nothing_limits_the_member() -> None:
    person = shopper("lumina")
    rule = person.wallet_pass.program.rules.get(code="R9")
    latest = rule_versions.latest_versions(rule.program)
    draft = drafts.of(next(version for version in latest if version.rule_id == rule.pk))
    naming = Naming(code=rule.code, kind=rule.kind, name_en=rule.name_en, name_zh=rule.name_zh)
    rule_versions.publish(
        program=rule.program, naming=naming, effective_at=TUESDAY, now=TUESDAY,
        draft=replace(draft, limit_amount=None, limit_unit="", limit_period=""),
    )  # fmt: skip

    with CaptureQueriesContext(connection) as seen:
        award = person.pays(10_000, at=AUTUMN)

    assert award.points == 150
    assert statements(seen, "ledger_pointaccount", "earning_budgetuse") == [
        "ledger_pointaccount",
        "earning_budgetuse",
    ]
