"""AlipayHK's field names in, our words out, and back; the only module that knows `billNo` and its kin.

Pure: reads parsed JSON, builds bodies as bytes. Never touches the database, the clock or the network.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alipayhk import field_rules
from alipayhk.field_rules import EMAIL, KEY, LABEL, TEXT, Fields
from alipayhk.field_rules import FieldRefused as FieldRefused

LOCALES = ("zh_HK", "en_US")
LONGEST_ANSWER_WORD = 256
# What a payment says of itself, in a notice and, as far as is known, on a line of a manual upload.
BILL_FIELDS = (
    *("userId", "billNo", "cnBillNo", "outBillNo", "merchantId", "merchantName"),
    *("orderAmount", "orderAmount.currency", "orderAmount.value", "payTime", "pointsProvider", "pmsLabel"),
)


class WordUnknown(ValueError):
    """A card template asks for a word that we have no text for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BillNotice:
    """A payment. Numbers are canonical (upper case, as they are compared); `…_text` is as it was sent."""

    user_id: str
    number: str
    number_text: str
    mainland_number: str
    mainland_number_text: str
    acquirer_number: str
    acquirer_number_text: str
    merchant_id: str
    merchant_name: str
    amount_cents: int
    currency: str
    paid_at: datetime
    paid_at_text: str
    provider: str
    pms_label: str
    doubt: str

    @property
    def has_foreign_user(self) -> bool:
        """The provider and the prefix of the user id name different wallets; staff are told (B101)."""
        return field_rules.is_foreign(self.provider, self.user_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundNotice:
    """Money given back for `payment_number`; numbers as in BillNotice."""

    user_id: str
    payment_number: str
    payment_number_text: str
    mainland_payment_number: str
    mainland_payment_number_text: str
    refund_number: str
    refund_number_text: str
    merchant_id: str
    merchant_name: str
    amount_cents: int
    currency: str
    refunded_at: datetime
    refunded_at_text: str
    provider: str
    pms_label: str
    doubt: str

    @property
    def has_foreign_user(self) -> bool:
        """As for a payment."""
        return field_rules.is_foreign(self.provider, self.user_id)

    @property
    def key(self) -> str:
        """What makes this refund one: wire §9.3. `:` is in no number, so that keys cannot run together."""
        if self.refund_number:
            return f"{self.payment_number}:{self.refund_number}"
        return f"{self.payment_number}::{self.refunded_at.isoformat()}:{self.currency}:{self.amount_cents}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CardRequest:
    """A user who joins. `phone` is E.164, or empty if the raw text is no telephone number."""

    user_id: str
    phone_raw: str
    phone: str
    email: str
    channel: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PassAnswer:
    """What createPass or updatePass answered, verbatim; what could not be read is empty."""

    code: str
    status: str
    message: str
    pass_id: str


def read_bill(fields: Fields, *, now: datetime, amount_limit_cents: int) -> BillNotice:
    """Read a payment notice; FieldRefused names the field that breaks its rule.

    A HKD amount above the limit is read all the same, and doubted.
    """
    amount = field_rules.amount(fields, "orderAmount")
    paid_at_text = field_rules.required(fields, "payTime", LABEL)
    paid_at = field_rules.moment("payTime", paid_at_text)
    provider = field_rules.required(fields, "pointsProvider", LABEL)
    number = field_rules.required(fields, "billNo", KEY)
    mainland = field_rules.optional(fields, "cnBillNo", KEY)
    acquirer = field_rules.optional(fields, "outBillNo", KEY)
    return BillNotice(
        user_id=field_rules.required(fields, "userId", KEY),
        number=number.upper(),
        number_text=number,
        mainland_number=mainland.upper(),
        mainland_number_text=mainland,
        acquirer_number=acquirer.upper(),
        acquirer_number_text=acquirer,
        merchant_id=field_rules.optional(fields, "merchantId", LABEL),
        merchant_name=field_rules.optional(fields, "merchantName", TEXT),
        amount_cents=amount.cents,
        currency=amount.currency,
        paid_at=paid_at,
        paid_at_text=paid_at_text,
        provider=provider,
        pms_label=field_rules.optional(fields, "pmsLabel", LABEL),
        doubt=field_rules.doubt(
            amount=amount, limit_cents=amount_limit_cents, at=paid_at, now=now, provider=provider
        ),
    )


def read_refund(fields: Fields, *, now: datetime, amount_limit_cents: int) -> RefundNotice:
    """Read a refund notice, by the same rules as a payment."""
    amount = field_rules.amount(fields, "refundAmount")
    refunded_at_text = field_rules.required(fields, "refundTime", LABEL)
    refunded_at = field_rules.moment("refundTime", refunded_at_text)
    provider = field_rules.required(fields, "pointsProvider", LABEL)
    payment = field_rules.required(fields, "relateBillNo", KEY)
    mainland = field_rules.optional(fields, "cnRelateBillNo", KEY)
    refund = field_rules.optional(fields, "refundOutBillNo", KEY)
    return RefundNotice(
        user_id=field_rules.required(fields, "userId", KEY),
        payment_number=payment.upper(),
        payment_number_text=payment,
        mainland_payment_number=mainland.upper(),
        mainland_payment_number_text=mainland,
        refund_number=refund.upper(),
        refund_number_text=refund,
        merchant_id=field_rules.optional(fields, "merchantId", LABEL),
        merchant_name=field_rules.optional(fields, "merchantName", TEXT),
        amount_cents=amount.cents,
        currency=amount.currency,
        refunded_at=refunded_at,
        refunded_at_text=refunded_at_text,
        provider=provider,
        pms_label=field_rules.optional(fields, "pmsLabel", LABEL),
        doubt=field_rules.doubt(
            amount=amount, limit_cents=amount_limit_cents, at=refunded_at, now=now, provider=provider
        ),
    )


def read_card(fields: Fields) -> CardRequest:
    """Read a request to join. Only the user id is required; a strange telephone number is kept raw."""
    phone_raw = field_rules.optional(fields, "mobileNo", TEXT)
    email = field_rules.optional(fields, "userEmail", EMAIL)
    return CardRequest(
        user_id=field_rules.required(fields, "userId", KEY),
        phone_raw=phone_raw,
        phone=field_rules.phone(phone_raw),
        email=email,
        channel=field_rules.optional(fields, "createCardChannel", LABEL),
        name=field_rules.display_name(fields.get("name")),
    )


def content_hash(notice: BillNotice | RefundNotice | CardRequest) -> str:
    """SHA-256 over the fields read: equal for a resend in other dress, other for other content.

    Left out: names, and the raw texts of what is hashed as a value.
    """
    match notice:
        case BillNotice():
            content = _bill_content(notice)
        case RefundNotice():
            content = _refund_content(notice)
        case CardRequest():
            content = ["CARD", notice.user_id, notice.phone or notice.phone_raw, notice.email, notice.channel]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def create_pass_body(
    *,
    merchant_id: str,
    user_id: str,
    template_code: str,
    serial: str,
    starts_at: datetime,
    ends_at: datetime,
    created_at: datetime,
    pass_type: str,
    product: str,
    card_number: str,
    placeholders: Mapping[str, object],
) -> bytes:
    """The body of createPass (wire §6.1). `placeholders` comes from `data_info`; empty options stay out."""
    code = {"$codemsg$": card_number, "$codevalue$": card_number} if card_number else {}
    optional = {"type": pass_type, "product": product, "codeInfo": code, "dataInfo": placeholders}
    required = {
        "merchantId": merchant_id,
        "userId": user_id,
        "templateCode": template_code,
        "bizSerialId": serial,
        "bizSerialType": "OUT_PLAT_FORM",
        "startDate": _milliseconds(starts_at),
        "endDate": _milliseconds(ends_at),
        "bizCreate": _milliseconds(created_at),
    }
    return _encode(required | {name: value for name, value in optional.items() if value})


def update_pass_body(
    *,
    merchant_id: str,
    user_id: str,
    template_code: str,
    pass_id: str,
    placeholders: Mapping[str, object],
    detail_type: str = "UPDATE_DATA_INFO",
) -> bytes:
    """The body of updatePass (wire §6.2) that shows new values; absolute ones, so repeats are harmless."""
    return _encode(
        {
            "merchantId": merchant_id,
            "userId": user_id,
            "templateCode": template_code,
            "passId": pass_id,
            "status": "UPDATE",
            "updateDetailType": detail_type,
            "dataInfo": placeholders,
        }
    )


def query_bills_body(
    *, group_label: str, mall_label: str, batch_number: str, access_token: str, app_id: str
) -> bytes:
    """The body of bill/query (wire §6.4). An empty mall label means the whole group."""
    return _encode(
        {
            "businessDistrictSubject": {"mallGroupLabel": group_label, "mallLabel": mall_label},
            "batchNo": batch_number,
            "accessToken": access_token,
            "appId": app_id,
        }
    )


def uploaded_bill(found: Mapping[str, object], *, user_id: str) -> Fields:
    """A line of a manual upload in the words of a notice; `found` by BILL_FIELDS, without what is not there.

    A line may leave out whose it is: the access token says that.
    """
    named = {name: value for name, value in found.items() if "." not in name}
    amount = {name.partition(".")[2]: value for name, value in found.items() if "." in name}
    provider = "ALIPAYHK" if user_id.startswith("2160") else "ALIPAYCN"
    paid_at = named.get("payTime")
    if isinstance(paid_at, int) and not isinstance(paid_at, bool):
        named["payTime"] = str(paid_at)
    return (
        {"userId": user_id, "pointsProvider": provider} | named | ({"orderAmount": amount} if amount else {})
    )


def data_info(
    *,
    placeholders: Mapping[str, str],
    shape: Literal["NESTED", "FLAT"],
    values: Mapping[str, str | Mapping[str, str]],
) -> dict[str, object]:
    """Fill a template's placeholders (its name → our word) with the texts of those words.

    A text may differ by locale; then it is a mapping from locale to text.
    """
    filled: dict[str, dict[str, str]] = {
        locale: {name: _text(values, word, locale) for name, word in placeholders.items()}
        for locale in LOCALES
    }
    if shape == "NESTED":
        return dict(filled)
    return {_with_locale(name, locale): text for locale in LOCALES for name, text in filled[locale].items()}


def read_pass_answer(fields: Fields) -> PassAnswer:
    """Read `result`, or `resultInfo` as one page prints it. Never raises: what is unreadable is empty."""
    result = fields.get("result", fields.get("resultInfo"))
    found: Fields = result if isinstance(result, dict) else {}
    return PassAnswer(
        code=_short(found.get("resultCode")),
        status=_short(found.get("resultStatus")),
        message=_short(found.get("resultMessage")),
        pass_id=_short(fields.get("passId")),
    )


def answer_body(code: str, status: str, message: str) -> bytes:
    """The body of our answer to a webhook. Constant per case: it must echo nothing of what came in."""
    return _encode({"result": {"resultCode": code, "resultStatus": status, "resultMessage": message}})


def _bill_content(notice: BillNotice) -> list[object]:
    return [
        "BILL",
        notice.user_id,
        notice.number,
        notice.mainland_number,
        notice.acquirer_number,
        notice.merchant_id,
        notice.amount_cents,
        notice.currency,
        notice.paid_at.isoformat(),
        notice.provider,
        notice.pms_label,
    ]


def _refund_content(notice: RefundNotice) -> list[object]:
    return [
        "REFUND",
        notice.user_id,
        notice.payment_number,
        notice.mainland_payment_number,
        notice.refund_number,
        notice.merchant_id,
        notice.amount_cents,
        notice.currency,
        notice.refunded_at.isoformat(),
        notice.provider,
        notice.pms_label,
    ]


def _text(values: Mapping[str, str | Mapping[str, str]], word: str, locale: str) -> str:
    value = values.get(word)
    if value is None:
        raise WordUnknown(f"the template asks for {word!r}, which no card has")
    return value if isinstance(value, str) else value[locale]


def _with_locale(name: str, locale: str) -> str:
    """`$points$` becomes `$points_zh_HK$`."""
    return f"{name[:-1]}_{locale}$" if name.endswith("$") else f"{name}_{locale}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _short(value: object) -> str:
    return value[:LONGEST_ANSWER_WORD] if isinstance(value, str) else ""


# The answers of the webhooks, one for each case.
SUCCESS = answer_body("SUCCESS", "S", "success")
PARAM_ILLEGAL = answer_body("PARAM_ILLEGAL", "F", "illegal parameters")
SIGNATURE_INVALID = answer_body("SIGNATURE_INVALID", "F", "invalid signature")
SYSTEM_ERROR = answer_body("SYSTEM_ERROR", "U", "system error")
