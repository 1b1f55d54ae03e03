"""What purchases that wait for their store would get if they were judged at a store now. Writes and locks nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Sum

from loyalty.earning import decisions, duplicates, purchases, runs, trials
from loyalty.earning.decisions import Case, Decision
from loyalty.earning.limits import Rooms
from loyalty.earning.models import Refund, Transaction
from loyalty.earning.standing import Basis
from loyalty.earning.suspects import Look, Lookout
from pms.models import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """`reasons` say why it would get nothing, where it would."""

    transaction: Transaction
    points: int
    state: str
    reasons: Sequence[dict[str, object]]


def at_store(waiting: Sequence[Transaction], store: Store, *, now: datetime) -> list[Foreseen]:
    """One after the other, each seeing what those before it would use.

    Rows come with `wallet_pass` and `duplicate_case`.
    """
    asked = [replace(purchases.of(one), store_label=store.pms_label) for one in waiting]
    if not asked:
        return []
    found = [trials.with_account(one) for one in purchases.find_all(asked, is_trial=True)]
    cases = [decisions.case_of(*pair) for pair in zip(asked, found, strict=True)]
    rooms = Rooms([case.asked for case in cases], tried=Counter())
    lookout = Lookout(
        [
            Look(purchase=case.purchase, found=case.found, own_id=one.pk)
            for case, one in zip(cases, waiting, strict=True)
        ]
    )
    refunded = _refunded(waiting)
    foreseen = []
    for place, (one, case) in enumerate(zip(waiting, cases, strict=True)):
        decision, state = _judged(place, one, case, rooms, lookout, now=now)
        points = _left(decision, one.amount_cents - refunded.get(one.pk, 0))
        foreseen.append(
            Foreseen(transaction=one, points=points, state=state, reasons=decision.judgement.reasons)
        )
    return foreseen


def _judged(
    place: int, one: Transaction, case: Case, rooms: Rooms, lookout: Lookout, *, now: datetime
) -> tuple[Decision, str]:
    decision = decisions.decide_next(case, rooms, now=now)
    is_asked = bool(decision.points) and not duplicates.is_looked_at(one)
    decision, state = runs.under(lookout.suspect(place) if is_asked else None, decision)
    if decision.points and case.found.account_id is not None:
        rooms.use(case.found.account_id, decision.judgement.uses)
    lookout.record(place, transaction_id=one.pk, state=state)
    return decision, state


def _left(decision: Decision, net_cents: int) -> int:
    """What refunds that came before leave of it."""
    if decision.facts is None or net_cents == decision.facts.amount_cents:
        return decision.points
    basis = Basis(facts=decision.facts, ruleset=decision.ruleset, rooms=decision.rooms)
    return basis.judged(net_cents).points


def _refunded(waiting: Sequence[Transaction]) -> dict[int, int]:
    rows = Refund.objects.filter(transaction__in=waiting).values_list("transaction_id")
    return dict(rows.annotate(cents=Sum("amount_cents")).order_by())
