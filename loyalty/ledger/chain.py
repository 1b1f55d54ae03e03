"""Seals entries in hash-chained blocks, off the hot path, and names every row that differs from what was sealed.

A block covers all entries of its program after the block before. It keeps a digest of each, so that a single
changed, added or removed row can be named; whoever changes a digest too must forge every later block.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.transaction import atomic

from loyalty.ledger.models import LedgerBlock, ProofRun
from loyalty.ledger.proof import Breach
from members.models import Program

BLOCK_SIZE = 10_000
ID_BYTES, DIGEST_BYTES = 8, 32
ENTRY_BYTES = ID_BYTES + DIGEST_BYTES
# What nobody numbered lies before the first block.
LOWEST_ID = -(2**63)
PATIENCE_SECONDS = 10.0
LOCK = 0x7365616C

# Every column of the entry and of its posting; the texts come last, so that no two rows read alike. OFFSET 0 keeps
# PostgreSQL from reading all postings for each block: it does not know that those of a block lie together.
DIGESTS = """
SELECT count(*), coalesce(string_agg(int8send(entry.id) || sha256(
    int8send(entry.id) || int8send(entry.account_id) || int8send(entry.points) || int8send(posting.id)
    || int8send(posting.program_id) || int8send(coalesce(posting.reverses_id, 0))
    || timestamptz_send(posting.posted_at) || convert_to(posting.kind || '|' || posting.source, 'UTF8')
), ''::bytea ORDER BY entry.id), ''::bytea)
FROM ledger_pointentry entry,
    LATERAL (SELECT * FROM ledger_posting WHERE id = entry.posting_id AND program_id = %s OFFSET 0) posting
WHERE entry.id > %s AND entry.id <= %s
"""
NEXT_LAST = """
SELECT max(id) FROM (
    SELECT entry.id FROM ledger_pointentry entry JOIN ledger_posting posting ON posting.id = entry.posting_id
    WHERE posting.program_id = %s AND entry.id > %s AND entry.id <= %s ORDER BY entry.id LIMIT %s) run
"""
# Whoever inserts holds this lock from before the entry has its number until it is decided.
WRITERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'ledger_pointentry'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""
BLOCKS = """
SELECT id, program_id, number, last_entry_id, entry_count, digests, previous_hash, block_hash
FROM ledger_ledgerblock ORDER BY program_id, number
"""
# Below the newest seal, but after the last block of its program: nobody sealed it.
BETWEEN = """
SELECT entry.id, posting.id FROM ledger_pointentry entry JOIN ledger_posting posting ON posting.id = entry.posting_id
LEFT JOIN (SELECT program_id, max(last_entry_id) AS last FROM ledger_ledgerblock GROUP BY program_id) sealed
    ON sealed.program_id = posting.program_id
WHERE entry.id <= %(horizon)s AND entry.id > coalesce(sealed.last, 0)
"""
# A posting whose sealed part balances was complete then.
LATE = """
SELECT entry.id, entry.posting_id FROM ledger_pointentry entry
WHERE entry.id > %(horizon)s AND EXISTS (
    SELECT FROM ledger_pointentry sealed WHERE sealed.posting_id = entry.posting_id AND sealed.id <= %(horizon)s
    HAVING count(*) > 0 AND sum(sealed.points) = 0)
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One row of `BLOCKS`, in its order."""

    id: int
    program_id: int
    number: int
    last_entry_id: int
    entry_count: int
    digests: bytes
    previous_hash: str
    block_hash: str

    def hash(self) -> str:
        head = (
            f"{self.previous_hash}|{self.program_id}|{self.number}|{self.last_entry_id}|{self.entry_count}|"
        )
        return hashlib.sha256(head.encode() + self.digests).hexdigest()

    def digest_of(self) -> dict[bytes, bytes]:
        return _by_id(self.digests)


def settled_id(*, patience: float = PATIENCE_SECONDS) -> int:
    """An entry ID up to which every entry is either there for good or will never be; 0 if writers do not end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM ledger_pointentry")
        highest: int = cursor.fetchone()[0]
    end = time.monotonic() + patience
    waited_for = _writers()
    while waited_for:
        if time.monotonic() > end:
            return 0
        time.sleep(0.02)
        waited_for &= _writers()
    return highest


def _writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(WRITERS)
        return {row[0] for row in cursor.fetchall()}


@atomic
def seal(*, up_to: int, now: datetime) -> int:
    """Seal every entry up to this ID, which `settled_id` gave; returns how many. One at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    after = horizon()
    programs = Program.objects.order_by("pk").values_list("pk", flat=True)
    return sum(_seal_program(program_id, after=after, up_to=up_to, now=now) for program_id in programs)


def horizon() -> int:
    """All programs are sealed up to this entry."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(last_entry_id), 0) FROM ledger_ledgerblock")
        found: int = cursor.fetchone()[0]
    return found


def _seal_program(program_id: int, *, after: int, up_to: int, now: datetime) -> int:
    previous = LedgerBlock.objects.defer("digests").filter(program_id=program_id).order_by("-number").first()
    number, previous_hash = (previous.number, previous.block_hash) if previous else (0, "")
    sealed = 0
    while last := _next_last(program_id, after, up_to):
        number += 1
        count, digests = _digests(program_id, after, last)
        block = Block(0, program_id, number, last, count, digests, previous_hash, "")
        previous_hash = block.hash()
        LedgerBlock.objects.create(
            program_id=program_id,
            number=number,
            last_entry_id=last,
            entry_count=count,
            digests=digests,
            previous_hash=block.previous_hash,
            block_hash=previous_hash,
            sealed_at=now,
        )
        after, sealed = last, sealed + count
    return sealed


def _next_last(program_id: int, after: int, up_to: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_LAST, [program_id, after, up_to, BLOCK_SIZE])
        found: int | None = cursor.fetchone()[0]
    return found


def _digests(program_id: int, after: int, last: int) -> tuple[int, bytes]:
    with connection.cursor() as cursor:
        cursor.execute(DIGESTS, [program_id, after, last])
        count, digests = cursor.fetchone()
    return count, bytes(digests)


def breaches() -> Iterator[Breach]:
    """Every block that is not what it was, and every entry that differs from its seal. Writes nothing."""
    yield from _shortened()
    before: Block | None = None
    for block in _blocks():
        before = before if before and before.program_id == block.program_id else None
        yield from _broken_links(block, before)
        yield from _differences(block, before.last_entry_id if before else LOWEST_ID)
        before = block
    yield from _unsealed()


def heads() -> dict[str, list[int | str]]:
    """The number and hash of each program's last block; to be kept where this database's owner cannot write."""
    last = LedgerBlock.objects.order_by("program_id", "-number").distinct("program_id")
    return {
        str(program_id): [number, block_hash]
        for program_id, number, block_hash in last.values_list("program_id", "number", "block_hash")
    }


def counts() -> Mapping[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(sum(entry_count), 0) FROM ledger_ledgerblock")
        blocks, entries = cursor.fetchone()
    return {"blocks": blocks, "sealed": int(entries)}


def _blocks() -> Iterator[Block]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(BLOCKS)
        while row := cursor.fetchone():
            block_id, program_id, number, last, count, digests, previous_hash, block_hash = row
            yield Block(block_id, program_id, number, last, count, bytes(digests), previous_hash, block_hash)


def _shortened() -> Iterator[Breach]:
    """The last certificate names the blocks that were last then."""
    certificate = ProofRun.objects.order_by("-pk").first()
    for program_id, (number, block_hash) in (certificate.heads if certificate else {}).items():
        blocks = LedgerBlock.objects.filter(program_id=program_id, number=number)
        if list(blocks.values_list("block_hash", flat=True)) != [block_hash]:
            sentence = f"it names block {number} of program {program_id}, which is gone or another."
            yield Breach("ledger_proofrun", certificate.pk if certificate else 0, sentence)


def _broken_links(block: Block, before: Block | None) -> Iterator[Breach]:
    number, previous_hash = (before.number, before.block_hash) if before else (0, "")
    if block.number != number + 1:
        sentence = f"block {block.number} of program {block.program_id} follows block {number}."
        yield Breach("ledger_ledgerblock", block.id, sentence)
    elif block.previous_hash != previous_hash or block.hash() != block.block_hash:
        sentence = f"block {block.number} of program {block.program_id} does not fit its hash."
        yield Breach("ledger_ledgerblock", block.id, sentence)


def _differences(block: Block, after: int) -> Iterator[Breach]:
    _count, found_digests = _digests(block.program_id, after, block.last_entry_id)
    if found_digests == block.digests:
        return
    sealed, found = block.digest_of(), _by_id(found_digests)
    for entry in sorted(sealed.keys() | found.keys()):
        if sealed.get(entry) != found.get(entry):
            what = "was removed" if entry not in found else "was added"
            what = what if entry not in found or entry not in sealed else "or its posting was changed"
            sentence = f"it {what} after block {block.number} of program {block.program_id} was sealed."
            yield Breach("ledger_pointentry", int.from_bytes(entry, signed=True), sentence)


def _by_id(digests: bytes) -> dict[bytes, bytes]:
    starts = range(0, len(digests), ENTRY_BYTES)
    return {digests[at : at + ID_BYTES]: digests[at + ID_BYTES : at + ENTRY_BYTES] for at in starts}


def _unsealed() -> Iterator[Breach]:
    """Entries that were added where all was sealed, or to a posting that was complete."""
    with connection.cursor() as cursor:
        limits = {"horizon": horizon()}
        for statement in (BETWEEN, LATE):
            cursor.execute(statement, limits)
            for entry_id, posting_id in cursor.fetchall():
                sentence = f"it was added to posting {posting_id} after that was sealed."
                yield Breach("ledger_pointentry", entry_id, sentence)
