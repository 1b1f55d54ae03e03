"""The proof of the ledger: silent about what is right, and naming the row of whatever is not."""

import pytest
from django.db.models import F
from django.db.transaction import atomic, set_rollback

from loyalty.ledger import postings, proof
from loyalty.ledger.models import PointAccount, PointEntry, PointLot
from members.models import Member
from tests.factories import (
    MOMENT,
    MemberFactory,
    PointAccountFactory,
    PointEntryFactory,
    PostingFactory,
    ProgramAccountFactory,
    ProgramFactory,
)

pytestmark = pytest.mark.django_db


def earned(points: int) -> PointAccount:
    """A member's account with one proper posting on it."""
    member: Member = MemberFactory.create()
    account = postings.open_account(member=member, now=MOMENT)
    issued = postings.open_program_accounts(program=member.program, now=MOMENT)["ISSUED"]
    postings.earn(
        posting_id=postings.next_posting_id(),
        account_id=account.pk,
        issued_id=issued.pk,
        program_id=member.program_id,
        points=points,
        source=postings.reference("transaction", account.pk),
        now=MOMENT,
    )
    account.refresh_from_db()
    return account


def found() -> list[str]:
    return [str(breach) for breach in proof.breaches()]


def test_a_proper_ledger_breaks_nothing() -> None:
    account = earned(138)
    lot = PointLot.objects.get()
    locked = postings.lock(member_id=account.member_id or 0)
    postings.claw_back(
        account=locked, points=150, award_posting_id=lot.posting_id, source="refund/1", now=MOMENT
    )

    assert found() == []
    assert proof.counts() == {"accounts": 5, "postings": 2, "entries": 4, "sum": 0}


def test_an_unbalanced_posting_is_named() -> None:
    entry = PointEntryFactory.create(account=earned(138))
    expired = ProgramAccountFactory.create(program=entry.posting.program, kind="EXPIRED")

    with atomic():
        PointEntry.objects.create(posting=entry.posting, account=expired, points=1)
        sentences, total = found(), proof.counts()["sum"]
        # The database would not let this be committed.
        set_rollback(True)

    assert f"ledger_posting {entry.posting_id}: its entries sum to 1, not to zero." in sentences
    assert total == 1


def test_a_posting_without_entries_is_named() -> None:
    posting = PostingFactory.create()

    assert found() == [f"ledger_posting {posting.pk}: it has no entries."]


def test_an_entry_in_another_programs_books_is_named() -> None:
    foreign = ProgramFactory.create()
    entry = PointEntryFactory.create(
        account=ProgramAccountFactory.create(kind="ADJUSTED"), posting=PostingFactory.create(program=foreign)
    )

    sentence = (
        f"its account belongs to program {entry.account.program_id}, its posting to program {foreign.pk}."
    )
    assert found() == [f"ledger_pointentry {entry.pk}: {sentence}"]


def test_a_balance_that_differs_from_its_entries_is_named() -> None:
    account = earned(138)
    PointAccount.objects.filter(pk=account.pk).update(balance=139)
    PointLot.objects.update(points=139, remaining=139)

    assert found() == [f"ledger_pointaccount {account.pk}: its balance is 139, its entries sum to 138."]


def test_an_account_that_missed_a_version_is_named() -> None:
    account = earned(138)
    PointAccount.objects.filter(pk=account.pk).update(version=0)

    assert found() == [f"ledger_pointaccount {account.pk}: its version is 0, but it has 1 entries."]


def test_lots_that_hold_other_than_the_balance_are_named() -> None:
    account = earned(138)
    PointLot.objects.update(remaining=F("remaining") - 8)

    assert found() == [
        f"ledger_pointaccount {account.pk}: 130 points are left in its lots, its balance is 138."
    ]


def test_a_negative_balance_has_empty_lots() -> None:
    account = PointAccountFactory.create(balance=0)
    entry = PointEntryFactory.create(account=account, points=-20)
    PointAccount.objects.filter(pk=account.pk).update(balance=-20, version=1)

    assert found() == []
    assert entry.points == -20
