"""What judging a purchase or a refund came to. Ordinary outcomes are values; only the unexpected raises."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """RECORDED: done, with or without points. WAITING: for its missing half. ASK: staff decide. CONFLICT: refused."""

    RECORDED = "RECORDED"
    WAITING = "WAITING"
    ASK = "ASK"
    CONFLICT = "CONFLICT"


@dataclass(kw_only=True, slots=True)
class Outcome:
    """`version` is the member account's after a posting, None when nothing was posted."""

    verdict: Verdict
    reason: str = ""
    waits_for: str = ""
    transaction_id: int | None = None
    refund_id: int | None = None
    member_id: int | None = None
    version: int | None = None


def waiting(what: str, name: str, reason: str, *, transaction_id: int | None = None) -> Outcome:
    """Waits for `USER:<id>`, `PAYMENT:<number>` or `STORE:<label>`."""
    return Outcome(
        verdict=Verdict.WAITING, reason=reason, waits_for=f"{what}:{name}", transaction_id=transaction_id
    )
