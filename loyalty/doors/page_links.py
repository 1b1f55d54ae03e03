"""Signed links to a member's own page: for one member, for some days, withdrawn all at once.

Whoever has the link reads that member's payments. No link is kept; the member's row counts withdrawals.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db.models import F
from django.urls import reverse

from members.models import Member

SALT = "loyalty.doors.page_links"
# More than a link ever has; what is longer is not even looked at.
LONGEST = 200


class LinkUnknown(Exception):
    """This link was not made here, or a part of it is missing."""


class LinkOver(Exception):
    """This link has ended: its days are over, it was withdrawn, or the membership is closed."""


class MembershipClosed(Exception):
    """The membership is closed; it has no page any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """`signed` is the part of the address that opens the page."""

    member: Member
    signed: str
    ends_at: datetime

    def address(self, home: str) -> str:
        """`home` is the scheme and host under which members reach us."""
        return f"{home}{reverse('member-page', args=[self.signed])}"


def make(*, member: Member, now: datetime) -> Link:
    if member.state == Member.State.CLOSED:
        raise MembershipClosed
    ends = int((now + timedelta(days=settings.MEMBER_LINK_DAYS)).timestamp())
    signed = _signer().sign_object([member.pk, member.link_revision, ends])
    return Link(member=member, signed=signed, ends_at=datetime.fromtimestamp(ends, UTC))


def opened(signed: str, *, now: datetime) -> Link:
    """The link with its member and program; raises LinkUnknown or LinkOver."""
    if len(signed) > LONGEST:
        raise LinkUnknown
    try:
        member_id, revision, ends = _signer().unsign_object(signed)
    except (signing.BadSignature, UnicodeError) as error:
        raise LinkUnknown from error
    ends_at = datetime.fromtimestamp(ends, UTC)
    member = Member.objects.select_related("program").filter(pk=member_id, link_revision=revision).first()
    if member is None or ends_at < now or member.state == Member.State.CLOSED:
        raise LinkOver
    return Link(member=member, signed=signed, ends_at=ends_at)


def withdraw_all(*, member: Member) -> None:
    """Every link made for the member until now opens nothing from the next request on."""
    Member.objects.filter(pk=member.pk).update(link_revision=F("link_revision") + 1)


def _signer() -> signing.Signer:
    """Its separator needs no escaping in an address."""
    return signing.Signer(salt=SALT, sep=".")
