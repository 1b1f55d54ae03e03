"""Adjustments and differences on the staff screens: asked for by one login, approved by another, within their malls."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.review.models import AdjustmentRequest, Finding, ProviderColumn
from loyalty.review.reconciliation import MemberElsewhere
from pms.models import Mall, MallStaff
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.review import daily
from tests.loyalty.review.daily import as_file, compared, line, mall_of
from tests.screens import page_of, seen_all

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


def test_a_purchase_of_another_mall_is_not_adjusted_in_this_one(person: Shopper) -> None:
    person.pays(5000)
    other = Mall.objects.get(tag="lumina-plaza-2")
    client = Client()
    client.force_login(
        factories.MallStaffFactory.create(mall=None, group=other.group, role=Role.OPERATOR).user
    )

    answer = client.post(reverse(ADD), typed(client, person, purchase="B1", mall=str(other.pk)))

    assert "This purchase was made in another mall." in answer.content.decode()
    assert AdjustmentRequest.objects.count() == 0


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


def test_a_payer_of_another_group_is_refused(person: Shopper) -> None:
    stranger = shopper("pier8").wallet_pass.member
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    finding, root = Finding.objects.get(), Client()
    root.force_login(factories.UserFactory.create(is_staff=True, is_superuser=True))
    form = {"member": stranger.card_number, "store": "", "note": "She showed the payment"}

    answer = root.post(reverse("admin:review_finding_repair", args=[finding.pk]), form)

    assert "The member belongs to another mall group." in answer.content.decode()
    with pytest.raises(MemberElsewhere):
        daily.asked(finding, daily.approver(), member=stranger)
    assert AdjustmentRequest.objects.count() == 0


def test_a_phone_that_two_groups_know_means_the_member_of_the_mall_in_question(person: Shopper) -> None:
    ours, theirs = person.wallet_pass.member, shopper("pier8").wallet_pass.member
    for member in (ours, theirs):
        member.phone = "+85261230055"
        member.save(update_fields=["phone"])
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    root, found = seen_all(), Finding.objects.get()
    repair = {"member": "6123 0055", "store": str(person.stores["S12"].pk), "note": "She showed the payment"}

    root.post(reverse("admin:review_finding_repair", args=[found.pk]), repair)
    root.post(reverse(ADD), typed(root, person, member="6123 0055"))

    assert [asked.account.member for asked in AdjustmentRequest.objects.all()] == [ours, ours]


def test_a_wrong_payer_is_corrected_after_a_rejection(person: Shopper) -> None:
    operator, reviewer = staff(person, Role.OPERATOR), staff(person, Role.REVIEWER)
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    finding = Finding.objects.get()
    address = reverse("admin:review_finding_repair", args=[finding.pk])
    other = factories.PassFactory.create(
        active=True, member__program=person.wallet_pass.program, mall=finding.mall
    )
    factories.ConsentFactory.create(wallet_pass=other, began_at=TUESDAY - timedelta(days=900))
    wrong = other.member
    form = {"store": str(person.stores["S12"].pk), "note": "She showed the payment"}
    daily.asked(finding, daily.approver(), member=wrong, store=person.stores["S12"])
    reviewer.post(page_of(AdjustmentRequest.objects.get(), "deed", "reject"), {"typed": "Not hers"})

    page = operator.get(address).content.decode()
    operator.post(address, form | {"member": person.wallet_pass.member.card_number})

    assert wrong.card_number in page
    again = AdjustmentRequest.objects.get(state="PENDING")
    assert again.account.member == person.wallet_pass.member


def test_columns_hold_for_a_whole_group_and_are_named_by_who_sees_all_of_it(person: Shopper) -> None:
    address, mall = reverse("admin:review_providercolumn_add"), mall_of(person)
    whole = Client()
    whole.force_login(factories.MallStaffFactory.create(mall=None, group=mall.group, role=Role.MANAGER).user)
    form = {"program": str(person.wallet_pass.program.pk), "field": "amount", "heading": "Betrag"}

    refused = staff(person, Role.MANAGER).post(address, form)
    count = ProviderColumn.objects.count()
    whole.post(address, form)

    assert (refused.status_code, count, ProviderColumn.objects.count()) == (403, 0, 1)


def test_the_csv_keeps_long_numbers_whole_and_other_currencies_in_their_smallest_unit(
    person: Shopper,
) -> None:
    file = compared(
        mall_of(person),
        as_file([line("2026031022001412345678901234", "688.00"), line("B2", "5.00")]),
    )
    Finding.objects.filter(number="B2").update(currency="JPY")

    answer = staff(person, Role.MANAGER).get(reverse("admin:review_reconciliation_findings", args=[file.pk]))

    told = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # it streams
    assert ",'2026031022001412345678901234," in told
    assert ",688.00,0.00,688.00,HKD," in told
    assert ",500,0,500,JPY (smallest unit)," in told


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
