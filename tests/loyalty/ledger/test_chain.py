"""Sealing: every entry once, in chains of their programs, behind writers that take their time."""

import threading
import time

import psycopg
import pytest
from django.db.transaction import atomic

from loyalty.ledger import chain, tasks
from loyalty.ledger.models import LedgerBlock, PointEntry
from tests.databases import Database
from tests.factories import MOMENT, PointEntryFactory

INSERT = """INSERT INTO ledger_pointentry (posting_id, account_id, points)
SELECT posting_id, account_id, points FROM ledger_pointentry WHERE false"""


def sealed() -> int:
    return chain.seal(up_to=chain.settled_id(), now=MOMENT)


@atomic
def committed() -> None:
    PointEntryFactory.create()


def found() -> list[str]:
    return [str(breach) for breach in chain.breaches()]


@pytest.mark.django_db
def test_every_entry_is_sealed_once_in_the_chain_of_its_program() -> None:
    one = PointEntryFactory.create()
    PointEntryFactory.create(account=one.account)
    PointEntryFactory.create()

    first, again = sealed(), sealed()
    PointEntryFactory.create(account=one.account)
    later = sealed()

    assert (first, again, later) == (6, 0, 2)
    blocks = list(LedgerBlock.objects.filter(program=one.posting.program).order_by("number"))
    assert [(block.number, block.entry_count) for block in blocks] == [(1, 4), (2, 2)]
    assert [blocks[0].previous_hash, blocks[1].previous_hash] == ["", blocks[0].block_hash]
    assert found() == []
    assert chain.counts() == {"blocks": 3, "sealed": 8}
    assert chain.heads()[str(one.posting.program_id)] == [2, blocks[1].block_hash]


@pytest.mark.django_db
def test_a_long_run_of_entries_makes_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BLOCK_SIZE", 3)
    account = PointEntryFactory.create().account
    for _number in range(3):
        PointEntryFactory.create(account=account)

    tasks.seal()

    assert list(LedgerBlock.objects.order_by("number").values_list("entry_count", flat=True)) == [3, 3, 2]
    assert found() == []


@pytest.mark.django_db
def test_an_entry_of_another_program_between_sealed_ones_is_no_stranger() -> None:
    first = PointEntryFactory.create()
    PointEntryFactory.create()
    PointEntryFactory.create(account=first.account)

    assert sealed() == 6
    assert found() == []


@pytest.mark.django_db
def test_an_entry_below_the_newest_seal_that_nobody_sealed_is_named() -> None:
    late = PointEntryFactory.create(account__member__name="late")
    other = PointEntryFactory.create()
    chain.seal(up_to=late.pk - 1, now=MOMENT)
    LedgerBlock.objects.create(
        program=other.posting.program,
        number=1,
        last_entry_id=other.pk + 1,
        entry_count=0,
        digests=b"",
        block_hash="0" * 64,
        sealed_at=MOMENT,
    )

    named = found()

    assert (
        f"ledger_pointentry {late.pk}: it was added to posting {late.posting_id} after that was sealed."
        in named
    )


@pytest.mark.django_db
def test_a_block_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BLOCK_SIZE", 2)
    account = PointEntryFactory.create().account
    PointEntryFactory.create(account=account)
    blocks = [*chain._blocks()] if sealed() else []
    program_id = blocks[0].program_id

    breaches = [str(breach) for breach in chain._broken_links(blocks[1], None)]

    assert breaches == [
        f"ledger_ledgerblock {blocks[1].id}: block 2 of program {program_id} follows block 0."
    ]


def test_sealing_waits_for_writers_that_came_before(fresh_database: Database) -> None:
    """A lower number that is committed late must not appear below a seal."""
    committed()
    with psycopg.connect(fresh_database.url) as writer:
        writer.execute(INSERT)  # holds the table as any insert does

        unsettled = chain.settled_id(patience=0.2)
        threading.Timer(0.3, writer.rollback).start()
        started = time.monotonic()
        settled = chain.settled_id(patience=10)

    assert unsettled == 0
    assert settled == PointEntry.objects.latest("pk").pk
    assert 0.1 < time.monotonic() - started < 5


def test_writers_that_come_later_are_not_waited_for(fresh_database: Database) -> None:
    committed()

    with psycopg.connect(fresh_database.url) as reader:
        reader.execute("SELECT * FROM ledger_pointentry")
        settled = chain.settled_id(patience=1)

    assert settled == PointEntry.objects.latest("pk").pk
