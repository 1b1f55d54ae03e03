"""The partner API as an OpenAPI document. Written by hand: two addresses need no generator."""

from typing import Any

from loyalty.doors import partners
from loyalty.earning.models import NumberClaim, Transaction

TEXT = {"type": "string"}
FIELDS: dict[str, dict[str, Any]] = {
    "number": {
        **TEXT,
        "pattern": "^[A-Za-z0-9_-]{1,128}$",
        "description": "As printed on the receipt or bill",
    },
    "number_kind": {**TEXT, "enum": list(NumberClaim.Kind.values), "default": "RECEIPT"},
    "store": {**TEXT, "description": "Code or PMS label of a store of this mall"},
    "amount_cents": {"type": "integer", "minimum": 0, "description": "In the currency's smallest unit"},
    "currency": {**TEXT, "pattern": "^[A-Z]{3}$", "default": "HKD"},
    "paid_at": {**TEXT, "format": "date-time", "description": "With its zone, such as +08:00"},
    "member": {**TEXT, "description": "Card number, phone, or wallet user ID"},
    "tender": {**TEXT, "description": "One word, such as CARD, CASH or OCTOPUS"},
}
ANSWER: dict[str, dict[str, Any]] = {
    "reference": {**TEXT, "description": "Names this answer; ask for it again under it"},
    "state": {**TEXT, "enum": list(Transaction.State.values)},
    "points": {"type": "integer", "description": "All points it gave, those on hold included"},
    "pending": {"type": "integer", "description": "Of these on hold"},
    "reason": {**TEXT, "description": "Code of the first reason, such as EARNED_BASE or DUPLICATE_NUMBER"},
    "message_en": TEXT,
    "message_zh": TEXT,
    "earlier": {
        "type": ["object", "null"],
        "description": "The purchase that has this number already, or looks like this one",
        "properties": {
            "door": {**TEXT, "enum": list(Transaction.Channel.values)},
            "recorded_at": {**TEXT, "format": "date-time"},
        },
    },
}
FAULT = {"code": TEXT, "message_en": TEXT, "message_zh": TEXT}
REFUSALS = {
    "401": "The key is unknown, revoked, or of another mall",
    "409": "The idempotency key was used for another body",
    "422": "A field cannot be taken; all faults stand under fields",
    "429": "Too many requests with this key",
    "503": "Busy; nothing was changed, send it again",
}


def openapi() -> dict[str, Any]:
    given, taken = _content({"$ref": "#/components/schemas/Answer"}), "#/components/schemas/Purchase"
    refusals = {
        status: {"description": words, **_content({"$ref": "#/components/schemas/Refusal"})}
        for status, words in REFUSALS.items()
    }
    post = {
        "summary": "Bring one purchase; it earns once, however often it is sent",
        "parameters": [_tag(), _header("Idempotency-Key")],
        "requestBody": {"required": True, **_content({"$ref": taken})},
        "responses": {"201": {"description": "Recorded, now or by an earlier request", **given}, **refusals},
    }
    get = {
        "summary": "How a purchase stands now",
        "parameters": [_tag(), {"name": "reference", "in": "path", "required": True, "schema": TEXT}],
        "responses": {
            "200": {"description": "As it stands", **given},
            "404": {"description": "Not known here"},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mall points: partners' tills", "version": "1"},
        "security": [{"key": []}],
        "paths": {
            "/api/partner/v1/{tag}/transactions": {"post": post},
            "/api/partner/v1/{tag}/transactions/{reference}": {"get": get},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Purchase": _purchase(), "Answer": _object(ANSWER), "Refusal": _refusal()},
        },
    }


def _purchase() -> dict[str, Any]:
    return {**_object(FIELDS), "required": list(partners.REQUIRED), "additionalProperties": False}


def _refusal() -> dict[str, Any]:
    fields = {"type": "array", "items": _object({"field": TEXT, **FAULT})}
    return _object({"error": _object({**FAULT, "fields": fields})})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _tag() -> dict[str, Any]:
    return {"name": "tag", "in": "path", "required": True, "schema": TEXT, "description": "The mall's tag"}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": {**TEXT, "maxLength": 128}}
