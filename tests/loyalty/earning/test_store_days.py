"""Where a purchase happened: by any label of its store, in the mall of that day, and only while the store was there."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory

from loyalty.earning import awards, gates, purchases, reasons, recount, rule_terms, transaction_story
from loyalty.earning.gates import Checked
from loyalty.earning.models import Transaction
from loyalty.earning.purchases import Found, Purchase
from members.models import Program
from pms import registry, store_labels
from pms.clock import HONG_KONG
from pms.models import Store
from tests import factories, walls

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=HONG_KONG)
TODAY = NOON.date()


@pytest.fixture
def store() -> Store:
    found = factories.StoreFactory.create()
    factories.ProgramFactory.create(group=found.group)
    return found


def purchase(store: Store, **facts: Any) -> Purchase:
    values: dict[str, Any] = {
        "group_id": store.group_id, "mall_id": store.mall_id, "channel": Transaction.Channel.WALLET,
        "amount_cents": 10_000, "currency": "HKD", "paid_at": NOON, "numbers": {}, "store_label": store.pms_label,
        "merchant_id": "", "merchant_name": "",
    }  # fmt: skip
    return Purchase(**values | facts)


def found(store: Store, **facts: Any) -> Found:
    return purchases.find(purchase(store, **facts), is_trial=True)


def refusal(store: Store, **facts: Any) -> object:
    """The code of the first condition that the store, its days or its ways to pay do not meet."""
    asked = purchase(store, **facts)
    judged = purchases.facts(asked, purchases.find(asked, is_trial=True))
    checked = Checked(facts=judged, base=None, net_cents=judged.amount_cents)
    mine = [gate for gate in gates.GATES if gate.condition in ("STORE_OPEN", "STORE_TAKES_PART", "TENDER")]
    return next((gate.refusal(checked)["code"] for gate in mine if not gate.is_met(checked)), None)


def test_a_mapped_label_leads_to_its_store_until_it_is_unmapped(store: Store) -> None:
    mapping = factories.StoreMappingFactory.create(store=store, label="PMS-OTHER")

    assert found(store, store_label="PMS-OTHER").store_id == store.pk

    mapping.ended_at = mapping.began_at + timedelta(days=1)
    mapping.save()
    assert found(store, store_label="PMS-OTHER").store_id is None


def test_a_label_mapped_in_another_group_leads_nowhere_here(store: Store) -> None:
    mapping = factories.StoreMappingFactory.create(label="PMS-OTHER")

    assert found(store, store_label="PMS-OTHER").store_id is None
    assert purchases.is_known_elsewhere(purchase(store, store_label="PMS-OTHER"))
    assert not purchases.is_known_elsewhere(purchase(mapping.store, store_label="PMS-OTHER"))


def test_a_mapped_merchant_id_leads_to_one_of_its_stores(store: Store) -> None:
    factories.StoreFactory.create(mall=store.mall, merchant_id=store.merchant_id)
    assert found(store, store_label="", merchant_id=store.merchant_id).store_id is None

    factories.StoreMappingFactory.create(store=store, label=store.merchant_id)

    assert found(store, store_label="", merchant_id=store.merchant_id).store_id == store.pk


def test_every_label_of_a_merged_store_leads_to_the_one_it_became(store: Store) -> None:
    old = factories.StoreFactory.create(mall=store.mall, merged_into=store, merchant_id=store.merchant_id)
    factories.StoreMappingFactory.create(store=old, label="PMS-OTHER")

    for named in (old.pms_label, "PMS-OTHER", store.pms_label):
        assert found(store, store_label=named).store_id == store.pk
        assert store_labels.named(group_id=store.group_id, label=named) == store
    # Two rows of one merchant, but one store.
    assert found(store, store_label="", merchant_id=store.merchant_id).store_id == store.pk


def test_a_payment_of_a_merchant_with_stores_in_two_malls_waits_in_the_mall_that_told_of_it(
    store: Store,
) -> None:
    for _other in range(3):
        mall = factories.MallFactory.create(group=store.group)
        factories.StoreFactory.create(mall=mall, merchant_id=store.merchant_id)

    one = found(store, store_label="", merchant_id=store.merchant_id)

    assert (one.store_id, one.store_mall_id, one.store_mall_tag) == (None, None, None)


def test_what_was_paid_at_the_merged_store_before_the_survivors_first_day_earns(store: Store) -> None:
    Store.objects.filter(pk=store.pk).update(opened_date=TODAY + timedelta(days=1))
    old = factories.StoreFactory.create(mall=store.mall, opened_date=date(2026, 1, 1))
    assert refusal(store) == "STORE_NOT_OPEN"

    registry.merge(store=old, into=store, by=None, now=NOON)

    assert refusal(store, store_label=old.pms_label) is None


def test_a_purchase_of_a_day_before_the_move_is_the_old_malls(store: Store) -> None:
    first, second, third = (factories.MallFactory.create(group=store.group) for _ in range(3))
    Store.objects.filter(pk=store.pk).update(mall=third, moved_date=TODAY + timedelta(days=10))
    for malls, day in (((first, second), TODAY), ((second, third), TODAY + timedelta(days=10))):
        factories.StoreMoveFactory.create(store=store, from_mall=malls[0], to_mall=malls[1], moved_date=day)
    midnight = datetime.combine(TODAY, datetime.min.time(), HONG_KONG)

    def mall_of(paid_at: datetime) -> tuple[int | None, str | None]:
        one = found(store, paid_at=paid_at)
        return one.store_mall_id, one.store_mall_tag

    assert mall_of(midnight - timedelta(microseconds=1)) == (first.pk, first.tag)
    assert mall_of(midnight) == (second.pk, second.tag)
    assert mall_of(midnight + timedelta(days=10, microseconds=-1)) == (second.pk, second.tag)
    assert mall_of(midnight + timedelta(days=10)) == (third.pk, third.tag)


def test_a_store_earns_from_its_first_day_to_the_last_moment_of_its_last(store: Store) -> None:
    Store.objects.filter(pk=store.pk).update(opened_date=date(2026, 3, 1), closed_date=TODAY)
    opens = datetime(2026, 3, 1, tzinfo=HONG_KONG)
    over = datetime(2026, 3, 11, tzinfo=HONG_KONG)

    assert refusal(store, paid_at=opens) is None
    assert refusal(store, paid_at=over - timedelta(milliseconds=1)) is None
    assert refusal(store, paid_at=opens - timedelta(microseconds=1)) == "STORE_NOT_OPEN"
    assert refusal(store, paid_at=over) == "STORE_NOT_OPEN"
    store.refresh_from_db()
    assert [store.is_open_on(day) for day in (TODAY, TODAY + timedelta(days=1))] == [True, False]


def test_a_way_to_pay_that_the_store_excludes_earns_nothing(store: Store) -> None:
    Store.objects.filter(pk=store.pk).update(excluded_tenders=["VOUCHER", "OCTOPUS"])

    assert refusal(store, tender="OCTOPUS") == "EXCLUDED_TENDER"
    assert refusal(store, tender="CARD") is None
    assert refusal(store) is None


def test_kept_facts_say_of_the_store_only_what_is_unusual(store: Store) -> None:
    usual = purchases.facts(purchase(store), found(store))
    Store.objects.filter(pk=store.pk).update(excluded_tenders=["OCTOPUS"], closed_date=date(2026, 1, 1))
    unusual = purchases.facts(purchase(store), found(store))

    kept = rule_terms.facts_as_json(usual)

    assert kept.keys().isdisjoint({"is_store_open", "store_excluded_tenders"})
    assert rule_terms.facts_from_json(kept) == usual
    assert rule_terms.facts_from_json(rule_terms.facts_as_json(unusual)) == unusual
    assert (unusual.is_store_open, unusual.store_excluded_tenders) == (False, ["OCTOPUS"])


def test_the_member_is_told_why_a_closed_store_gave_nothing() -> None:
    told = reasons.REASONS["STORE_NOT_OPEN"]

    assert told.is_for_members
    assert max(len(told.english), len(told.chinese)) <= 128


def test_a_transactions_page_shows_the_store_as_it_was_and_what_it_is_now(store: Store) -> None:
    one = factories.TransactionFactory.create(store=store, mall=store.mall, paid_at=NOON)
    was = store.name_en
    page = RequestFactory().get("/")
    page.user = factories.UserFactory.create(is_superuser=True)
    assert "now:" not in str(transaction_story.what(page, one))

    fields = {"name_en": "Noodle Bar", "floor": "9/F"}
    registry.change(store=store, fields=fields, source="STAFF", by=None, now=NOON + timedelta(days=1))

    shown = str(transaction_story.what(page, Transaction.objects.get(pk=one.pk)))
    assert was in shown
    assert "now: Noodle Bar, Floor: 9/F" in shown


def test_after_a_move_the_old_malls_staff_read_no_more_than_where_the_store_went(store: Store) -> None:
    old, new = store.mall, factories.MallFactory.create(group=store.group, name_en="Harbour Square")
    one = factories.TransactionFactory.create(store=store, mall=old, paid_at=NOON)
    registry.move(store=store, to_mall=new, moved_date=TODAY + timedelta(days=1), by=None, now=NOON)
    fields = {"name_en": "Noodle Bar", "floor": "9/F"}
    registry.change(store=store, fields=fields, source="STAFF", by=None, now=NOON + timedelta(days=2))
    page = RequestFactory().get("/")
    page.user = walls.staff_of(old, role="MANAGER")

    shown = str(transaction_story.what(page, Transaction.objects.get(pk=one.pk)))

    assert "now: Harbour Square" in shown
    assert "Noodle Bar" not in shown
    assert "9/F" not in shown


def test_a_late_notice_earns_at_the_old_mall_and_a_recount_agrees(store: Store) -> None:
    first, second = store.mall, factories.MallFactory.create(group=store.group)
    wallet_pass = factories.PassFactory.create(
        member__program=Program.objects.get(group=store.group), mall=first
    )
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=NOON - timedelta(days=3))
    factories.RuleVersionFactory.create(
        rule__program=wallet_pass.program, effective_at=NOON - timedelta(days=9)
    )
    registry.move(store=store, to_mall=second, moved_date=TODAY + timedelta(days=1), by=None, now=NOON)
    payer = {"wallet": wallet_pass.wallet, "user_id": wallet_pass.user_id}

    for number, days in enumerate((0, 1)):
        bill = {"PAYMENT": f"B{number}"}
        paid = purchase(store, **payer, paid_at=NOON + timedelta(days=days), numbers=bill)
        awards.earn(purchase=paid, now=NOON + timedelta(days=2))
    Store.objects.filter(pk=store.pk).update(closed_date=TODAY)
    closed = purchase(store, **payer, paid_at=NOON + timedelta(days=1), numbers={"PAYMENT": "B2"})
    awards.earn(purchase=closed, now=NOON + timedelta(days=2))

    kept = Transaction.objects.order_by("pk")
    assert [one.mall for one in kept] == [first, second, second]
    assert [one.award.facts["mall"] for one in kept] == [first.tag, second.tag, second.tag]
    assert [one.state for one in kept] == ["EARNED", "EARNED", "NOTHING"]
    assert [reason["code"] for reason in kept[2].award.reasons] == ["STORE_NOT_OPEN"]
    assert list(recount.breaches()) == []


def test_a_store_is_found_by_indexes_alone(store: Store) -> None:
    factories.StoreFactory.create_batch(3, mall=store.mall)
    asked = purchase(store)
    values = purchases._values([asked], [purchases._marks(asked)])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN " + purchases.FACTS,
            values | {"is_trial": True, "is_new": False, "takes_locks": False},
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan on pms_store" not in plan
    assert "pms_storemapping_one_per_label" in plan
    assert "pms_storemove_one_per_day" in plan
