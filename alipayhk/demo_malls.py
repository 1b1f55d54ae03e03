"""The Lumina demo group: three malls as `register_mall` documents, and people who could walk in. All invented.

Agrees with the mall that the simulator offers, so that both can be registered, in any order.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

Json = dict[str, Any]

GROUP: Json = {"label": "20230316", "name_en": "Lumina", "name_zh": "朗曜"}
PROGRAM: Json = {
    "name_en": "Lumina Club",
    "name_zh": "朗曜會",
    "points_per_hkd": "1",
    "rounding": "FLOOR",
    "min_spend_cents": 10_000,
    "min_spend_on_net": True,
    "max_spend_cents": 3_000_000,
    "joining_grace_days": 1,
    "negative_balance": "ALLOW_NEGATIVE",
}


class DemoMall(NamedTuple):
    """`number` keeps the labels and numbers of the malls' stores apart."""

    number: int
    code: str
    tag: str
    name_en: str
    name_zh: str


MALLS = (
    DemoMall(1, "LP", "lumina-plaza", "Lumina Plaza", "朗曜廣場"),
    DemoMall(2, "LG", "lumina-garden", "Lumina Garden", "朗曜花園"),
    DemoMall(3, "LW", "lumina-walk", "Lumina Walk", "朗曜坊"),
)

_FIRST = (
    ("Amber", "琥珀"), ("Bamboo", "竹影"), ("Cedar", "雪松"), ("Dawn", "晨曦"), ("Ember", "暖爐"), ("Fern", "蕨葉"),
    ("Golden", "金穗"), ("Harvest", "豐收"), ("Indigo", "靛藍"), ("Jasmine", "茉莉"), ("Kite", "風箏"),
)  # fmt: skip


class Trade(NamedTuple):
    """One category of shops: how many a mall has, what they are called, and which of them earn nothing."""

    category: str
    number: int
    kinds: tuple[tuple[str, str], ...]
    excluded: tuple[tuple[str, str], ...] = ()


TRADES = (
    Trade("DINING", 21, (("Kitchen", "小廚"), ("Tea House", "茶樓"))),
    Trade("FASHION", 12, (("Tailors", "裁縫"), ("Denim", "牛仔"))),
    Trade(
        "SERVICES",
        10,
        (("Laundry", "洗衣"), ("Repairs", "維修")),
        (("Bank", "銀行"), ("Clinic", "診所"), ("Estate Agents", "地產"), ("Car Park", "停車場")),
    ),
    Trade("BEAUTY", 6, (("Beauty", "美妝"),)),
    Trade("ELECTRONICS", 5, (("Electronics", "電器"),)),
    Trade("SUPERMARKET", 3, (("Market", "超市"),)),
    Trade("JEWELLERY", 3, (("Jewellery", "珠寶"),)),
)

# Name and phone; whoever joins at AlipayHK with the phone gets this membership.
PEOPLE = (
    ("Chan Mei Ling", "+85261230001"),
    ("Wong Ka Wing", "+85261230002"),
    ("Lee Siu Ming", "+85261230003"),
    ("Cheung Hoi Yan", "+85261230004"),
    ("Lau Chi Keung", "+85261230005"),
    ("Ho Wai Man", "+85261230006"),
)


def document(mall: DemoMall) -> Json:
    """The mall without its credential: that comes from AlipayHK, or from a simulator."""
    return {
        "group": GROUP,
        "mall": {
            "label": f"20230316{mall.number:03d}",
            "tag": mall.tag,
            "name_en": mall.name_en,
            "name_zh": mall.name_zh,
        },
        "program": PROGRAM,
        "stores": [_store(mall, place, *shop) for place, shop in enumerate(_shops(), 1)],
    }


def _shops() -> Iterator[tuple[str, str, str, bool]]:
    """Category, English and Chinese name, takes part: about as many of each as a large mall has."""
    for trade in TRADES:
        earning = [*product(trade.kinds, _FIRST)][: trade.number - len(trade.excluded)]
        for kind, first in earning:
            yield trade.category, f"{first[0]} {kind[0]}", f"{first[1]}{kind[1]}", True
        for name_en, name_zh in trade.excluded:
            yield trade.category, f"Lumina {name_en}", f"朗曜{name_zh}", False


def _store(mall: DemoMall, place: int, category: str, name_en: str, name_zh: str, takes_part: bool) -> Json:
    number = mall.number * 1000 + place
    return {
        "pms_label": f"PMS{number}",
        "partner_id": "20230324",
        "merchant_id": f"2160987655{number:04d}",
        "store_id": f"S{number}",
        "code": f"{mall.code}-{400 + place}",
        "name_en": name_en,
        "name_zh": name_zh,
        "category": category,
        "excluded": not takes_part,
    }
