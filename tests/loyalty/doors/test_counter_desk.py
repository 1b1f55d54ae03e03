"""The counter: checked before it is saved, saved once, and told when another door had the receipt first."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client

from loyalty.doors import slips
from loyalty.doors.models import CounterEntry
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.ledger.models import Posting
from pms.clock import HONG_KONG
from pms.models import MallStaff
from tests import factories
from tests.loyalty.doors import desk
from tests.loyalty.doors.desk import Desk

pytestmark = pytest.mark.django_db
ADD = "/admin/doors/counterentry/add/"


@pytest.fixture
def counter() -> Desk:
    return desk.lumina()


def typed(counter: Desk, **fields: Any) -> dict[str, Any]:
    values = {
        "number": "R-1001",
        "store": counter.store.code,
        "amount": "688.00",
        "paid_at": f"{desk.an_hour_ago().astimezone(HONG_KONG):%Y-%m-%dT%H:%M}",
        "tender": "CARD",
        "member": counter.member.card_number,
        "token": "t" * 32,
    }
    return values | fields


def seen(page: HttpResponse) -> str:
    found = re.search(r'name="seen" value="(\w*)"', page.content.decode())
    assert found
    return found[1]


def check(client: Client, values: dict[str, Any]) -> Any:
    return client.post(ADD, values | {"do": "check"})


def save(client: Client, values: dict[str, Any]) -> Any:
    return client.post(ADD, values | {"do": "save", "seen": seen(check(client, values))})


def test_checking_says_what_it_would_earn_and_writes_nothing(counter: Desk) -> None:
    client = counter.staff()

    page = check(client, typed(counter)).content.decode()

    assert "688 points" in page
    assert 'id="save"' in page
    assert (Transaction.objects.count(), Posting.objects.count(), counter.balance) == (0, 0, 0)


def test_saving_what_was_checked_gives_the_points_and_names_who_entered_it(counter: Desk) -> None:
    client = counter.staff()

    answer = save(client, typed(counter))

    entry = CounterEntry.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{ADD}?store={counter.store.code}")
    assert (entry.transaction.channel, entry.transaction.state) == ("COUNTER", "EARNED")
    assert entry.transaction.entered_by == entry.entered_by
    assert (entry.transaction.receipt_number, entry.transaction.tender, counter.balance) == (
        "R-1001",
        "CARD",
        688,
    )
    assert "688 points" in client.get(ADD).content.decode()


def test_the_same_form_sent_twice_saves_once(counter: Desk) -> None:
    client = counter.staff()
    values = typed(counter, number="")
    values["seen"] = seen(check(client, values))

    first = client.post(ADD, values | {"do": "save"})
    second = client.post(ADD, values | {"do": "save"})

    assert (first.status_code, second.status_code) == (302, 302)
    assert (CounterEntry.objects.count(), Transaction.objects.count(), counter.balance) == (1, 1, 688)


def test_another_receipt_in_a_form_gone_back_to_is_saved_as_another(counter: Desk) -> None:
    client = counter.staff()
    first, second = typed(counter), typed(counter, number="R-2002", amount="50.00")
    save(client, first)

    page = check(client, second)
    token = re.search(r'name="token" value="(\w*)"', page.content.decode())
    assert token
    client.post(ADD, second | {"do": "save", "seen": seen(page), "token": token[1]})

    assert sorted(Transaction.objects.values_list("receipt_number", flat=True)) == ["R-1001", "R-2002"]


@pytest.mark.parametrize("other", [{"number": "R-2"}, {"amount": "9.00"}])
def test_a_used_form_with_another_receipt_is_refused_and_not_swallowed(
    counter: Desk, other: dict[str, str]
) -> None:
    client = counter.staff()
    second = typed(counter, **other)
    second["seen"] = seen(check(client, second))
    save(client, typed(counter))

    answer = client.post(ADD, second | {"do": "save"})

    assert (answer.status_code, "with another receipt" in answer.content.decode()) == (200, True)
    assert (Transaction.objects.count(), counter.balance) == (1, 688)


def test_a_look_that_meets_a_lock_says_so(counter: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slips, "look", held)

    answer = check(counter.staff(), typed(counter))

    assert (answer.status_code, "Somebody else holds it" in answer.content.decode()) == (200, True)


def held(*_given: Any, **_named: Any) -> None:
    raise OperationalError


def test_what_was_changed_after_the_check_is_checked_again(counter: Desk) -> None:
    client = counter.staff()
    values = typed(counter)
    values["seen"] = seen(check(client, values))

    answer = client.post(ADD, values | {"do": "save", "amount": "9000.00"})

    assert answer.status_code == 200
    assert "9,000 points" in answer.content.decode()
    assert not Transaction.objects.exists()


def test_a_receipt_recorded_already_is_told_of_before_saving(counter: Desk) -> None:
    client = counter.staff()
    save(client, typed(counter))

    page = check(client, typed(counter, token="another")).content.decode()

    assert "This number was recorded before" in page
    assert 'id="save"' not in page
    assert Transaction.objects.count() == 1


def test_the_same_number_with_another_amount_is_saved_for_review_without_points(counter: Desk) -> None:
    client = counter.staff()
    save(client, typed(counter))

    answer = save(client, typed(counter, token="another", amount="700.00"))

    case = DuplicateCase.objects.get()
    assert answer.status_code == 302
    assert (case.transaction.amount_cents, case.transaction.state) == (70000, "DUPLICATE")
    assert counter.balance == 688


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"store": "NO-SUCH"}, "No store of this mall"),
        ({"member": "nobody"}, "No member has this"),
        ({"amount": "-5"}, "greater than or equal to 0"),
        ({"amount": "1.234"}, "decimal place"),
        ({"paid_at": "2099-01-01T10:00"}, "in the future"),
        ({"paid_at": "2026-02-31T10:00"}, "valid date"),
        ({"number": "2.2023E+31"}, "cut this number"),
        ({"number": "=1+1"}, "letters, digits"),
    ],
)
def test_a_fault_stands_at_its_field_and_the_form_stays_as_typed(
    counter: Desk, wrong: dict[str, str], said: str
) -> None:
    page = check(counter.staff(), typed(counter, **wrong)).content.decode()

    assert said in page
    assert 'value="R-1001"' in page or "number" in wrong
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("name", ["phone", "card", "spaced phone"])
def test_the_member_is_found_by_phone_or_card(counter: Desk, name: str) -> None:
    texts = {"phone": "+85291234567", "card": counter.member.card_number, "spaced phone": "9123 4567"}

    page = check(counter.staff(), typed(counter, member=texts[name])).content.decode()

    assert "688 points" in page


def test_a_store_of_a_mall_that_the_login_does_not_see_is_unknown(counter: Desk) -> None:
    other = factories.MallFactory.create(group=counter.mall.group)

    page = check(counter.staff(mall=other), typed(counter)).content.decode()

    assert "No store of this mall" in page


def test_whoever_may_not_enter_receipts_is_refused(counter: Desk) -> None:
    user = factories.UserFactory.create(is_staff=True)
    client = Client()
    client.force_login(user)

    answer = client.post(ADD, typed(counter) | {"do": "check"})

    assert answer.status_code == 403


def test_both_languages_are_complete(counter: Desk) -> None:
    client = counter.staff(MallStaff.Role.MANAGER)

    page = client.post(ADD, typed(counter) | {"do": "check"}, headers={"Accept-Language": "zh-hant"})

    assert "輸入收據" in page.content.decode()


def test_a_receipt_like_an_earlier_payment_is_warned_of_before_it_is_saved_and_held(counter: Desk) -> None:
    client, values = counter.staff(), typed(counter, number="", tender="")
    save(client, values)

    page = check(client, values | {"token": "another"}).content.decode()
    recorded = Transaction.objects.count()
    save(client, values | {"token": "another"})

    assert "saved without points until staff have decided" in page
    assert "100 of 100" in page
    assert "Save for review, without points" in page
    assert "Usable at once" not in page
    assert recorded == 1
    assert Transaction.objects.get(duplicate_case__isnull=False).state == "HELD"
    assert counter.balance == 688


def test_a_receipt_a_little_like_an_earlier_payment_is_saved_with_points_to_be_checked(counter: Desk) -> None:
    client, values = counter.staff(), typed(counter, number="", tender="")
    save(client, values)
    later = f"{(desk.an_hour_ago() + timedelta(minutes=20)).astimezone(HONG_KONG):%Y-%m-%dT%H:%M}"

    page = check(client, values | {"token": "another", "amount": "700", "paid_at": later}).content.decode()

    assert "saved with points, and staff check it" in page
    assert "83 of 100" in page
    assert "Save, to be checked" in page
    assert "Usable at once" in page


@pytest.mark.parametrize("name", ["name_en", "name_zh"])
def test_a_store_is_found_by_its_name(counter: Desk, name: str) -> None:
    store = counter.store

    page = check(counter.staff(), typed(counter, store=getattr(store, name).upper())).content.decode()

    assert "688 points" in page


def test_a_name_that_several_stores_bear_names_none(counter: Desk) -> None:
    factories.StoreFactory.create(mall=counter.mall, group=counter.mall.group, name_en=counter.store.name_en)

    page = check(counter.staff(), typed(counter, store=counter.store.name_en)).content.decode()

    assert "Several stores have this code; use the PMS label." in page
