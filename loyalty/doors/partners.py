"""Partners' keys, and purchases that their tills bring: each request once, however often it is sent.

A key is shown when it is made and never again; only its digest is kept. It opens one mall.
"""

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.transaction import atomic

from loyalty.doors import slips
from loyalty.doors.models import PartnerKey, PartnerRequest
from loyalty.doors.slips import FieldRefused, Slip
from loyalty.doors.verdicts import told
from loyalty.earning.models import Transaction
from pms import scoping
from pms.models import Mall, User

PREFIX = "ltk_"
SHOWN = 10
REQUIRED = ("number", "store", "amount_cents", "paid_at", "member")
OPTIONAL = ("number_kind", "currency", "tender")


class OtherBody(Exception):
    """This idempotency key was used for another request; send a new request with a new key."""


class NameInUse(Exception):
    """A key of this name is in use in this mall."""


class NotTaken(Exception):
    """The request cannot be taken; each fault names its field."""

    def __init__(self, faults: list[FieldRefused]) -> None:
        super().__init__(faults)
        self.faults = faults


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """`is_repeat`: an earlier request was answered so, and nothing happened now."""

    document: dict[str, Any]
    is_repeat: bool


def make_key(*, mall: Mall, name: str, by: User | None, now: datetime) -> tuple[PartnerKey, str]:
    """The key's row, and the key itself, which nobody can ask for again."""
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        with atomic():
            row = PartnerKey.objects.create(
                mall=mall, name=name, digest=_digest(key), start=key[:SHOWN], created_by=by, created_at=now
            )
    except IntegrityError as error:
        raise NameInUse from error
    return row, key


def revoke(*, key: PartnerKey, now: datetime) -> bool:
    """False if it was revoked already. It bites at the next request."""
    return bool(PartnerKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))


def keeper_of(key: str, *, tag: str) -> PartnerKey | None:
    """The row of a key in use for this mall; a stranger's, a revoked or another mall's key is none."""
    if not (key.isascii() and key.startswith(PREFIX) and scoping.is_searchable(tag)):
        return None
    found = PartnerKey.objects.select_related("mall__group__program")
    return found.filter(digest=_digest(key), mall__tag=tag, revoked_at=None).first()


def take(*, key: PartnerKey, idempotency_key: str, body: Mapping[str, Any], now: datetime) -> Answered:
    """Hand the purchase in and keep the answer; the same request again is the same answer."""
    digest = _digest(json.dumps(body, sort_keys=True))
    known = _answered(key, idempotency_key, digest)
    if known:
        return known
    slip = read(body, mall=key.mall, now=now)
    try:
        return _take(key, idempotency_key, digest, slip, now=now)
    except IntegrityError:
        # The same request came a moment earlier by another connection, and has been answered.
        known = _answered(key, idempotency_key, digest)
        if known is None:
            raise
        return known


def request_of(reference: str, *, mall: Mall) -> PartnerRequest | None:
    """By the reference of its answer, brought by any key of the mall."""
    found = PartnerRequest.objects.select_related("transaction__award", "transaction__store")
    return found.filter(reference=reference, partner_key__mall=mall).first()


def answer(transaction: Transaction, reference: str) -> dict[str, Any]:
    return {"reference": reference, **told(transaction)}


@atomic
def _take(key: PartnerKey, idempotency_key: str, digest: str, slip: Slip, *, now: datetime) -> Answered:
    try:
        transaction = slips.hand_in(slip, now=now)
    except FieldRefused as refused:
        raise NotTaken([refused]) from refused
    reference = uuid.uuid4().hex
    document = answer(transaction, reference)
    PartnerRequest.objects.create(
        partner_key=key,
        idempotency_key=idempotency_key,
        digest=digest,
        reference=reference,
        transaction=transaction,
        answer=document,
        answered_at=now,
    )
    return Answered(document=document, is_repeat=False)


def _answered(key: PartnerKey, idempotency_key: str, digest: str) -> Answered | None:
    known = PartnerRequest.objects.filter(partner_key=key, idempotency_key=idempotency_key).first()
    if known is None:
        return None
    if known.digest != digest:
        raise OtherBody
    return Answered(document=known.answer, is_repeat=True)


def read(body: Mapping[str, Any], *, mall: Mall, now: datetime) -> Slip:
    """All faults at once, each with its field."""
    faults = [FieldRefused(name, "FIELD_UNKNOWN") for name in body if name not in (*REQUIRED, *OPTIONAL)]
    faults += [FieldRefused(name, "MISSING") for name in REQUIRED if body.get(name) in (None, "")]
    if faults:
        raise NotTaken(faults)
    texts = {name: body.get(name, "") for name in (*REQUIRED, *OPTIONAL) if name != "amount_cents"}
    faults = [FieldRefused(name, "NOT_TEXT") for name, text in texts.items() if not isinstance(text, str)]
    if faults:
        raise NotTaken(faults)
    readers: dict[str, Any] = {
        "number": lambda: slips.read_number(texts["number"]),
        "number_kind": lambda: slips.read_kind(texts["number_kind"]),
        "store": lambda: slips.Stores(mall, only=texts["store"]).named(
            texts["store"], day=slips.day_of(texts["paid_at"], now=now)
        ),
        "amount_cents": lambda: _cents(body["amount_cents"]),
        "currency": lambda: _currency(texts["currency"] or "HKD"),
        "paid_at": lambda: slips.read_moment(texts["paid_at"], now=now, needs_zone=True),
        "tender": lambda: slips.read_tender(texts["tender"]),
    }
    values = {name: _read(name, reader, faults) for name, reader in readers.items()}
    if not faults:
        # Last, for it asks the database.
        values["member"] = _read("member", lambda: _member(texts["member"], mall), faults)
    if faults:
        raise NotTaken(faults)
    return Slip(
        channel=Transaction.Channel.PARTNER,
        kind=values.pop("number_kind"),
        member_id=values.pop("member"),
        **values,
    )


def _read(name: str, reader: Callable[[], Any], faults: list[FieldRefused]) -> Any:
    try:
        return reader()
    except FieldRefused as refused:
        faults.append(FieldRefused(name, refused.code))
        return None


def _cents(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldRefused("amount_cents", "AMOUNT_NOT_CENTS")
    return slips.checked_cents(value, field="amount_cents")


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise FieldRefused("currency", "CURRENCY_UNREADABLE")
    return text


def _member(text: str, mall: Mall) -> int:
    if "\x00" in text or len(text) > 128:
        raise FieldRefused("member", "MEMBER_UNKNOWN")
    return slips.the_member(text, slips.members_named([text], group_id=mall.group_id))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
