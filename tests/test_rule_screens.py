"""Staff write rules on screens: read them in both languages, try a payment, publish, and never change a version."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.earning import rule_versions
from loyalty.earning.models import Award, CapUse, Rule, RuleVersion, Transaction
from loyalty.ledger.models import PointEntry
from members.models import Program
from pms import clock
from pms.models import MallStaff
from tests.factories import MallFactory, MallStaffFactory, UserFactory
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import Shopper

pytestmark = pytest.mark.django_db

EXTRA = {
    "code": "R20", "name_en": "Double dining", "name_zh": "餐飲雙倍", "points_numerator": "1",
    "points_denominator": "1", "categories": ["JEWELLERY"], "stacking": "ADD", "rounding": "FLOOR", "seen": "0",
}  # fmt: skip


@pytest.fixture
def person() -> Shopper:
    return programs.shopper("verdant")


@pytest.fixture
def program(person: Shopper) -> Program:
    found: Program = person.wallet_pass.program
    return found


@pytest.fixture
def manager(program: Program) -> Client:
    """Of the whole group."""
    client = Client()
    staff = MallStaffFactory.create(mall=None, group=program.group, role=MallStaff.Role.MANAGER)
    client.force_login(staff.user)
    return client


def new_address(program: Program, kind: str = "EXTRA") -> str:
    return reverse("admin:earning_rule_new") + f"?program={program.pk}&kind={kind}"


def checked(page: Any) -> str:
    found = re.search(r'name="checked" value="([0-9a-f]{64})"', page.content.decode())
    return found.group(1) if found else ""


def publish(client: Client, address: str, typed: dict[str, Any]) -> Any:
    """Check, then publish what was checked."""
    digest = checked(client.post(address, typed | {"do": "check"}))
    return client.post(address, typed | {"do": "publish", "checked": digest})


def typed_of(page: Any) -> dict[str, Any]:
    """What the shown form would post."""
    form = page.context["form"]
    typed: dict[str, Any] = {}
    for field in form:
        value = field.value()
        if value in (None, "", False, (), []):
            continue
        if isinstance(value, tuple | list) and field.widget_type != "checkboxselectmultiple":
            value = ", ".join(value)
        typed[field.name] = "on" if value is True else value
    return typed


def counts() -> tuple[int, ...]:
    return tuple(
        model.objects.count() for model in (Rule, RuleVersion, Transaction, Award, PointEntry, CapUse)
    )


def test_the_summary_is_read_in_both_languages_before_anything_is_written(
    manager: Client, program: Program
) -> None:
    before = counts()

    page = manager.post(new_address(program), EXTRA | {"do": "check"})

    content = page.content.decode()
    assert "1 point extra per HK$1; for jewellery." in content
    assert "每 HK$1 額外獲 1 分" in content
    assert "The ceiling decides how much counts." in content
    assert 'value="publish"' in content
    assert counts() == before


def test_what_was_read_is_published_and_in_force_at_once(manager: Client, program: Program) -> None:
    answer = publish(manager, new_address(program), EXTRA)

    version = RuleVersion.objects.get(rule__code="R20")
    assert answer.status_code == 302
    assert (version.number, version.categories, version.points_numerator) == (1, ["JEWELLERY"], 1)
    assert abs(version.effective_at - clock.now()) < timedelta(minutes=1)
    assert b"Version 1 of Double dining is published." in manager.get(answer["Location"]).content


def test_what_was_not_read_is_not_published(manager: Client, program: Program) -> None:
    address = new_address(program)
    digest = checked(manager.post(address, EXTRA | {"do": "check"}))
    before = counts()

    page = manager.post(address, EXTRA | {"do": "publish", "checked": digest, "points_numerator": "9"})

    assert "Read what the rule would say first; then publish it." in page.content.decode()
    assert counts() == before


def test_a_version_can_start_later_but_never_in_the_past(manager: Client, program: Program) -> None:
    before = counts()

    past = publish(manager, new_address(program), EXTRA | {"effective_at": "2020-01-01T00:00"})
    assert "A version cannot start in the past" in past.content.decode()
    assert counts() == before

    later = publish(manager, new_address(program), EXTRA | {"effective_at": "2099-01-01T00:00"})
    assert later.status_code == 302
    assert RuleVersion.objects.get(rule__code="R20").effective_at.year == 2098  # 16:00 UTC the day before
    assert "to come" in manager.get(later["Location"]).content.decode().lower()


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"points_numerator": "0"}, "points_numerator"),
        ({"points_numerator": "99999999999999999999"}, "points_numerator"),
        ({"points_denominator": "0"}, "points_denominator"),
        ({"stores": "VP-088, NOWHERE"}, "stores"),
        ({"categories": ["NOTHING"]}, "categories"),
        ({"first_date": "2026-05-02", "last_date": "2026-05-01"}, "last_date"),
        ({"from_time": "18:00", "to_time": "17:00"}, "to_time"),
        ({"limit_amount": "5"}, "limit_amount"),
        ({"limit_amount": "1.5", "limit_unit": "TIMES", "limit_period": "DAY"}, "limit_amount"),
        ({"limit_amount": "5", "limit_unit": "STEPS", "limit_period": "DAY"}, "limit_unit"),
        ({"stacking": "BEST_OF"}, "stacking_group"),
        ({"occasion": "WELCOME"}, "limit_amount"),
        ({"min_spend_cents": "500", "max_spend_cents": "100"}, "max_spend_cents"),
        ({"code": "R6"}, "code"),
        ({"code": "a b"}, "code"),
        ({"name_en": "\x00"}, "name_en"),
        ({"effective_at": "soon"}, "effective_at"),
    ],
)
def test_a_fault_is_told_at_its_field_and_nothing_is_written(
    manager: Client, program: Program, typed: dict[str, Any], field: str
) -> None:
    before = counts()

    page = publish(manager, new_address(program), EXTRA | typed)

    assert page.status_code == 200
    assert field in page.context["form"].errors
    assert counts() == before


def test_a_rate_that_contradicts_another_is_pointed_out(manager: Client, program: Program) -> None:
    rate = EXTRA | {"categories": ["SUPERMARKET"]}
    before = counts()

    page = publish(manager, new_address(program, "RATE"), rate)

    assert "Supermarkets (R10)" in page.content.decode()
    assert counts() == before


@pytest.mark.parametrize("code", ["R5", "R6", "R10", "R11"])
def test_the_next_version_is_filled_in_with_the_latest(manager: Client, program: Program, code: str) -> None:
    rule = Rule.objects.get(program=program, code=code)
    address = reverse("admin:earning_rule_draft", args=[rule.pk])
    typed = typed_of(manager.get(address))

    page = publish(manager, address, typed)

    assert page.context["form"].non_field_errors() == [
        "The rule says just that already; nothing was published."
    ]
    assert rule.versions.count() == 1


def test_a_changed_rule_keeps_its_former_version(manager: Client, program: Program) -> None:
    rule = Rule.objects.get(program=program, code="R6")
    former = RuleVersion.objects.filter(rule=rule).values().get()
    address = reverse("admin:earning_rule_draft", args=[rule.pk])

    publish(manager, address, typed_of(manager.get(address)) | {"points_numerator": "4"})

    assert RuleVersion.objects.filter(pk=former["id"]).values().get() == former
    assert rule.versions.get(number=2).points_numerator == 4


def test_a_rule_is_switched_off_by_another_version(manager: Client, program: Program) -> None:
    rule = Rule.objects.get(program=program, code="R6")
    address = reverse("admin:earning_rule_draft", args=[rule.pk]) + "?off=1"

    answer = publish(manager, address, typed_of(manager.get(address)))

    assert rule.versions.get(number=2).is_off is True
    assert "Switched off: it pays nothing." in manager.get(answer["Location"]).content.decode()


def test_of_two_who_publish_at_once_the_second_is_told(manager: Client, program: Program) -> None:
    rule = Rule.objects.get(program=program, code="R6")
    address = reverse("admin:earning_rule_draft", args=[rule.pk])
    second = typed_of(manager.get(address)) | {"points_numerator": "7"}
    digest = checked(manager.post(address, second | {"do": "check"}))
    publish(manager, address, typed_of(manager.get(address)) | {"points_numerator": "4"})

    page = manager.post(address, second | {"do": "publish", "checked": digest})

    assert "Somebody else published version 2 of this rule" in page.content.decode()
    assert [version.points_numerator for version in rule.versions.order_by("number")] == [9, 4]


def test_a_payment_is_tried_with_the_draft_in_place_and_nothing_is_written(
    manager: Client, person: Shopper, program: Program
) -> None:
    typed = EXTRA | {
        "do": "check", "try-amount": "1000", "try-mall": "verdant-place", "try-category": "JEWELLERY",
        "try-at": "2026-06-01T12:00",
    }  # fmt: skip
    before = counts()

    page = manager.post(new_address(program), typed)

    content = page.content.decode()
    assert page.context["trial"].points == 2000
    assert "Double dining (draft)" in content
    assert "「餐飲雙倍」額外獲 1,000 分" in content or "「餐飲雙倍」額外獲 1000 分" in content
    assert counts() == before


def test_a_payment_is_tried_under_the_rules_in_force(manager: Client, program: Program) -> None:
    before = counts()

    page = manager.get(
        reverse("admin:earning_rule_try", args=[program.pk]),
        {
            "try-amount": "100",
            "try-mall": "verdant-place",
            "try-store": "VP-088",
            "try-at": "2026-05-10T12:00",
        },
    )

    trial = page.context["trial"]
    assert (trial.points, trial.pending) == (100, 900)
    assert "VP-088 十倍積分" in page.content.decode()
    assert counts() == before


def test_an_unknown_store_or_member_cannot_be_tried(manager: Client, program: Program) -> None:
    address = reverse("admin:earning_rule_try", args=[program.pk])
    common = {"try-amount": "100", "try-mall": "verdant-place"}

    store = manager.get(address, common | {"try-store": "NOWHERE"})
    member = manager.get(address, common | {"try-user_id": "nobody"})

    assert "store" in store.context["form"].errors
    assert "user_id" in member.context["form"].errors


@pytest.mark.parametrize("role", [MallStaff.Role.COUNTER, MallStaff.Role.OPERATOR, MallStaff.Role.REVIEWER])
def test_who_is_not_a_manager_writes_no_rule(program: Program, role: str) -> None:
    client = Client()
    client.force_login(MallStaffFactory.create(mall=None, group=program.group, role=role).user)
    rule = Rule.objects.get(program=program, code="R6")
    before = counts()

    codes = [
        client.post(new_address(program), EXTRA | {"do": "check"}).status_code,
        client.get(reverse("admin:earning_rule_draft", args=[rule.pk])).status_code,
    ]

    assert codes == [403, 403]
    assert counts() == before


def test_a_manager_of_one_mall_alone_writes_no_rule_of_the_group(program: Program) -> None:
    mall = program.group.malls.first()
    client = Client()
    client.force_login(MallStaffFactory.create(mall=mall, role=MallStaff.Role.MANAGER).user)
    rule = Rule.objects.get(program=program, code="R6")

    page = client.get(reverse("admin:earning_rule_change", args=[rule.pk]))

    assert client.get(reverse("admin:earning_rule_draft", args=[rule.pk])).status_code == 403
    assert page.status_code == 200
    assert b"Change this rule" not in page.content


def test_rules_of_another_group_are_not_found(manager: Client) -> None:
    other = programs.shopper("pier8").wallet_pass.program
    rule = Rule.objects.filter(program=other).first()
    assert rule is not None

    assert manager.get(reverse("admin:earning_rule_draft", args=[rule.pk])).status_code == 404
    assert manager.get(reverse("admin:earning_rule_try", args=[other.pk])).status_code == 404
    assert b"Change this rule" not in manager.get(new_address(other)).content


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_the_rule_page_tells_its_versions_and_what_is_in_force(
    manager: Client, program: Program, language: str
) -> None:
    manager.cookies["django_language"] = language
    rule = Rule.objects.get(program=program, code="R6")
    address = reverse("admin:earning_rule_draft", args=[rule.pk])
    publish(manager, address, typed_of(manager.get(address)) | {"points_numerator": "4"})

    content = manager.get(reverse("admin:earning_rule_change", args=[rule.pk])).content.decode()

    assert "4 points extra per HK$1" in content
    assert "每 HK$1 額外獲 9 分" in content
    assert {"en": "In force", "zh-hant": "生效中"}[language] in content


def test_staff_with_no_program_choose_no_kind() -> None:
    MallFactory.create()
    client = Client()
    client.force_login(UserFactory.create())

    assert client.get(reverse("admin:earning_rule_new")).status_code == 403


def test_every_kind_is_offered_but_a_second_base_rate(manager: Client, program: Program) -> None:
    page = manager.get(reverse("admin:earning_rule_new"))

    assert page.status_code == 200
    assert b"kind=EXTRA" in page.content
    assert b"kind=BASE" not in page.content
    assert rule_versions.latest_base(program) is not None
