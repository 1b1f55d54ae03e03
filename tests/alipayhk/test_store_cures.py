"""What differs between the registry and AlipayHK's list, and what each cure makes of it."""

from typing import Any

import pytest

from alipayhk import stores
from alipayhk.models import ListedStore
from pms import clock
from pms.models import Store, StoreChange
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector

pytestmark = pytest.mark.django_db

QUERY = "circleStore/queryPage"


@pytest.fixture(autouse=True)
def brisk(settings: Any) -> None:
    settings.ALIPAYHK_RETRY_DELAYS = [0.0, 0.01, 0.01, 0.01, 600.0, 1800.0]


def filled(collector: Collector, count: int) -> list[Store]:
    """Stores of ours that AlipayHK has as they are."""
    chosen = [collector.store() for _ in range(count)]
    for store in chosen:
        collector.put_ours(store)
    return chosen


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"store_name": ""}, "CONFIRMED"),
        ({"partner_id": ""}, "CONFIRMED"),
        ({"partner_id": "209"}, "DIFFERS"),
        ({"store_name": "  HARBOUR   ｎｏｏｄｌｅｓ "}, "CONFIRMED"),
        ({"store_name": "海港麵家"}, "CONFIRMED"),
        ({"store_name": "海港餃子"}, "DIFFERS"),
    ],
)
def test_what_differs_is_what_contradicts(collector: Collector, change: dict[str, str], state: str) -> None:
    store = collector.store(name_en="Harbour Noodles", name_zh="海港麵家")
    collector.put_ours(store, **change)

    collector.confirm()

    assert collecting.row(store).state == state


def test_theirs_may_be_taken_and_nothing_is_sent(collector: Collector) -> None:
    store = collector.store(name_zh="海港麵家")
    collector.collect(store)
    collector.put_ours(store, store_name="海港餃子")
    collector.confirm()

    stores.take_theirs(collection=collecting.row(store), by=None, now=clock.now())

    store.refresh_from_db()
    assert store.name_zh == "海港餃子"
    change = StoreChange.objects.get(store=store)
    assert (change.source, change.fields) == ("WALLET", {"name_zh": ["海港麵家", "海港餃子"]})
    assert collecting.row(store).state == "CONFIRMED"
    assert collector.drain() == 0
    assert collector.confirm().fault == ""
    assert collecting.row(store).state == "CONFIRMED"


def test_ours_may_be_sent_instead(collector: Collector) -> None:
    store = collector.store()
    collector.put_ours(store, store_name="Harbour Dumplings")
    collector.confirm()

    done = collector.collect(store)
    collector.confirm()

    assert (done.state, done.differences) == ("SENT", [])
    assert collecting.row(store).state == "CONFIRMED"
    assert collector.held()[0].store_name == store.name_en


def test_a_store_collected_by_a_payment_learns_its_ids(collector: Collector) -> None:
    store = collector.store(partner_id="", merchant_id="", store_id="")
    shop = {"pms_label": store.pms_label, "merchant_id": "2160", "store_id": "S-9", "name_en": store.name_en}
    collector.collect(store, trade_number=collector.pay_in(shop))
    collector.confirm()
    fields = [one["field"] for one in collecting.row(store).differences]

    stores.take_theirs(collection=collecting.row(store), by=None, now=clock.now())

    store.refresh_from_db()
    assert fields == ["merchant_id", "store_id"]
    assert (store.merchant_id, store.store_id) == ("2160", "S-9")
    assert collecting.row(store).state == "CONFIRMED"


def test_what_another_store_has_is_not_taken(collector: Collector) -> None:
    store, other = (
        collector.store(merchant_id="", store_id=""),
        collector.store(closed_date=factories.MOMENT.date()),
    )
    row = factories.StoreCollectionFactory.create(
        store=store,
        state="DIFFERS",
        differences=[
            {"field": name, "ours": "", "theirs": getattr(other, name)}
            for name in ("merchant_id", "store_id")
        ],
    )

    with pytest.raises(stores.LabelTaken):
        stores.take_theirs(collection=row, by=None, now=clock.now())

    store.refresh_from_db()
    assert (store.merchant_id, StoreChange.objects.count()) == ("", 0)
    assert collecting.row(store).state == "DIFFERS"


@pytest.mark.parametrize(
    ("field", "theirs", "said"),
    [
        ("merchant_id", "2" * 65, "merchant ID: It is longer than it may be: 64"),
        ("store_id", "=S-1", "store ID: It begins like a formula"),
        ("partner_id", "20\u202e30", "partner ID: It holds characters"),
        ("store_name", "E" * 129, r"English\): It is longer than it may be: 128"),
    ],
)
def test_what_the_registry_cannot_hold_is_refused_and_not_cut(
    collector: Collector, field: str, theirs: str, said: str
) -> None:
    row = factories.StoreCollectionFactory.create(
        state="DIFFERS", differences=[{"field": field, "ours": "", "theirs": theirs}]
    )

    with pytest.raises(stores.NotTaken, match=said):
        stores.take_theirs(collection=row, by=None, now=clock.now())

    assert StoreChange.objects.count() == 0
    assert collecting.row(row.store).state == "DIFFERS"


def test_a_merged_store_takes_nothing(collector: Collector) -> None:
    row = factories.StoreCollectionFactory.create(
        store=collector.store(merged_into=collector.store()),
        state="DIFFERS",
        differences=[{"field": "store_name", "ours": "", "theirs": "Echo"}],
    )

    with pytest.raises(stores.NotTaken, match="merged"):
        stores.take_theirs(collection=row, by=None, now=clock.now())


@pytest.mark.parametrize(
    ("listed", "label"),
    [
        ({"merchant_id": "2" * 65}, "PMS-ECHO"),
        ({"store_name": "E" * 129}, "PMS-ECHO"),
        ({}, "P" * 129),
        ({}, "PMS\x00"),
        ({}, "=PMS"),
    ],
)
def test_what_a_store_file_may_not_say_is_not_added(
    collector: Collector, listed: dict[str, str], label: str
) -> None:
    row = factories.ListedStoreFactory.create(mall=collector.mall, **listed)

    with pytest.raises(stores.NotTaken):
        stores.add(listed=row, pms_label=label, by=None, now=clock.now())

    assert Store.objects.count() == 0
    assert collector.listed() == {row.store_id: "ONLY_AT_ALIPAYHK"}


def test_a_list_that_is_suddenly_empty_is_not_believed(collector: Collector) -> None:
    chosen = filled(collector, 2)
    collector.confirm()
    for store in chosen:
        collector.gateway.twin.stores.remove(
            client_id=collector.credential.client_id, store_id=store.store_id
        )

    run = collector.confirm()

    assert (run.state, run.fault, run.is_whole) == ("DONE", "EMPTY_NOW", False)
    assert set(collector.states().values()) == {"CONFIRMED"}
    assert "GONE" not in collector.listed().values()


def test_a_wrong_mall_cannot_be_taken(collector: Collector) -> None:
    row = factories.StoreCollectionFactory.create(
        state="DIFFERS", differences=[{"field": "mall_label", "ours": "1", "theirs": "2"}]
    )

    with pytest.raises(stores.NothingToTake):
        stores.take_theirs(collection=row, by=None, now=clock.now())


def test_a_store_only_alipayhk_has_joins_the_registry_or_is_ignored(collector: Collector) -> None:
    for number in (1, 2):
        collector.put(merchant_id="2160", store_id=f"X-{number}", store_name=f"Echo {number}")
    collector.confirm()
    first, second = ListedStore.objects.filter(mall=collector.mall).order_by("store_id")

    added = stores.add(listed=first, pms_label="PMS-ECHO", by=None, now=clock.now())
    ignored = stores.ignore(listed=second)

    assert (added.pms_label, added.name_en, added.store_id, added.mall) == (
        "PMS-ECHO",
        "Echo 1",
        "X-1",
        collector.mall,
    )
    assert ignored
    collector.confirm()
    assert collecting.row(added).state == "CONFIRMED"
    assert collector.listed() == {"X-1": "KNOWN", "X-2": "IGNORED"}
    with pytest.raises(stores.LabelTaken):
        stores.add(listed=second, pms_label="PMS-ECHO", by=None, now=clock.now())
    assert collector.listed()["X-2"] == "IGNORED"
