"""The counter's screens: a form on the member's page, then confirm or release on the code's own page."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.ledger.models import Redemption
from tests import factories
from tests.loyalty.ledger.spenders import NOON, Spender, breaches, spender, untouched

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Spender:
    someone = spender()
    someone.gets(100)
    return someone


@pytest.fixture
def counter(person: Spender) -> Client:
    return client_of("COUNTER", person)


def client_of(role: str, person: Spender, **options: bool) -> Client:
    staff = factories.MallStaffFactory.create(role=role, mall=person.mall, group=person.mall.group)
    client = Client(**options)  # type: ignore[arg-type]
    client.force_login(staff.user)
    return client


def page(person: Spender) -> str:
    return reverse("admin:members_member_change", args=[person.member.pk])


def address(person: Spender) -> str:
    return reverse("admin:ledger_redemption_reserve", args=[person.member.pk])


def form(person: Spender, points: object, **more: object) -> dict[str, object]:
    return {"points": points, "mall": person.mall.pk, "payment_number": "", "request_key": "form-1"} | more


def deed(redemption: Redemption, name: str) -> str:
    return reverse("admin:ledger_redemption_deed", args=[redemption.pk, name])


def test_the_members_page_offers_the_form_with_the_programs_terms(person: Spender, counter: Client) -> None:
    shown = counter.get(page(person)).content.decode()

    assert f'action="{address(person)}"' in shown
    assert 'name="csrfmiddlewaretoken"' in shown
    assert "10 points are HK$1; at least 10 points; the code lives 60 seconds." in shown


def test_points_are_set_aside_and_the_code_is_shown(person: Spender, counter: Client) -> None:
    answer = counter.post(address(person), form(person, 80, payment_number="B1"), follow=True)

    redemption = Redemption.objects.get()
    shown = answer.content.decode()
    assert answer.redirect_chain[-1][0] == reverse("admin:ledger_redemption_change", args=[redemption.pk])
    assert redemption.code in shown and "HK$8.00" in shown
    assert deed(redemption, "confirm") in shown and deed(redemption, "release") in shown
    assert (person.balance, redemption.payment_number) == (20, "B1")


def test_confirming_spends_the_points_and_takes_the_buttons_away(person: Spender, counter: Client) -> None:
    counter.post(address(person), form(person, 80))
    redemption = Redemption.objects.get()

    answer = counter.post(deed(redemption, "confirm"), follow=True)

    redemption.refresh_from_db()
    assert (redemption.state, person.total_of("REDEEMED")) == ("CONFIRMED", 80)
    assert deed(redemption, "release") not in answer.content.decode()
    assert counter.post(deed(redemption, "confirm")).status_code == 403
    assert (person.total_of("REDEEMED"), breaches()) == (80, [])


def test_releasing_gives_the_points_back(person: Spender, counter: Client) -> None:
    counter.post(address(person), form(person, 80))

    counter.post(deed(Redemption.objects.get(), "release"))

    assert (Redemption.objects.get().state, person.balance) == ("RELEASED", 100)


def test_the_form_sent_twice_asks_once(person: Spender, counter: Client) -> None:
    for _ in range(2):
        counter.post(address(person), form(person, 40))

    assert (Redemption.objects.count(), person.balance) == (1, 60)


def test_each_form_shown_is_a_request_of_its_own(person: Spender, counter: Client) -> None:
    keys = {
        re.search(r'name="request_key" value="(\w+)"', counter.get(page(person)).content.decode())[1]  # type: ignore[index]
        for _ in range(2)
    }

    assert len(keys) == 2


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (110, "Not enough points."),
        (15, "Redeem points in steps of 10."),
        (5, "Redeem at least 10 points at a time."),
        ("many", "Enter a whole number."),
        ("", "This field is required."),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(
    person: Spender, counter: Client, points: object, said: str
) -> None:
    before = untouched()

    answer = counter.post(address(person), form(person, points), follow=True)

    assert said in answer.content.decode()
    assert (untouched(), person.balance) == (before, 100)


def test_a_code_after_its_time_is_refused_on_its_page(person: Spender, counter: Client) -> None:
    redemption = person.reserves(80, now=NOON)

    answer = counter.post(deed(redemption, "confirm"), follow=True)

    redemption.refresh_from_db()
    assert "The code has expired" in answer.content.decode()
    assert (redemption.state, person.balance) == ("RESERVED", 20)


def test_the_form_needs_its_csrf_token(person: Spender) -> None:
    client = client_of("COUNTER", person, enforce_csrf_checks=True)

    answer = client.post(address(person), form(person, 80))

    assert (answer.status_code, person.balance) == (403, 100)


def test_staff_of_another_group_see_neither_member_nor_code(person: Spender) -> None:
    redemption = person.reserves(10)
    stranger = client_of("MANAGER", spender())

    found = [
        stranger.post(address(person), form(person, 10)).status_code,
        stranger.post(deed(redemption, "confirm")).status_code,
        stranger.get(reverse("admin:ledger_redemption_change", args=[redemption.pk])).status_code,
    ]

    assert found == [404, 404, 404]
    assert (person.balance, Redemption.objects.get().state) == (90, "RESERVED")


def test_a_mall_that_the_login_does_not_see_cannot_be_chosen(person: Spender, counter: Client) -> None:
    sister = factories.MallFactory.create(group=person.mall.group)

    counter.post(address(person), form(person, 10, mall=sister.pk))

    assert (Redemption.objects.count(), person.balance) == (0, 100)


def test_a_login_without_a_role_gets_no_form_and_may_not_redeem(person: Spender) -> None:
    client = Client()
    client.force_login(factories.UserFactory.create())

    assert client.post(address(person), form(person, 10)).status_code == 403
    assert person.balance == 100


def test_a_member_who_is_suspended_is_offered_no_form(person: Spender, counter: Client) -> None:
    person.member.state = "SUSPENDED"
    person.member.save()

    assert address(person) not in counter.get(page(person)).content.decode()


def test_the_pages_speak_chinese(person: Spender, counter: Client) -> None:
    counter.cookies["django_language"] = "zh-hant"

    shown = counter.get(page(person)).content.decode()

    assert "兌換積分" in shown and "10 分兌 HK$1；每次最少 10 分；兌換碼有效 60 秒。" in shown


def test_the_list_finds_a_code(person: Spender, counter: Client) -> None:
    redemption = person.reserves(10)
    person.reserves(20)

    shown = counter.get(
        reverse("admin:ledger_redemption_changelist"), {"q": redemption.code}
    ).content.decode()

    assert redemption.code in shown
    assert shown.count("ledger/redemption/") >= 1
