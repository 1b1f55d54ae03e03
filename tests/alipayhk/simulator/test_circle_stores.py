"""Stores at the simulated AlipayHK: what save takes, what queryPage lists, what the control API shows and alters."""

from typing import Any

import pytest
import requests

from alipayhk.simulator.book import Book
from alipayhk.simulator.cards import PassRefused
from alipayhk.simulator.circle_stores import LIST, CircleStores
from alipayhk.simulator.clients import Client, Template
from tests.alipayhk.simulator.conftest import Simulator

SUBJECT = {"mallGroupLabel": "20230316", "mallLabel": "20230316001"}
PMS = {
    "partnerId": "20230324",
    "merchantId": "20230324",
    "merchantName": "Test Merchant",
    "storeId": "20230324",
    "storeName": "Test Store",
}
CLIENT = Client(
    client_id="2110200000000044", tag="m", mall_url="", merchant_id="2160", public_keys=(), template=Template("t"),
    stores=({"pms_label": "PMS0001", "merchant_id": "2160", "store_id": "S1", "name_en": "Noodles"},),
)  # fmt: skip


@pytest.fixture
def stores() -> CircleStores:
    return CircleStores()


@pytest.fixture
def book() -> Book:
    return Book(lambda _event, _fields: None)


def save(**changed: Any) -> dict[str, Any]:
    store = {"merchantPms": PMS, "businessDistrictSubject": SUBJECT}
    return {"saveWayType": "PMS", "circleStore": store, **changed}


def query(size: object = "20", index: object = "1", **changed: Any) -> dict[str, Any]:
    info = {"pageSize": size, "pageIndex": index, "totalPageCount": "0", "totalItemCount": "0"}
    return {"businessDistrictSubject": SUBJECT, "pageInfo": info, **changed}


def fill(stores: CircleStores, count: int) -> None:
    for number in range(count):
        order = {"group_label": "20230316", "mall_label": "20230316001", "merchant_id": "2160"}
        stores.put({**order, "store_id": f"S{number}", "store_name": f"Store {number}"}, CLIENT)


def test_the_documented_fields_are_taken_and_listed_again(stores: CircleStores, book: Book) -> None:
    stores.save(save(), CLIENT, book)
    stores.save(save(), CLIENT, book)

    told = stores.page(query(), CLIENT)

    assert told[LIST] == [{"merchantPms": PMS, "businessDistrictSubject": SUBJECT}]
    assert told["pageInfo"] == {
        "pageSize": "20",
        "pageIndex": "1",
        "totalPageCount": "1",
        "totalItemCount": "1",
    }
    assert [one.saves for one in stores.listing()] == [2]


def test_a_payment_of_the_book_names_the_store(stores: CircleStores, book: Book) -> None:
    book.open(
        kind="bill", client_id=CLIENT.client_id, user_id="2160", reference="N1", body={"pmsLabel": "PMS0001"},
        fault="none",
    )  # fmt: skip
    content = save(saveWayType="TRADE_NO", ipayTradeNo="N1", circleStore={"businessDistrictSubject": SUBJECT})

    kept = stores.save(content, CLIENT, book)

    assert (kept.merchant_id, kept.store_id, kept.store_name) == ("2160", "S1", "Noodles")
    with pytest.raises(PassRefused, match="no such payment"):
        stores.save({**content, "ipayTradeNo": "N2"}, CLIENT, book)


@pytest.mark.parametrize(
    "content",
    [
        save(saveWayType="1"),
        save(circleStore=None),
        save(circleStore={"merchantPms": PMS}),
        save(circleStore={"merchantPms": {**PMS, "storeId": 7}, "businessDistrictSubject": SUBJECT}),
        save(circleStore={"merchantPms": {}, "businessDistrictSubject": SUBJECT}),
        save(circleStore={"merchantPms": PMS, "businessDistrictSubject": {"mallGroupLabel": "1"}}),
    ],
)
def test_what_save_lacks_is_refused(stores: CircleStores, book: Book, content: dict[str, Any]) -> None:
    with pytest.raises(PassRefused) as refused:
        stores.save(content, CLIENT, book)

    assert refused.value.code == "PARAM_ILLEGAL"
    assert stores.listing() == []


@pytest.mark.parametrize(
    "content",
    [
        query(size=20),
        query(index=1),
        query(size="0"),
        query(size="501"),
        query(index="one"),
        query(pageInfo=None),
    ],
)
def test_page_figures_are_texts_of_digits(stores: CircleStores, content: dict[str, Any]) -> None:
    with pytest.raises(PassRefused):
        stores.page(content, CLIENT)


@pytest.mark.parametrize("first", [0, 1])
def test_pages_count_from_where_it_is_told(stores: CircleStores, first: int) -> None:
    fill(stores, 25)
    stores.first_page = first

    pages = [stores.page(query(index=str(first + step)), CLIENT)[LIST] for step in range(3)]

    assert [len(page) for page in pages] == [20, 5, 0]


def test_faults_of_the_list(stores: CircleStores) -> None:
    fill(stores, 25)

    totals = [
        stores.page(query(), CLIENT, odd=odd)["pageInfo"]["totalItemCount"]
        for odd in ("total_too_high", "total_too_low", "")
    ]
    same = stores.page(query(index="2"), CLIENT, odd="same_page")[LIST]
    endless = stores.page(query(index="900"), CLIENT, odd="endless_pages")[LIST]

    assert totals == ["32", "18", "25"]
    assert same == stores.page(query(), CLIENT)[LIST]
    assert len(endless) == 20


def test_one_mall_does_not_list_anothers(stores: CircleStores) -> None:
    fill(stores, 1)
    stores.put(
        {"group_label": "20230316", "mall_label": "20230316002", "merchant_id": "1", "store_id": "2"}, CLIENT
    )

    own = stores.page(query(), CLIENT)[LIST]
    group = stores.page(query(businessDistrictSubject={**SUBJECT, "mallLabel": ""}), CLIENT)[LIST]

    assert (len(own), len(group)) == (1, 2)


def test_the_control_api_lists_and_alters_what_it_holds(simulator: Simulator) -> None:
    order = {
        "group_label": "20230390",
        "mall_label": "20230390001",
        "merchant_id": "2160",
        "store_name": "Echo",
    }

    put = simulator.control(
        "POST", "stores", {"stores": [{**order, "store_id": one} for one in ("Q1", "Q2")]}
    )
    gone = simulator.control("DELETE", "stores/Q1")
    held = simulator.control("GET", "stores")
    counted = simulator.control("POST", "pages", {"first_page": 0})
    refused = simulator.control("POST", "pages", {"first_page": 2})
    page = requests.get(simulator.url, timeout=30).text
    simulator.control("POST", "pages", {"first_page": 1})

    assert (len(put["stores"]), gone["removed"], counted["first_page"]) == (2, 1, 0)
    assert [one["store_id"] for one in held["stores"]] == ["Q2"]
    assert refused["http"] == 400
    assert simulator.control("POST", "stores", {"store_id": "Q3"})["http"] == 400
    assert "Stores handed over" in page
    assert "Echo" in page
