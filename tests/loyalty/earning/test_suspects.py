"""An earlier record of the same purchase is found by index, and a program's thresholds say what follows."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.test.utils import CaptureQueriesContext

from loyalty.earning import awards, purchases, suspects
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.earning.outcomes import Outcome
from members.models import Program
from tests import factories
from tests.databases import Database
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, codes, shopper

MANY = 20_000


def like_it(person: Shopper, **thresholds: int) -> tuple[Award, Transaction]:
    """A payment, and a receipt as alike as can be, under other thresholds."""
    program = person.wallet_pass.program
    Program.objects.filter(pk=program.pk).update(**thresholds)
    return person.pays(68800), person.hands_in(68800, at=TUESDAY + timedelta(minutes=3))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("thresholds", "state", "balance", "verdict"),
    [
        ({}, "HELD", 688, "HELD"),
        ({"duplicate_hold_score": 101}, "FLAGGED", 1376, "FLAGGED"),
        ({"duplicate_flag_score": 101, "duplicate_hold_score": 101}, "EARNED", 1376, None),
        ({"duplicate_block_score": 100}, "DUPLICATE", 688, "BLOCKED"),
    ],
    ids=["hold", "flag", "off", "block"],
)
def test_the_programs_thresholds_decide_what_follows(
    thresholds: dict[str, int], state: str, balance: int, verdict: str | None
) -> None:
    person = shopper("lumina")

    _first, second = like_it(person, **thresholds)

    assert (second.state, person.balance) == (state, balance)
    case = DuplicateCase.objects.filter(transaction=second).first()
    assert (case.verdict if case else None) == verdict
    assert breaches() == []


@pytest.mark.django_db
def test_what_is_blocked_says_why_and_what_it_saved() -> None:
    person = shopper("lumina")

    _first, second = like_it(person, duplicate_block_score=90)

    case = DuplicateCase.objects.get()
    assert codes(second.award.reasons) == ["CONFIRMED_DUPLICATE"]
    assert (case.state, case.points_at_stake, case.points_saved, case.cents_saved) == ("SAME", 688, 688, 275)


@pytest.mark.django_db
def test_a_receipt_held_back_keeps_its_number_and_uses_no_limit() -> None:
    person = shopper("verdant")
    person.pays(500000)

    held = person.hands_in(500000, at=TUESDAY + timedelta(minutes=3), numbers={"RECEIPT": "000123"})
    other = person.hands_in(600000, at=TUESDAY + timedelta(hours=9), store="088")

    assert (held.state, held.claims.get().number) == ("HELD", f"{held.store_id}/2026-03-10/000123")
    assert (other.state, other.award.points) == ("EARNED", 5000)


@pytest.mark.django_db
def test_a_payment_that_waited_for_its_store_is_compared_when_the_store_is_known() -> None:
    person = shopper("lumina")
    with atomic():
        outcome = awards.earn(
            purchase=person.purchase(68800, store_label="PMS-NEW"), now=TUESDAY + timedelta(minutes=1)
        )
    receipt = person.hands_in(68800, at=TUESDAY + timedelta(minutes=3))
    type(person.stores["S12"]).objects.filter(pk=person.stores["S12"].pk).update(pms_label="PMS-NEW")
    assert outcome.transaction_id is not None
    waiting = Transaction.objects.get(pk=outcome.transaction_id)

    awards.complete(transaction=waiting, now=TUESDAY + timedelta(hours=1))

    waiting.refresh_from_db()
    case = DuplicateCase.objects.get()
    assert (receipt.state, waiting.state) == ("EARNED", "HELD")
    assert (case.transaction, case.earlier, case.score) == (waiting, receipt, 100)
    assert (person.balance, breaches()) == (688, [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "facts",
    [{"store": "210", "cents": 20000}, {"at": TUESDAY + timedelta(days=1)}],
    ids=["another store and amount", "another day"],
)
def test_what_is_not_alike_earns_without_a_case(facts: dict[str, Any]) -> None:
    person = shopper("pier8")
    person.pays(68800)

    receipt = person.hands_in(**({"cents": 68800} | facts))

    assert (receipt.state, DuplicateCase.objects.count()) == ("EARNED", 0)


@pytest.mark.django_db
def test_a_receipt_of_another_member_that_says_the_wallet_is_flagged() -> None:
    """The claimer may not be the payer."""
    payer = shopper("lumina")
    payer.pays(68800)
    claimer = another_member(payer)

    receipt = claimer.hands_in(68800, at=TUESDAY + timedelta(minutes=2), tender="ALIPAYHK")

    case = DuplicateCase.objects.get()
    assert (receipt.state, case.score, [part["code"] for part in case.parts]) == (
        "FLAGGED",
        65,
        ["SAME_STORE", "SAME_AMOUNT", "WITHIN_MINUTES", "TENDER_FITS"],
    )


def another_member(person: Shopper) -> Shopper:
    wallet_pass = factories.PassFactory.create(
        active=True, member__program=person.wallet_pass.program, mall=person.wallet_pass.mall
    )
    factories.ConsentFactory.create(wallet_pass=wallet_pass, began_at=TUESDAY - timedelta(days=300))
    return Shopper(wallet_pass, person.stores, numbers=person.numbers)


# --- by index ---

FILL = """
INSERT INTO earning_transaction (group_id, mall_id, store_id, member_id, channel, state, amount_cents, currency,
    paid_at, recorded_at, payment_number, mainland_number, acquirer_number, receipt_number, store_label, merchant_id,
    merchant_name, tender, item)
SELECT %(group)s, %(mall)s, (%(stores)s::bigint[])[1 + n %% 7], (%(members)s::bigint[])[1 + n %% 40], 'COUNTER',
    'EARNED', (n %% 400) * 100, 'HKD', %(at)s::timestamptz - n * interval '7 minutes', %(at)s,
    '', '', '', '', '', '', '', '', ''
FROM generate_series(1, %(many)s) AS n
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def test_candidates_are_found_by_index_in_a_filled_table(fresh_database: Database) -> None:
    person = shopper("lumina")
    members = [factories.MemberFactory.create(program=person.wallet_pass.program).pk for _ in range(40)]
    store = person.stores["S12"]
    purchase = person.purchase(20000)
    found = purchases.find(purchase, is_trial=True)
    with atomic(), connection.cursor() as cursor:
        cursor.execute(
            FILL,
            {
                "group": store.group_id, "mall": store.mall_id, "stores": [one.pk for one in person.stores.values()],
                "members": members, "at": TUESDAY, "many": MANY,
            },
        )  # fmt: skip
        cursor.execute("ANALYZE earning_transaction")

        sought = suspects.Look(purchase=purchase, found=found).sought
        cursor.execute("EXPLAIN (FORMAT JSON) " + suspects.CANDIDATES, suspects.values([sought]))
        [[document]] = cursor.fetchall()

    plan = json.loads(document) if isinstance(document, str) else document
    looks = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "earning_transaction"]
    assert {node["Node Type"] for node in looks} <= {"Index Scan", "Bitmap Heap Scan"}
    used = {node.get("Index Name") for node in nodes(plan[0]["Plan"])} - {None}
    assert {"earning_tx_alike", "earning_tx_member"} <= used
    assert plan[0]["Plan"]["Total Cost"] < 400


@pytest.mark.django_db
def test_one_statement_looks_and_a_payment_pays_no_other() -> None:
    person = shopper("pier8")
    person.pays(4200)

    with CaptureQueriesContext(connection) as asked:
        person.pays(4200, at=TUESDAY + timedelta(minutes=2))

    assert len([query for query in asked if "JOIN earning_transaction earlier" in query["sql"]]) == 1
    assert [
        query for query in asked if "advisory" in query["sql"] and "FROM members_program" not in query["sql"]
    ] == []


# --- at one instant ---


def at_once(*works: Callable[[], Outcome]) -> list[Outcome]:
    """Each in a block and a thread of its own, released together."""
    barrier = Barrier(len(works))

    def done(work: Callable[[], Outcome]) -> Outcome:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            with atomic():
                return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(done, works))


def by(person: Shopper, at: datetime, **facts: Any) -> Callable[[], Outcome]:
    purchase = person.purchase(68800, at=at, **facts)
    return lambda: awards.earn(purchase=purchase, now=at + timedelta(minutes=9))


@pytest.mark.usefixtures("fresh_database")
def test_of_two_doors_at_one_instant_one_is_held() -> None:
    person = shopper("lumina")
    for day in range(6):
        moment = TUESDAY + timedelta(days=day)
        receipt = by(person, moment + timedelta(minutes=2), channel="COUNTER", numbers={})

        at_once(by(person, moment), receipt)

    states = sorted(Transaction.objects.values_list("state", flat=True))
    assert states == ["EARNED"] * 6 + ["HELD"] * 6
    assert (DuplicateCase.objects.count(), person.balance) == (6, 6 * 688)
    assert breaches() == []


@pytest.mark.usefixtures("fresh_database")
def test_of_two_members_with_one_receipt_at_one_instant_one_is_flagged() -> None:
    payer = shopper("lumina")
    claimer = another_member(payer)
    for day in range(6):
        moment = TUESDAY + timedelta(days=day)
        receipt = by(claimer, moment + timedelta(minutes=2), channel="COUNTER", numbers={}, tender="AlipayHK")

        at_once(by(payer, moment), receipt)

    assert DuplicateCase.objects.filter(verdict="FLAGGED", score=65).count() == 6
