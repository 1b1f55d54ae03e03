"""Judges purchases one after the other, as each would be alone, with what they need read once for all of them.

Each sees what those before it used of limits and budgets, and which of them look like the same purchase. Takes the
locks under which that is exact, unless it is a trial; writes nothing.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from loyalty.earning import decisions, duplicates, purchases
from loyalty.earning.decisions import Decision
from loyalty.earning.duplicates import Held
from loyalty.earning.limits import Rooms
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.outcomes import Outcome, waiting
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.reasons import reason
from loyalty.earning.suspects import Look, Lookout, Suspicion

alarm = logging.getLogger("loyalty.alarm")


@dataclass(kw_only=True, slots=True)
class Judged:
    """What one of the run is to become. `deserved` is what it earned but for `suspicion` and for being lost.

    `is_lost`: one of its numbers is another's. Of a run of one, only recording it tells.
    """

    purchase: Purchase
    found: Found
    deserved: Decision
    suspicion: Suspicion | None
    decision: Decision
    state: str
    is_lost: bool

    @property
    def points(self) -> int:
        return 0 if self.is_lost else self.decision.points

    @property
    def is_judged(self) -> bool:
        return not self.is_lost and self.state != Transaction.State.PARKED


def judge(
    pairs: Sequence[tuple[Purchase, Found]],
    *,
    now: datetime,
    tried: Counter[tuple[int, str]] | None = None,
    held: Held | None = None,
) -> list[Judged]:
    """With what was `tried` before, a trial, which says no word of why: it foresees the points alone.

    `held` is for who knows which of their numbers others hold.
    """
    is_trial = tried is not None
    cases = [decisions.case_of(*pair) if pair[1].store_id is not None else None for pair in pairs]
    lost = _lost(pairs, held) if is_trial or len(pairs) > 1 else set()
    rooms = Rooms([case.asked for case in cases if case], tried=tried)
    lookout = Lookout([Look(purchase=purchase, found=found) for purchase, found in pairs])
    judged: list[Judged] = []
    for place, case in enumerate(cases):
        purchase, found = pairs[place]
        deserved = (
            decisions.decide_next(case, rooms, now=now, is_told=not is_trial) if case else _nowhere(purchase)
        )
        suspicion = lookout.suspect(place) if deserved.points else None
        one = _under(purchase, found, deserved, suspicion, is_lost=place in lost)
        if one.points and found.account_id is not None:
            rooms.use(found.account_id, one.decision.judgement.uses)
        if not one.is_lost:
            lookout.record(place, transaction_id=found.transaction_id or -1 - place, state=one.state)
        judged.append(one)
    return judged


def waits(purchase: Purchase, found: Found) -> Outcome | None:
    """For what nothing is recorded at all; None if it is to be recorded, even if only to wait for its store."""
    if not found.is_mall_active:
        return waiting("MALL", str(purchase.mall_id), "STORE_SUSPENDED")
    if found.member_id is None:
        return waiting("USER", purchase.user_id, "PARKED_NO_PASS")
    if found.store_id is not None and not found.is_store_active:
        return waiting("STORE", purchase.store_label or purchase.merchant_id, "STORE_SUSPENDED")
    return None


def under(suspicion: Suspicion | None, decision: Decision) -> tuple[Decision, str]:
    """What is left of a decision under a suspicion, and the transaction's state."""
    if suspicion is None:
        return decision, Transaction.State.EARNED if decision.points else Transaction.State.NOTHING
    if suspicion.verdict == DuplicateCase.Verdict.FLAGGED:
        flag = reason("FLAGGED_AS_DUPLICATE", reference=suspicion.reference)
        return told(decision, flag), Transaction.State.FLAGGED
    if suspicion.verdict == DuplicateCase.Verdict.BLOCKED:
        return told(decisions.NOTHING, reason("CONFIRMED_DUPLICATE")), Transaction.State.DUPLICATE
    return decisions.NOTHING, Transaction.State.HELD


def told(decision: Decision, entry: dict[str, object]) -> Decision:
    judgement = decision.judgement
    return replace(decision, judgement=replace(judgement, reasons=[*judgement.reasons, entry]))


def wrong_mall(purchase: Purchase) -> Decision:
    alarm.warning("a payment names a store of another mall group: %s", purchase.store_label)
    return decisions.WRONG_MALL


def _nowhere(purchase: Purchase) -> Decision:
    """A store nobody knows yet is waited for; another group's is none of ours."""
    return wrong_mall(purchase) if purchases.is_known_elsewhere(purchase) else decisions.NOTHING


def _under(
    purchase: Purchase, found: Found, deserved: Decision, suspicion: Suspicion | None, *, is_lost: bool
) -> Judged:
    decision, state = under(suspicion, deserved)
    if deserved is decisions.NOTHING:
        state = Transaction.State.PARKED
    return Judged(
        purchase=purchase,
        found=found,
        deserved=deserved,
        suspicion=suspicion,
        decision=decision,
        state=state,
        is_lost=is_lost,
    )


def _lost(pairs: Sequence[tuple[Purchase, Found]], known: Held | None) -> set[int]:
    """Places of those whose number is held already, or by one before them."""
    numbers = [(purchase.group_id, purchase.numbers, _where(purchase, found)) for purchase, found in pairs]
    asked = [
        {(group_id, *pair) for pair in duplicates.asked(kinds, **where)} for group_id, kinds, where in numbers
    ]
    held = set(duplicates.held({one for wanted in asked for one in wanted}) if known is None else known)
    lost: set[int] = set()
    for place, (group_id, kinds, where) in enumerate(numbers):
        if asked[place] & held:
            lost.add(place)
        held |= {(group_id, *pair) for pair in duplicates.claims(kinds, **where)}
    return lost


def _where(purchase: Purchase, found: Found) -> dict[str, Any]:
    return {"store": found.store_id, "paid_at": purchase.paid_at, "merged": found.store_merged_ids}
