"""A file imported row by row and the same file in large batches leave the same books, to the last point."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic, set_rollback

from loyalty.doors import receipt_work, receipts
from loyalty.earning import program_files
from loyalty.ledger.models import PointAccount
from members.models import Program
from pms import clock, registry
from tests import factories
from tests.loyalty.doors import books, desk
from tests.loyalty.doors.desk import Desk
from tests.loyalty.doors.files import COLUMNS, as_csv, cells, checked, fates, imported
from tests.loyalty.earning import programs

pytestmark = pytest.mark.django_db
MEMBERS = 12
ROWS = 150


def crowd(name: str) -> Desk:
    """Newcomers and people of long standing, and a campaign that has few points left."""
    shopper = programs.shopper(name)
    program = shopper.wallet_pass.program
    _with_campaign(program, name)
    joined = clock.now() - timedelta(days=400)
    members = [
        factories.MemberFactory.create(program=program, joined_at=joined, birth_month=clock.now().month)
        for _ in range(MEMBERS)
    ]
    for member in members[::2]:
        factories.PointAccountFactory.create(member=member)
    return Desk(shopper, members[1], shopper.stores["S12"])


def _with_campaign(program: Program, name: str) -> None:
    document = copy.deepcopy(programs.document(name))
    extra = copy.deepcopy(next(rule for rule in programs.document("lumina")["rules"] if rule["code"] == "R9"))
    today = clock.now().date()
    extra |= {
        "code": "R99", "first_date": f"{today - timedelta(days=9)}", "last_date": f"{today}", "budget_points": 900,
        "malls": [], "categories": [], "stores": [],
    }  # fmt: skip
    document["rules"] = [*document["rules"], extra]
    program_files.load(document=document, program=program, now=clock.now() - timedelta(days=30))


def lines(place: Desk) -> list[list[Any]]:
    """Few amounts, times, stores and members, so that rows look alike, reach limits, and meet each other's numbers."""
    chance = random.Random(7)
    cards = list(place.member.program.members.exclude(card_number="").values_list("card_number", flat=True))
    start = clock.now() - timedelta(days=5)
    found = []
    for number in range(ROWS):
        paid = start + timedelta(days=chance.randrange(4), minutes=5 * chance.randrange(60))
        same = chance.random() < 0.08
        found.append([
            f"R{number - 1 if same else number}",
            chance.choice(list(place.shopper.stores.values())).code,
            chance.choice(["100.00", "688.00", "20.00", "1500.50", "9999.00"]),
            f"{paid.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}",
            "nobody" if chance.random() < 0.03 else chance.choice(cards),
            chance.choice(["CARD", "CASH", ""]),
            "PAYMENT" if chance.random() < 0.1 else "",
        ])  # fmt: skip
    return [*found, *found[:5]]


@contextmanager
def undone() -> Iterator[None]:
    with atomic():
        yield
        set_rollback(True)


def left_by(place: Desk, content: bytes, monkeypatch: pytest.MonkeyPatch, at_once: int) -> list[Any]:
    monkeypatch.setattr(receipt_work, "EARNED_AT_ONCE", at_once)
    with undone():
        job = imported(place, content)
        assert job.state == "DONE"
        counted = receipts.counts(job)
        assert counted["points_foreseen"] == counted["points"] > 0
        found = books.of(job)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return found


@pytest.mark.parametrize("name", ["lumina", "verdant", "pier8"])
def test_large_batches_leave_the_books_of_single_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = crowd(name)
    PointAccount.objects.filter(member=place.member.program.members.earliest("pk")).update(balance=-300)
    columns = ("number", "store", "amount", "paid_at", "member", "tender", "number_kind")
    content = as_csv(*lines(place), columns=columns)

    alone = left_by(place, content, monkeypatch, 1)
    together = left_by(place, content, monkeypatch, 500)

    for mine, theirs in zip(alone, together, strict=True):
        assert mine == theirs
    states = {row[4] for row in alone[0]}
    assert {"EARNED", "NOTHING", "DUPLICATE", None} <= states
    assert states & {"HELD", "FLAGGED"}


def test_the_proof_is_green_after_a_file() -> None:
    place = crowd("verdant")
    columns = ("number", "store", "amount", "paid_at", "member", "tender", "number_kind")

    imported(place, as_csv(*lines(place), columns=columns))

    assert programs.breaches() == []


def test_a_conflict_costs_no_good_row_of_its_number_the_points_foreseen() -> None:
    place = desk.lumina()
    imported(place, as_csv(cells(place, "R-1")))
    [other] = place.regulars(1)
    columns = (*COLUMNS, "number_kind")

    job = imported(
        place,
        as_csv(
            [*cells(place, "R-1", amount="20.00"), ""],
            [*cells(place, "R-1", amount="100.00", member=other.card_number), "PAYMENT"],
            columns=columns,
        ),
    )

    counted = receipts.counts(job)
    assert counted["RECORDED_DUPLICATE"] == counted["RECORDED_EARNED"] == 1
    assert counted["points_foreseen"] == counted["points"] == 100


def test_a_merger_between_check_and_import_leaves_the_file_good() -> None:
    place = desk.lumina()
    survivor, [other] = place.shopper.stores["088"], place.regulars(1)
    job = checked(place, as_csv(cells(place, "R-1"), cells(place, "R-2", member=other.card_number)))
    # The first is known at the survivor by then, with another amount; at the merged store nobody has it.
    first = checked(place, as_csv(cells(place, "R-1", store=survivor.code, amount="20.00")))
    receipts.approve(job=first, now=clock.now())
    receipts.run(job_id=first.pk, clock=clock.now)
    registry.merge(store=place.store, into=survivor, by=None, now=clock.now())

    receipts.approve(job=job, now=clock.now())
    receipts.run(job_id=job.pk, clock=clock.now)

    job.refresh_from_db()
    counted = receipts.counts(job)
    assert (job.state, counted["RECORDED_DUPLICATE"], counted["RECORDED_EARNED"]) == ("DONE", 1, 1)


def test_a_file_sent_again_after_a_merger_writes_nothing() -> None:
    place = desk.lumina()
    survivor = place.shopper.stores["088"]
    imported(place, as_csv(cells(place, "R-1")))
    registry.merge(store=place.store, into=survivor, by=None, now=clock.now())

    job = checked(place, as_csv(cells(place, "R-1", store=survivor.code)))

    assert fates(job) == ["KNOWN"]
