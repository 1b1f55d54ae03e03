"""The stores that malls handed over, and what circleStore/save and queryPage do about them; wire §6.5, §6.6.

What is not published is invented here: the two ways to save are called PMS and TRADE_NO, the list `circleStoreList`.
Kept in memory only.
"""

import threading
from dataclasses import dataclass, replace
from typing import Any

from alipayhk.simulator.book import Book
from alipayhk.simulator.cards import PassRefused
from alipayhk.simulator.clients import Client
from alipayhk.simulator.notices import NoticeRefused

LIST = "circleStoreList"
BY_PMS, BY_NUMBER = "PMS", "TRADE_NO"
_PMS_FIELDS = ("partnerId", "merchantId", "merchantName", "storeId", "storeName")
_PAGE_FIELDS = ("pageSize", "pageIndex", "totalPageCount", "totalItemCount")
LARGEST_PAGE = 500

Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class CircleStore:
    """One shop tagged as a mall's. `saves` counts how often it was handed over."""

    client_id: str
    group_label: str
    mall_label: str
    partner_id: str
    merchant_id: str
    merchant_name: str
    store_id: str
    store_name: str
    saves: int = 1

    @property
    def key(self) -> Key:
        return (
            self.client_id,
            self.group_label,
            self.mall_label,
            self.partner_id,
            self.merchant_id,
            self.store_id,
        )

    def wire(self) -> dict[str, Any]:
        """As queryPage lists it."""
        values = (self.partner_id, self.merchant_id, self.merchant_name, self.store_id, self.store_name)
        return {
            "merchantPms": dict(zip(_PMS_FIELDS, values, strict=True)),
            "businessDistrictSubject": {"mallGroupLabel": self.group_label, "mallLabel": self.mall_label},
        }


@dataclass(frozen=True)
class Asked:
    """A page as it was asked for."""

    group_label: str
    mall_label: str
    size: int
    index: int


class CircleStores:
    """All stores of all malls, in the order in which they came. `first_page` is how this AlipayHK counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[Key, CircleStore] = {}
        self.first_page = 1

    def save(self, content: dict[str, Any], client: Client, book: Book) -> CircleStore:
        """What a complete call hands over; the same store again changes its names."""
        made = _read_save(content, client, book)
        with self._lock:
            known = self._stores.get(made.key)
            kept = replace(made, saves=known.saves + 1) if known else made
            self._stores[kept.key] = kept
        return kept

    def put(self, order: dict[str, Any], client: Client) -> CircleStore:
        """A store as `POST /control/stores` words it, as if somebody else had told AlipayHK of it."""
        fields = {
            name: str(order.get(name) or "") for name in CircleStore.__dataclass_fields__ if name != "saves"
        }
        made = CircleStore(**fields | {"client_id": client.client_id}, saves=0)
        if not (made.merchant_id and made.store_id and made.group_label):
            raise NoticeRefused("a store needs group_label, merchant_id and store_id")
        with self._lock:
            self._stores[made.key] = made
        return made

    def remove(self, *, client_id: str, store_id: str) -> int:
        with self._lock:
            gone = [
                key
                for key, one in self._stores.items()
                if (one.client_id, one.store_id) == (client_id, store_id)
            ]
            for key in gone:
                del self._stores[key]
        return len(gone)

    def listing(self, *, client_id: str | None = None) -> list[CircleStore]:
        with self._lock:
            return [one for one in self._stores.values() if client_id in (None, one.client_id)]

    def page(self, content: dict[str, Any], client: Client, *, odd: str = "") -> dict[str, Any]:
        """What a complete call of queryPage gets beside its result. `odd` is a fault of the list itself."""
        asked = _read_page(content)
        listed = [one for one in self.listing(client_id=client.client_id) if _is_asked_for(one, asked)]
        start = max(asked.index - self.first_page, 0) * asked.size
        shown = [one.wire() for one in listed[start : start + asked.size]]
        if asked.index < self.first_page:
            raise PassRefused("PARAM_ILLEGAL", f"pages count from {self.first_page}")
        if odd == "endless_pages":
            shown = [_invented(asked, number) for number in range(start, start + asked.size)]
        if odd == "same_page":
            shown = [one.wire() for one in listed[: asked.size]]
        return {
            "businessDistrictSubject": content["businessDistrictSubject"],
            "pageInfo": _totals(asked, len(listed), odd),
            LIST: shown,
        }

    def clear(self) -> None:
        with self._lock:
            self._stores.clear()
        self.first_page = 1


def store_id_in(content: dict[str, Any]) -> str:
    """The store that a call of save names; empty if it is none."""
    store = content.get("circleStore")
    pms = store.get("merchantPms") if isinstance(store, dict) else None
    return str(pms.get("storeId") or "") if isinstance(pms, dict) else ""


def _read_save(content: dict[str, Any], client: Client, book: Book) -> CircleStore:
    way, store = content.get("saveWayType"), content.get("circleStore")
    if way not in (BY_PMS, BY_NUMBER):
        raise PassRefused("PARAM_ILLEGAL", f"saveWayType must be {BY_PMS} or {BY_NUMBER}")
    if not isinstance(store, dict):
        raise PassRefused("PARAM_ILLEGAL", "circleStore is required")
    group_label, mall_label = _subject(store)
    pms = _of_payment(content, client, book) if way == BY_NUMBER else _pms(store)
    return CircleStore(client_id=client.client_id, group_label=group_label, mall_label=mall_label, **pms)


def _pms(store: dict[str, Any]) -> dict[str, Any]:
    pms = store.get("merchantPms")
    if not isinstance(pms, dict):
        raise PassRefused("PARAM_ILLEGAL", "circleStore.merchantPms is required")
    values = [pms.get(name, "") for name in _PMS_FIELDS]
    if not all(isinstance(value, str) for value in values) or not (
        pms.get("merchantId") and pms.get("storeId")
    ):
        raise PassRefused(
            "PARAM_ILLEGAL", "merchantId and storeId are required, and all of merchantPms is text"
        )
    return dict(
        zip(("partner_id", "merchant_id", "merchant_name", "store_id", "store_name"), values, strict=True)
    )


def _of_payment(content: dict[str, Any], client: Client, book: Book) -> dict[str, Any]:
    """The shop in which a payment of the book was made, from the mall's own list of stores."""
    number = content.get("ipayTradeNo")
    bills = [one for one in book.listing(client_id=client.client_id) if one.kind == "bill"]
    paid = next((one for one in bills if one.reference == number), None)
    shop = next(
        (one for one in client.stores if paid and one.get("pms_label") == paid.body.get("pmsLabel")), None
    )
    if shop is None:
        raise PassRefused("PROCESS_FAIL", "no such payment, or not in a shop that is known")
    name = str(shop.get("name_en", ""))
    ids = {field: str(shop.get(field) or "") for field in ("partner_id", "merchant_id", "store_id")}
    return {**ids, "merchant_name": name, "store_name": name}


def _subject(holder: dict[str, Any]) -> tuple[str, str]:
    subject = holder.get("businessDistrictSubject")
    if not isinstance(subject, dict) or not isinstance(subject.get("mallLabel"), str):
        raise PassRefused("PARAM_ILLEGAL", "businessDistrictSubject.mallLabel is required, may be empty")
    if not isinstance(subject.get("mallGroupLabel"), str) or not subject["mallGroupLabel"]:
        raise PassRefused("PARAM_ILLEGAL", "businessDistrictSubject.mallGroupLabel is required text")
    return subject["mallGroupLabel"], subject["mallLabel"]


def _read_page(content: dict[str, Any]) -> Asked:
    group_label, mall_label = _subject(content)
    info = content.get("pageInfo")
    if not isinstance(info, dict):
        raise PassRefused("PARAM_ILLEGAL", "pageInfo is required")
    for name in _PAGE_FIELDS:
        value = info.get(name)
        if not isinstance(value, str) or not value.isascii() or not value.isdigit():
            raise PassRefused("PARAM_ILLEGAL", f"pageInfo.{name} is required, and text of digits")
    size = int(info["pageSize"])
    if not 1 <= size <= LARGEST_PAGE:
        raise PassRefused("PARAM_ILLEGAL", f"pageSize is from 1 to {LARGEST_PAGE}")
    return Asked(group_label, mall_label, size, int(info["pageIndex"]))


def _is_asked_for(one: CircleStore, asked: Asked) -> bool:
    return one.group_label == asked.group_label and asked.mall_label in ("", one.mall_label)


def _totals(asked: Asked, count: int, odd: str) -> dict[str, str]:
    claimed = {"total_too_high": count + 7, "total_too_low": max(count - 7, 1)}.get(odd, count)
    return {
        "pageSize": str(asked.size),
        "pageIndex": str(asked.index),
        "totalPageCount": str(-(-claimed // asked.size)),
        "totalItemCount": str(claimed),
    }


def _invented(asked: Asked, number: int) -> dict[str, Any]:
    return CircleStore(
        client_id="", group_label=asked.group_label, mall_label=asked.mall_label, partner_id="20230324",
        merchant_id=f"{2160000000000000 + number}", merchant_name="Echo",
        store_id=f"E{number}", store_name=f"Echo {number}",
    ).wire()  # fmt: skip
