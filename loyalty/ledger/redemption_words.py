"""What command and API say of a redemption, and of one that was refused, in both languages."""

from django.utils.translation import override

from loyalty.ledger.models import Redemption
from loyalty.ledger.redemptions import RedemptionRefused
from pms.clock import HONG_KONG

LANGUAGES = {"english": "en", "chinese": "zh-hant"}


def told(redemption: Redemption) -> dict[str, object]:
    """Times are Hong Kong's; `balance` is what the member can still spend."""
    redemption.account.refresh_from_db()
    ended_at = redemption.ended_at
    return {
        "code": redemption.code,
        "state": redemption.state,
        "points": redemption.points,
        "value_cents": redemption.value_cents,
        "payment_number": redemption.payment_number,
        "reserved_at": redemption.reserved_at.astimezone(HONG_KONG).isoformat(),
        "expires_at": redemption.expires_at.astimezone(HONG_KONG).isoformat(),
        "ended_at": ended_at.astimezone(HONG_KONG).isoformat() if ended_at else None,
        "balance": redemption.account.balance,
    }


def refused(refusal: RedemptionRefused) -> dict[str, object]:
    return {"error": refusal.code, **{name: in_language(refusal, code) for name, code in LANGUAGES.items()}}


def in_language(refusal: RedemptionRefused, language: str) -> str:
    with override(language):
        return str(refusal)
