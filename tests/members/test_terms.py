"""A program's terms and tiers on staff screens: who may change them, what is refused by name, and the history."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from members.models import Program, Tier
from pms.models import MallStaff, User
from tests import walls
from tests.factories import MallFactory, ProgramFactory, TierFactory
from tests.screens import logged_in, manager_of, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    mall = MallFactory.create()
    made: Program = ProgramFactory.create(group=mall.group)
    return made


@pytest.fixture
def manager(program: Program) -> Client:
    return manager_of(program.group)


def form_of(program: Program) -> str:
    return reverse("admin:members_program_terms", args=[program.pk])


def typed(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """What the form would send as it is shown, with some fields typed over."""
    form = client.get(address).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in (shown | changes).items() if value not in (None, False)}


def test_a_manager_of_the_group_changes_the_terms_and_the_page_tells_who_and_what(
    program: Program, manager: Client
) -> None:
    changed = typed(manager, form_of(program), expiry="DAYS", expiry_count=365, manual_window_days=7)

    answer = manager.post(form_of(program), changed)

    program.refresh_from_db()
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert answer["Location"] == page_of(program)
    assert (program.expiry, program.expiry_count, program.manual_window_days) == ("DAYS", 365, 7)
    told = manager.get(page_of(program)).content.decode()
    assert "Never" in told
    assert "Days after payment" in told
    assert "14" in told
    assert User.objects.get(mall_staff__group=program.group).username in told


def test_scores_and_the_share_of_checks_are_terms_and_a_block_may_be_taken_out_again(
    program: Program, manager: Client
) -> None:
    scores = {"duplicate_flag_score": 70, "duplicate_hold_score": 90, "duplicate_block_score": 95}
    answer = manager.post(
        form_of(program),
        typed(manager, form_of(program)) | scores | {"spot_check_percent": 20, "expiry_count": 0},
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    program.refresh_from_db()
    assert (program.duplicate_flag_score, program.duplicate_hold_score) == (70, 90)
    assert (program.duplicate_block_score, program.spot_check_percent) == (95, 20)

    without = {"duplicate_block_score": "", "expiry_count": 0}
    manager.post(form_of(program), typed(manager, form_of(program)) | without)

    program.refresh_from_db()
    told = manager.get(page_of(program)).content.decode()
    assert program.duplicate_block_score is None
    assert "from 70 of 100" in told and "20 %" in told


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expiry": "DAYS", "expiry_count": 0}, "expiry_count"),
        ({"expiry": "NEVER", "expiry_count": 5}, "expiry_count"),
        ({"redemption_min_points": 2600}, "redemption_min_points"),
        ({"redemption_points_per_hkd": 0}, "redemption_points_per_hkd"),
        ({"redemption_seconds": 5}, "redemption_seconds"),
        ({"manual_window_days": 0}, "manual_window_days"),
        ({"negative_balance": "WHATEVER"}, "negative_balance"),
        ({"joining_grace_days": -1}, "joining_grace_days"),
        ({"spot_check_percent": 101}, "spot_check_percent"),
        ({"duplicate_flag_score": 0}, "duplicate_flag_score"),
        ({"duplicate_flag_score": 90}, "duplicate_hold_score"),
        ({"duplicate_block_score": 80}, "duplicate_block_score"),
    ],
)
def test_what_cannot_be_is_refused_by_the_field(
    program: Program, manager: Client, changes: dict[str, Any], field: str
) -> None:
    before = Program.objects.filter(pk=program.pk).values().get()

    answer = manager.post(form_of(program), typed(manager, form_of(program), **changes))

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert Program.objects.filter(pk=program.pk).values().get() == before


@pytest.mark.parametrize("role", MallStaff.Role.values)
def test_who_sees_only_one_mall_of_the_group_changes_neither_terms_nor_tiers(
    program: Program, role: str
) -> None:
    tier = TierFactory.create(program=program, min_spend_cents=0)
    mall = MallFactory.create(group=program.group)
    client = logged_in(walls.staff_of(mall, role))

    codes = [
        client.post(form_of(program), {"expiry": "YEAR_END"}).status_code,
        client.post(page_of(tier), {"spend": "5"}).status_code,
        client.get(reverse("admin:members_tier_add")).status_code,
    ]

    program.refresh_from_db()
    assert codes == [403, 403, 403]
    assert program.expiry == "NEVER"
    assert "Change the terms" not in client.get(page_of(program)).content.decode()


def test_two_who_change_the_terms_at_once_do_not_overwrite_each_other(
    program: Program, manager: Client
) -> None:
    shown = typed(manager, form_of(program), manual_window_days=7)
    Program.objects.filter(pk=program.pk).update(manual_window_days=30)

    answer = manager.post(form_of(program), shown)

    program.refresh_from_db()
    assert answer.status_code == 200
    assert "Somebody else saved this" in answer.content.decode()
    assert program.manual_window_days == 30


def test_a_tier_is_typed_in_dollars_and_as_one_factor(program: Program, manager: Client) -> None:
    TierFactory.create(program=program, min_spend_cents=0)
    given = {
        "program": program.pk, "code": "gold", "name_en": "Gold", "name_zh": "金",
        "spend": "100000.50", "factor": "1.5",
    }  # fmt: skip

    answer = manager.post(reverse("admin:members_tier_add"), given)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    tier = Tier.objects.get(program=program, code="GOLD")
    assert (tier.min_spend_cents, tier.factor_numerator, tier.factor_denominator) == (10_000_050, 3, 2)


def test_a_changed_tier_is_in_the_history_of_its_program(program: Program, manager: Client) -> None:
    TierFactory.create(program=program, min_spend_cents=0)
    tier = TierFactory.create(program=program, code="GOLD", name_en="Gold", min_spend_cents=100_000)

    manager.post(page_of(tier), typed(manager, page_of(tier), spend="2500", factor="4/3"))

    tier.refresh_from_db()
    assert (tier.min_spend_cents, tier.factor_numerator, tier.factor_denominator) == (250_000, 4, 3)
    told = manager.get(page_of(program)).content.decode()
    assert "HK$1,000.00" in told
    assert "HK$2,500.00" in told


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"spend": "500"}, "spend"),
        ({"spend": "1000"}, "spend"),
        ({"spend": "-1"}, "spend"),
        ({"factor": "0"}, "factor"),
        ({"factor": "1/0"}, "factor"),
        ({"factor": "much"}, "factor"),
        ({"factor": "1.00001"}, "factor"),
        ({"name_zh": ""}, "name_zh"),
    ],
)
def test_the_lowest_tier_stays_the_lowest_and_no_two_are_alike(
    program: Program, manager: Client, changes: dict[str, Any], field: str
) -> None:
    lowest = TierFactory.create(program=program, min_spend_cents=0)
    TierFactory.create(program=program, min_spend_cents=100_000)
    before = list(Tier.objects.order_by("pk").values())

    answer = manager.post(page_of(lowest), typed(manager, page_of(lowest), **changes))

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert list(Tier.objects.order_by("pk").values()) == before
