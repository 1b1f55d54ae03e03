"""Unmapping: what a wrong mapping gave is taken back, and waits for the right store."""

from datetime import timedelta

import pytest

from alipayhk import mappings, waiting
from alipayhk.models import MappingJob, Notification
from loyalty.earning.models import Award, Correction, Transaction
from loyalty.ledger.models import Posting
from members.models import Member
from pms import clock, registry
from pms.models import StoreMapping
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.mapping_steps import LABEL, balance, breaches, inbox, mapped, unmapped, waits, work
from tests.alipayhk.wallet import Wallet

pytestmark = pytest.mark.django_db
State = MappingJob.State


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def test_unmapping_takes_all_back_and_the_payments_wait_again(mall: Wallet) -> None:
    waits(mall, 3)
    job = work(mapped(mall))

    undo = work(unmapped(job))

    job.mapping.refresh_from_db()
    assert (job.mapping.reason, job.mapping.ended_at is not None) == ("The kiosk moved", True)
    assert (undo.kind, undo.state, undo.payment_count, undo.done_count) == ("UNMAP", State.DONE, 3, 3)
    assert (undo.points, undo.missed, balance()) == (414, 0, 0)
    assert set(Notification.objects.values_list("state", "reason", "waits_for")) == {
        ("PARKED", "PARKED_UNKNOWN_STORE", f"STORE:{LABEL}")
    }
    assert inbox(mall)[0].payments == 3
    assert breaches() == []


def test_unmapped_payments_are_judged_anew_by_the_sweep_once_mapped_to_another_store(mall: Wallet) -> None:
    other = factories.StoreFactory.create(mall=mall.mall)
    waits(mall, 2)
    work(unmapped(work(mapped(mall))))

    job = mapped(mall, other)
    waiting.sweep(now=clock.now())
    job = work(job)

    assert (balance(), job.points) == (276, 276)
    assert list(Transaction.objects.values_list("store__code", "state")) == [(other.code, "EARNED")] * 2
    assert set(Correction.objects.values_list("kind", flat=True)) == {"TAKE", "GIVE"}
    assert breaches() == []


def test_payments_of_the_store_s_own_label_stay_when_another_name_is_unmapped(mall: Wallet) -> None:
    mall.send("BILL", mall.bill())
    waits(mall, 1)

    undo = work(unmapped(work(mapped(mall))))

    assert (undo.payment_count, balance()) == (1, 138)


def test_what_was_judged_by_a_clock_read_before_the_mapping_is_taken_back_too(mall: Wallet) -> None:
    before = clock.now()
    waits(mall, 2)
    job = mapped(mall)
    waiting.sweep(now=before - timedelta(minutes=5))

    job = work(job)
    assert (balance(), job.points) == (276, 276)
    mappings.work(job_id=unmapped(job).pk, clock=lambda: before)

    undo = MappingJob.objects.get(kind="UNMAP")
    assert (undo.state, undo.points, balance()) == (State.DONE, 276, 0)
    assert breaches() == []


def test_payments_at_each_store_of_a_chain_of_mergers_are_taken_back(mall: Wallet) -> None:
    second, last = (factories.StoreFactory.create(mall=mall.mall) for _ in range(2))
    waits(mall, 1)
    job = work(mapped(mall))
    for store, into in ((mall.store, second), (second, last)):
        registry.merge(store=store, into=into, by=None, now=clock.now())
        waits(mall, 1)
    assert Transaction.objects.values("store").distinct().count() == 3

    undo = work(unmapped(MappingJob.objects.get(pk=job.pk)))

    assert (undo.payment_count, undo.points, balance()) == (3, 414, 0)
    assert not Transaction.objects.exclude(store=None).exists()


def test_one_that_got_nothing_from_its_second_store_loses_that_too(mall: Wallet) -> None:
    waits(mall, 1)
    work(unmapped(work(mapped(mall))))
    earlier, purchase = factories.TransactionFactory.create(), Transaction.objects.get(store_label=LABEL)
    factories.DuplicateCaseFactory.create(
        transaction=purchase, earlier=earlier, state="SAME", decided_at=clock.now(),
        decided_by=factories.UserFactory.create(),
    )  # fmt: skip
    job = work(mapped(mall, factories.StoreFactory.create(mall=mall.mall)))
    purchase.refresh_from_db()
    assert (purchase.state, purchase.store_id is None) == ("DUPLICATE", False)

    undo = work(unmapped(job))

    purchase.refresh_from_db()
    assert (undo.payment_count, purchase.state, purchase.store) == (1, "DUPLICATE", None)


def test_one_payment_that_cannot_be_taken_back_stops_no_other(
    mall: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    waits(mall, 3)
    job = work(mapped(mall))
    first = Transaction.objects.earliest("pk")
    # What its own posting will be called.
    factories.PostingFactory.create(
        program=first.member.program,
        kind=Posting.Kind.CLAW_BACK,
        source=f"transaction/{first.pk}/correction/1",
    )

    undo = work(unmapped(job))

    assert (undo.state, undo.payment_count, undo.done_count, balance()) == (State.RUNNING, 3, 2, 138)
    assert f"purchase {first.pk} could not be unmapped" in caplog.text
    assert mappings.lost(now=clock.now() + timedelta(minutes=1)) == [undo.pk]


def test_one_whose_member_left_meanwhile_is_judged_like_any_other_of_theirs(mall: Wallet) -> None:
    waits(mall, 1)
    work(unmapped(work(mapped(mall))))
    Member.objects.update(state=Member.State.CLOSED)

    work(mapped(mall))

    assert (Transaction.objects.get().state, balance()) == ("NOTHING", 0)
    assert Notification.objects.get().state == "PROCESSED"
    assert breaches() == []


def test_of_two_who_unmap_the_second_is_told(mall: Wallet) -> None:
    job = work(mapped(mall))
    unmapped(job)

    with changes.only(), pytest.raises(mappings.EndedAlready):
        unmapped(job)


def test_a_name_is_not_mapped_while_it_is_still_being_unmapped(mall: Wallet) -> None:
    waits(mall, 1)
    undo = unmapped(work(mapped(mall)))

    with changes.only(), pytest.raises(mappings.NotYetUnmapped):
        mapped(mall)
    work(undo)

    assert mapped(mall).kind == "MAP"


def test_unmapping_before_the_worker_came_leaves_nothing_to_judge(mall: Wallet) -> None:
    waits(mall, 2)
    job = mapped(mall)
    undo = unmapped(job)

    work(job)
    work(undo)

    assert (job.state, undo.state, balance()) == (State.DONE, State.DONE, 0)
    assert not Award.objects.exists()


def test_a_refund_finds_its_payment_however_often_it_was_mapped(mall: Wallet) -> None:
    bill = mall.bill(pmsLabel=LABEL)
    mall.send("BILL", bill)
    work(unmapped(work(mapped(mall))))
    part = {"currency": "HKD", "value": 3000}
    mall.send("REFUND", mall.refund(bill, refundAmount=part))
    assert Notification.objects.get(kind="REFUND").state == "PARKED"

    work(mapped(mall))
    waiting.sweep(now=clock.now())

    assert Notification.objects.get(kind="REFUND").state == "PROCESSED"
    assert balance() == 108
    assert breaches() == []


def test_an_upload_whose_store_was_wrong_is_judged_again_without_a_message(mall: Wallet) -> None:
    waits(mall, 1)
    job = work(mapped(mall))
    Notification.objects.all().update(transaction=None)
    Transaction.objects.update(channel="UPLOAD")
    work(unmapped(job))
    assert balance() == 0
    StoreMapping.objects.create(group=mall.mall.group, store=mall.store, label=LABEL, began_at=clock.now())

    judged = waiting.sweep(now=clock.now())

    assert (judged, balance()) == (1, 138)
