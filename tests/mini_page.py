"""A mini-app's page in Chromium: the reference client over a `my` of the test's own, and what an API would say."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parents[1] / "static" / "miniapp"
FAKE = Path(__file__).with_name("fake_my.js")
BASE, BILLS = "auth_base", "SCOPE_USER_BILL"
Json = dict[str, Any]

SETUP: Json = {
    "program": {"name_en": "Harbour Club", "name_zh": "海港會"},
    "mall": {"name_en": "Harbour Mall", "name_zh": "海港商場"},
    "auth": {"scopes": [BASE, BILLS], "auth_client_id": "2160120041113167"},
    "bill_page": {
        "app_id": "2102020000000001",
        "path": "pages/bills/index",
        "extra_data": {"mallLabel": "20230389001"},
    },
    "batch_key": "batchNo",
    "consent": {
        "text_version": "2026-11",
        "text_en": "I allow AlipayHK to tell the mall of my payments here, so that points come by themselves.",
        "text_zh": "本人同意 AlipayHK 向商場提供本人於此消費的付款紀錄，以便自動儲分。",
    },
    "registration": [
        {
            "code": "district",
            "label_en": "District",
            "label_zh": "居住地區",
            "kind": "CHOICE",
            "choices": [
                {"code": "HK", "en": "Hong Kong Island", "zh": "香港島"},
                {"code": "KLN", "en": "Kowloon", "zh": "九龍"},
            ],
            "is_required": True,
        },
        {
            "code": "news",
            "label_en": "Offers by e-mail",
            "label_zh": "電郵優惠",
            "kind": "YES_NO",
            "choices": [],
            "is_required": False,
        },
    ],
    "redemption": {"min_points": 500, "points_per_hkd": 250},
}

MEMBER: Json = {
    "card_number": "8800 1234 5678",
    "name": "Chan Siu Ming",
    "phone": "•••• 5432",
    "email": "",
    "joined_at": "2026-11-22T10:00:00+08:00",
    "is_registered": True,
    "balance": {"points": 12_480, "held": 150},
    "tier": {
        "code": "GOLD",
        "name_en": "Gold",
        "name_zh": "金卡",
        "next": {
            "code": "JADE",
            "name_en": "Jade",
            "name_zh": "翡翠卡",
            "missing_cents": 1_250_050,
            "needed_cents": 5_000_000,
        },
    },
    "expiring": [{"points": 320, "expires_at": "2026-12-31T23:59:59+08:00"}],
    "auto_earn": True,
    "consent": {"is_given": True, "text_version": "2026-11", "began_at": "2026-11-22T10:00:00+08:00"},
}

NOBODY: Json = {"is_given": False, "text_version": "", "began_at": None}
STRANGER: Json = MEMBER | {"auto_earn": False, "consent": NOBODY}
VERDICT: Json = {
    "batch_no": "B1",
    "points": 138,
    "lines": [
        {
            "line": 1,
            "verdict": "ACCEPTED",
            "number": "2026112210110",
            "points": 138,
            "reason": "EARNED_BASE",
            "message_en": "138 points for spending HK$138.90.",
            "message_zh": "消費 HK$138.90，獲 138 分。",
            "is_repeat": False,
        },
        {
            "line": 2,
            "verdict": "ALREADY_EARNED",
            "number": "2026112210111",
            "points": 0,
            "reason": "DUPLICATE_NUMBER",
            "message_en": "Already recorded on 21 Nov through the wallet.",
            "message_zh": "此交易已於 11 月 21 日經錢包登記。",
            "is_repeat": True,
        },
    ],
}
HISTORY: Json = {
    "transactions": [
        {
            "number": "2026112210110",
            "store_en": "Noodle Bar",
            "store_zh": "麵吧",
            "mall_en": "Harbour Mall",
            "mall_zh": "海港商場",
            "amount_cents": 62_000,
            "currency": "HKD",
            "paid_at": "2026-11-22T12:31:00+08:00",
            "channel": "WALLET",
            "state": "EARNED",
            "points": 420,
            "reasons": [
                {
                    "code": "EARNED_BASE",
                    "message_en": "620 points for spending HK$620.00.",
                    "message_zh": "消費 HK$620.00，獲 620 分。",
                }
            ],
            "refunds": [{"amount_cents": 20_000, "refunded_at": "2026-11-22T13:00:00+08:00", "points": 200}],
        },
        {
            "number": "2026112010009",
            "store_en": "Lantern Books",
            "store_zh": "燈籠書店",
            "mall_en": "Harbour Mall",
            "mall_zh": "海港商場",
            "amount_cents": 15_000,
            "currency": "HKD",
            "paid_at": "2026-11-20T18:05:00+08:00",
            "channel": "UPLOAD",
            "state": "HELD",
            "points": 0,
            "reasons": [
                {
                    "code": "HELD_AS_DUPLICATE",
                    "message_en": "Being checked; points follow if it is a separate purchase.",
                    "message_zh": "正在核實；如屬另一宗消費將補發積分。",
                }
            ],
            "refunds": [],
        },
    ],
    "next": None,
}


def signed_in(token: str, member: Json = MEMBER, *, is_new: bool = False) -> list[object]:
    """The answer of sign-in."""
    return [
        200,
        {
            "token": token,
            "expires_at": "2026-11-22T14:00:00+08:00",
            "is_new": is_new,
            "auto_earn": member["auto_earn"],
            "member": member,
        },
    ]


def refused(status: int, code: str, fields: list[Json] | None = None) -> list[object]:
    error: Json = {"code": code, "message_en": f"{code} in English", "message_zh": f"{code} 中文"}
    return [status, {"error": error | ({"fields": fields} if fields else {})}]


ANSWERS: Json = {
    "GET setup": [[200, SETUP]],
    "POST sign-in": [signed_in("token-1")],
    "GET me": [[200, MEMBER]],
    "GET me/transactions": [[200, HISTORY]],
    "POST batches": [[200, VERDICT]],
}


class Phone:
    """One page with the client alone, for as many visits as a test likes: `fresh` forgets everything."""

    def __init__(self, page: Page) -> None:
        self.page = page
        for path in (FAKE, FOLDER / "loyalty-client.js"):
            page.add_script_tag(path=path)

    def fresh(self, *, token: str = "", answers: Json | None = None) -> None:
        """A wallet that nobody has used, or with this session kept; `answers` as {"GET me": […]}."""
        kept = {"loyalty.harbour-mall": {"token": token}} if token else {}
        self.page.evaluate(
            """([answers, kept]) => {
                Object.assign(wallet, { answers, kept, calls: [], failsBy: "success" });
                wallet.codes = [{ authCode: "code-1", authSuccessScopes: ["auth_base", "SCOPE_USER_BILL"] }];
                window.client = new LoyaltyClient({ mallUrl: "https://mall.example/", tag: "harbour-mall" });
            }""",
            [ANSWERS | (answers or {}), kept],
        )

    def wallet(self, **changes: Any) -> None:
        self.page.evaluate("(changes) => { Object.assign(wallet, changes); }", changes)

    def tell(self, expression: str, argument: Any = None) -> Any:
        """What a promise of the client's comes to; a failure comes as {"failed": shape}."""
        return self.page.evaluate(
            f"(argument) => Promise.resolve({expression}).catch((failed) => ({{ failed }}))", argument
        )

    def calls(self, kind: str = "request") -> list[list[Any]]:
        found: list[list[Any]] = self.page.evaluate("wallet.calls")
        return [call[1:] for call in found if call[0] == kind]

    def asked(self) -> list[str]:
        """Methods and paths of what was asked of the mall, the setup left out."""
        return [call[0] for call in self.calls() if call[0] != "GET setup"]
