"""Manual upload: the payments a member picked in AlipayHK, fetched by their batch number and judged one by one.

The whole answer is kept and read before the first line is judged, so a fault of the gateway has recorded no payment.
Each line is an atomic block of its own: they are separate purchases, none may cost another its points, and the
account is locked no longer than for a notice. A batch that broke off is fetched again. Access tokens are neither kept
nor logged.
"""

import logging
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import connection
from django.db.models.functions import Upper
from django.db.transaction import atomic

from alipayhk import client, passes, payloads, upload_batches, upload_lines
from alipayhk.client import Answer
from alipayhk.models import Credential, UploadBatch
from alipayhk.payloads import BillNotice
from alipayhk.upload_lines import Line
from loyalty.earning import awards, duplicates, reasons, standing, transaction_document
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.earning.purchases import Purchase
from loyalty.earning.reasons import reason
from members.models import Pass
from pms.clock import HONG_KONG

alarm = logging.getLogger("loyalty.alarm")

TOKEN_CODES = frozenset({"EXPIRED_ACCESS_TOKEN", "INVALID_ACCESS_TOKEN"})
BUSY_CODES = frozenset({"SYSTEM_ERROR", "UNKNOWN_EXCEPTION", "REQUEST_TRAFFIC_EXCEED_LIMIT"})
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_BATCH = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TOKEN = re.compile(r"[!-~]{1,1024}")


class UploadFailed(Exception):
    """The batch could not be fetched or read; no payment was recorded. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UploadsOff(UploadFailed):
    """Manual upload is not set up: the answer's fields, the mini-app's ID, or what the mall calls with."""


class OrderRefused(UploadFailed):
    """The batch number or the access token cannot be one, or the member's card is of another group."""


class NoAnswer(UploadFailed):
    """AlipayHK did not answer in time, or not verifiably; the same batch may be fetched again."""


class AnswerTooLarge(UploadFailed):
    """The answer never ended, or is larger than any batch."""


class AnswerUnreadable(UploadFailed):
    """AlipayHK answered, but its payments are not where the settings say."""


class TokenExpired(UploadFailed):
    """The access token is not valid any longer; the member must authorize again."""


class Busy(UploadFailed):
    """AlipayHK had an error of its own; the same batch may be fetched again."""


class Refused(UploadFailed):
    """AlipayHK refuses this batch for good."""


class Verdict(StrEnum):
    """What became of one line."""

    ACCEPTED = "ACCEPTED"
    ALREADY_EARNED = "ALREADY_EARNED"
    TOO_LATE = "TOO_LATE"
    WRONG_MALL = "WRONG_MALL"
    EXCLUDED = "EXCLUDED"
    NO_POINTS = "NO_POINTS"
    HELD = "HELD"
    PARKED = "PARKED"
    DOUBTED = "DOUBTED"
    OTHER_PAYER = "OTHER_PAYER"
    MALFORMED = "MALFORMED"


STATES = {
    Transaction.State.EARNED: Verdict.ACCEPTED,
    Transaction.State.FLAGGED: Verdict.ACCEPTED,
    Transaction.State.HELD: Verdict.HELD,
    Transaction.State.PARKED: Verdict.PARKED,
    Transaction.State.DUPLICATE: Verdict.ALREADY_EARNED,
}
REFUSALS = {
    "TOO_LATE": Verdict.TOO_LATE,
    "WRONG_MALL": Verdict.WRONG_MALL,
    "EXCLUDED_STORE": Verdict.EXCLUDED,
    "STORE_NOT_OPEN": Verdict.EXCLUDED,
    "EXCLUDED_TENDER": Verdict.EXCLUDED,
    "EXCLUDED_ITEM": Verdict.EXCLUDED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A line's verdict and its stored reasons. `is_repeat`: an earlier upload recorded it, and nothing happened now."""

    index: int
    verdict: Verdict
    reasons: list[dict[str, object]]
    number: str = ""
    points: int = 0
    is_repeat: bool = False
    transaction_id: int | None = None
    earlier: Transaction | None = None
    field: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What the member's mini-app hands over: the batch, and the token that opens it."""

    wallet_pass: Pass
    batch_number: str
    access_token: str = field(repr=False)


def upload(*, order: Order, credential: Credential, now: datetime) -> list[Told]:
    """Fetch a batch and judge its lines, in the order they came; the same batch again changes nothing.

    Raises UploadFailed, and then has recorded no payment. Must not run inside the caller's atomic block.
    """
    batch, lines = fetch(order=order, credential=credential, now=now)
    told = [_judge(line, order.wallet_pass, credential, now=now) for line in lines]
    upload_batches.judged(batch=batch, lines=[document(one) for one in told])
    return told


def fetch(*, order: Order, credential: Credential, now: datetime) -> tuple[UploadBatch, list[Line]]:
    """The batch's lines, read and not judged; the answer is kept as it came. Raises UploadFailed."""
    _check(order, credential)
    mall = credential.mall
    body = payloads.query_bills_body(
        group_label=mall.group.label,
        mall_label=mall.label,
        batch_number=order.batch_number,
        access_token=order.access_token,
        app_id=credential.app_id,
    )
    answer = _ask(credential, body, now=now)
    _check_result(answer)
    batch = upload_batches.fetched(
        mall=mall, wallet_pass=order.wallet_pass, number=order.batch_number, answer=answer.body, now=now
    )
    try:
        return batch, upload_lines.read(answer.fields, user_id=order.wallet_pass.user_id, now=now)
    except upload_lines.LinesUnreadable as error:
        upload_batches.unreadable(batch=batch, fault=str(error))
        alarm.warning("the answer to a manual upload cannot be read: %s", error)
        raise AnswerUnreadable(str(error)) from error


def document(told: Told) -> dict[str, object]:
    """For machines: the verdict with its sentences in both languages, and which record came first."""
    said = {
        name: " ".join(reasons.sentences(told.reasons, language))
        for name, language in (("message_en", "en"), ("message_zh", "zh-hant"))
    }
    return {
        "line": told.index,
        "verdict": told.verdict.value,
        "number": told.number,
        "points": told.points,
        "reason": told.reasons[0]["code"] if told.reasons else "",
        **said,
        "field": told.field,
        "detail": told.detail,
        "is_repeat": told.is_repeat,
        "transaction": told.transaction_id,
        "earlier": _earlier_document(told.earlier) if told.earlier else None,
    }


def _check(order: Order, credential: Credential) -> None:
    if not upload_lines.is_configured():
        raise UploadsOff("LINES_NOT_CONFIGURED")
    if upload_lines.unknown_fields():
        raise UploadsOff("FIELDS_UNKNOWN")
    if not credential.app_id:
        raise UploadsOff("NO_MINI_APP")
    if not _BATCH.fullmatch(order.batch_number):
        raise OrderRefused("BATCH_NUMBER_UNREADABLE")
    if not _TOKEN.fullmatch(order.access_token):
        raise OrderRefused("ACCESS_TOKEN_UNREADABLE")
    if order.wallet_pass.program.group_id != credential.mall.group_id:
        raise OrderRefused("CARD_OF_ANOTHER_GROUP")


def _ask(credential: Credential, body: bytes, *, now: datetime) -> Answer:
    try:
        return client.query_bills(client.caller(credential), body, now=now)
    except client.CredentialUnusable as error:
        raise UploadsOff(error.code) from error
    except client.OutcomeUnknown as error:
        if error.is_alarming:
            alarm.warning("a manual upload had no answer that is AlipayHK's own: %s", error.code)
        raise (AnswerTooLarge if error.code == "ANSWER_TOO_LARGE" else NoAnswer)(error.code) from error


def _check_result(answer: Answer) -> None:
    """No page lists codes for this call, so the status decides, but for the codes that all calls share."""
    code, status = answer.result.code, answer.result.status
    if not _CODE.fullmatch(code):
        raise AnswerUnreadable("RESULT_UNREADABLE")
    if code in TOKEN_CODES:
        raise TokenExpired(code)
    if code in BUSY_CODES or status == "U":
        raise Busy(code)
    if status != "S":
        raise Refused(code)


def _judge(line: Line, wallet_pass: Pass, credential: Credential, *, now: datetime) -> Told:
    notice = line.notice
    if notice is None:
        stored = [reason("MALFORMED")]
        return Told(
            index=line.index,
            verdict=Verdict.MALFORMED,
            reasons=stored,
            field=line.field,
            detail=line.detail,
        )
    if notice.user_id != wallet_pass.user_id:
        return _untaken(line, notice, Verdict.OTHER_PAYER, "OTHER_PAYER")
    if notice.doubt:
        return _untaken(line, notice, Verdict.DOUBTED, notice.doubt)
    return _take(line, notice, wallet_pass, credential, now=now)


def _untaken(line: Line, notice: BillNotice, verdict: Verdict, code: str) -> Told:
    return Told(index=line.index, verdict=verdict, reasons=[reason(code)], number=notice.number_text)


@atomic
def _take(
    line: Line, notice: BillNotice, wallet_pass: Pass, credential: Credential, *, now: datetime
) -> Told:
    """One upload of a member at a time, so that the second of two sees what the first has recorded.

    Whose card it is counts now: it may have passed to another member while AlipayHK was asked.
    """
    wallet_pass = Pass.objects.select_for_update(no_key=True).get(pk=wallet_pass.pk)
    purchase = _purchase(notice, wallet_pass, credential, now=now)
    known = _recorded(notice, purchase, wallet_pass)
    if known:
        return _told(line, known, is_repeat=True)
    if _is_nowhere(notice) and not _is_held(purchase):
        # Parked without a label it would claim the numbers, and the notice that names the store would come too late.
        return _untaken(line, notice, Verdict.PARKED, "PARKED_UNKNOWN_STORE")
    outcome = awards.earn(purchase=purchase, now=now)
    if outcome.version is not None and outcome.member_id is not None:
        with connection.cursor() as cursor:
            passes.want(cursor=cursor, member_id=outcome.member_id, version=outcome.version)
    if outcome.transaction_id is None:
        return _untaken(line, notice, Verdict.PARKED, outcome.reason)
    recorded = Transaction.objects.select_related("award").get(pk=outcome.transaction_id)
    return _told(line, recorded, is_repeat=False)


def _purchase(notice: BillNotice, wallet_pass: Pass, credential: Credential, *, now: datetime) -> Purchase:
    """The wallet's own record of its user, but by the member: who hands a payment in shares it, without consent."""
    numbers = {
        "PAYMENT": notice.number_text,
        "MAINLAND": notice.mainland_number_text,
        "ACQUIRER": notice.acquirer_number_text,
    }
    return Purchase(
        group_id=credential.mall.group_id,
        mall_id=credential.mall_id,
        channel=Transaction.Channel.UPLOAD,
        wallet=wallet_pass.wallet,
        user_id=wallet_pass.user_id,
        member_id=wallet_pass.member_id,
        amount_cents=notice.amount_cents,
        currency=notice.currency,
        paid_at=notice.paid_at,
        numbers={kind: number for kind, number in numbers.items() if number},
        store_label=notice.pms_label,
        merchant_id=notice.merchant_id,
        merchant_name=notice.merchant_name,
        submitted_at=now,
    )


def _recorded(notice: BillNotice, purchase: Purchase, wallet_pass: Pass) -> Transaction | None:
    """The record that an earlier upload of the same line made."""
    found = Transaction.objects.annotate(number=Upper("payment_number")).filter(
        group_id=purchase.group_id,
        number=notice.number,
        channel=Transaction.Channel.UPLOAD,
        member_id=wallet_pass.member_id,
        amount_cents=purchase.amount_cents,
        currency=purchase.currency,
        paid_at=purchase.paid_at,
        store_label=purchase.store_label,
    )
    return found.select_related("award").order_by("pk").first()


def _is_nowhere(notice: BillNotice) -> bool:
    return not (notice.pms_label or notice.merchant_id)


def _is_held(purchase: Purchase) -> bool:
    """Whether another record has one of its numbers already."""
    holder = duplicates.holder(
        purchase.numbers, group_id=purchase.group_id, store=None, paid_at=purchase.paid_at
    )
    return holder is not None


def _told(line: Line, transaction: Transaction, *, is_repeat: bool) -> Told:
    award: Award | None = getattr(transaction, "award", None)
    stored = award.reasons if award else [reason(transaction_document.unjudged_code(transaction))]
    verdict = _verdict(transaction, [str(entry["code"]) for entry in stored])
    return Told(
        index=line.index,
        verdict=verdict,
        reasons=stored,
        number=transaction.payment_number,
        points=standing.earned(transaction),
        is_repeat=is_repeat,
        transaction_id=transaction.pk,
        earlier=_earlier(transaction) if verdict in (Verdict.ALREADY_EARNED, Verdict.HELD) else None,
    )


def _verdict(transaction: Transaction, codes: list[str]) -> Verdict:
    if transaction.state != Transaction.State.NOTHING:
        return STATES[Transaction.State(transaction.state)]
    return next((REFUSALS[code] for code in codes if code in REFUSALS), Verdict.NO_POINTS)


def _earlier(transaction: Transaction) -> Transaction | None:
    case = DuplicateCase.objects.select_related("earlier").filter(transaction=transaction).first()
    return case.earlier if case else None


def _earlier_document(earlier: Transaction) -> dict[str, object]:
    recorded_at = earlier.recorded_at.astimezone(HONG_KONG).isoformat(timespec="seconds")
    return {"transaction": earlier.pk, "door": earlier.channel, "recorded_at": recorded_at}
