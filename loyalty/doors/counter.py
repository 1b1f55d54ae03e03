"""Saves what the counter typed, once per form: the form's token tells, however often it is sent."""

from datetime import datetime

from django.db import IntegrityError
from django.db.transaction import atomic

from loyalty.doors import slips
from loyalty.doors.models import CounterEntry
from loyalty.doors.slips import Slip
from pms.models import User


class OtherReceipt(Exception):
    """This form was saved already, with another receipt."""


def is_used(token: str) -> bool:
    return CounterEntry.objects.filter(token=token).exists()


def save(*, slip: Slip, token: str, by: User, now: datetime) -> CounterEntry:
    """The entry of this form, whether this press made it or an earlier one; only the first gives points."""
    known = _saved(token, slip)
    if known:
        return known
    try:
        return _save(slip=slip, token=token, by=by, now=now)
    except IntegrityError:
        # The other press of the same form was first, and has committed.
        known = _saved(token, slip)
        if known is None:
            raise
        return known


@atomic
def _save(*, slip: Slip, token: str, by: User, now: datetime) -> CounterEntry:
    transaction = slips.hand_in(slip, now=now)
    return CounterEntry.objects.create(token=token, transaction=transaction, entered_by=by, entered_at=now)


def _saved(token: str, slip: Slip) -> CounterEntry | None:
    found = CounterEntry.objects.select_related("transaction__award").filter(token=token).first()
    if found and not _is_of(found, slip):
        raise OtherReceipt
    return found


def _is_of(entry: CounterEntry, slip: Slip) -> bool:
    return slips.is_same(slip, entry.transaction) and entry.transaction.receipt_number == slip.number
