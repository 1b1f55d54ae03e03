"""A member's statement on the staff screens: the page, the print, the CSV, and who may read it."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.ledger.models import PointAccount
from members.models import Member
from pms.models import MallStaff, User
from tests import factories
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import TUESDAY, Shopper

pytestmark = pytest.mark.django_db
PERIOD = {"since": "2026-03-01", "until": "2026-03-31"}


@pytest.fixture
def shopper() -> Shopper:
    found = programs.shopper("lumina")
    award = found.pays(50000)
    found.is_refunded(award, 20000, at=TUESDAY + timedelta(days=1))
    return found


def signed_in(shopper: Shopper, role: str = MallStaff.Role.COUNTER) -> Client:
    staff = factories.MallStaffFactory.create(mall=shopper.wallet_pass.mall, role=role)
    return client_of(staff.user)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(shopper: Shopper, page: str = "statement") -> str:
    account = PointAccount.objects.get(member=shopper.wallet_pass.member)
    return reverse(f"admin:ledger_pointaccount_{page}", args=[account.pk])


def rows(client: Client, shopper: Shopper, **asked: str) -> list[list[str]]:
    answer = client.get(address(shopper, "statement_csv"), PERIOD | asked)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_page_says_every_move_in_both_languages_and_names_the_member(shopper: Shopper) -> None:
    answer = signed_in(shopper).get(address(shopper), PERIOD)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "points for spending HK$500.00" in page
    assert "消費 HK$500.00" in page
    assert shopper.wallet_pass.member.card_number in page
    assert "Opening balance" in page
    assert "Closing balance" in page


def test_one_language_is_told_alone(shopper: Shopper) -> None:
    answer = signed_in(shopper).get(address(shopper), PERIOD | {"language": "zh-hant"})

    page = answer.content.decode()
    assert "消費 HK$500.00" in page
    assert "points for spending" not in page


def test_nothing_on_the_page_needs_more_than_the_strict_policy_allows(shopper: Shopper) -> None:
    answer = signed_in(shopper).get(address(shopper), PERIOD)

    page = answer.content.decode()
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert [word for word in ("<style", " style=", "onclick=", "javascript:") if word in page] == []
    assert "staff/statement.css" in page


def test_the_csv_begins_with_a_byte_order_mark_and_its_moves_add_up(shopper: Shopper) -> None:
    client = signed_in(shopper)

    raw = client.get(address(shopper, "statement_csv"), PERIOD)
    heading, opening, *moves, closing = rows(client, shopper)

    assert raw.content.startswith(b"\xef\xbb\xbf")
    assert raw.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert heading[1] == "What 項目"
    assert int(opening[3]) + sum(int(move[2]) for move in moves) == int(closing[3]) == shopper.balance
    assert int(opening[5]) + sum(int(move[4]) for move in moves) == int(closing[5]) == shopper.pending


def test_a_cell_that_a_spreadsheet_would_run_is_defused(shopper: Shopper) -> None:
    shopper.wallet_pass.program.rules.filter(kind="BASE").update(name_en="=1+1", name_zh="@SUM(A1)")
    Member.objects.filter(pk=shopper.wallet_pass.member_id).update(name="=HYPERLINK()")

    cells = [cell for row in rows(signed_in(shopper), shopper) for cell in row]

    wrong = [cell for cell in cells if cell[:1] in "=+@\t\r" and cell]
    assert wrong == []


def test_the_member_page_leads_to_the_statement(shopper: Shopper) -> None:
    member = shopper.wallet_pass.member

    answer = signed_in(shopper).get(reverse("admin:members_member_change", args=[member.pk]))

    assert address(shopper) in answer.content.decode()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"since": "2026-03-31", "until": "2026-03-01"}, "The last day is before the first."),
        ({"since": "2020-01-01", "until": "2026-03-01"}, "A statement covers at most three years."),
        ({"since": "yesterday", "until": "2026-03-01"}, "Enter a valid date."),
    ],
)
def test_a_period_that_makes_no_sense_is_refused_with_a_sentence(
    shopper: Shopper, asked: dict[str, str], said: str
) -> None:
    client = signed_in(shopper)

    page, file = client.get(address(shopper), asked), client.get(address(shopper, "statement_csv"), asked)

    assert (page.status_code, file.status_code) == (400, 404)
    assert said in page.content.decode()


def test_staff_of_another_group_find_no_statement(shopper: Shopper) -> None:
    stranger = client_of(factories.MallStaffFactory.create().user)

    answers = [stranger.get(address(shopper, page), PERIOD) for page in ("statement", "statement_csv")]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_staff_of_another_mall_of_the_group_do_not_read_what_was_paid(shopper: Shopper) -> None:
    mall = factories.MallFactory.create(group=shopper.wallet_pass.mall.group)
    neighbor = client_of(factories.MallStaffFactory.create(mall=mall).user)

    page = neighbor.get(address(shopper), PERIOD).content.decode()
    cells = rows(neighbor, shopper)

    assert "HK$500.00" not in page
    assert not any("HK$" in cell for row in cells for cell in row)
    assert "another mall of the group" in page


def test_the_account_of_a_program_has_no_statement(shopper: Shopper) -> None:
    issued = PointAccount.objects.get(program=shopper.wallet_pass.program, kind="ISSUED")

    answer = signed_in(shopper).get(reverse("admin:ledger_pointaccount_statement", args=[issued.pk]), PERIOD)

    assert answer.status_code == 404
