"""A transaction and why it earned what it did, as a document: rules, conditions, limits, reasons in words."""

from collections.abc import Sequence

from loyalty.earning import explanation, reasons, rulesets, standing
from loyalty.earning.explanation import Explained
from loyalty.earning.models import Award, Correction, Refund, Transaction
from pms.clock import HONG_KONG

Document = dict[str, object]


def explained(purchase: Transaction) -> Document:
    """`points` could be used at once and `pending` were on hold when it was judged; `earned` is both.

    What a decision of staff took back since is not in them, what it gave is.
    """
    judged = standing.judgement_of(purchase)
    refunds = purchase.refunds.order_by("refunded_at", "pk")
    return {
        "numbers": purchase.numbers,
        "channel": purchase.channel,
        "state": purchase.state,
        "amount_cents": purchase.amount_cents,
        "currency": purchase.currency,
        "paid_at": purchase.paid_at.astimezone(HONG_KONG).isoformat(),
        "store": purchase.store.code or purchase.store.pms_label if purchase.store else None,
        **(_judgement(judged, standing.earned(purchase)) if judged else _unjudged(purchase)),
        "refunds": [_refund(refund) for refund in refunds],
    }


def told(stored: Sequence[dict[str, object]]) -> list[Document]:
    """Each reason's code with its sentence in both languages."""
    rows = list(stored)
    english, chinese = reasons.sentences(rows, "en"), reasons.sentences(rows, "zh-hant")
    return [
        {"code": row["code"], "english": said, "chinese": also, "values": row.get("values", {})}
        for row, said, also in zip(rows, english, chinese, strict=True)
    ]


def unjudged_code(purchase: Transaction) -> str:
    """Why there is no award yet, or never will be."""
    if purchase.state == Transaction.State.PARKED:
        return "PARKED_UNKNOWN_STORE"
    return "HELD_AS_DUPLICATE" if purchase.state == Transaction.State.HELD else "CONFIRMED_DUPLICATE"


def conditions(judged: Award | Correction, one: Explained | None) -> list[dict[str, object]]:
    """As the award kept them; a correction keeps what they follow from."""
    if isinstance(judged, Award):
        return list(judged.conditions)
    return list(one.judgement.conditions) if one else []


def _judgement(judged: Award | Correction, earned: int) -> Document:
    one = explanation.of(judged)
    pending = min(judged.pending_points, earned) if isinstance(judged, Award) else 0
    return {
        "points": earned - pending,
        "pending": pending,
        "earned": earned,
        "counted_cents": judged.counted_cents if isinstance(judged, Award) else _counted(one),
        "rules": judged.lines,
        "rules_in_force": [
            {"rule": terms.code, "version": terms.version, "english": terms.name_en, "chinese": terms.name_zh}
            for terms in rulesets.named(judged.versions)
        ],
        "limits": judged.rooms,
        "conditions": conditions(judged, one),
        "reasons": told(judged.reasons),
    }


def _counted(one: Explained | None) -> int:
    return one.judgement.counted_cents if one else 0


def _unjudged(purchase: Transaction) -> Document:
    return {
        **dict.fromkeys(("points", "pending", "earned", "counted_cents"), 0),
        "rules": [],
        "rules_in_force": [],
        "limits": {},
        "conditions": [],
        "reasons": told([reasons.reason(unjudged_code(purchase))]),
    }


def _refund(refund: Refund) -> Document:
    return {
        "number": refund.number,
        "amount_cents": refund.amount_cents,
        "refunded_at": refund.refunded_at.astimezone(HONG_KONG).isoformat(),
        "points": refund.points,
        "uncollected": refund.uncollected,
        "reasons": told(refund.reasons),
    }
