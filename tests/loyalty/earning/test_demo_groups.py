"""The demo groups: loaded with all their rules, in any order, as often as one likes."""

import json

import pytest
from django.core.management import call_command

from loyalty.earning.models import Rule, RuleVersion
from members.models import Program
from pms.models import Mall, MallStaff, Store

pytestmark = pytest.mark.django_db

TAGS = {"lumina-plaza", "lumina-garden", "lumina-walk", "verdant-place", "verdant-arts", "pier-8"}
CATEGORIES = {"DINING", "FASHION", "SERVICES", "BEAUTY", "ELECTRONICS", "SUPERMARKET", "JEWELLERY"}


def seeded(group: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    call_command("seed_demo", "--group", group, "--password", "a long enough password")
    said: dict[str, object] = json.loads(capsys.readouterr().out)
    return said


def test_all_groups_load_with_their_rules_and_again_change_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeded("pier8", capsys)
    seeded("all", capsys)
    again = seeded("all", capsys)

    assert again["created"] == 0
    assert set(Mall.objects.values_list("tag", flat=True)) == TAGS
    assert set(Store.objects.values_list("category", flat=True)) == CATEGORIES
    assert not Store.objects.exclude(pms_label__in=Store.objects.values("code")).exists()
    assert Store.objects.filter(pms_label="VP-088", mall__tag="verdant-place").exists()
    codes = {
        program.name_en: set(program.rules.values_list("code", flat=True))
        for program in Program.objects.all()
    }
    assert codes == {
        "Lumina Club": {"R1", "R2", "R3", "R4", "R9", "R10", "R11"},
        "V Rewards": {"R5", "R6", "R10", "R11"},
        "Pier Points": {"BASE", "R7", "R8", "R10", "R11"},
    }
    assert set(RuleVersion.objects.values_list("number", flat=True)) == {1}
    assert MallStaff.objects.filter(user__username="demo-counter").count() == 3


def test_what_staff_changed_since_stays_changed(capsys: pytest.CaptureFixture[str]) -> None:
    seeded("lumina", capsys)
    Rule.objects.filter(code="R4").update(name_en="Hello")
    versions = RuleVersion.objects.count()

    seeded("lumina", capsys)

    assert Rule.objects.get(code="R4").name_en == "Hello"
    assert RuleVersion.objects.count() == versions
