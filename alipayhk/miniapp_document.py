"""The mini-app's API as an OpenAPI document. Written by hand, as the partners' is: eleven calls need no generator."""

from typing import Any

from alipayhk import miniapp_words
from alipayhk.uploads import Verdict
from loyalty.earning.models import Transaction
from loyalty.ledger.models import Redemption

ROOT = "/api/miniapp/v1/{tag}"
Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
MOMENT: Schema = {**TEXT, "format": "date-time", "description": "In Hong Kong's time"}
CENTS: Schema = {**COUNT, "description": "In the currency's smallest unit"}


def nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def thing(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


SAID = {"message_en": TEXT, "message_zh": TEXT}
NAMES = {"name_en": TEXT, "name_zh": TEXT}
FAULT = {"code": TEXT, **SAID}
TIER = thing(
    code=TEXT, **NAMES, next=nullable(thing(code=TEXT, **NAMES, missing_cents=CENTS, needed_cents=CENTS))
)  # fmt: skip
SETUP = thing(
    program=thing(**NAMES),
    mall=thing(tag=TEXT, **NAMES),
    auth=thing(scopes=listed(TEXT), auth_client_id=TEXT),
    bill_page=nullable(thing(app_id=TEXT, path=TEXT, extra_data={"type": "object"})),
    batch_key={**TEXT, "description": "Where onShow's extraData holds the batch number"},
    consent=thing(text_version=TEXT, text_en=TEXT, text_zh=TEXT),
    registration=listed(
        thing(
            code=TEXT,
            label_en=TEXT,
            label_zh=TEXT,
            kind={**TEXT, "enum": ["TEXT", "CHOICE", "YES_NO", "MONTH"]},
            choices=listed(thing(code=TEXT, en=TEXT, zh=TEXT)),
            is_required=TRUTH,
        )
    ),
    redemption=thing(min_points=COUNT, points_per_hkd=COUNT),
)
ME = thing(
    card_number=TEXT,
    name=TEXT,
    phone={**TEXT, "description": "Masked"},
    email={**TEXT, "description": "Masked"},
    joined_at=MOMENT,
    is_registered=TRUTH,
    balance=thing(points=COUNT, held=COUNT),
    tier=nullable(TIER),
    expiring=listed(thing(points=COUNT, expires_at=MOMENT)),
    auto_earn=TRUTH,
    consent=thing(is_given=TRUTH, text_version=TEXT, began_at=nullable(MOMENT)),
)
PAYMENT = thing(
    number=TEXT,
    store_en=TEXT,
    store_zh=TEXT,
    mall_en=TEXT,
    mall_zh=TEXT,
    amount_cents=CENTS,
    currency=TEXT,
    paid_at=MOMENT,
    channel={**TEXT, "enum": list(Transaction.Channel.values)},
    state={**TEXT, "enum": list(Transaction.State.values)},
    points=COUNT,
    reasons=listed(thing(code=TEXT, **SAID)),
    refunds=listed(thing(amount_cents=CENTS, refunded_at=MOMENT, points=COUNT)),
)
LINE = thing(
    line={**COUNT, "description": "Counted from 0"},
    verdict={**TEXT, "enum": [one.value for one in Verdict]},
    number=TEXT,
    points=COUNT,
    reason=TEXT,
    **SAID,
    is_repeat={**TRUTH, "description": "An earlier upload recorded it; nothing happened now"},
)
REDEMPTION = thing(
    code=TEXT,
    state={**TEXT, "enum": list(Redemption.State.values)},
    points=COUNT,
    value_cents=CENTS,
    payment_number=TEXT,
    reserved_at=MOMENT,
    expires_at=MOMENT,
    ended_at=nullable(MOMENT),
    balance=COUNT,
)
SCHEMAS: dict[str, Schema] = {
    "Setup": SETUP,
    "SignIn": {
        "type": "object",
        "properties": {
            "auth_code": {**TEXT, "pattern": "^[!-~]{1,512}$"},
            "scopes": {**listed(TEXT), "maxItems": 10},
            "text_version": {
                "type": ["string", "null"],
                "maxLength": 32,
                "description": "Of the consent text that was shown; one that is not in force opens no consent",
            },
        },
        "required": ["auth_code", "scopes"],
        "additionalProperties": False,
    },
    "Session": thing(token=TEXT, expires_at=MOMENT, is_new=TRUTH, auto_earn=TRUTH, member=ref("Me")),
    "Me": ME,
    "Registration": {
        "type": "object",
        "properties": {
            "name": {**TEXT, "maxLength": 128},
            "phone": {**TEXT, "description": "E.164, or eight digits of Hong Kong"},
            "email": TEXT,
            "birth_month": {"type": ["integer", "null"], "minimum": 1, "maximum": 12},
            "card_number": {**TEXT, "description": "Of an earlier membership, if there is one"},
            "supplied": {"type": "object", "description": "By the codes of setup's registration fields"},
        },
        "required": ["name", "phone"],
        "additionalProperties": False,
    },
    "Consent": {
        "type": "object",
        "properties": {"text_version": {**TEXT, "maxLength": 32}},
        "additionalProperties": False,
    },
    "History": thing(transactions=listed(PAYMENT), next=nullable(TEXT)),
    "Batch": {
        **thing(batch_no={**TEXT, "pattern": "^[A-Za-z0-9_-]{1,128}$"}),
        "additionalProperties": False,
    },
    "Verdicts": thing(
        batch_no=TEXT, points={**COUNT, "description": "Earned by this request"}, lines=listed(LINE)
    ),
    "Wish": {
        "type": "object",
        "properties": {
            "points": {**COUNT, "minimum": 1, "maximum": 10**15},
            "request_key": {
                **TEXT,
                "maxLength": 64,
                "description": "The same key again is the same redemption",
            },
        },
        "required": ["points"],
        "additionalProperties": False,
    },
    "Redemption": REDEMPTION,
    "Refusal": {
        "type": "object",
        "properties": {
            "error": {"type": "object", "properties": {**FAULT, "fields": listed(thing(field=TEXT, **FAULT))}}
        },
    },
}
MANY = {"429": "Too many requests"}
PUBLIC = {
    "400": "A token in the address",
    "404": "There is no such mall",
    "409": "Not open to its mini-app",
} | MANY
SESSION = {
    "400": "Unreadable, or a token in the address",
    "401": "The token is forged, expired, ended, or of another mall",
    "403": "The membership is closed or suspended",
    "503": "Busy, or AlipayHK is away; nothing was changed",
} | MANY
BODY = {"413": "Larger than 64 KB", "415": "Not JSON", "422": "Faults of fields, all under fields"}


def openapi() -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mall points: the mall's mini-app",
            "version": "1",
            "description": "Codes of refusals: " + ", ".join(sorted(miniapp_words.MESSAGES)),
        },
        "security": [{"session": []}],
        "paths": {
            f"{ROOT}/{path}": {"parameters": [_in_path("tag")], **calls} for path, calls in _paths().items()
        },
        "components": {
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
        },
    }


def _paths() -> dict[str, Schema]:
    wallet = {"409": "Not now; the code says why", "502": "AlipayHK's answer cannot be used"}
    cursor = {"name": "cursor", "in": "query", "schema": {**TEXT, "maxLength": 200}}
    one = {"parameters": [_in_path("tag"), _in_path("code")]}
    return {
        "setup": {"get": _call("What the mini-app needs to know", "Setup", public=True)},
        "sign-in": {
            "post": _call("Sign in by the auth code", "Session", takes="SignIn", public=True,
                          also=wallet | {"403": "AlipayHK or the mall refuses this person", "503": SESSION["503"]})
        },
        "me": {"get": _call("The member's card", "Me")},
        "me/transactions": {
            "get": _call("Twenty payments, latest first", "History") | {"parameters": [cursor]}
        },
        "me/consent": {
            "post": _call("Let payments be shared", "Me", takes="Consent", also={"409": "The text has changed"}),
            "delete": _call("Share no payments from now on", "Me"),
        },
        "register": {"post": _call("The registration form", "Me", takes="Registration")},
        "batches": {
            "post": _call("Transactions picked in AlipayHK", "Verdicts", takes="Batch", also=wallet)
        },
        "redemptions": {
            "post": _call("Set points aside under a code", "Redemption", takes="Wish", status="201",
                          also={"409": "Refused by the program's terms"})
        },
        "redemptions/{code}": {
            **one,
            "get": _call("How it stands", "Redemption", also={"404": "Not yours"}),
            "delete": _call("Give the points back", "Redemption", also={"404": "Not yours", "409": "Ended"}),
        },
    }  # fmt: skip


def _call(
    summary: str,
    gives: str,
    *,
    takes: str = "",
    status: str = "200",
    public: bool = False,
    also: dict[str, str] | None = None,
) -> Schema:
    refusals = (PUBLIC if public else SESSION) | (BODY if takes else {}) | (also or {})
    call: Schema = {
        "summary": summary,
        "responses": {
            status: {"description": "Done", **_content(ref(gives))},
            **{code: {"description": words, **_content(ref("Refusal"))} for code, words in refusals.items()},
        },
    }
    if takes:
        call["requestBody"] = {"required": True, **_content(ref(takes))}
    return call | ({"security": []} if public else {})


def _content(schema: Schema) -> Schema:
    return {"content": {"application/json": {"schema": schema}}}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}
