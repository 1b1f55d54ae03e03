"""What tills, files and commands are told of a purchase: its state, its points, why, and who had it first."""

from typing import Any

from loyalty.earning import reasons, standing, transaction_document
from loyalty.earning.models import Award, DuplicateCase, Transaction
from pms.clock import HONG_KONG

LANGUAGES = {"message_en": "en", "message_zh": "zh-hant"}


def told(transaction: Transaction) -> dict[str, Any]:
    """`points` are all it gave, those `pending` included; `earlier` is the purchase that stands in its way."""
    award: Award | None = getattr(transaction, "award", None)
    stored = award.reasons if award else [reasons.reason(transaction_document.unjudged_code(transaction))]
    earned = standing.earned(transaction)
    said = {name: " ".join(reasons.sentences(stored, code)) for name, code in LANGUAGES.items()}
    return {
        "state": transaction.state,
        "points": earned,
        "pending": min(award.pending_points, earned) if award else 0,
        "reason": stored[0]["code"],
        **said,
        "earlier": _earlier(transaction, stored),
    }


def _earlier(transaction: Transaction, stored: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Which door won, and when."""
    ids = [row.get("values", {}).get("transaction") for row in stored]
    named = next((pk for pk in ids if pk), None)
    if named is None:
        case = DuplicateCase.objects.filter(transaction=transaction).first()
        named = case.earlier_id if case else None
    earlier = Transaction.objects.filter(pk=named).first() if named else None
    if earlier is None:
        return None
    recorded_at = earlier.recorded_at.astimezone(HONG_KONG).isoformat(timespec="seconds")
    return {"door": earlier.channel, "recorded_at": recorded_at}
