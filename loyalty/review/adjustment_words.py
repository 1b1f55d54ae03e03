"""Why points moved by hand, in the sentences members read on their statement."""

from collections.abc import Mapping, Sequence

from loyalty.earning import reasons
from loyalty.ledger import statements
from loyalty.ledger.models import Posting
from loyalty.ledger.statements import Move, Words
from loyalty.review.models import AdjustmentRequest

Reason = AdjustmentRequest.Reason
# What was compared with whom is no member's affair.
CODES = {
    Reason.MISSING_POINTS: "ADJUSTED_MISSING_POINTS",
    Reason.GOODWILL: "ADJUSTED_GOODWILL",
    Reason.ERROR: "ADJUSTED_ERROR",
    Reason.COUNTER_EXCESS: "ADJUSTED_COUNTER_EXCESS",
    Reason.RECONCILIATION: "ADJUSTED_ERROR",
}


@statements.explains(Posting.Kind.ADJUST)
def adjusted(moves: Sequence[Move], _mall_ids: frozenset[int] | None) -> Mapping[int, Words]:
    found = AdjustmentRequest.objects.filter(posting__in=[move.posting_id for move in moves])
    return {one.posting_id: _words(one) for one in found if one.posting_id}


def _words(one: AdjustmentRequest) -> Words:
    values = {"points": f"{one.points:,}"}
    code = CODES[Reason(one.reason)]
    return Words(*(reasons.sentence(code, values, language) for language in statements.LANGUAGES))
