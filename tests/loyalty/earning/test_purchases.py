"""The facts of a purchase come from one statement: who, where, by which rule, and with what consent."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.test.utils import CaptureQueriesContext

from loyalty.earning import decisions, purchases
from loyalty.earning.models import Transaction
from loyalty.earning.purchases import Purchase
from loyalty.ledger import postings
from members.models import Pass
from pms.clock import HONG_KONG
from pms.models import Store
from tests import factories

pytestmark = pytest.mark.django_db
TUESDAY = datetime(2026, 3, 10, 13, 0, tzinfo=HONG_KONG)


@pytest.fixture
def store() -> Store:
    return factories.StoreFactory.create()


@pytest.fixture
def wallet_pass(store: Store) -> Pass:
    found = factories.PassFactory.create(member__program__group=store.group, mall=store.mall)
    factories.ConsentFactory.create(wallet_pass=found, began_at=TUESDAY - timedelta(days=3))
    return found


def purchase(store: Store, wallet_pass: Pass, **facts: Any) -> Purchase:
    values: dict[str, Any] = {
        "group_id": store.group_id,
        "mall_id": store.mall_id,
        "channel": Transaction.Channel.WALLET,
        "wallet": wallet_pass.wallet,
        "user_id": wallet_pass.user_id,
        "amount_cents": 13890,
        "currency": "HKD",
        "paid_at": TUESDAY,
        "numbers": {"PAYMENT": "B1"},
        "store_label": store.pms_label,
        "merchant_id": store.merchant_id,
        "merchant_name": "",
    }
    return Purchase(**values | facts)


def test_one_statement_finds_everything(store: Store, wallet_pass: Pass) -> None:
    account = postings.open_account(member=wallet_pass.member, now=TUESDAY)
    issued = postings.open_program_accounts(program=wallet_pass.program, now=TUESDAY)["ISSUED"]
    version = factories.RuleVersionFactory.create(rule__program=wallet_pass.program)

    with CaptureQueriesContext(connection) as queries:
        found = purchases.find(purchase(store, wallet_pass))

    assert len(queries) == 1
    assert (found.pass_id, found.member_id, found.account_id) == (
        wallet_pass.pk, wallet_pass.member_id, account.pk,
    )  # fmt: skip
    assert (found.store_id, found.newest_version_id, found.issued_id) == (store.pk, version.pk, issued.pk)
    assert (found.is_consented, found.is_mall_active, found.is_store_active) == (True, True, True)
    assert [terms.version_id for terms in decisions.in_force(found, TUESDAY)] == [version.pk]


def test_nobody_is_found_by_another_wallet(store: Store, wallet_pass: Pass) -> None:
    found = purchases.find(purchase(store, wallet_pass, wallet="OTHERPAY"))

    assert (found.pass_id, found.member_id, found.first_consent_at) == (None, None, None)


@pytest.mark.parametrize(
    ("label", "merchant", "is_found"),
    [
        ("right", "right", True),
        ("right", "", True),
        ("", "right", True),
        ("wrong", "right", False),
        ("", "", False),
    ],
)
def test_a_label_decides_and_only_without_one_the_merchant_does(
    store: Store, wallet_pass: Pass, label: str, merchant: str, is_found: bool
) -> None:
    named = {
        "store_label": {"right": store.pms_label}.get(label, label),
        "merchant_id": {"right": store.merchant_id}.get(merchant, merchant),
    }

    found = purchases.find(purchase(store, wallet_pass, **named))

    assert (found.store_id == store.pk) == is_found
    assert found.store_id in (store.pk, None)


def test_a_merchant_with_two_stores_names_neither(store: Store, wallet_pass: Pass) -> None:
    factories.StoreFactory.create(mall=store.mall, merchant_id=store.merchant_id)

    found = purchases.find(purchase(store, wallet_pass, store_label=""))

    assert found.store_id is None


@pytest.mark.parametrize("many", [1, 2])
def test_where_several_stores_have_the_name_no_amount_is_locked(
    store: Store, wallet_pass: Pass, many: int
) -> None:
    factories.StoreFactory.create(mall=store.mall, merchant_id=store.merchant_id)

    purchases.find_all([purchase(store, wallet_pass, store_label="")] * many)

    assert locked() == {purchases.MEMBER_LOCK}


def test_where_one_store_has_the_name_its_amount_and_the_member_are_locked(
    store: Store, wallet_pass: Pass
) -> None:
    purchases.find(purchase(store, wallet_pass, store_label=""))

    assert locked() == {purchases.AMOUNT_LOCK, purchases.MEMBER_LOCK}


@pytest.mark.parametrize("many", [1, 2])
@pytest.mark.parametrize(("minutes", "days"), [(0, 1), (-10, 2)])
def test_an_amount_is_locked_for_its_day_and_near_midnight_for_both(
    store: Store, wallet_pass: Pass, many: int, minutes: int, days: int
) -> None:
    midnight = TUESDAY.replace(hour=0, minute=0)
    paid_at = midnight + timedelta(minutes=minutes) if minutes else midnight + timedelta(hours=12)

    purchases.find_all([purchase(store, wallet_pass, paid_at=paid_at)] * many)

    assert len(locks(purchases.AMOUNT_LOCK)) == days


def test_one_alone_and_many_lock_the_same(store: Store, wallet_pass: Pass) -> None:
    late = TUESDAY.replace(hour=23, minute=55)
    asked = purchase(store, wallet_pass, paid_at=late)
    held = []
    for many in (1, 2):
        with suppress(Undone), atomic():
            purchases.find_all([asked] * many)
            held.append(locks(purchases.AMOUNT_LOCK) | locks(purchases.MEMBER_LOCK))
            raise Undone

    assert held[0] == held[1]
    assert len(held[0]) == 3


class Undone(Exception):
    """Takes a block's locks back."""


def locked() -> set[int]:
    return {of for of in (purchases.AMOUNT_LOCK, purchases.MEMBER_LOCK) if locks(of)}


def locks(of: int) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND classid = %s",
            [of],
        )
        return {key for (key,) in cursor.fetchall()}


def test_the_rule_is_the_one_of_the_time_of_payment(store: Store, wallet_pass: Pass) -> None:
    rule = factories.RuleFactory.create(program=wallet_pass.program)
    versions = [
        factories.RuleVersionFactory.create(
            rule=rule, number=number, effective_at=TUESDAY + timedelta(days=day)
        )
        for number, day in ((1, -10), (2, -1), (3, 1))
    ]

    found = purchases.find(purchase(store, wallet_pass))
    days = (-11, 0, 1)
    in_force = [decisions.in_force(found, TUESDAY + timedelta(days=day)) for day in days]

    named = [[terms.version_id for terms in ruleset] for ruleset in in_force]
    assert named == [[], [versions[1].pk], [versions[2].pk]]


def test_a_consent_of_another_pass_of_the_member_is_not_this_ones(store: Store, wallet_pass: Pass) -> None:
    second = factories.PassFactory.create(member=wallet_pass.member, mall=store.mall)

    found = purchases.find(purchase(store, second))

    assert (found.is_consented, found.first_consent_at) == (False, TUESDAY - timedelta(days=3))


def test_a_consent_ends_with_its_last_instant_not_after_it(store: Store, wallet_pass: Pass) -> None:
    wallet_pass.consents.update(ended_at=TUESDAY)

    ended = purchases.find(purchase(store, wallet_pass))
    before = purchases.find(purchase(store, wallet_pass, paid_at=TUESDAY - timedelta(microseconds=1)))

    assert (ended.is_consented, before.is_consented) == (False, True)


def test_every_look_takes_a_posting_number_of_its_own(store: Store, wallet_pass: Pass) -> None:
    numbers = {purchases.find(purchase(store, wallet_pass)).posting_id for _ in range(3)}

    assert len(numbers) == 3


def test_a_label_is_known_elsewhere_only_in_another_group(store: Store, wallet_pass: Pass) -> None:
    other = factories.StoreFactory.create()

    assert purchases.is_known_elsewhere(purchase(store, wallet_pass, store_label=other.pms_label))
    assert not purchases.is_known_elsewhere(purchase(store, wallet_pass))
    assert not purchases.is_known_elsewhere(purchase(store, wallet_pass, store_label=""))


def test_a_stored_purchase_reads_back_as_it_was_reported(store: Store, wallet_pass: Pass) -> None:
    stored = factories.TransactionFactory.create(
        mall=store.mall, store=None, member=wallet_pass.member, wallet_pass=wallet_pass, state="PARKED",
        payment_number="b-1", store_label="PMS-NEW", merchant_id="M1", merchant_name="Corner",
        paid_at=TUESDAY,
    )  # fmt: skip

    found = purchases.of(stored)

    assert found == replace(
        purchase(store, wallet_pass), numbers={"PAYMENT": "b-1"}, store_label="PMS-NEW", merchant_id="M1",
        merchant_name="Corner",
    )  # fmt: skip
