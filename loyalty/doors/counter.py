"""Saves what the counter typed, once per form: the form's token tells, however often it is sent."""

from datetime import datetime

from django.db import IntegrityError
from django.db.transaction import atomic

from loyalty.doors import slips
from loyalty.doors.models import CounterEntry
from loyalty.doors.slips import Slip
from pms.models import User


def save(*, slip: Slip, token: str, by: User, now: datetime) -> CounterEntry:
    """The entry of this form, whether this press made it or an earlier one; only the first gives points."""
    known = _saved(token)
    if known:
        return known
    try:
        return _save(slip=slip, token=token, by=by, now=now)
    except IntegrityError:
        # The other press of the same form was first, and has committed.
        known = _saved(token)
        if known is None:
            raise
        return known


@atomic
def _save(*, slip: Slip, token: str, by: User, now: datetime) -> CounterEntry:
    transaction = slips.hand_in(slip, now=now)
    return CounterEntry.objects.create(token=token, transaction=transaction, entered_by=by, entered_at=now)


def _saved(token: str) -> CounterEntry | None:
    return CounterEntry.objects.select_related("transaction__award").filter(token=token).first()
