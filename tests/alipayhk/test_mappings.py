"""Unknown stores: what waits, which store it may be, mapping it and taking that back, by jobs that may die anywhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import likely_stores, mappings, unknown_stores, waiting
from alipayhk.likely_stores import Shelf
from alipayhk.models import MappingJob, Notification
from loyalty.earning import recount
from loyalty.earning.models import Award, Correction, Transaction
from loyalty.ledger import proof
from loyalty.ledger.models import PointAccount, Posting
from members.models import Member
from pms import clock, registry
from pms.models import Store, StoreMapping
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import Wallet

pytestmark = pytest.mark.django_db
LABEL = "KIOSK-7"
State = MappingJob.State


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def waits(mall: Wallet, number: int = 3, **fields: Any) -> None:
    named = {"pmsLabel": LABEL, "merchantId": "2160999", "merchantName": "HARBOR NOODLES LTD"} | fields
    for _ in range(number):
        mall.send("BILL", mall.bill(**named))


def mapped(mall: Wallet, store: Store | None = None, name: str = LABEL) -> MappingJob:
    return mappings.map_to(mall=mall.mall, name=name, store=store or mall.store, by=None, now=clock.now())


def unmapped(job: MappingJob) -> MappingJob:
    return mappings.unmap(mapping=job.mapping, reason="The kiosk moved", by=None, now=clock.now())


def work(job: MappingJob) -> MappingJob:
    mappings.work(job_id=job.pk, clock=clock.now)
    job.refresh_from_db()
    return job


def balance() -> int:
    return PointAccount.objects.get(member__isnull=False).balance or 0


def breaches() -> list[object]:
    return [*proof.breaches(), *recount.breaches()]


def inbox(mall: Wallet, name: str = "") -> list[unknown_stores.UnknownStore]:
    return unknown_stores.listed(group_ids=[mall.mall.group_id], mall_ids=[mall.mall.pk], name=name)


def test_what_waits_is_one_line_for_each_name(mall: Wallet) -> None:
    waits(mall, 2)
    waits(mall, 1, merchantName="Harbour Noodles (TST)", orderAmount={"currency": "HKD", "value": 100})
    waits(mall, 1, pmsLabel="", merchantId="2160777")

    first, second = inbox(mall)

    assert (first.name, first.payments, first.cents, first.members) == (LABEL, 3, 2 * 13890 + 100, 1)
    assert set(first.merchant_names) == {"HARBOR NOODLES LTD", "Harbour Noodles (TST)"}
    assert (second.name, second.is_merchant, second.payments) == ("2160777", True, 1)
    assert inbox(mall, name="2160777") == [second]


def test_the_inbox_is_searched_by_name_and_has_pages(mall: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLD-1", "NEW-50%", "OLD-2"):
        waits(mall, 1, pmsLabel=name, merchantName=f"Shop of {name[-1]}")
    seen: dict[str, Any] = {"group_ids": [mall.mall.group_id], "mall_ids": [mall.mall.pk]}

    def names(**asked: Any) -> list[str]:
        return [one.name for one in unknown_stores.listed(**seen, **asked)]

    assert (names(typed="old"), names(typed="0%"), names(typed="shop of 2")) == (
        ["OLD-1", "OLD-2"],
        ["NEW-50%"],
        ["OLD-2"],
    )
    assert (names(typed="none"), names(page=2)) == ([], [])


def test_staff_of_another_mall_see_none_of_it(mall: Wallet) -> None:
    waits(mall)
    other = factories.MallFactory.create(group=mall.mall.group)

    assert unknown_stores.listed(group_ids=[other.group_id], mall_ids=[other.pk]) == []
    assert unknown_stores.counted(group_ids=[other.group_id], mall_ids=[other.pk], most=9) == (0, None)
    assert unknown_stores.counted(group_ids=[other.group_id], mall_ids=[mall.mall.pk], most=9)[0] == 1


@pytest.mark.parametrize(
    ("reported", "merchant_id", "label", "parts"),
    [
        ("HARBOUR NOODLES LTD", "", LABEL, ["The name is the same", "Same mall"]),
        ("Harbor Noodle", "", LABEL, ["Similar name", "Same mall"]),
        ("海港麵家有限公司", "", LABEL, ["The name is the same", "Same mall"]),
        ("海港面家", "", LABEL, ["Similar name", "Same mall"]),
        ("", "2160555", LABEL, ["Same merchant ID", "Same mall"]),
        ("", "", "LUMINA/LP-S12", ["The label holds its code", "Same mall"]),
    ],
)
def test_likely_stores_say_why(
    mall: Wallet, reported: str, merchant_id: str, label: str, parts: list[str]
) -> None:
    factories.StoreFactory.create(mall=mall.mall, name_en="Golden Optics", name_zh="金視眼鏡")
    right = factories.StoreFactory.create(
        mall=mall.mall, name_en="Harbour Noodles", name_zh="海港麵家", merchant_id="2160555", code="LP-S12"
    )
    Store.objects.filter(pk=mall.store.pk).update(name_en="Sakura", name_zh="櫻花")
    waits(mall, 1, merchantName=reported, merchantId=merchant_id or "1", pmsLabel=label)
    [unknown] = inbox(mall)

    likely = Shelf([mall.mall.pk]).likely(unknown)

    assert [one.store for one in likely] == [right]
    said = [part.said for part in likely[0].parts]
    assert len(said) == len(parts)
    assert all(one.startswith(begun) for one, begun in zip(said, parts, strict=True))
    assert likely[0].score == min(100, sum(part.points for part in likely[0].parts)) >= 35


def test_a_name_like_none_is_likely_nobody(mall: Wallet) -> None:
    Store.objects.filter(pk=mall.store.pk).update(name_en="Sakura", name_zh="櫻花")
    waits(mall, 1, merchantName="Golden Optics")

    assert Shelf([mall.mall.pk]).likely(inbox(mall)[0]) == []


def test_a_page_compares_only_so_many_names(mall: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.objects.filter(pk=mall.store.pk).update(name_en="Sakura", name_zh="櫻花")
    waits(mall, 1, merchantName="Sakura")
    monkeypatch.setattr(likely_stores, "MOST_COMPARED", 1)
    shelf, [unknown] = Shelf([mall.mall.pk]), inbox(mall)

    first, second = shelf.likely(unknown), shelf.likely(unknown)

    assert ([one.store for one in first], second, shelf.is_tired) == ([mall.store], [], True)


def test_the_preview_says_what_mapping_will_do_and_writes_nothing(mall: Wallet) -> None:
    waits(mall, 2)
    waits(mall, 1, orderAmount={"currency": "HKD", "value": 5000})

    with changes.only():
        found = unknown_stores.preview(
            group_id=mall.mall.group_id, name=LABEL, store=mall.store, now=clock.now()
        )
    work(mapped(mall))

    assert (found.payments, found.members, found.points, found.held) == (3, 1, 276, 0)
    assert (found.cents, found.nothing, found.is_whole) == (2 * 13890 + 5000, {"BELOW_MIN_SPEND": 1}, True)
    assert balance() == found.points


def test_mapping_awards_all_that_waits_by_the_same_judging_as_the_sweep(mall: Wallet) -> None:
    waits(mall, 3)

    job = work(mapped(mall))

    assert (job.state, job.payment_count, job.done_count, job.points) == (State.DONE, 3, 3, 414)
    assert set(Notification.objects.values_list("state", "waits_for")) == {("PROCESSED", "")}
    assert (Award.objects.count(), balance(), inbox(mall)) == (3, 414, [])
    assert breaches() == []


def test_mapping_twice_changes_nothing(mall: Wallet) -> None:
    waits(mall)
    job = work(mapped(mall))

    with changes.only():
        again = work(mapped(mall))

    assert (again, balance()) == (job, 414)


def test_of_two_who_map_one_name_the_second_is_told(mall: Wallet) -> None:
    other = factories.StoreFactory.create(mall=mall.mall)
    waits(mall)
    mapped(mall)

    with changes.only(), pytest.raises(mappings.LeadsElsewhere) as told:
        mapped(mall, other)

    assert told.value.store == mall.store


def refused(spoil: Callable[[Wallet, Store], object], mall: Wallet, store: Store) -> None:
    spoil(mall, store)
    store.refresh_from_db()
    with changes.only(), pytest.raises(mappings.MappingRefused):
        mapped(mall, store)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mall, store: Store.objects.filter(pk=store.pk).update(state="SUSPENDED"),
        lambda mall, store: Store.objects.filter(pk=store.pk).update(merged_into=mall.store),
        lambda mall, store: Store.objects.filter(pk=mall.store.pk).update(pms_label=LABEL),
        lambda mall, store: Store.objects.filter(pk=store.pk).update(
            group=factories.MallGroupFactory.create()
        ),
    ],
    ids=["suspended", "merged", "another store's own label", "another group's"],
)
def test_what_cannot_be_mapped_is_refused_and_nothing_changes(
    mall: Wallet, spoil: Callable[[Wallet, Store], object]
) -> None:
    refused(spoil, mall, factories.StoreFactory.create(mall=mall.mall))


def test_a_payment_known_by_its_merchant_id_alone_is_mapped_by_that(mall: Wallet) -> None:
    waits(mall, 2, pmsLabel="", merchantId="2160777")
    waits(mall, 1, pmsLabel="OTHER", merchantId="2160777")

    job = work(mapped(mall, name="2160777"))

    assert (job.done_count, balance()) == (2, 276)
    assert [one.name for one in inbox(mall)] == ["OTHER"]


def test_new_payments_follow_the_mapping_before_the_job_has_begun(mall: Wallet) -> None:
    waits(mall, 2)
    job = mapped(mall)

    waits(mall, 1)
    assert balance() == 138
    waiting.sweep(now=clock.now())
    job = work(job)

    assert (balance(), job.done_count, job.state) == (414, 2, State.DONE)


def test_a_job_that_died_is_taken_up_and_another_worker_leaves_one_alone(mall: Wallet) -> None:
    waits(mall, 3)
    job = mapped(mall)
    MappingJob.objects.filter(pk=job.pk).update(state=State.RUNNING, moved_at=clock.now())
    waiting.judge_purchase(Transaction.objects.earliest("pk").pk, now=clock.now())

    assert mappings.lost(now=clock.now()) == []
    assert work(job).state == State.RUNNING
    MappingJob.objects.filter(pk=job.pk).update(moved_at=clock.now() - timedelta(minutes=1))

    assert mappings.lost(now=clock.now()) == [job.pk]
    assert (work(job).state, job.done_count, job.points, balance()) == (State.DONE, 3, 414, 414)


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
