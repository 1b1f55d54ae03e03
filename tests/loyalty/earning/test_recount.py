"""The recount of entitlements: silent about what the rules give, and naming the row of whatever they do not."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db.models import F
from django.db.transaction import atomic

from loyalty.earning import recount
from loyalty.earning.models import Award, BudgetUse, CapUse, NumberClaim, Refund, Transaction
from loyalty.ledger import proof
from pms.clock import HONG_KONG
from tests.databases import Database
from tests.factories import (
    MOMENT,
    NumberClaimFactory,
    PointEntryFactory,
    RefundFactory,
    TransactionFactory,
)
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper

MOON = datetime(2026, 9, 12, 13, 0, tzinfo=HONG_KONG)


def found() -> list[str]:
    return [str(breach) for breach in recount.breaches()]


def welcomed() -> Shopper:
    """A member of Lumina whose welcome gift comes with the first award, as it does outside of tests."""
    return shopper("lumina", is_welcomed=False)


@pytest.mark.django_db
def test_purchases_and_refunds_of_every_kind_recount_to_what_they_gave() -> None:
    person = welcomed()
    person.wallet_pass.member.birth_month = 3
    person.wallet_pass.member.save()
    awards = [person.pays(cents) for cents in (13_890, 9_999, 4_250_000, 100_000, 15_000, 0)]
    person.pays(260_000, store="210", at=TUESDAY.replace(hour=19))
    person.pays(318_000, at=MOON)
    person.pays(318_000, at=MOON)
    person.pays(50_000, currency="USD")
    for place, cents in [
        (0, 13_890),
        (2, 1_000_000),
        (3, 33_333),
        (3, 33_333),
        (3, 33_334),
        (4, 6_000),
        (1, 999),
    ]:
        person.is_refunded(awards[place], cents)

    assert found() == []
    assert list(proof.breaches()) == []
    assert recount.counts()["refunds"] == 7


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["verdant", "pier8"])
def test_daily_limits_and_points_on_hold_recount_too(name: str) -> None:
    person = shopper(name)
    first, _second = person.pays(720_000), person.pays(410_000)
    person.pays(100_000, store="088", at=datetime(2026, 5, 2, 13, tzinfo=HONG_KONG))
    person.is_refunded(first, 100_000)
    person.is_refunded(first, 620_000)

    assert found() == []
    assert list(proof.breaches()) == []


@pytest.mark.django_db
def test_a_duplicate_recounts_to_nothing() -> None:
    person = welcomed()
    person.pays(13_890, numbers={"PAYMENT": "SAME"})
    person.pays(13_890, numbers={"PAYMENT": "SAME"})

    assert found() == []


@pytest.mark.django_db
def test_a_welcome_gift_given_back_is_free_again() -> None:
    person = welcomed()
    award = person.pays(20_000)
    person.is_refunded(award, 20_000)
    again = person.pays(20_000)

    assert (award.points, again.points) == (3200, 3200)
    assert found() == []


@pytest.mark.django_db
def test_a_limit_used_otherwise_than_the_awards_did_is_named() -> None:
    person = shopper("verdant")
    person.pays(720_000)
    use = CapUse.objects.get()
    CapUse.objects.update(used=F("used") - 1)

    sentence = f"719999 of {use.key} are used, the member's awards used 720000."
    assert found() == [f"earning_capuse {use.pk}: {sentence}"]


@pytest.mark.django_db
def test_a_limit_that_lost_its_row_is_named() -> None:
    person = shopper("verdant")
    person.pays(720_000)
    key = CapUse.objects.get().key
    CapUse.objects.all().delete()

    member_id = person.wallet_pass.member_id
    assert found() == [f"members_member {member_id}: awards used 720000 of {key}, nothing says so."]


@pytest.mark.django_db
def test_a_limit_used_by_a_member_without_awards_is_named() -> None:
    shopper("lumina")
    use = CapUse.objects.get()

    assert found() == [f"earning_capuse {use.pk}: 1 of {use.key} are used, the member's awards used 0."]


@pytest.mark.django_db
def test_a_budget_used_otherwise_than_the_awards_did_is_named() -> None:
    welcomed().pays(318_000, at=MOON)
    BudgetUse.objects.update(used=9)

    use = BudgetUse.objects.get()
    assert found() == [
        f"earning_budgetuse {use.pk}: 9 points of {use.rule_id}/budget are used, its awards gave 1250."
    ]


@pytest.mark.django_db
def test_points_without_an_award_are_named() -> None:
    entry = PointEntryFactory.create()

    posting = entry.posting
    assert found() == [
        f"ledger_posting {posting.pk}: no award, refund or correction stands behind this EARN of {posting.source}."
    ]


@pytest.mark.django_db
def test_an_award_whose_number_somebody_else_holds_is_named() -> None:
    award = welcomed().pays(13_890)
    NumberClaim.objects.update(transaction=TransactionFactory.create(state="PARKED", store=None))

    assert found() == [
        f"earning_transaction {award.transaction_id}: it earned points but holds only 0 of its 1 numbers."
    ]


@pytest.mark.django_db
def test_a_state_that_contradicts_the_award_is_named() -> None:
    award = welcomed().pays(13_890)
    Transaction.objects.update(state="DUPLICATE")

    assert found() == [
        f"earning_transaction {award.transaction_id}: its state is DUPLICATE, its award gave {award.points} points."
    ]


@pytest.mark.django_db
def test_a_judged_transaction_without_an_award_is_named() -> None:
    transaction = TransactionFactory.create(state="NOTHING")
    TransactionFactory.create(state="PARKED", store=None)

    assert found() == [f"earning_transaction {transaction.pk}: its state is NOTHING, but nothing says why."]


@pytest.mark.django_db
def test_refunds_above_the_amount_paid_are_named() -> None:
    award = welcomed().pays(9_999)
    RefundFactory.create(transaction=award.transaction, amount_cents=10_000)

    assert found() == [f"earning_transaction {award.transaction_id}: 10000 cents were refunded of 9999."]
    assert Refund.objects.count() == 1


@pytest.mark.django_db
def test_a_refund_that_took_too_little_is_named() -> None:
    award = shopper("pier8").pays(13_890)
    refund = RefundFactory.create(transaction=award.transaction, amount_cents=13_890)

    assert found() == [f"earning_refund {refund.pk}: it took or missed 0 points, its rules take 139."]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amount_cents": 13_891}, "it was judged on 13890 cents, its transaction is 13891."),
        ({"currency": "USD"}, "it was judged on another currency than its transaction has."),
        ({"paid_at": MOMENT}, "it was judged on another time than its transaction has."),
        ({"tender": "CASH"}, "it was judged on another tender than its transaction has."),
    ],
)
def test_facts_that_the_transaction_contradicts_are_named(change: dict[str, Any], sentence: str) -> None:
    award = shopper("pier8").pays(13_890)
    Transaction.objects.update(**change)

    assert found() == [f"earning_award {award.pk}: {sentence}"]


def points(award: Award) -> str:
    return f"it gave {award.points + 1} points, its rules give {award.points}."


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        ("points = points + 1", points),
        ("pending_points = 0", lambda _: "it put 0 points on hold, its rules hold 139."),
        ("counted_cents = 5", lambda _: "it counted 5 cents, its rules count 13890."),
        ("lines = '[]'", lambda _: "it says that [] gave the points, its rules say [('BASE', 1, 139)]."),
        ("""facts = jsonb_set(facts, '{amount_cents}', '99')""",
         lambda _: "it was judged on 99 cents, its transaction is 13890."),
        ("""facts = jsonb_set(facts, '{category}', '"SUPERMARKET"')""",
         lambda _: "it gave 139 points, its rules give 69."),
        ("versions = '[]'", lambda _: "it gave 139 points without a rule."),
    ],
)  # fmt: skip
def test_an_award_changed_behind_our_back_is_named(
    fresh_database: Database, deed: str, sentence: Callable[[Award], str]
) -> None:
    with atomic():
        award = shopper("pier8").pays(13_890)
    with psycopg.connect(fresh_database.owner_url) as owner:
        owner.execute("ALTER TABLE earning_award DISABLE TRIGGER USER")
        owner.execute(f"UPDATE earning_award SET {deed}")

    assert f"earning_award {award.pk}: {sentence(award)}" in found()


@pytest.mark.django_db
def test_a_claim_more_than_the_award_needs_does_not_matter() -> None:
    award = welcomed().pays(13_890)
    NumberClaimFactory.create(transaction=award.transaction, kind="RECEIPT", number="R1")

    assert found() == []
