"""The `register_mall` document of the issue, with fresh keys, for tests to register and to spoil."""

from copy import deepcopy
from typing import Any

from alipayhk import signature
from tests.factories import key_pair

Json = dict[str, Any]
REMOVED = object()


def document(**changes: Any) -> Json:
    """The whole document; changes are dotted paths such as `mall__tag`, `REMOVED` takes a key out."""
    made = deepcopy(_document())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = made
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        if value is REMOVED:
            del place[last]
        else:
            place[int(last) if last.isdigit() else last] = value
    return made


def private_text(name: str = "ours") -> str:
    return signature.private_pem(key_pair(name))


def public_text(name: str = "theirs") -> str:
    return signature.public_base64(key_pair(name).public_key())


def _document() -> Json:
    return {
        "group": {"label": "20230316", "name_en": "Lumina", "name_zh": "朗曜"},
        "mall": {
            "label": "20230316001",
            "tag": "lumina-plaza",
            "name_en": "Lumina Plaza",
            "name_zh": "朗曜廣場",
        },
        "program": {
            "name_en": "Lumina Club",
            "name_zh": "朗曜會",
            "points_per_hkd": "1",
            "rounding": "FLOOR",
            "min_spend_cents": 10000,
            "min_spend_on_net": True,
            "max_spend_cents": 3000000,
            "joining_grace_days": 1,
            "negative_balance": "ALLOW_NEGATIVE",
        },
        "alipayhk": {
            "gateway_url": "http://127.0.0.1:9000",
            "client_id": "2110200000000044",
            "merchant_id": "2160120041113167",
            "app_id": "2102020132609344",
            "private_key": private_text(),
            "private_key_version": 1,
            "public_keys": [{"version": 1, "key": public_text()}],
            "card_template": {
                "code": "22023041200135606000000000297866",
                "type": "COUPON",
                "product": "GIFT_CARD",
                "shape": "NESTED",
                "placeholders": {"$points$": "balance", "$name$": "member_name"},
                "valid_days": 3650,
            },
        },
        "stores": [
            {
                "pms_label": "PMS0001",
                "partner_id": "20230324",
                "merchant_id": "21609876543945",
                "store_id": "S1",
                "name_en": "Harbour Noodles",
                "name_zh": "海港麵家",
                "category": "DINING",
            }
        ],
    }
