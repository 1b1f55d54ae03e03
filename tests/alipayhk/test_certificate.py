"""The whole proof on 50,000 entries: green, sealed, and then any single row changed, added or removed is named."""

from typing import Any

import psycopg
import pytest

from alipayhk import certificate
from loyalty.earning.models import Award
from loyalty.ledger import chain, proof
from loyalty.ledger.models import LedgerBlock, PointEntry, ProofRun
from pms import clock
from tests.bench import big_ledger
from tests.databases import Database

ENTRIES = 50_000
TABLES = ("ledger_pointentry", "ledger_posting", "ledger_ledgerblock", "ledger_proofrun", "earning_award")


class Intruder:
    """Whoever owns the tables and has switched their triggers off."""

    def __init__(self, database: Database) -> None:
        self.url = database.owner_url
        self.does(*(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in TABLES))

    def does(self, *statements: str) -> None:
        with psycopg.connect(self.url) as connection:
            for statement in statements:
                connection.execute(statement)


def proved() -> tuple[ProofRun, list[str]]:
    told: list[str] = []
    return certificate.prove(clock=clock.now, tell=told.append), told


@pytest.mark.timeout(300)
def test_p16_any_single_row_that_was_changed_added_or_removed_is_named(fresh_database: Database) -> None:
    big_ledger.fill(ENTRIES, owner_url=fresh_database.owner_url)
    intruder = Intruder(fresh_database)

    first, told = proved()
    assert told == []
    assert first.is_green
    assert first.counts["sealed"] == first.counts["entries"] > ENTRIES * 0.9
    assert first.counts["awards"] == ENTRIES / 2

    for sentence, deed, undoing in tampering():
        intruder.does(*deed)
        named = ledger_breaches()
        assert any(sentence in line for line in named), (sentence, named)
        intruder.does(*undoing)
    assert ledger_breaches() == []

    award = Award.objects.filter(points__gt=0).order_by("pk")[12_000]
    intruder.does(f"UPDATE earning_award SET points = points + 1 WHERE id = {award.pk}")
    last, told = proved()
    assert (
        f"earning_award {award.pk}: it gave {award.points + 1} points, its rules give {award.points}." in told
    )
    assert (last.is_green, last.breaches, last.heads) == (False, told, first.heads)


def ledger_breaches() -> list[str]:
    return [str(breach) for breach in [*proof.breaches(), *chain.breaches()]]


def tampering() -> list[tuple[str, list[str], list[str]]]:
    """What is said, what was done, and how it is undone: one row each."""
    entry = PointEntry.objects.filter(points__gt=0).order_by("pk")[20_000]
    block: Any = LedgerBlock.objects.order_by("number")[2]
    where = f"WHERE id = {entry.pk}"
    row = f"({entry.pk}, {entry.posting_id}, {entry.account_id}, {entry.points})"
    columns = "(id, posting_id, account_id, points)"
    issued = PointEntry.objects.get(posting_id=entry.posting_id, points__lt=0)
    other = (
        PointEntry.objects.filter(points__gt=0).exclude(account=entry.account_id).order_by("pk")[0].account_id
    )
    named, new = f"ledger_pointentry {entry.pk}: it", 10**9
    changed = f"{named} or its posting was changed after block"
    return [
        (changed, [f"UPDATE ledger_pointentry SET points = points + 1 {where}"],
         [f"UPDATE ledger_pointentry SET points = points - 1 {where}"]),
        (changed, [f"UPDATE ledger_pointentry SET account_id = {other} {where}"],
         [f"UPDATE ledger_pointentry SET account_id = {entry.account_id} {where}"]),
        (changed, [f"UPDATE ledger_posting SET posted_at = posted_at + interval '1 s' WHERE id = {entry.posting_id}"],
         [f"UPDATE ledger_posting SET posted_at = posted_at - interval '1 s' WHERE id = {entry.posting_id}"]),
        (f"{named} was removed after block", [f"DELETE FROM ledger_pointentry {where}"],
         [f"INSERT INTO ledger_pointentry {columns} OVERRIDING SYSTEM VALUE VALUES {row}"]),
        (f"ledger_pointentry {-1}: it was added", [f"INSERT INTO ledger_pointentry {columns} OVERRIDING SYSTEM VALUE"
          f" VALUES (-1, {entry.posting_id}, {other}, 5)"], ["DELETE FROM ledger_pointentry WHERE id = -1"]),
        (f"ledger_pointentry {new}: it was added to posting {entry.posting_id} after that was sealed.",
         [f"INSERT INTO ledger_pointentry {columns} OVERRIDING SYSTEM VALUE"
          f" VALUES ({new}, {entry.posting_id}, {other}, 5)"], [f"DELETE FROM ledger_pointentry WHERE id = {new}"]),
        (f"ledger_ledgerblock {block.pk}: block 3 of program {block.program_id} does not fit its hash.",
         [f"UPDATE ledger_ledgerblock SET digests = digests || '\\x00' WHERE id = {block.pk}"],
         [f"UPDATE ledger_ledgerblock SET digests = substring(digests FROM 1 FOR length(digests) - 1)"
          f" WHERE id = {block.pk}"]),
        (f"ledger_pointaccount {entry.account_id}: its balance is", [
            f"UPDATE ledger_pointaccount SET balance = balance + 1 WHERE id = {entry.account_id}"],
         [f"UPDATE ledger_pointaccount SET balance = balance - 1 WHERE id = {entry.account_id}"]),
        (f"ledger_posting {new}: it has no entries.",
         [f"INSERT INTO ledger_posting (id, program_id, kind, source, posted_at) OVERRIDING SYSTEM VALUE"
          f" VALUES ({new}, {block.program_id}, 'ADJUST', 'x', now())"],
         [f"DELETE FROM ledger_posting WHERE id = {new}"]),
        (f"ledger_pointentry {issued.pk}: it was removed after block",
         [f"DELETE FROM ledger_pointentry WHERE posting_id = {entry.posting_id}"],
         [f"INSERT INTO ledger_pointentry {columns} OVERRIDING SYSTEM VALUE VALUES {row},"
          f" ({issued.pk}, {issued.posting_id}, {issued.account_id}, {issued.points})"]),
    ]  # fmt: skip


def test_a_chain_that_became_shorter_is_named_by_the_last_certificate(fresh_database: Database) -> None:
    big_ledger.fill(1000, owner_url=fresh_database.owner_url)
    first, _ = proved()
    Intruder(fresh_database).does("DELETE FROM ledger_ledgerblock")

    run, told = proved()

    program_id = next(iter(first.heads))
    assert told == [
        f"ledger_proofrun {first.pk}: it names block 1 of program {program_id}, which is gone or another."
    ]
    assert not run.is_green


def test_a_ledger_with_a_breach_is_not_sealed(fresh_database: Database) -> None:
    big_ledger.fill(1000, owner_url=fresh_database.owner_url)
    Intruder(fresh_database).does("UPDATE ledger_pointentry SET points = points + 1 WHERE id = 1")

    run, told = proved()

    assert told
    assert (run.is_green, run.counts["breaches"], run.counts["sealed"]) == (False, len(told), 0)
    assert not LedgerBlock.objects.exists()
    assert chain.horizon() == 0
