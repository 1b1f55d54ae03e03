"""Unknown stores: what waits, which store it may be, mapping it and taking that back, by jobs that may die anywhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import likely_stores, mappings, unknown_stores, waiting
from alipayhk.likely_stores import Shelf
from alipayhk.models import MappingJob, Notification
from loyalty.earning.models import Award, Transaction
from pms import clock
from pms.models import Store
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.mapping_steps import LABEL, balance, breaches, inbox, mapped, waits, work
from tests.alipayhk.wallet import Wallet

pytestmark = pytest.mark.django_db
State = MappingJob.State


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


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
