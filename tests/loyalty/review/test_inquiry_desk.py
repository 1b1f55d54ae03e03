"""The missing-points desk: one box, a verdict in both languages, and each mall behind its own wall."""

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import inquiry_search
from members.models import Member
from pms.models import Mall, MallStaff, Store
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db

AT = TUESDAY + timedelta(minutes=89)
MOST_QUESTIONS = 40


@pytest.fixture
def person() -> Shopper:
    found = shopper("lumina")
    Store.objects.filter(pk=found.stores["S12"].pk).update(name_en="Sakura", name_zh="櫻花")
    found.stores["S12"].refresh_from_db()
    return found


@pytest.fixture
def clerk(person: Shopper) -> Client:
    return staff(person.wallet_pass.mall)


def staff(mall: Mall, role: str = MallStaff.Role.COUNTER) -> Client:
    client = Client()
    client.force_login(factories.MallStaffFactory.create(mall=mall, group=mall.group, role=role).user)
    return client


def ask(client: Client, text: str, **options: Any) -> str:
    answer = client.post(reverse("missing-points"), {"q": text}, **options)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_a_bill_number_leads_to_what_was_paid_and_given(person: Shopper, clerk: Client) -> None:
    award = person.pays(68800, at=AT, numbers={"PAYMENT": "20260310AB77"})

    page = ask(clerk, " 20260310ab77 ")

    assert "Paid HK$688.00 on 10 Mar at 14:29, Sakura: 688 points were given." in page
    assert "獲發 688 分" in page
    assert "櫻花" in page
    assert reverse("admin:earning_transaction_change", args=[award.transaction_id]) in page


@pytest.mark.parametrize("by", ["phone", "card", "user", "name"])
def test_a_member_is_found_by_what_a_customer_reads_out(person: Shopper, clerk: Client, by: str) -> None:
    person.pays(68800, at=AT)
    member = person.wallet_pass.member
    Member.objects.filter(pk=member.pk).update(name="Chan Siu Ming")
    typed = {
        "phone": member.phone.removeprefix("+852"), "card": member.card_number,
        "user": person.wallet_pass.user_id, "name": "CHAN siu ming",
    }  # fmt: skip

    page = ask(clerk, typed[by])

    assert "688 points were given." in page
    assert member.phone not in page.replace(typed["phone"], "")


def test_a_receipt_number_of_the_counter_is_found(person: Shopper, clerk: Client) -> None:
    person.hands_in(68800, at=AT, numbers={"RECEIPT": "R-1001"})

    page = ask(clerk, "receipt r-1001")

    assert "Paid HK$688.00" in page


@pytest.mark.parametrize(
    "text",
    [
        "about HK$680 on 10 Mar 2026 at Sakura", "2026年3月10日 櫻花 約680蚊", "688 10/3/2026",
        "HK$688.00 10/3/2026 LP-S12", "Sakura 10/3/2026",
    ],
)  # fmt: skip
def test_a_sentence_finds_the_purchase(person: Shopper, clerk: Client, text: str) -> None:
    person.pays(68800, at=AT)
    person.pays(500000, at=AT - timedelta(days=3))

    page = ask(clerk, text)

    assert "Paid HK$688.00" in page
    assert "5,000.00" not in page


def test_what_was_understood_is_shown_back(person: Shopper, clerk: Client) -> None:
    page = ask(clerk, "about HK$688 on 10 Mar 2026 at Sakura")

    assert "HK$653.60 – HK$722.40" in page
    assert "Tue 10 Mar 2026" in page
    assert "Sakura</li>" in page


def test_a_purchase_below_the_minimum_says_so(person: Shopper, clerk: Client) -> None:
    award = person.pays(50, at=AT)

    page = ask(clerk, award.transaction.payment_number + " " + person.wallet_pass.member.card_number)

    assert award.points == 0
    assert "it earned nothing." in page
    assert "沒有獲得積分" in page


def test_a_store_that_nobody_knows_keeps_the_purchase_waiting(person: Shopper, clerk: Client) -> None:
    mall = person.wallet_pass.mall
    factories.TransactionFactory.create(
        mall=mall,
        store=None,
        state="PARKED",
        member=person.wallet_pass.member,
        paid_at=AT,
        amount_cents=68800,
    )

    page = ask(clerk, "HK$688 10/3/2026 Sakura")

    assert "it waits for the store to be known" in page
    assert "等待確認商戶" in page


def test_a_purchase_that_came_before_names_the_door_that_had_it(person: Shopper, clerk: Client) -> None:
    person.pays(68800, at=AT, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})
    person.hands_in(70000, at=AT, numbers={"ACQUIRER": "A1"})

    page = ask(clerk, person.wallet_pass.member.card_number)

    assert "it was recorded already through wallet on 10 Mar" in page
    assert "登記；每宗消費只計分一次。" in page
    assert "Duplicate case: " in page


def test_a_held_purchase_says_that_staff_still_check_it(person: Shopper, clerk: Client) -> None:
    person.pays(68800, at=AT)
    person.hands_in(68800, at=AT + timedelta(minutes=3))
    case = DuplicateCase.objects.get()

    at_the_counter = ask(clerk, person.wallet_pass.member.card_number)
    reviewed = ask(staff(person.wallet_pass.mall, "REVIEWER"), person.wallet_pass.member.card_number)

    assert "no points yet." in at_the_counter
    assert "Staff still check" in at_the_counter
    assert reverse("admin:earning_duplicatecase_change", args=[case.pk]) in reviewed
    assert reverse("admin:earning_duplicatecase_change", args=[case.pk]) not in at_the_counter


def test_refunds_are_told_with_what_they_took(person: Shopper, clerk: Client) -> None:
    award = person.pays(68800, at=AT)
    person.is_refunded(award, 18800)
    refund = award.transaction.refunds.get()

    page = ask(clerk, person.wallet_pass.member.card_number)

    assert "688 points were given. After refunds 500 points remain." in page
    assert reverse("admin:earning_refund_change", args=[refund.pk]) in page


def test_where_nothing_fits_the_latest_of_the_member_are_shown(person: Shopper, clerk: Client) -> None:
    person.pays(68800, at=AT)

    page = ask(clerk, f"{person.wallet_pass.member.card_number} HK$12.00 10/3/2026")

    assert "Nothing fits all of that." in page
    assert "Paid HK$688.00" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("20991231000000000000", "We have no record of 20991231000000000000."),
        ("6999 9999", "We know no member and no purchase by 6999 9999."),
        ("HK$12.34 yesterday", "We have no record of it."),
        ("yesterday", "Add something:"),
        ("a\x00b", "cannot be read"),
        ("9" * 201, "cannot be read"),
    ],
)
def test_nothing_found_says_what_to_ask_for(person: Shopper, clerk: Client, text: str, said: str) -> None:
    page = ask(clerk, text)

    assert said in page
    assert "Paid HK$" not in page


def test_a_member_without_purchases_is_told_from_a_stranger(person: Shopper, clerk: Client) -> None:
    page = ask(clerk, person.wallet_pass.member.card_number)

    assert "The member is known" in page
    assert reverse("admin:doors_counterentry_add") in page


def test_a_message_that_waits_is_told_of(person: Shopper, clerk: Client) -> None:
    factories.NotificationFactory.create(parked=True, mall=person.wallet_pass.mall, key="20260310WAITS1")
    factories.NotificationFactory.create(parked=True, key="20260310OTHER1")

    waits, other = ask(clerk, "20260310WAITS1"), ask(clerk, "20260310OTHER1")

    assert "AlipayHK has told us of it, and it waits. Waiting for the member's pass." in waits
    assert "We have no record of 20260310OTHER1." in other


def test_many_found_are_bounded_and_say_so(person: Shopper, clerk: Client) -> None:
    for minute in range(inquiry_search.MOST_SHOWN + 2):
        person.pays(10000 + minute * 100, at=AT + timedelta(minutes=minute))

    page = ask(clerk, person.wallet_pass.member.card_number)

    assert page.count("Paid HK$") == inquiry_search.MOST_SHOWN
    assert "More than 10 fit" in page


def test_the_questions_asked_do_not_grow_with_what_is_found(person: Shopper, clerk: Client) -> None:
    person.pays(10000, at=AT)
    with CaptureQueriesContext(connection) as one:
        ask(clerk, person.wallet_pass.member.card_number)
    for minute in range(8):
        person.pays(20000, at=AT + timedelta(minutes=minute))

    with CaptureQueriesContext(connection) as many:
        ask(clerk, person.wallet_pass.member.card_number)

    assert len(many) <= len(one) <= MOST_QUESTIONS


@pytest.mark.parametrize("is_same_group", [True, False])
def test_another_malls_purchases_are_not_there(person: Shopper, is_same_group: bool) -> None:
    award = person.pays(68800, at=AT, numbers={"PAYMENT": "20260310AB77"})
    group = {"group": person.wallet_pass.mall.group} if is_same_group else {}
    stranger = staff(factories.MallFactory.create(**group))
    texts = ["20260310AB77", "HK$688 10/3/2026 Sakura", person.wallet_pass.member.card_number]

    pages = [ask(stranger, text) for text in texts]

    assert not [page for page in pages if "Paid HK$" in page or f"/{award.transaction_id}/change" in page]
    assert ("The member is known" in pages[2]) == is_same_group


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script> 10/3/2026", "' OR 1=1 --", "%s %(x)s {0} 10/3/2026"]
)
def test_hostile_text_is_escaped_and_finds_nothing(person: Shopper, clerk: Client, text: str) -> None:
    person.pays(68800, at=AT)

    page = clerk.post(reverse("missing-points"), {"q": text}).content.decode()

    assert "<script>alert" not in page
    assert "Paid HK$" not in page


def test_an_empty_box_asks_and_says_nothing(person: Shopper, clerk: Client) -> None:
    page = ask(clerk, "  ")

    assert 'id="searchbar"' in page
    assert 'class="said"' not in page


def test_it_stands_in_the_sidebar_and_is_marked_there(person: Shopper, clerk: Client) -> None:
    listed = clerk.get(reverse("admin:earning_transaction_changelist")).content.decode()
    page = ask(clerk, "")

    assert f'<a href="{reverse("missing-points")}">' in listed
    assert f'<a href="{reverse("missing-points")}" aria-current="page">' in page


def test_it_is_complete_in_chinese(person: Shopper, clerk: Client) -> None:
    page = ask(clerk, "HK$688 10/3/2026 Sakura", headers={"Accept-Language": "zh-hant"})

    assert "漏計積分" in page
    assert "沒有這宗消費的紀錄" in page


def test_who_may_not_see_transactions_is_refused_and_who_is_not_logged_in_is_led_to_the_login() -> None:
    client = Client()
    nobody = client.get(reverse("missing-points"))
    client.force_login(factories.UserFactory.create(is_staff=True))

    refused = client.post(reverse("missing-points"), {"q": "yesterday HK$688"})

    assert (nobody.status_code, refused.status_code) == (302, 403)


def test_a_customers_phone_is_never_part_of_an_address(person: Shopper, clerk: Client) -> None:
    person.pays(68800, at=AT)
    phone = person.wallet_pass.member.phone

    page = clerk.get(reverse("missing-points"), {"q": phone}).content.decode()

    assert '<form method="post"' in page
    assert phone not in page
    assert "688 points" not in page


def test_nothing_is_written(person: Shopper, clerk: Client) -> None:
    person.pays(68800, at=AT)
    before = (Transaction.objects.count(), person.balance)

    ask(clerk, person.wallet_pass.member.card_number)

    assert (Transaction.objects.count(), person.balance) == before
