"""What the database refuses of the ledger: bad rows, postings that do not balance, and any change of the past."""

from itertools import product

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.db.transaction import atomic

from loyalty import health
from loyalty.ledger.models import PointAccount, PointEntry, Posting
from tests.constraints import Make, refused_by
from tests.databases import Database
from tests.factories import (
    MOMENT,
    ExpiryNoticeFactory,
    LedgerBlockFactory,
    MemberFactory,
    PointAccountFactory,
    PointEntryFactory,
    PointLotFactory,
    PostingFactory,
    ProgramAccountFactory,
    ProgramFactory,
    RedemptionFactory,
    RedemptionPartFactory,
)

TABLES = ("ledger_posting", "ledger_pointentry")
CHANGES = ("UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE")


def second_program_account() -> object:
    account = ProgramAccountFactory.create()
    return PointAccount.objects.create(program=account.program, kind=account.kind, changed_at=MOMENT)


def same_source() -> object:
    posting = PostingFactory.create()
    return PostingFactory.create(source=posting.source)


def second_line_on_one_account() -> object:
    entry = PointEntryFactory.create()
    return PointEntry.objects.create(posting=entry.posting, account=entry.account, points=1)


def redemption_returned_by_nothing() -> object:
    posting = PostingFactory.create()
    return RedemptionFactory.create(state="RETURNED", ended_at=MOMENT, end_posting=posting)


def same_request() -> object:
    first = RedemptionFactory.create(request_key="k")
    return RedemptionFactory.create(account=first.account, mall=first.mall, request_key="k")


def second_part_of_one_lot() -> object:
    part = RedemptionPartFactory.create()
    return RedemptionPartFactory.create(redemption=part.redemption, lot=part.lot)


def second_block() -> object:
    block = LedgerBlockFactory.create()
    return LedgerBlockFactory.create(program=block.program, number=block.number)


def second_warning() -> object:
    notice = ExpiryNoticeFactory.create()
    return ExpiryNoticeFactory.create(lot=notice.lot, days_ahead=notice.days_ahead)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("ledger_ledgerblock_one_per_number", second_block),
        ("ledger_pointaccount_one_per_program_and_kind", second_program_account),
        ("ledger_pointaccount_member_keeps_balance", lambda: PointAccountFactory.create(balance=None)),
        ("ledger_pointaccount_member_keeps_balance", lambda: ProgramAccountFactory.create(balance=0)),
        (
            "ledger_pointaccount_member_keeps_balance",
            lambda: PointAccount.objects.create(
                program=ProgramFactory.create(),
                member=MemberFactory.create(),
                kind="ISSUED",
                changed_at=MOMENT,
            ),
        ),
        ("ledger_pointaccount_version_not_negative", lambda: PointAccountFactory.create(version=-1)),
        ("ledger_posting_once_per_source", same_source),
        ("ledger_posting_reversal_names_its_posting", lambda: PostingFactory.create(kind="REVERSE")),
        (
            "ledger_posting_reversal_names_its_posting",
            lambda: PostingFactory.create(reverses=PostingFactory.create()),
        ),
        ("ledger_pointentry_points_not_zero", lambda: PointEntryFactory.create(points=0)),
        ("ledger_pointentry_one_per_posting_and_account", second_line_on_one_account),
        ("ledger_pointlot_points_positive", lambda: PointLotFactory.create(points=0)),
        ("ledger_pointlot_remaining_within_points", lambda: PointLotFactory.create(remaining=-1)),
        ("ledger_pointlot_remaining_within_points", lambda: PointLotFactory.create(points=5, remaining=6)),
        (
            "ledger_pointlot_hold_has_points_held",
            lambda: PointLotFactory.create(is_held=False, held_until_at=MOMENT),
        ),
        ("ledger_redemption_points_positive", lambda: RedemptionFactory.create(points=0, parts=None)),
        ("ledger_redemption_worth_not_negative", lambda: RedemptionFactory.create(value_cents=-1)),
        ("ledger_redemption_code_lives", lambda: RedemptionFactory.create(expires_at=MOMENT)),
        ("ledger_redemption_ended_has_its_posting", lambda: RedemptionFactory.create(state="CONFIRMED")),
        ("ledger_redemption_ended_has_its_posting", lambda: RedemptionFactory.create(ended_at=MOMENT)),
        ("ledger_redemption_returned_has_its_posting", redemption_returned_by_nothing),
        ("ledger_redemption_one_per_request", same_request),
        ("ledger_redemptionpart_points_positive", lambda: RedemptionPartFactory.create(points=0)),
        ("ledger_redemptionpart_one_per_lot", second_part_of_one_lot),
        ("ledger_expirynotice_once_per_lot", second_warning),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


@pytest.mark.django_db
def test_a_posting_is_reversed_once() -> None:
    posting = PostingFactory.create()
    PostingFactory.create(kind="REVERSE", reverses=posting)

    refused_by(lambda: PostingFactory.create(kind="REVERSE", reverses=posting))

    assert Posting.objects.filter(reverses=posting).count() == 1


@pytest.mark.django_db
def test_a_posting_that_does_not_sum_to_zero_is_not_committed() -> None:
    entry = PointEntryFactory.create()
    other = ProgramAccountFactory.create(program=entry.posting.program, kind="EXPIRED")

    with pytest.raises(IntegrityError, match="does not sum to zero"):
        _commit_a_line(entry.posting, other)

    assert PointEntry.objects.filter(posting=entry.posting).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_programs_role_may_not_even_try_to_change_the_past(table: str, change: str) -> None:
    PointEntryFactory.create()

    with pytest.raises(DatabaseError, match="permission denied"), atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(table))

    assert (Posting.objects.count(), PointEntry.objects.count()) == (1, 2)


def test_the_owner_of_the_tables_is_refused_too(fresh_database: Database) -> None:
    with atomic():
        PointEntryFactory.create()

    for table, change in product(TABLES, CHANGES):
        with (
            psycopg.connect(fresh_database.owner_url) as owner,
            pytest.raises(psycopg.Error, match="append-only"),
        ):
            owner.execute(change.format(table))

    assert (Posting.objects.count(), PointEntry.objects.count()) == (1, 2)


@pytest.mark.django_db
def test_the_guards_hold_for_replicas_as_well() -> None:
    """Replication and some tools write with `session_replication_role`, for which ordinary triggers do not fire."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%s)",
            [list(health.GUARDED_TABLES)],
        )
        enabled = cursor.fetchall()

    assert enabled == [("A",)]


@atomic
def _commit_a_line(posting: Posting, account: PointAccount) -> None:
    """Ask at once for what a commit would ask."""
    PointEntry.objects.create(posting=posting, account=account, points=1)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
