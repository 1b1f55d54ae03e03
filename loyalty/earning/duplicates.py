"""The same purchase under the same number: the first to claim it has it, the later one is recorded without points."""

import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Q

from loyalty.earning.models import Award, DuplicateCase, NumberClaim, Transaction
from loyalty.earning.reasons import reason
from pms.clock import HONG_KONG


def canonical(number: str) -> str:
    """The form in which numbers are compared: NFKC, no outer blanks, upper case."""
    return unicodedata.normalize("NFKC", number).strip().upper()


# Shops number their receipts anew every day; a wallet's or acquirer's number is unique by its length alone.
LONGEST_OF_A_TILL = 19
HELD = """
SELECT kind, number, transaction_id FROM earning_numberclaim
JOIN unnest(%(kinds)s::text[], %(numbers)s::text[]) AS asked (kind, number) USING (kind, number)
WHERE group_id = %(group_id)s
"""
OTHER_KINDS = tuple(kind for kind in NumberClaim.Kind.values if kind != NumberClaim.Kind.RECEIPT)


def claims(
    numbers: Mapping[str, str], *, store: int | str | None, paid_at: datetime
) -> list[tuple[str, str]]:
    """What a purchase with these numbers holds, as kind and claimed number; a receipt's counts per store and day.

    One too long for a till is claimed under the other kinds too: whoever comes second with it meets a unique key,
    though one door called it a receipt and the other a payment.
    """
    claimed = {
        (kind, canonical(number)): None
        for kind, number in numbers.items()
        if kind != NumberClaim.Kind.RECEIPT
    }
    receipt = canonical(numbers.get(NumberClaim.Kind.RECEIPT, ""))
    if receipt:
        claimed[NumberClaim.Kind.RECEIPT, f"{store or ''}/{_day(paid_at)}/{receipt}"] = None
    if len(receipt) > LONGEST_OF_A_TILL:
        claimed |= {(kind, receipt): None for kind in OTHER_KINDS}
    return list(claimed)


def looked_up(numbers: Mapping[str, str]) -> str:
    """The receipt number that may be known under another kind; empty if its claims see to that, or there is none."""
    receipt = canonical(numbers.get(NumberClaim.Kind.RECEIPT, ""))
    return receipt if len(receipt) <= LONGEST_OF_A_TILL else ""


def holder(
    numbers: Mapping[str, str], *, group_id: int, store: int | str | None, paid_at: datetime
) -> Transaction | None:
    """The transaction that holds one of these numbers already; a look, not a lock."""
    wanted = asked(numbers, store=store, paid_at=paid_at)
    found = holders(wanted, group_id=group_id)
    return min(found.values(), key=lambda transaction: transaction.pk, default=None)


def asked(numbers: Mapping[str, str], *, store: int | str | None, paid_at: datetime) -> list[tuple[str, str]]:
    """All that may be held already if the purchase is known: its claims, and a till's number among other kinds."""
    receipt = looked_up(numbers)
    others = [(kind, receipt) for kind in OTHER_KINDS] if receipt else []
    return [*claims(numbers, store=store, paid_at=paid_at), *others]


def holders(wanted: Collection[tuple[str, str]], *, group_id: int) -> dict[tuple[str, str], Transaction]:
    """Who holds which of many numbers, in two questions."""
    kinds, numbers = [kind for kind, _number in wanted], [number for _kind, number in wanted]
    with connection.cursor() as cursor:
        cursor.execute(HELD, {"group_id": group_id, "kinds": kinds, "numbers": numbers})
        held = cursor.fetchall()
    found = Transaction.objects.in_bulk({transaction_id for _kind, _number, transaction_id in held})
    return {(kind, number): found[transaction_id] for kind, number, transaction_id in held}


def lose(*, transaction_id: int, now: datetime) -> None:
    """Record that another transaction holds one of this one's numbers; open a case if they do not agree."""
    transaction = Transaction.objects.get(pk=transaction_id)
    winner = _winner(transaction)
    reasons = [
        reason(
            "DUPLICATE_NUMBER", date=_day(winner.recorded_at), channel=winner.channel, transaction=winner.pk
        )
    ]
    if _differs(transaction, winner):
        reasons.append(reason("CONFLICTING_CONTENT"))
    if len(reasons) > 1 or transaction.member_id != winner.member_id:
        DuplicateCase.objects.create(transaction=transaction, earlier=winner, opened_at=now)
    Transaction.objects.filter(pk=transaction_id).update(state=Transaction.State.DUPLICATE)
    Award.objects.create(transaction=transaction, points=0, reasons=reasons, conditions=[], awarded_at=now)


def _winner(transaction: Transaction) -> Transaction:
    """Holder of the first of our numbers that is not ours."""
    claimed = claims(transaction.numbers, store=transaction.store_id, paid_at=transaction.paid_at)
    ours = Q(kind__in=OTHER_KINDS, number=looked_up(transaction.numbers) or None)
    for kind, number in claimed:
        ours |= Q(kind=kind, number=number)
    others = NumberClaim.objects.filter(ours, group_id=transaction.group_id).exclude(transaction=transaction)
    return others.select_related("transaction").order_by("pk")[0].transaction


def _differs(one: Transaction, other: Transaction) -> bool:
    is_other_store = bool(one.store_id and other.store_id) and one.store_id != other.store_id
    return is_other_store or (one.amount_cents, one.currency) != (other.amount_cents, other.currency)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(HONG_KONG):%Y-%m-%d}"
