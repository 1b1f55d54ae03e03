"""Looks for an earlier record of the same purchase before points are given, and says what a program does about it.

One statement over three indexes: the member's day, the store's equal amounts that day, and what the same wallet user
has under whichever member, without the wallet's own number. Records that carry a number of a kind that this one
carries too are left out in it, as they are another purchase or known by that number.
Nobody escapes by coming at the same instant: `purchases.find` has taken locks on store and member by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from loyalty.earning import likeness
from loyalty.earning.likeness import Part, Record
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.purchases import Found, Purchase

MOST_LOOKED_AT = 50
# Records of these channels are the wallet's own: they name who paid, and refunds name them.
WALLET_CHANNELS = (Transaction.Channel.WALLET, Transaction.Channel.UPLOAD)
# Whatever else a record is, it keeps no points.
PAID_STATES = (Transaction.State.EARNED, Transaction.State.FLAGGED, Transaction.State.HELD)

# Other members' records reach no flag without the same store and amount, or the same wallet user.
_ALIKE = """
    paid_at >= %(since)s AND paid_at < %(until)s AND state = ANY(%(states)s::text[]) AND currency = %(currency)s
    AND group_id = %(group_id)s AND id <> %(own_id)s
    AND NOT (%(has_payment)s AND payment_number <> '') AND NOT (%(has_mainland)s AND mainland_number <> '')
    AND NOT (%(has_acquirer)s AND acquirer_number <> '')
"""
CANDIDATES = f"""
WITH found AS (
    (SELECT id FROM earning_transaction WHERE member_id = %(member_id)s AND {_ALIKE}
     ORDER BY paid_at DESC LIMIT {MOST_LOOKED_AT})
    UNION
    (SELECT id FROM earning_transaction
     WHERE store_id = %(store_id)s AND amount_cents = %(amount_cents)s AND {_ALIKE}
     ORDER BY paid_at DESC LIMIT {MOST_LOOKED_AT})
    UNION
    (SELECT id FROM earning_transaction
     WHERE wallet_pass_id IN (SELECT id FROM members_pass WHERE user_id = %(user_id)s AND %(user_id)s::text <> '')
        AND payment_number = '' AND {_ALIKE}
     ORDER BY paid_at DESC LIMIT {MOST_LOOKED_AT})
)
SELECT earlier.id, earlier.member_id, earlier.store_id, store.merchant_id, earlier.amount_cents, earlier.paid_at,
       coalesce(held.user_id, ''), coalesce(held.wallet, ''), earlier.channel, earlier.tender,
       earlier.payment_number, earlier.mainland_number, earlier.acquirer_number, earlier.receipt_number
FROM found
JOIN earning_transaction earlier ON earlier.id = found.id
JOIN pms_store store ON store.id = earlier.store_id
LEFT JOIN members_pass held ON held.id = earlier.wallet_pass_id
ORDER BY earlier.id
"""  # noqa: S608  (put together from constants alone)


class Candidate(NamedTuple):
    """One row of `CANDIDATES`, in its order."""

    transaction_id: int
    member_id: int
    store_id: int
    merchant_id: str
    amount_cents: int
    paid_at: datetime
    user_id: str
    wallet: str
    channel: str
    tender: str
    payment_number: str
    mainland_number: str
    acquirer_number: str
    receipt_number: str

    @property
    def reference(self) -> str:
        return self.payment_number or self.receipt_number or self.acquirer_number or f"#{self.transaction_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """The earlier record that is most alike, why, and what follows by the program's thresholds."""

    earlier_id: int
    reference: str
    score: int
    parts: tuple[Part, ...]
    verdict: str


def suspect(purchase: Purchase, found: Found, *, own_id: int = 0) -> Suspicion | None:
    """None where nothing reaches the threshold of a flag. `own_id` is the purchase's own row, if it has one."""
    if found.store_id is None or found.member_id is None:
        return None
    record = _record(purchase, found)
    best: tuple[int, Candidate, list[Part]] | None = None
    for candidate in _candidates(purchase, found, own_id):
        other = _as_record(candidate)
        parts = likeness.compare(record, other) if likeness.is_comparable(record, other) else []
        if parts and (best is None or likeness.score(parts) > best[0]):
            best = (likeness.score(parts), candidate, parts)
    verdict = verdict_of(best[0], found) if best else None
    if best is None or verdict is None:
        return None
    score, earlier, parts = best
    return Suspicion(
        earlier_id=earlier.transaction_id,
        reference=earlier.reference,
        score=score,
        parts=tuple(parts),
        verdict=verdict,
    )


def verdict_of(score: int, found: Found) -> str | None:
    if found.block_score is not None and score >= found.block_score:
        return DuplicateCase.Verdict.BLOCKED
    if score >= found.hold_score:
        return DuplicateCase.Verdict.HELD
    return DuplicateCase.Verdict.FLAGGED if score >= found.flag_score else None


def values(purchase: Purchase, found: Found, own_id: int) -> Mapping[str, Any]:
    """What `CANDIDATES` asks for."""
    since, until = likeness.window(purchase.paid_at)
    return {
        "member_id": found.member_id,
        "store_id": found.store_id,
        "amount_cents": purchase.amount_cents,
        "user_id": purchase.user_id,
        "since": since,
        "until": until,
        "states": list(PAID_STATES),
        "currency": purchase.currency,
        "group_id": purchase.group_id,
        "own_id": own_id,
        "has_payment": bool(purchase.numbers.get("PAYMENT")),
        "has_mainland": bool(purchase.numbers.get("MAINLAND")),
        "has_acquirer": bool(purchase.numbers.get("ACQUIRER")),
    }


def _candidates(purchase: Purchase, found: Found, own_id: int) -> list[Candidate]:
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, values(purchase, found, own_id))
        return [Candidate(*row) for row in cursor.fetchall()]


def _record(purchase: Purchase, found: Found) -> Record:
    assert found.member_id is not None  # asked by suspect
    assert found.store_id is not None
    is_wallet = purchase.channel in WALLET_CHANNELS
    return Record(
        member_id=found.member_id,
        store_id=found.store_id,
        merchant_id=found.store_merchant_id or "",
        amount_cents=purchase.amount_cents,
        paid_at=purchase.paid_at,
        user_id=purchase.user_id,
        wallet=purchase.wallet if is_wallet else "",
        tender=purchase.tender,
        kinds=frozenset(kind for kind, number in purchase.numbers.items() if number),
    )


def _as_record(candidate: Candidate) -> Record:
    numbers = {
        "PAYMENT": candidate.payment_number,
        "MAINLAND": candidate.mainland_number,
        "ACQUIRER": candidate.acquirer_number,
    }
    return Record(
        member_id=candidate.member_id,
        store_id=candidate.store_id,
        merchant_id=candidate.merchant_id,
        amount_cents=candidate.amount_cents,
        paid_at=candidate.paid_at,
        user_id=candidate.user_id,
        wallet=candidate.wallet if candidate.channel in WALLET_CHANNELS else "",
        tender=candidate.tender,
        kinds=frozenset(kind for kind, number in numbers.items() if number),
    )
