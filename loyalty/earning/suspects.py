"""Looks for an earlier record of the same purchase before points are given, and says what a program does about it.

One statement over two indexes: the member's day, and the day's equal amounts at the store or one merged into it. Those
with a number of a kind that this one has too are left out: they are another purchase, or known by that number.
Nobody escapes by coming at the same instant: `purchases.find` has taken locks on both by then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from loyalty.earning import likeness, purchases
from loyalty.earning.likeness import Part, Record
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.purchases import Found, Purchase
from pms import columns

MOST_LOOKED_AT = 50
# Records of these channels are the wallet's own: they name who paid, and refunds name them.
WALLET_CHANNELS = (Transaction.Channel.WALLET, Transaction.Channel.UPLOAD)
# Whatever else a record is, it keeps no points.
PAID_STATES = (Transaction.State.EARNED, Transaction.State.FLAGGED, Transaction.State.HELD)

# Other members' records reach no flag without the same store and amount.
_ALIKE = """
    paid_at >= asked.since AND paid_at < asked.until AND state = ANY(%(states)s::text[]) AND currency = asked.currency
    AND group_id = asked.group_id AND id <> asked.own_id
    AND NOT (asked.has_payment AND payment_number <> '') AND NOT (asked.has_mainland AND mainland_number <> '')
    AND NOT (asked.has_acquirer AND acquirer_number <> '')
"""
CANDIDATES = f"""
SELECT asked.place, earlier.id, earlier.member_id, coalesce(store.merged_into_id, store.id), store.merchant_id,
       earlier.amount_cents, earlier.paid_at, coalesce(held.user_id, ''), coalesce(held.wallet, ''),
       earlier.channel, earlier.tender, earlier.payment_number, earlier.mainland_number,
       earlier.acquirer_number, earlier.receipt_number
FROM (SELECT * FROM unnest(%(places)s::int[], %(member_ids)s::bigint[], %(store_ids)s::bigint[], %(amounts)s::bigint[],
        %(sinces)s::timestamptz[], %(untils)s::timestamptz[], %(currencies)s::text[], %(group_ids)s::bigint[],
        %(own_ids)s::bigint[], %(have_payment)s::boolean[], %(have_mainland)s::boolean[],
        %(have_acquirer)s::boolean[]) LIMIT %(all)s)
    AS asked (place, member_id, store_id, amount_cents, since, until, currency, group_id, own_id, has_payment,
        has_mainland, has_acquirer)
CROSS JOIN LATERAL (
    (SELECT id FROM earning_transaction WHERE member_id = asked.member_id AND {_ALIKE}
     ORDER BY paid_at DESC LIMIT {MOST_LOOKED_AT})
    UNION
    (SELECT id FROM earning_transaction
     WHERE store_id = asked.store_id AND amount_cents = asked.amount_cents AND {_ALIKE}
     ORDER BY paid_at DESC LIMIT {MOST_LOOKED_AT})
    UNION
    (SELECT there.id FROM pms_store merged CROSS JOIN LATERAL (
        SELECT id, paid_at FROM earning_transaction
        WHERE store_id = merged.id AND amount_cents = asked.amount_cents AND {_ALIKE} OFFSET 0
     ) there WHERE merged.merged_into_id = asked.store_id
     ORDER BY there.paid_at DESC LIMIT {MOST_LOOKED_AT})
) found
JOIN earning_transaction earlier ON earlier.id = found.id
JOIN pms_store store ON store.id = earlier.store_id
LEFT JOIN members_pass held ON held.id = earlier.wallet_pass_id
ORDER BY asked.place, earlier.id
"""  # noqa: S608  (put together from constants alone)


class Candidate(NamedTuple):
    """One row of `CANDIDATES`, in its order, after its place."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Near:
    """The earlier record that is most alike, and why."""

    earlier: Candidate
    score: int
    parts: tuple[Part, ...]


@dataclass(kw_only=True, slots=True)
class Sought:
    """Whose earlier records are looked for. `own_id` is the purchase's own row, if it has one."""

    purchase: Purchase
    member_id: int | None
    store_id: int | None
    own_id: int = 0


@dataclass(kw_only=True, slots=True)
class Look:
    """A purchase to look at, before it is recorded. `own_id` is its own row, if it has one."""

    purchase: Purchase
    found: Found
    own_id: int = 0

    @property
    def sought(self) -> Sought:
        return Sought(
            purchase=self.purchase,
            member_id=self.found.member_id,
            store_id=self.found.store_id,
            own_id=self.own_id,
        )


class Lookout:
    """A run of purchases, one after the other: earlier records are read once for all, when first asked for.

    Those of the run itself are earlier records of the ones behind them.
    """

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks
        self._stored: dict[int, list[Candidate]] | None = None
        self._recorded: dict[tuple[object, ...], list[Candidate]] = {}

    def suspect(self, place: int) -> Suspicion | None:
        """None where nothing reaches the threshold of a flag."""
        look = self._looks[place]
        if look.found.store_id is None or look.found.member_id is None:
            return None
        candidates = self._candidates(place)
        near = _most_alike(_record(look.purchase, look.found), candidates) if candidates else None
        return _suspicion(near, look.found) if near else None

    def record(self, place: int, *, transaction_id: int, state: str) -> None:
        """For those behind it: as it will be stored."""
        look = self._looks[place]
        if state not in PAID_STATES or look.found.store_id is None or look.found.member_id is None:
            return
        candidate = _candidate(look, transaction_id)
        for key in _keys(look):
            self._recorded.setdefault(key, []).append(candidate)

    def _candidates(self, place: int) -> list[Candidate]:
        if self._stored is None:
            self._stored = _read([look.sought for look in self._looks])
        look, stored = self._looks[place], self._stored.get(place, [])
        recorded = [one for key in _keys(look) for one in self._recorded.get(key, [])]
        new = _alike(look, recorded) if recorded else []
        return _nearest(look, {one.transaction_id: one for one in [*stored, *new]}) if new else stored


def suspect(purchase: Purchase, found: Found, *, own_id: int = 0) -> Suspicion | None:
    """One purchase alone. None where nothing reaches the threshold of a flag."""
    return Lookout([Look(purchase=purchase, found=found, own_id=own_id)]).suspect(0)


def nearest(transaction: Transaction) -> Near | None:
    """What a stored transaction could be compared with when it came, most alike first, whatever the score."""
    if transaction.store is None:
        return None
    sought = Sought(
        purchase=purchases.of(transaction),
        member_id=transaction.member_id,
        store_id=transaction.store.merged_into_id or transaction.store_id,
        own_id=transaction.pk,
    )
    before = [one for one in _read([sought]).get(0, []) if one.transaction_id < transaction.pk]
    return _most_alike(_stored(transaction), before)


def _most_alike(record: Record, candidates: Sequence[Candidate]) -> Near | None:
    """The first of those with the highest score."""
    best: Near | None = None
    for candidate in candidates:
        other = _as_record(candidate)
        parts = likeness.compare(record, other) if likeness.is_comparable(record, other) else []
        if parts and (best is None or likeness.score(parts) > best.score):
            best = Near(earlier=candidate, score=likeness.score(parts), parts=tuple(parts))
    return best


def _suspicion(near: Near, found: Found) -> Suspicion | None:
    verdict = verdict_of(near.score, found)
    if verdict is None:
        return None
    return Suspicion(
        earlier_id=near.earlier.transaction_id,
        reference=near.earlier.reference,
        score=near.score,
        parts=near.parts,
        verdict=verdict,
    )


def verdict_of(score: int, found: Found) -> str | None:
    if found.block_score is not None and score >= found.block_score:
        return DuplicateCase.Verdict.BLOCKED
    if score >= found.hold_score:
        return DuplicateCase.Verdict.HELD
    return DuplicateCase.Verdict.FLAGGED if score >= found.flag_score else None


def values(sought: Sequence[Sought]) -> Mapping[str, Any]:
    """What `CANDIDATES` asks for."""
    windows = [likeness.window(look.purchase.paid_at) for look in sought]
    kinds = [{kind for kind, number in look.purchase.numbers.items() if number} for look in sought]
    return {
        "all": columns.ALL,
        "places": columns.numbers(range(len(sought))),
        "member_ids": columns.numbers(look.member_id for look in sought),
        "store_ids": columns.numbers(look.store_id for look in sought),
        "amounts": columns.numbers(look.purchase.amount_cents for look in sought),
        "sinces": columns.moments(since for since, _until in windows),
        "untils": columns.moments(until for _since, until in windows),
        "states": columns.texts(PAID_STATES),
        "currencies": columns.texts(look.purchase.currency for look in sought),
        "group_ids": columns.numbers(look.purchase.group_id for look in sought),
        "own_ids": columns.numbers(look.own_id for look in sought),
        "have_payment": columns.flags("PAYMENT" in known for known in kinds),
        "have_mainland": columns.flags("MAINLAND" in known for known in kinds),
        "have_acquirer": columns.flags("ACQUIRER" in known for known in kinds),
    }


def _read(sought: Sequence[Sought]) -> dict[int, list[Candidate]]:
    """By place."""
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, values(sought))
        rows = cursor.fetchall()
    found: dict[int, list[Candidate]] = {}
    for place, *row in rows:
        found.setdefault(place, []).append(Candidate(*row))
    return found


def _candidate(look: Look, transaction_id: int) -> Candidate:
    """What `CANDIDATES` would read of it."""
    purchase, found = look.purchase, look.found
    assert found.member_id is not None  # asked by record
    assert found.store_id is not None
    numbers = [purchase.numbers.get(kind, "") for kind in ("PAYMENT", "MAINLAND", "ACQUIRER", "RECEIPT")]
    return Candidate(
        transaction_id, found.member_id, found.store_id, found.store_merchant_id or "", purchase.amount_cents,
        purchase.paid_at, purchase.user_id if found.pass_id else "", purchase.wallet if found.pass_id else "",
        purchase.channel, purchase.tender, *numbers,
    )  # fmt: skip


def _keys(look: Look) -> tuple[tuple[object, ...], ...]:
    """Under the member, and under the store with the amount, as the two indexes have them."""
    purchase, found = look.purchase, look.found
    where = (purchase.group_id, purchase.currency)
    return (*where, found.member_id), (*where, found.store_id, purchase.amount_cents)


def _alike(look: Look, recorded: Iterable[Candidate]) -> list[Candidate]:
    """What else `CANDIDATES` asks of a stored record."""
    since, until = likeness.window(look.purchase.paid_at)
    numbers = look.purchase.numbers
    near = [one for one in recorded if since <= one.paid_at < until]
    return [
        one
        for one in near
        if not (numbers.get("PAYMENT") and one.payment_number)
        and not (numbers.get("MAINLAND") and one.mainland_number)
        and not (numbers.get("ACQUIRER") and one.acquirer_number)
    ]


def _nearest(look: Look, found: Mapping[int, Candidate]) -> list[Candidate]:
    """No more of each than `CANDIDATES` looks at."""
    latest = sorted(found.values(), key=lambda one: one.paid_at, reverse=True)
    mine = [one for one in latest if one.member_id == look.found.member_id]
    alike = (look.found.store_id, look.purchase.amount_cents)
    same = [one for one in latest if (one.store_id, one.amount_cents) == alike]
    kept = {one.transaction_id: one for part in (mine, same) for one in part[:MOST_LOOKED_AT]}
    return [kept[transaction_id] for transaction_id in sorted(kept)]


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


def _stored(transaction: Transaction) -> Record:
    assert transaction.store is not None  # asked by nearest
    held, is_wallet = transaction.wallet_pass, transaction.channel in WALLET_CHANNELS
    return Record(
        member_id=transaction.member_id,
        store_id=transaction.store.merged_into_id or transaction.store.pk,
        merchant_id=transaction.store.merchant_id,
        amount_cents=transaction.amount_cents,
        paid_at=transaction.paid_at,
        user_id=held.user_id if held else "",
        wallet=held.wallet if held and is_wallet else "",
        tender=transaction.tender,
        kinds=frozenset(transaction.numbers),
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
