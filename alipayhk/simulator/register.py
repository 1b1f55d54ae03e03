"""The demo mall that a simulator offers: a `register_mall` document that any installation can load.

Only the keys and the gateway's address differ from one simulator to the next. A group of its own with a plain base
rule: the simulator judges the points that cards show by its own arithmetic.
"""

import json
from pathlib import Path
from typing import Any

from alipayhk import signature
from alipayhk.simulator import keys
from alipayhk.simulator.keys import KeyRing

FILE_NAME = "register_mall.json"

# Code, name in English and Chinese, category, takes part. All invented; the last one shows an exclusion.
_STORES = (
    ("HS-210", "Harbour Noodles", "海港麵家", "DINING", True),
    ("HS-318", "Bamboo Steamer", "竹籠點心", "DINING", True),
    ("HS-C07", "Kettle & Crumb", "壺說咖啡", "DINING", True),
    ("HS-S12", "Thread Street", "線街時裝", "FASHION", True),
    ("HS-S20", "North Pier Denim", "北碼頭牛仔", "FASHION", True),
    ("HS-105", "Silver Comb Salon", "銀梳髮廊", "SERVICES", True),
    ("HS-B03", "Camellia Skin", "山茶花護膚", "BEAUTY", True),
    ("HS-B09", "Lotus & Clay", "蓮泥美妝", "BEAUTY", True),
    ("HS-E01", "Circuit Corner", "電路角", "ELECTRONICS", True),
    ("HS-M01", "Morning Basket", "朝市籃超市", "SUPERMARKET", True),
    ("HS-J01", "Jade Lantern", "玉燈珠寶", "JEWELLERY", True),
    ("HS-P01", "Harbour Car Park", "海港停車場", "SERVICES", False),
)


def document(ring: KeyRing, *, gateway_url: str) -> dict[str, Any]:
    """The document for this simulator's keys and address."""
    return {
        "group": {"label": "20230390", "name_en": "Harbour", "name_zh": "海港"},
        "mall": {
            "label": "20230390001",
            "tag": "harbour-square",
            "name_en": "Harbour Square",
            "name_zh": "海港坊",
        },
        "program": _program(),
        "alipayhk": _wire(ring, gateway_url),
        "stores": [_store(number, *store) for number, store in enumerate(_STORES, 1)],
    }


def write(home: Path, content: dict[str, Any]) -> Path:
    """Write the document into the simulator's home; it holds a private key, so only its owner may read it."""
    path = home / FILE_NAME
    keys.write_private(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    return path


def _program() -> dict[str, Any]:
    return {
        "name_en": "Harbour Club",
        "name_zh": "海港會",
        "points_per_hkd": "1",
        "rounding": "FLOOR",
        "min_spend_cents": 10_000,
        "min_spend_on_net": True,
        "max_spend_cents": 3_000_000,
        "joining_grace_days": 1,
        "negative_balance": "ALLOW_NEGATIVE",
    }


def _wire(ring: KeyRing, gateway_url: str) -> dict[str, Any]:
    return {
        "gateway_url": gateway_url,
        "client_id": "2110200000000044",
        "merchant_id": "2160120041113167",
        "app_id": "2102020132609344",
        "private_key": signature.private_pem(ring.merchant),
        "private_key_version": 1,
        "public_keys": ring.public_keys(),
        "card_template": {
            "code": "22023041200135606000000000297866",
            "type": "COUPON",
            "product": "GIFT_CARD",
            "shape": "NESTED",
            "placeholders": {"$points$": "balance", "$name$": "member_name"},
            "valid_days": 3650,
        },
        # The two words are this simulator's own: AlipayHK has not published its.
        "collection": {"is_on": True, "way_by_pms": "PMS", "way_by_number": "TRADE_NO"},
    }


def _store(
    number: int, code: str, name_en: str, name_zh: str, category: str, takes_part: bool
) -> dict[str, Any]:
    return {
        "pms_label": f"PMS{number:04d}",
        "partner_id": "20230324",
        "merchant_id": f"216098765439{number:02d}",
        "store_id": f"S{number}",
        "code": code,
        "name_en": name_en,
        "name_zh": name_zh,
        "category": category,
        "excluded": not takes_part,
    }
