"""The same purchase again: under the same number the first to claim it has it; under none, by how alike they are.

Every later record opens a case. A plain repeat decides itself; what differs or only looks alike waits for staff.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Set
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Q

from loyalty.earning.models import Award, DuplicateCase, NumberClaim, Transaction
from loyalty.earning.reasons import reason
from loyalty.earning.suspects import Suspicion
from pms import columns
from pms.clock import HONG_KONG

CENTS_PER_DOLLAR = 100


def canonical(number: str) -> str:
    """The form in which numbers are compared: NFKC, no outer blanks, upper case."""
    return (number if number.isascii() else unicodedata.normalize("NFKC", number)).strip().upper()


# Shops number their receipts anew every day; a wallet's or acquirer's number is unique by its length alone.
LONGEST_OF_A_TILL = 19
# Numbers of one purchase: kind and claimed number.
Numbers = tuple[tuple[str, str], ...]
# Numbers that somebody holds: group, kind and number.
Held = Set[tuple[int, str, str]]
# One by one by the index: for many, PostgreSQL would read all the claims there are.
HELD = """
SELECT asked.group_id, asked.kind, asked.number, claim.transaction_id
FROM (SELECT * FROM unnest(%(group_ids)s::bigint[], %(kinds)s::text[], %(numbers)s::text[]) LIMIT %(all)s)
    AS asked (group_id, kind, number)
CROSS JOIN LATERAL (
    SELECT transaction_id FROM earning_numberclaim
    WHERE group_id = asked.group_id AND kind = asked.kind AND number = asked.number OFFSET 0
) claim
"""
# As plain text: an enumeration's name is looked up anew each time, and the hot path does so for every payment.
RECEIPT = NumberClaim.Kind.RECEIPT.value
OTHER_KINDS = tuple(kind for kind in NumberClaim.Kind.values if kind != RECEIPT)


def claims(
    numbers: Mapping[str, str], *, store: int | str | None, paid_at: datetime, merged: Iterable[int] = ()
) -> Numbers:
    """What a purchase with these numbers holds, as kind and claimed number; a receipt's counts per store and day.

    One too long for a till is claimed under the other kinds too: whoever comes second with it meets a unique key,
    though one door called it a receipt and the other a payment. It is claimed at the stores `merged` into this one
    as well, which may have had it when they were stores themselves. What two of them held before is left at that.
    """
    return _claims(tuple(numbers.items()), store, paid_at, tuple(merged))


# Of a file's row it is asked five times in one batch.
@lru_cache(maxsize=4096)
def _claims(
    numbers: tuple[tuple[str, str], ...], store: int | str | None, paid_at: datetime, merged: tuple[int, ...]
) -> Numbers:
    claimed = [(kind, canonical(number)) for kind, number in numbers if kind != RECEIPT]
    receipt = canonical(dict(numbers).get(RECEIPT, ""))
    if receipt:
        day = _day(paid_at)
        claimed += [(RECEIPT, f"{one or ''}/{day}/{receipt}") for one in (store, *merged)]
    if len(receipt) > LONGEST_OF_A_TILL:
        claimed += [(kind, receipt) for kind in OTHER_KINDS]
    return tuple(dict.fromkeys(claimed)) if len(claimed) > 1 else tuple(claimed)


def looked_up(numbers: Mapping[str, str]) -> str:
    """The receipt number that may be known under another kind; empty if its claims see to that, or there is none."""
    receipt = canonical(numbers.get(RECEIPT, ""))
    return receipt if len(receipt) <= LONGEST_OF_A_TILL else ""


def holder(
    numbers: Mapping[str, str],
    *,
    group_id: int,
    store: int | str | None,
    paid_at: datetime,
    merged: Iterable[int] = (),
) -> Transaction | None:
    """The transaction that holds one of these numbers already; a look, not a lock."""
    found = holders(asked(numbers, store=store, paid_at=paid_at, merged=merged), group_id=group_id)
    return first(found.values())


def first(found: Iterable[Transaction]) -> Transaction | None:
    """Of those that hold numbers of one purchase the one that has it; one that came second holds what was left."""
    return min(found, key=lambda one: (one.state == Transaction.State.DUPLICATE, one.pk), default=None)


def asked(
    numbers: Mapping[str, str], *, store: int | str | None, paid_at: datetime, merged: Iterable[int] = ()
) -> Numbers:
    """All that may be held already if the purchase is known: its claims, and a till's number among other kinds."""
    return _asked(tuple(numbers.items()), store, paid_at, tuple(merged))


@lru_cache(maxsize=4096)
def _asked(
    numbers: tuple[tuple[str, str], ...], store: int | str | None, paid_at: datetime, merged: tuple[int, ...]
) -> Numbers:
    receipt = looked_up(dict(numbers))
    claimed = _claims(numbers, store, paid_at, merged)
    return (*claimed, *((kind, receipt) for kind in OTHER_KINDS)) if receipt else claimed


def holders(wanted: Collection[tuple[str, str]], *, group_id: int) -> dict[tuple[str, str], Transaction]:
    """Who holds which of many numbers, in two questions."""
    holding = _held({(group_id, kind, number) for kind, number in wanted})
    found = Transaction.objects.in_bulk({transaction_id for *_number, transaction_id in holding})
    return {(kind, number): found[transaction_id] for _group, kind, number, transaction_id in holding}


def held(wanted: Collection[tuple[int, str, str]]) -> set[tuple[int, str, str]]:
    """Which of these group's numbers somebody holds."""
    return {(group_id, kind, number) for group_id, kind, number, _transaction in _held(wanted)}


def _held(wanted: Collection[tuple[int, str, str]]) -> list[tuple[int, str, str, int]]:
    asked = list(wanted)
    values: dict[str, Any] = {
        "all": columns.ALL,
        "group_ids": columns.numbers(group_id for group_id, _kind, _number in asked),
        "kinds": columns.texts(kind for _group_id, kind, _number in asked),
        "numbers": columns.texts(number for _group_id, _kind, number in asked),
    }
    with connection.cursor() as cursor:
        cursor.execute(HELD, values)
        return list(cursor.fetchall())


def claimed(transaction: Transaction) -> Numbers:
    """What the transaction claims, or would: kind and number."""
    store = transaction.store
    return claims(
        transaction.numbers,
        store=transaction.store_id,
        paid_at=transaction.paid_at,
        merged=store.merged_ids if store else (),
    )


def lose(*, transaction_id: int, now: datetime, points: int = 0) -> None:
    """Record that another transaction holds one of this one's numbers; `points` is what it would have earned."""
    transaction = Transaction.objects.select_related("member__program").get(pk=transaction_id)
    winner = _winner(transaction)
    reasons = [
        reason(
            "DUPLICATE_NUMBER", date=_day(winner.recorded_at), channel=winner.channel, transaction=winner.pk
        )
    ]
    if _differs(transaction, winner):
        reasons.append(reason("CONFLICTING_CONTENT"))
    is_plain = len(reasons) == 1 and transaction.member_id == winner.member_id
    verdict = DuplicateCase.Verdict.NUMBER if is_plain else DuplicateCase.Verdict.CONFLICT
    _open(transaction, winner.pk, verdict=verdict, points=points, now=now)
    Transaction.objects.filter(pk=transaction_id).update(state=Transaction.State.DUPLICATE)
    Award.objects.create(transaction=transaction, points=0, reasons=reasons, conditions=[], awarded_at=now)


def open_case(*, transaction_id: int, suspicion: Suspicion, points: int, now: datetime) -> None:
    """Keep what looked alike, with its evidence; `points` is what the transaction earns, or would."""
    transaction = Transaction.objects.select_related("member__program").get(pk=transaction_id)
    evidence = {"score": suspicion.score, "parts": [part.as_json() for part in suspicion.parts]}
    _open(
        transaction,
        suspicion.earlier_id,
        verdict=suspicion.verdict,
        points=points,
        evidence=evidence,
        now=now,
    )


def follow(*, transaction: Transaction, suspicion: Suspicion | None, points: int, now: datetime) -> None:
    """A case that the rules opened follows what they say now that the purchase is judged (again)."""
    case: DuplicateCase | None = getattr(transaction, "duplicate_case", None)
    if case is None and suspicion:
        open_case(transaction_id=transaction.pk, suspicion=suspicion, points=points, now=now)
    elif case and (case.is_waiting or case.decided_by_id is None):
        case.mall_id = transaction.mall_id
        _say_anew(case, suspicion, points, now=now)


def _say_anew(case: DuplicateCase, suspicion: Suspicion | None, points: int, *, now: datetime) -> None:
    case.points_at_stake, case.points_saved, case.cents_saved = points, 0, 0
    case.state, case.decided_at = DuplicateCase.State.DIFFERENT, now
    if suspicion:
        case.earlier_id, case.verdict, case.score = suspicion.earlier_id, suspicion.verdict, suspicion.score
        case.parts = [part.as_json() for part in suspicion.parts]
        is_over = suspicion.verdict in AT_ONCE
        case.state = DuplicateCase.State.SAME if is_over else DuplicateCase.State.OPEN
        case.decided_at = now if is_over else None
        case.points_saved = points if is_over else 0
        case.cents_saved = worth(case.transaction, points) if is_over else 0
    case.save()


def reopen_blocked_by(transaction: Transaction) -> None:
    """What the rules alone blocked for being like one that has lost its store waits for people.

    A case that somebody is deciding at this moment is left to them.
    """
    cases = DuplicateCase.objects.select_for_update(no_key=True, skip_locked=True)
    blocked = cases.filter(
        earlier=transaction,
        verdict=DuplicateCase.Verdict.BLOCKED,
        state=DuplicateCase.State.SAME,
        decided_by=None,
    )
    for case in blocked:
        case.state, case.decided_at = DuplicateCase.State.OPEN, None
        case.points_saved = case.cents_saved = 0
        case.save(update_fields=["state", "decided_at", "points_saved", "cents_saved"])


def is_looked_at(transaction: Transaction) -> bool:
    """Whether people have decided what the purchase is. Many are asked with `duplicate_case` joined."""
    case: DuplicateCase | None = getattr(transaction, "duplicate_case", None)
    return case is not None and case.decided_by_id is not None


def is_anothers(transaction: Transaction) -> bool:
    """Whether people have decided that another record has the purchase."""
    same = DuplicateCase.objects.filter(state=DuplicateCase.State.SAME, decided_by__isnull=False)
    paid = (Transaction.State.EARNED, Transaction.State.FLAGGED)
    is_it = Q(transaction=transaction) | Q(earlier=transaction, transaction__state__in=paid)
    return same.filter(is_it).exists()


def is_refused_by_rules(transaction: Transaction) -> bool:
    """Whether it has nothing because the rules alone found it too alike, at the store it was judged at."""
    blocked = DuplicateCase.objects.filter(verdict=DuplicateCase.Verdict.BLOCKED, decided_by=None)
    is_duplicate: bool = transaction.state == Transaction.State.DUPLICATE
    return is_duplicate and blocked.filter(transaction=transaction).exists()


# What decides itself: a plain repeat, and what a program wants blocked.
AT_ONCE = (DuplicateCase.Verdict.NUMBER, DuplicateCase.Verdict.BLOCKED)


def _open(
    transaction: Transaction,
    earlier_id: int,
    *,
    verdict: str,
    points: int,
    now: datetime,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    is_over = verdict in AT_ONCE
    DuplicateCase.objects.create(
        group_id=transaction.group_id,
        mall_id=transaction.mall_id,
        transaction=transaction,
        earlier_id=earlier_id,
        verdict=verdict,
        state=DuplicateCase.State.SAME if is_over else DuplicateCase.State.OPEN,
        points_at_stake=points,
        points_saved=points if is_over else 0,
        cents_saved=worth(transaction, points) if is_over else 0,
        opened_at=now,
        decided_at=now if is_over else None,
        **(evidence or {}),
    )


def worth(transaction: Transaction, points: int) -> int:
    """Cents that the points would have been redeemed for."""
    return points * CENTS_PER_DOLLAR // transaction.member.program.redemption_points_per_hkd


def _winner(transaction: Transaction) -> Transaction:
    """Who holds our numbers and has the purchase."""
    ours = Q(kind__in=OTHER_KINDS, number=looked_up(transaction.numbers) or None)
    for kind, number in claimed(transaction):
        ours |= Q(kind=kind, number=number)
    others = NumberClaim.objects.filter(ours, group_id=transaction.group_id).exclude(transaction=transaction)
    found = first(claim.transaction for claim in others.select_related("transaction"))
    assert found is not None  # or it would not have lost
    return found


def _differs(one: Transaction, other: Transaction) -> bool:
    is_other_store = bool(one.store and other.store) and _place(one) != _place(other)
    return is_other_store or (one.amount_cents, one.currency) != (other.amount_cents, other.currency)


def _place(transaction: Transaction) -> int | None:
    """The store that it is now."""
    store = transaction.store
    return (store.merged_into_id or store.pk) if store else None


def _day(moment: datetime) -> str:
    return moment.astimezone(HONG_KONG).date().isoformat()
