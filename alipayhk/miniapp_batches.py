"""A batch that a member brings from AlipayHK's page of transactions, and what she is told of each of its lines."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from alipayhk import miniapp, uploads
from alipayhk.models import MiniAppSession
from alipayhk.uploads import Told, UploadFailed, Verdict
from alipayhk.wallet_tokens import AuthorizationEnded
from loyalty.earning.reasons import REASONS, reason

SHOWN = ("line", "verdict", "number", "points", "reason", "message_en", "message_zh", "is_repeat")
FAILURES: dict[type[UploadFailed], str] = {
    uploads.UploadsOff: "UPLOADS_OFF",
    uploads.OrderRefused: "BATCH_REFUSED",
    uploads.NoAnswer: "ALIPAYHK_AWAY",
    uploads.Busy: "ALIPAYHK_AWAY",
    uploads.AnswerTooLarge: "BATCH_UNREADABLE",
    uploads.AnswerUnreadable: "BATCH_UNREADABLE",
    # By a token that is as new as can be: so the batch is another member's.
    uploads.TokenExpired: "BATCH_REFUSED",
    uploads.Refused: "BATCH_REFUSED",
}


class BatchRefused(Exception):
    """Nothing of the batch was recorded; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def submit(*, session: MiniAppSession, number: str, now: datetime) -> dict[str, Any]:
    """Each line's verdict; raises BatchRefused, for a batch that is another member's too."""
    try:
        told = miniapp.submit_batch(
            wallet_pass=session.wallet_pass, credential=session.credential, batch_number=number, now=now
        )
    except UploadFailed as error:
        raise BatchRefused(FAILURES[type(error)]) from error
    except AuthorizationEnded as error:
        raise BatchRefused("AUTHORIZATION_ENDED") from error
    if told and all(one.verdict == Verdict.OTHER_PAYER for one in told):
        raise BatchRefused("BATCH_REFUSED")
    return {
        "batch_no": number,
        "points": sum(one.points for one in told if _is_new_earning(one)),
        "lines": [_line(one) for one in told],
    }


def _is_new_earning(one: Told) -> bool:
    return one.verdict == Verdict.ACCEPTED and not one.is_repeat


def _line(one: Told) -> dict[str, object]:
    """What staff alone may read is not told; the bill number of somebody else's payment is nobody else's business."""
    shown = [entry for entry in one.reasons if REASONS[str(entry["code"])].is_for_members]
    said = uploads.document(replace(one, reasons=shown or [reason("ASK_STAFF")]))
    is_anothers = one.verdict == Verdict.OTHER_PAYER
    return {name: "" if is_anothers and name == "number" else said[name] for name in SHOWN}
