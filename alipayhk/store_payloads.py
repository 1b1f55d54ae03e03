"""AlipayHK's words for stores: the bodies of circleStore/save and queryPage, and the answer's list (wire §6.5, §6.6).

What the answer looks like is not published: likely places are tried, and a setup may name others. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Where a list may stand, and where its lines may keep what we read; the request's own words come first.
LIST_PLACES = (
    *("circleStoreList", "circleStores", "storeList", "stores", "list", "pageInfo.list"),
    *("circleStorePage.list", "page.list", "page.records", "records", "data.list", "data"),
)
FIELD_PLACES: Mapping[str, Sequence[str]] = {
    "partner_id": ("merchantPms.partnerId", "partnerId"),
    "merchant_id": ("merchantPms.merchantId", "merchantId"),
    "merchant_name": ("merchantPms.merchantName", "merchantName"),
    "store_id": ("merchantPms.storeId", "storeId"),
    "store_name": ("merchantPms.storeName", "storeName"),
    "mall_label": ("businessDistrictSubject.mallLabel", "mallLabel"),
    "total_pages": ("pageInfo.totalPageCount", "totalPageCount"),
    "total_rows": ("pageInfo.totalItemCount", "totalItemCount"),
}
LONGEST_ID, LONGEST_NAME, LONGEST_LABEL = 128, 256, 64
HIGHEST_TOTAL = 2**31 - 1
# A line that is longer is kept by what was read of it alone.
LONGEST_RAW = 4096


class ListUnreadable(Exception):
    """The answer has no list of stores where one was looked for, or a line that is no store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Triple:
    """A shop's PMS."""

    partner_id: str
    merchant_id: str
    store_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One store as AlipayHK lists it. `raw` is the line as it came."""

    triple: Triple
    merchant_name: str
    store_name: str
    mall_label: str
    raw: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page; totals are 0 where the answer says nothing that can be read."""

    lines: list[Line]
    total_pages: int
    total_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a setup says things stand; what it does not say is looked for at the likely places."""

    list_path: str = ""
    field_paths: Mapping[str, object]


def save_by_pms_body(
    *, way: str, triple: Triple, merchant_name: str, store_name: str, group_label: str, mall_label: str
) -> bytes:
    """Collect a store by naming its PMS."""
    pms = {
        "partnerId": triple.partner_id,
        "merchantId": triple.merchant_id,
        "merchantName": merchant_name,
        "storeId": triple.store_id,
        "storeName": store_name,
    }
    named = {key: value for key, value in pms.items() if value}
    return _encode(
        {
            "saveWayType": way,
            "circleStore": {
                "merchantPms": named,
                "businessDistrictSubject": _subject(group_label, mall_label),
            },
        }
    )


def save_by_number_body(*, way: str, trade_number: str, group_label: str, mall_label: str) -> bytes:
    """Collect the store in which a payment was made; AlipayHK knows which that is."""
    subject = {"businessDistrictSubject": _subject(group_label, mall_label)}
    return _encode({"saveWayType": way, "ipayTradeNo": trade_number, "circleStore": subject})


def query_page_body(*, group_label: str, mall_label: str, page: int, page_size: int) -> bytes:
    """All four figures are texts, the totals of a request "0"."""
    return _encode(
        {
            "businessDistrictSubject": _subject(group_label, mall_label),
            "pageInfo": {
                "pageSize": str(page_size),
                "pageIndex": str(page),
                "totalPageCount": "0",
                "totalItemCount": "0",
            },
        }
    )


def read_page(fields: Mapping[str, object], places: Places) -> Page:
    """Read an answer of queryPage; an answer with totals of 0 needs no list. Raises ListUnreadable."""
    total_rows = _total(_find(fields, _places(places, "total_rows")))
    total_pages = _total(_find(fields, _places(places, "total_pages")))
    paths = places.list_path.split("|") if places.list_path else LIST_PLACES
    found = next((one for one in (_at(fields, path) for path in paths) if isinstance(one, list)), None)
    if found is None and not _says_nothing(fields, places):
        raise ListUnreadable("LIST_MISSING")
    lines = [_line(one, places) for one in found or []]
    return Page(lines=lines, total_pages=total_pages, total_rows=total_rows)


def _says_nothing(fields: Mapping[str, object], places: Places) -> bool:
    """An empty list may be left out, if the totals say that there is nothing."""
    said = _find(fields, _places(places, "total_rows"))
    return said is not None and str(said).strip() == "0"


def _line(found: object, places: Places) -> Line:
    if not isinstance(found, dict):
        raise ListUnreadable("LINE_NOT_AN_OBJECT")
    read = {name: _text(_find(found, _places(places, name))) for name in FIELD_PLACES}
    ids = [read[name] for name in ("partner_id", "merchant_id", "store_id")]
    if not any(ids[1:]):
        raise ListUnreadable("LINE_WITHOUT_IDS")
    if any(len(one) > LONGEST_ID for one in ids):
        raise ListUnreadable("ID_TOO_LONG")
    return Line(
        triple=Triple(partner_id=ids[0], merchant_id=ids[1], store_id=ids[2]),
        merchant_name=read["merchant_name"][:LONGEST_NAME],
        store_name=read["store_name"][:LONGEST_NAME],
        mall_label=read["mall_label"][:LONGEST_LABEL],
        raw=_kept(found),
    )


def _kept(found: Mapping[str, object]) -> Mapping[str, object]:
    """As it came, but for what the database cannot hold."""
    text = json.dumps(found, ensure_ascii=True)
    return found if len(text) <= LONGEST_RAW and "\\u0000" not in text else {}


def _places(places: Places, name: str) -> Sequence[str]:
    configured = places.field_paths.get(name)
    return configured.split("|") if isinstance(configured, str) and configured else FIELD_PLACES[name]


def _find(fields: Mapping[str, object], paths: Sequence[str]) -> object:
    return next((one for one in (_at(fields, path) for path in paths) if one is not None), None)


def _at(fields: Mapping[str, object], path: str) -> object:
    found: object = fields
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(found: object) -> str:
    """Texts, and whole numbers that stand where a text should; no NUL, which the database cannot hold."""
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found.strip().replace("\x00", "") if isinstance(found, str) else ""


def _total(found: object) -> int:
    text = _text(found)
    return min(int(text), HIGHEST_TOTAL) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _subject(group_label: str, mall_label: str) -> dict[str, str]:
    return {"mallGroupLabel": group_label, "mallLabel": mall_label}


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
