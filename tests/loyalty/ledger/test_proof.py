"""The proof of the ledger: silent about what is right, and naming the row of whatever is not."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.transaction import atomic, set_rollback

from loyalty.ledger import postings, proof, redemptions
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Redemption
from loyalty.ledger.postings import NewLot
from loyalty.ledger.redemptions import Wish
from members.models import Member
from tests.factories import (
    MOMENT,
    MallFactory,
    MemberFactory,
    PointAccountFactory,
    PointEntryFactory,
    PostingFactory,
    ProgramAccountFactory,
    ProgramFactory,
)
from tests.loyalty.earning.programs import shopper

pytestmark = pytest.mark.django_db


def earned(usable: int, *, held: int = 0) -> PointAccount:
    """A member's account with one proper posting on it."""
    member: Member = MemberFactory.create()
    account = postings.open_account(member=member, now=MOMENT)
    issued = postings.open_program_accounts(program=member.program, now=MOMENT)["ISSUED"]
    posting = PostingFactory.build(program=member.program)
    lots = [NewLot(points=usable)]
    if held:
        postings.open_pending(account=account, now=MOMENT)
        lots.append(NewLot(points=held, is_held=True, held_until_at=MOMENT + timedelta(days=7)))
    postings.earn(
        posting_id=1_000_000 + account.pk,
        account_id=account.pk,
        issued_id=issued.pk,
        program_id=member.program_id,
        lots=lots,
        source=posting.source,
        now=MOMENT,
    )
    account.refresh_from_db()
    return account


def reserved(account: PointAccount, points: int) -> Redemption:
    mall = MallFactory.create(group=account.program.group)
    assert account.member is not None
    return redemptions.reserve(
        wish=Wish(member=account.member, mall=mall, points=points), by=None, now=MOMENT
    )


def found() -> list[str]:
    return [str(breach) for breach in proof.breaches()]


@pytest.mark.parametrize("name", ["lumina", "verdant", "pier8"])
def test_a_proper_ledger_breaks_nothing(name: str) -> None:
    member = shopper(name)
    award = member.pays(250_000)
    member.pays(500_000)
    member.is_refunded(award, 100_000)

    assert found() == []
    assert proof.counts()["sum"] == 0


def test_redemptions_of_every_end_break_nothing() -> None:
    account = earned(10_000)
    redemptions.confirm(redemption=reserved(account, 2500), by=None, now=MOMENT)
    redemptions.release(redemption=reserved(account, 2500), by=None, now=MOMENT)
    reserved(account, 5000)

    assert found() == []


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
    PointAccount.objects.filter(pk=account.pk).update(balance=137)
    PointLot.objects.update(remaining=137)

    assert found() == [f"ledger_pointaccount {account.pk}: its balance is 137, its entries sum to 138."]


def test_a_balance_on_hold_that_differs_from_its_entries_is_named() -> None:
    account = earned(138, held=50)
    PointAccount.objects.filter(spendable=account).update(balance=49)
    PointLot.objects.filter(is_held=True).update(remaining=49)

    assert found() == [f"ledger_pointaccount {account.pending.pk}: its balance is 49, its entries sum to 50."]


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


def test_lots_on_hold_that_hold_other_than_the_balance_on_hold_are_named() -> None:
    account = earned(138, held=50)
    PointLot.objects.filter(is_held=True).update(remaining=F("remaining") - 8)

    assert found() == [
        f"ledger_pointaccount {account.pk}: 42 points are left in its lots on hold, 50 are on hold."
    ]


def test_lots_that_hold_more_than_their_posting_gave_are_named() -> None:
    account = earned(138)
    lot = PointLot.objects.get(account=account)
    PointLot.objects.update(points=139)

    assert found() == [f"ledger_posting {lot.posting_id}: its lots hold 139 points, it gave 138."]


def test_a_negative_balance_has_empty_lots() -> None:
    account = PointAccountFactory.create(balance=0)
    entry = PointEntryFactory.create(account=account, points=-20)
    PointAccount.objects.filter(pk=account.pk).update(balance=-20, version=1)

    assert found() == []
    assert entry.points == -20


def test_points_set_aside_without_an_open_redemption_are_named() -> None:
    account = earned(10_000)
    redemption = reserved(account, 2500)
    Redemption.objects.update(
        state="RELEASED", ended_at=MOMENT, end_posting=PostingFactory.create(program=account.program)
    )
    books = PointAccount.objects.get(program=account.program, kind="RESERVED")

    named = found()

    assert f"ledger_pointaccount {books.pk}: 2500 points are set aside, open redemptions are for 0." in named
    assert redemption.points == 2500


def test_a_redemption_for_more_than_was_set_aside_is_named() -> None:
    redemption = reserved(earned(10_000), 2500)
    Redemption.objects.update(points=5000)

    sentence = "it is for 5000 points, its posting set aside 2500, its lots gave 2500."
    assert f"ledger_redemption {redemption.pk}: {sentence}" in found()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("EXPIRE", "no lot stands behind this EXPIRE of lot/12345/2026-12-31."),
        ("RELEASE", "no lot stands behind this RELEASE of lot/12345/2026-12-31."),
        ("REDEEM", "no redemption stands behind this REDEEM of lot/12345/2026-12-31."),
        ("RESERVE", "no redemption stands behind this RESERVE of lot/12345/2026-12-31."),
    ],
)
def test_a_posting_that_nothing_stands_behind_is_named(kind: str, sentence: str) -> None:
    account = earned(138)
    posting = PostingFactory.create(program=account.program, kind=kind, source="lot/12345/2026-12-31")
    books = ProgramAccountFactory.create(program=account.program, kind="ADJUSTED")
    PointEntryFactory.create(account=books, posting=posting)

    assert f"ledger_posting {posting.pk}: {sentence}" in found()
