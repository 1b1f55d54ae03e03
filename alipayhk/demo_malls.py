"""The three demo groups: malls as `register_mall` documents, and people who could walk in. All invented.

What their programs pay is in `loyalty/earning/programs/`.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

Json = dict[str, Any]


class DemoGroup(NamedTuple):
    """A mall group; `name` is also that of its program file."""

    name: str
    label: str
    name_en: str
    name_zh: str
    program_en: str
    program_zh: str


LUMINA = DemoGroup("lumina", "20230316", "Lumina", "朗曜", "Lumina Club", "朗曜會")
VERDANT = DemoGroup("verdant", "20230317", "Verdant", "翠庭", "V Rewards", "翠庭獎賞")
PIER8 = DemoGroup("pier8", "20230318", "Pier 8", "八號碼頭", "Pier Points", "碼頭積分")
GROUPS = {group.name: group for group in (LUMINA, VERDANT, PIER8)}
# The group of the mall that every simulator offers, with a plain program; see `simulator/register.py`.
SIMULATED_GROUP = "20230390"


class DemoMall(NamedTuple):
    """`number` keeps the merchant numbers of the malls' stores apart."""

    group: DemoGroup
    number: int
    code: str
    tag: str
    name_en: str
    name_zh: str


MALLS = (
    DemoMall(LUMINA, 1, "LP", "lumina-plaza", "Lumina Plaza", "朗曜廣場"),
    DemoMall(LUMINA, 2, "LG", "lumina-garden", "Lumina Garden", "朗曜花園"),
    DemoMall(LUMINA, 3, "LW", "lumina-walk", "Lumina Walk", "朗曜坊"),
    DemoMall(VERDANT, 4, "VP", "verdant-place", "Verdant Place", "翠庭薈"),
    DemoMall(VERDANT, 5, "VA", "verdant-arts", "Verdant Arts", "翠庭藝坊"),
    DemoMall(PIER8, 6, "P8", "pier-8", "Pier 8", "八號碼頭"),
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

# Stores that rules and worked examples name: code, category, English and Chinese name.
NAMED_STORES = {
    "lumina-plaza": (
        ("LP-210", "DINING", "Harbour Noodles", "海港麵家"),
        ("LP-S12", "FASHION", "Thread Street", "線街時裝"),
        ("LP-J01", "JEWELLERY", "Jade Lantern", "玉燈珠寶"),
    ),
    "verdant-place": (("VP-088", "FASHION", "Green Thread", "翠線時裝"),),
    "pier-8": (("P8-C03", "DINING", "Kettle & Crumb", "壺說咖啡"),),
}

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
    group = mall.group
    return {
        "group": {"label": group.label, "name_en": group.name_en, "name_zh": group.name_zh},
        "mall": {
            "label": f"{group.label}{mall.number:03d}",
            "tag": mall.tag,
            "name_en": mall.name_en,
            "name_zh": mall.name_zh,
        },
        "program": {"name_en": group.program_en, "name_zh": group.program_zh},
        "stores": [_store(mall, place, *shop) for place, shop in enumerate(_shops(mall), 1)],
    }


def _shops(mall: DemoMall) -> Iterator[tuple[str, str, str, str, bool]]:
    """Code, category, English and Chinese name, takes part: about as many of each as a large mall has."""
    codes = _codes(mall)
    for trade in TRADES:
        earning = [*product(trade.kinds, _FIRST)][: trade.number - len(trade.excluded)]
        for kind, first in earning:
            yield next(codes), trade.category, f"{first[0]} {kind[0]}", f"{first[1]}{kind[1]}", True
        for name_en, name_zh in trade.excluded:
            names = f"{mall.group.name_en} {name_en}", f"{mall.group.name_zh}{name_zh}"
            yield next(codes), trade.category, *names, False
    for code, category, name_en, name_zh in NAMED_STORES.get(mall.tag, ()):
        yield code, category, name_en, name_zh, True


def _codes(mall: DemoMall) -> Iterator[str]:
    return (f"{mall.code}-{401 + place}" for place in range(1000))


def _store(
    mall: DemoMall, place: int, code: str, category: str, name_en: str, name_zh: str, takes_part: bool
) -> Json:
    number = mall.number * 1000 + place
    return {
        "pms_label": code,
        "partner_id": "20230324",
        "merchant_id": f"2160987656{number:04d}",
        "store_id": f"S{number}",
        "code": code,
        "name_en": name_en,
        "name_zh": name_zh,
        "category": category,
        "floor": f"{1 + (place - 1) // 16}/F",
        "unit": f"{100 * (1 + (place - 1) // 16) + (place - 1) % 16 + 1}",
        "excluded": not takes_part,
    }
