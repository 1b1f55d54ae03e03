"""The same purchase under the same number: the first to claim it has it, the later one is recorded without points."""

import unicodedata
from datetime import datetime

from django.db.models import Q

from loyalty.earning.models import Award, DuplicateCase, NumberClaim, Transaction
from loyalty.earning.reasons import reason
from pms.clock import HONG_KONG


def canonical(number: str) -> str:
    """The form in which numbers are compared: NFKC, no outer blanks, upper case."""
    return unicodedata.normalize("NFKC", number).strip().upper()


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
    ours = Q()
    for kind, number in transaction.numbers.items():
        ours |= Q(kind=kind, number=canonical(number))
    claims = NumberClaim.objects.filter(ours, group_id=transaction.group_id).exclude(transaction=transaction)
    return claims.select_related("transaction").order_by("pk")[0].transaction


def _differs(one: Transaction, other: Transaction) -> bool:
    is_other_store = bool(one.store_id and other.store_id) and one.store_id != other.store_id
    return is_other_store or (one.amount_cents, one.currency) != (other.amount_cents, other.currency)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(HONG_KONG):%Y-%m-%d}"
