"""What to tell AlipayHK about one card, and what its answer means. Never touches the database: runs in any thread."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from alipayhk import answers, client, payloads
from alipayhk.answers import Outcome, Verdict
from alipayhk.client import Answer, Caller, OutcomeUnknown
from alipayhk.models import CardTemplate, Credential
from alipayhk.pass_queue import Claimed

log = logging.getLogger(__name__)

LONGEST_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """A credential as a drain uses it: ready to call, or the reason why it cannot."""

    merchant_id: str
    template: CardTemplate
    caller: Caller | None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What came back, for the books. Texts are cut, and hold no signature."""

    answer_body: str = ""
    http_status: int | None = None
    detail: str = ""
    tracer_id: str = ""
    wait_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Called:
    """One call as it went. `request_body` is plain and cut, and holds no key, token or signature."""

    claimed: Claimed
    verdict: Verdict
    api: str
    duration_ms: int
    request_body: str
    heard: Heard


def open_line(credential: Credential) -> Line:
    """Reads keys: for the thread that owns the database connection."""
    template = credential.card_template
    try:
        return Line(credential.merchant_id, template, client.caller(credential))
    except client.CredentialUnusable as error:
        return Line(credential.merchant_id, template, None, error.code)


def call(claimed: Claimed, line: Line, claimed_at: float) -> Called:
    """Make or update the card; whatever happens is an outcome. `claimed_at` is monotonic."""
    api = "updatePass" if claimed.external_id else "createPass"
    began = time.monotonic()
    body = b""
    try:
        body = _body(claimed, line)
        answer = _send(claimed, line, body, seconds_since=began - claimed_at)
        verdict = answers.judge(answer.result, pass_id=claimed.external_id)
        heard = heard_of(answer)
    except OutcomeUnknown as error:
        verdict = answers.unknown(error.code, is_alarming=error.is_alarming)
        heard = half_heard(error)
    except payloads.WordUnknown as error:
        verdict = Verdict(outcome=Outcome.PERMANENT_TEMPLATE, code="PLACEHOLDER_UNKNOWN", is_alarming=True)
        heard = Heard(detail=str(error)[:255])
    except Exception as error:
        # One card that cannot be worded must not hold up the others.
        log.exception("call about card update %d failed", claimed.update_id)
        verdict = answers.unknown("UNEXPECTED")
        heard = Heard(detail=type(error).__name__)
    return Called(
        claimed=claimed,
        verdict=verdict,
        api=api,
        duration_ms=round((time.monotonic() - began) * 1000),
        request_body=cut(body),
        heard=heard,
    )


def _send(claimed: Claimed, line: Line, body: bytes, *, seconds_since: float) -> Answer:
    if line.caller is None:
        raise OutcomeUnknown(line.fault, is_alarming=True)
    # The database's clock: what a skewed machine believes must not make answers look old.
    now = claimed.called_at + timedelta(seconds=seconds_since)
    if claimed.external_id:
        return client.update_pass(line.caller, body, now=now)
    return client.create_pass(line.caller, body, now=now)


def _body(claimed: Claimed, line: Line) -> bytes:
    template = line.template
    shown = payloads.data_info(
        placeholders=template.placeholders,
        shape="NESTED" if template.shape == CardTemplate.Shape.NESTED else "FLAT",
        values={
            "balance": str(claimed.points),
            "member_name": claimed.member_name,
            "card_number": claimed.card_number,
            "program_name": {"zh_HK": claimed.program_zh, "en_US": claimed.program_en},
        },
    )
    if claimed.external_id:
        return payloads.update_pass_body(
            merchant_id=line.merchant_id,
            user_id=claimed.user_id,
            template_code=template.code,
            pass_id=claimed.external_id,
            placeholders=shown,
            detail_type=template.update_detail_type,
        )
    # Dates of the pass, not of the call: a repeat must be the same request.
    return payloads.create_pass_body(
        merchant_id=line.merchant_id,
        user_id=claimed.user_id,
        template_code=template.code,
        serial=claimed.serial,
        starts_at=claimed.joined_at,
        ends_at=claimed.joined_at + timedelta(days=template.valid_days),
        created_at=claimed.joined_at,
        pass_type=template.type,
        product=template.product,
        card_number=claimed.card_number,
        placeholders=shown,
    )


def heard_of(answer: Answer) -> Heard:
    return Heard(
        answer_body=cut(answer.body),
        http_status=answer.http_status,
        detail=cut(answer.result.message.encode())[:255],
        tracer_id=answer.tracer_id,
        wait_seconds=answer.wait_seconds,
    )


def half_heard(error: OutcomeUnknown) -> Heard:
    return Heard(
        answer_body=cut(error.answer_body),
        http_status=error.http_status,
        tracer_id=error.tracer_id,
        wait_seconds=error.wait_seconds,
    )


def cut(content: bytes) -> str:
    """A body as it may be kept."""
    return content[:LONGEST_KEPT].decode(errors="replace").replace("\x00", "\ufffd")
