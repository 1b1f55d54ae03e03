"""Claims to an earlier membership by its card number and phone: counted, so that nobody finds a phone by trying.

Counted in the database, where nothing erases them; a right claim after too many waits for staff like a wrong one.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from members.models import Member, MembershipClaim, Pass

alarm = logging.getLogger("loyalty.alarm")
DAY = timedelta(days=1)
LIMIT = 5
Outcome = MembershipClaim.Outcome


def is_open(*, wallet_pass: Pass, card_number: str, now: datetime) -> bool:
    """Whether this card may claim once more today, and this membership be claimed; the caller holds the program."""
    made = MembershipClaim.objects.exclude(outcome=Outcome.MOVED).filter(claimed_at__gt=now - DAY)
    of_pass, of_card = Q(wallet_pass=wallet_pass), Q(card_number=card_number)
    return all(made.filter(of)[:LIMIT].count() < LIMIT for of in (of_pass, of_card))


def keep(
    *, wallet_pass: Pass, by: Member, card_number: str, moved_to: Member | None, is_open: bool, now: datetime
) -> MembershipClaim:
    """What came of a claim, as evidence for staff."""
    refused = Outcome.REFUSED if is_open else Outcome.TOO_MANY
    if not is_open:
        alarm.warning("too many claims to memberships: pass %d", wallet_pass.pk)
    return MembershipClaim.objects.create(
        wallet_pass=wallet_pass,
        moved_from=by,
        moved_to=moved_to,
        card_number=card_number,
        outcome=Outcome.MOVED if moved_to else refused,
        claimed_at=now,
    )
