"""What staff decide about a phone or an e-mail that a wallet sent: take it over, or leave the member as it is."""

import logging

from django.db import IntegrityError
from django.db.transaction import atomic

from members import lookup
from members.models import ContactChange, Member
from pms.models import User

log = logging.getLogger(__name__)
KEPT = ("phone", "phone_raw", "has_typed_phone", "typed_phone", "email", "typed_email")


class NotOpen(Exception):
    """This contact change was decided already."""


class ContactTaken(Exception):
    """Another member has this phone number or e-mail address."""


class PhoneUnreadable(Exception):
    """The phone cannot be read as a number."""


@atomic
def take_over(*, change: ContactChange, by: User) -> Member:
    """The member gets the phone and the e-mail of the change."""
    _decide(change, ContactChange.State.TAKEN_OVER, by=by)
    member = Member.objects.select_for_update().get(pk=change.member_id)
    if change.phone:
        if lookup.phone_of(change.phone) != change.phone:
            raise PhoneUnreadable(PhoneUnreadable.__doc__)
        member.phone = member.phone_raw = change.phone
        member.has_typed_phone, member.typed_phone = False, ""
    if change.email:
        member.email, member.typed_email = change.email, ""
    try:
        with atomic():
            member.save(update_fields=KEPT)
    except IntegrityError as error:
        raise ContactTaken(ContactTaken.__doc__) from error
    return member


@atomic
def dismiss(*, change: ContactChange, by: User) -> None:
    """The member stays as it is."""
    _decide(change, ContactChange.State.DISMISSED, by=by)


def _decide(change: ContactChange, state: str, *, by: User) -> None:
    open_one = ContactChange.objects.select_for_update().filter(pk=change.pk, state=ContactChange.State.OPEN)
    if not open_one.update(state=state):
        raise NotOpen(NotOpen.__doc__)
    log.info("contact change %d %s by %s", change.pk, state, by.get_username())
