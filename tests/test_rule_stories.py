"""What pages tell of rules: transactions, refunds, programs and members, in figures and sentences."""

import pytest
from django.test import Client
from django.urls import reverse

from pms.models import MallStaff
from tests.factories import MallStaffFactory
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import Shopper

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Shopper:
    return programs.shopper("verdant")


@pytest.fixture
def manager(person: Shopper) -> Client:
    """Of the whole group."""
    client = Client()
    group = person.wallet_pass.program.group
    client.force_login(MallStaffFactory.create(mall=None, group=group, role=MallStaff.Role.MANAGER).user)
    return client


def test_a_transaction_tells_each_line_limit_and_rule(person: Shopper, manager: Client) -> None:
    day = programs.TUESDAY.replace(month=5, day=10)
    award = person.pays(20_000_00, at=day, store="088")

    content = manager.get(
        reverse("admin:earning_transaction_change", args=[award.transaction_id])
    ).content.decode()

    assert "HK$10,000.00 × 1 ÷ HK$1" in content
    assert "HK$10,000.00 × 9 ÷ HK$1" in content
    assert "HK$10,000.00 of spend per day" in content
    assert "R10 Supermarkets" in content
    assert "another place, category or tier" in content
    assert "「VP-088 十倍積分」額外獲" in content


def test_a_transaction_that_earned_nothing_tells_why(person: Shopper, manager: Client) -> None:
    award = person.pays(50)

    content = manager.get(
        reverse("admin:earning_transaction_change", args=[award.transaction_id])
    ).content.decode()

    assert award.points == 0
    assert "Below the minimum spend of HK$1.00." in content
    assert "未達最低消費 HK$1.00。" in content
    assert '<li class="unmet">' in content


def test_a_refund_tells_what_it_took_on_hold_and_usable(person: Shopper, manager: Client) -> None:
    day = programs.TUESDAY.replace(month=5, day=10)
    award = person.pays(100_00, at=day, store="088")
    person.is_refunded(award, 100_00)

    content = manager.get(
        reverse("admin:earning_transaction_change", args=[award.transaction_id])
    ).content.decode()

    assert 'data-label="Of points on hold">−900<' in content
    assert 'data-label="Of usable points">−100<' in content


def test_the_program_page_tells_terms_tiers_and_rules(person: Shopper, manager: Client) -> None:
    content = manager.get(
        reverse("admin:members_program_change", args=[person.wallet_pass.program_id])
    ).content.decode()

    assert "1.5×" in content
    assert "At most HK$30,000.00 of a transaction counts; for jewellery." in content


def test_a_member_page_tells_the_tier_and_the_way_to_the_next(person: Shopper, manager: Client) -> None:
    address = reverse("admin:members_member_change", args=[person.wallet_pass.member_id])

    lowest = manager.get(address).content.decode()
    person.has_tier("GOLD")
    gold = manager.get(address).content.decode()

    assert "Gold after another HK$30,000.00" in lowest
    assert "Tiers held" not in lowest
    assert "Black after another HK$120,000.00" in gold
    assert "Tiers held" in gold
