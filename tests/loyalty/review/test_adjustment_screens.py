"""Adjustments and differences on the staff screens: asked for by one login, approved by another, within their malls."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.review.models import AdjustmentRequest, Finding
from pms.models import MallStaff
from tests import factories
from tests.loyalty.earning.programs import Shopper, shopper
from tests.loyalty.review.daily import as_file, compared, line, mall_of
from tests.screens import page_of

pytestmark = pytest.mark.django_db
Role = MallStaff.Role
ADD = "admin:review_adjustmentrequest_add"


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def staff(person: Shopper, role: str) -> Client:
    client, mall = Client(), mall_of(person)
    client.force_login(factories.MallStaffFactory.create(mall=mall, group=mall.group, role=role).user)
    return client


def typed(client: Client, person: Shopper, **fields: str) -> dict[str, str]:
    page = client.get(reverse(ADD)).content.decode()
    [token] = re.findall(r'name="token" value="(\w+)"', page)
    return {
        "token": token,
        "mall": str(mall_of(person).pk),
        "member": person.wallet_pass.member.card_number,
        "points": "250",
        "reason": "GOODWILL",
        "purchase": "",
        "note": "The escalator ate her shoe",
    } | fields


def test_one_asks_and_another_approves(person: Shopper) -> None:
    operator, reviewer = staff(person, Role.OPERATOR), staff(person, Role.REVIEWER)
    operator.post(reverse(ADD), typed(operator, person))
    asked = AdjustmentRequest.objects.get()

    answer = reviewer.post(page_of(asked, "deed", "approve"), follow=True)

    asked.refresh_from_db()
    assert (asked.state, person.balance) == ("APPROVED", 250)
    assert "Approved. The balance is 250 points now." in answer.content.decode()


def test_whoever_asked_sees_no_button_to_approve_and_pressing_it_all_the_same_does_nothing(
    person: Shopper,
) -> None:
    manager = staff(person, Role.MANAGER)
    manager.post(reverse(ADD), typed(manager, person))
    asked = AdjustmentRequest.objects.get()

    page = manager.get(page_of(asked)).content.decode()
    pressed = manager.post(page_of(asked, "deed", "approve")).content.decode()

    asked.refresh_from_db()
    assert page_of(asked, "deed", "approve") not in page
    assert page_of(asked, "deed", "cancel") in page
    assert "You asked for it, so somebody else decides." in pressed
    assert (asked.state, person.balance) == ("PENDING", 0)


def test_who_comes_late_is_told_who_was_faster(person: Shopper) -> None:
    asked = factories.AdjustmentRequestFactory.create(
        mall=mall_of(person), account=person.wallet_pass.member.account
    )
    staff(person, Role.REVIEWER).post(page_of(asked, "deed", "reject"), {"typed": "no"})

    late = staff(person, Role.REVIEWER).post(page_of(asked, "deed", "approve")).content.decode()

    asked.refresh_from_db()
    assert f"{asked.decided_by} has decided “rejected” meanwhile.".capitalize() in late
    assert (asked.state, person.balance) == ("REJECTED", 0)


@pytest.mark.parametrize("points", ["1e3", "１００", "1.5", "1000000000000", "0", ""])
def test_points_are_whole_and_in_digits(person: Shopper, points: str) -> None:
    operator = staff(person, Role.OPERATOR)

    answer = operator.post(reverse(ADD), typed(operator, person, points=points))

    assert (answer.status_code, AdjustmentRequest.objects.count()) == (200, 0)


def test_a_double_click_asks_once(person: Shopper) -> None:
    operator = staff(person, Role.OPERATOR)
    form = typed(operator, person)

    for _ in range(2):
        operator.post(reverse(ADD), form)

    assert AdjustmentRequest.objects.count() == 1


def test_the_counter_neither_asks_nor_approves(person: Shopper) -> None:
    counter = staff(person, Role.COUNTER)
    asked = factories.AdjustmentRequestFactory.create(
        mall=mall_of(person), account=person.wallet_pass.member.account
    )

    answers = [
        counter.get(reverse(ADD)),
        counter.post(page_of(asked, "deed", "approve")),
        counter.get(page_of(asked)),
    ]

    asked.refresh_from_db()
    assert {answer.status_code for answer in answers} == {403}
    assert asked.state == "PENDING"


def test_another_malls_requests_are_not_there(person: Shopper) -> None:
    asked = factories.AdjustmentRequestFactory.create(
        mall=mall_of(person), account=person.wallet_pass.member.account
    )
    mall = factories.MallFactory.create()
    stranger = Client()
    stranger.force_login(
        factories.MallStaffFactory.create(mall=mall, group=mall.group, role=Role.REVIEWER).user
    )

    answer = stranger.post(page_of(asked, "deed", "approve"))

    asked.refresh_from_db()
    assert (answer.status_code, asked.state) == (404, "PENDING")


def test_the_payer_and_the_shop_are_said_with_the_repair(person: Shopper) -> None:
    operator = staff(person, Role.OPERATOR)
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    finding = Finding.objects.get()
    form = {
        "member": person.wallet_pass.user_id,
        "store": str(person.stores["S12"].pk),
        "note": "She showed the payment",
    }

    operator.post(reverse("admin:review_finding_repair", args=[finding.pk]), form)
    asked = AdjustmentRequest.objects.get()
    staff(person, Role.REVIEWER).post(page_of(asked, "deed", "approve"))

    finding.refresh_from_db()
    assert (asked.points, finding.state, person.balance) == (688, "REPAIRED", 688)


def test_repairs_are_asked_for_together_and_those_that_cannot_be_are_named(person: Shopper) -> None:
    operator = staff(person, Role.OPERATOR)
    person.pays(68800)
    person.pays(20000)
    compared(mall_of(person), as_file([line("B1", "600.00"), line("NOBODYS", "50.00")]))
    chosen = list(Finding.objects.values_list("pk", flat=True))

    page = operator.post(
        reverse("admin:review_finding_changelist"),
        {"action": "ask_together", "_selected_action": chosen},
        follow=True,
    ).content.decode()

    assert "2 repairs asked for; somebody else approves them." in page
    assert "NOBODYS: The file does not name the payer. Say who paid." in page
    assert sorted(AdjustmentRequest.objects.values_list("points", flat=True)) == [-200, -88]


def test_what_is_left_as_it_is_says_why(person: Shopper) -> None:
    operator = staff(person, Role.OPERATOR)
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    finding = Finding.objects.get()

    operator.post(page_of(finding, "deed", "dismiss"), {"typed": "A test payment"})

    finding.refresh_from_db()
    assert (finding.state, finding.note) == ("DISMISSED", "A test payment")
