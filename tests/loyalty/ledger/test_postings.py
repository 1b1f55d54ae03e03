"""Postings balance, move one account under its lock, settle deficits first, and happen once per cause."""

from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic

from loyalty.ledger import postings
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from loyalty.ledger.postings import NewLot, Posted
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.MOMENT


@pytest.fixture
def account() -> PointAccount:
    member = factories.MemberFactory.create()
    postings.open_program_accounts(program=member.program, now=NOW)
    return postings.open_account(member=member, now=NOW)


def earn(account: PointAccount, points: int, source: str = "", held: int = 0, **more: Any) -> Posted:
    posting_id = next_posting_id()
    held_lots = [NewLot(points=held, is_held=True)] if held else []
    issued = PointAccount.objects.get(program=account.program, kind="ISSUED")
    return postings.earn(
        posting_id=posting_id,
        account_id=account.pk,
        issued_id=issued.pk,
        program_id=account.program_id,
        lots=[NewLot(points=points), *held_lots],
        source=source or postings.reference("transaction", posting_id),
        now=NOW,
        **more,
    )


def next_posting_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('ledger_posting', 'id'))")
        return int(cursor.fetchone()[0])


def claw_back(account: PointAccount, points: int, posting_id: int) -> Posted:
    return postings.claw_back(
        account=account,
        usable=points,
        held=0,
        award_posting_id=posting_id,
        source=f"transaction/{posting_id}/refund/{Posting.objects.count()}",
        now=NOW,
    )


def remaining(account: PointAccount) -> list[int]:
    return list(PointLot.objects.filter(account=account).order_by("pk").values_list("remaining", flat=True))


def test_an_account_is_opened_once(account: PointAccount) -> None:
    again = postings.open_account(member=account.member, now=NOW)  # type: ignore[arg-type]

    assert again == account
    assert (account.balance, account.version, account.kind) == (0, 0, "MEMBER")


def test_a_program_has_one_account_of_each_kind_and_no_balances(account: PointAccount) -> None:
    opened = postings.open_program_accounts(program=account.program, now=NOW)

    assert set(opened) == {"RESERVED", "ISSUED", "REDEEMED", "EXPIRED", "ADJUSTED"}
    assert PointAccount.objects.filter(member=None).count() == 5
    assert {found.balance for found in opened.values()} == {None}


def test_earning_adds_two_entries_that_sum_to_zero_and_a_lot(account: PointAccount) -> None:
    posted = earn(account, 138)

    assert (posted.balance, posted.version) == (138, 1)
    entries = PointEntry.objects.filter(posting_id=posted.posting_id)
    assert sorted(entries.values_list("points", "account__kind")) == [(-138, "ISSUED"), (138, "MEMBER")]
    assert remaining(account) == [138]


def test_usable_and_held_points_that_are_small_numbers_apart_may_be_a_large_one_together(
    account: PointAccount,
) -> None:
    """A driver that sends each as a 16-bit number must not make their sum one."""
    pending = postings.open_pending(account=account, now=NOW)

    posted = earn(account, 32_000, held=32_000)

    pending.refresh_from_db()
    assert (posted.balance, pending.balance) == (32_000, 32_000)
    assert remaining(account) == [32_000, 32_000]


def test_each_posting_raises_the_version_by_one(account: PointAccount) -> None:
    versions = [earn(account, 10).version for _ in range(3)]

    assert versions == [1, 2, 3]


def test_one_cause_posts_once(account: PointAccount) -> None:
    earn(account, 10, source="transaction/1")

    with pytest.raises(IntegrityError, match="once_per_source"), atomic():
        earn(account, 10, source="transaction/1")

    account.refresh_from_db()
    assert (account.balance, account.version, Posting.objects.count()) == (10, 1, 1)


def test_an_account_that_is_not_there_is_an_error_and_writes_nothing(account: PointAccount) -> None:
    account.pk = 10**12

    with pytest.raises(PointAccount.DoesNotExist), atomic():
        earn(account, 10)

    assert (Posting.objects.count(), PointEntry.objects.count()) == (0, 0)


def test_a_claw_back_takes_from_the_awards_own_lot_first(account: PointAccount) -> None:
    first, second = earn(account, 100), earn(account, 200)

    posted = claw_back(account, 150, second.posting_id)

    assert (posted.balance, posted.version) == (150, 3)
    assert remaining(account) == [100, 50]
    assert first.posting_id < second.posting_id


def test_a_claw_back_larger_than_its_lot_goes_on_to_what_expires_first(account: PointAccount) -> None:
    lots = [earn(account, 100) for _ in range(3)]
    PointLot.objects.filter(posting_id=lots[1].posting_id).update(expires_at=NOW)

    claw_back(account, 250, lots[2].posting_id)

    assert remaining(account) == [50, 0, 0]


def test_a_claw_back_below_zero_empties_the_lots_and_leaves_a_deficit(account: PointAccount) -> None:
    earned = earn(account, 100)

    posted = claw_back(account, 300, earned.posting_id)

    assert posted.balance == -200
    assert remaining(account) == [0]


@pytest.mark.parametrize(("points", "lots"), [(150, [0]), (200, [0]), (201, [0, 1]), (500, [0, 300])])
def test_a_deficit_is_settled_before_a_lot_is_made(
    account: PointAccount, points: int, lots: list[int]
) -> None:
    claw_back(account, 300, earn(account, 100).posting_id)

    posted = earn(account, points)

    assert posted.balance == points - 200
    assert remaining(account) == lots


def test_no_points_are_no_posting(account: PointAccount) -> None:
    with pytest.raises(IntegrityError, match="points_not_zero"), atomic():
        earn(account, 0)

    assert Posting.objects.count() == 0


def test_a_lock_is_the_members_own_row(account: PointAccount) -> None:
    assert account.member is not None
    with atomic():
        locked = postings.lock(member_id=account.member.pk)

    assert locked == account


def test_an_unbalanced_posting_cannot_be_committed(account: PointAccount) -> None:
    posting = factories.PostingFactory.create(program=account.program)
    with pytest.raises(IntegrityError, match="sum"), atomic():  # noqa: PT012 - the trigger is deferred
        PointEntry.objects.create(posting=posting, account=account, points=5)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
