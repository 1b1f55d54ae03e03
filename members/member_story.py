"""What the page of a member tells: who it is, their wallet cards, what they agreed to."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from members.models import Consent, Member, Pass
from pms import formats, scoping, story
from pms.story import Panel

TONES = {"ACTIVE": "good", "SUSPENDED": "warn", "CLOSED": "quiet"}
PASS_TONES = {
    "WAITING": "wait",
    "ACTIVE": "good",
    "EXISTS_UNKNOWN": "warn",
    "INVALID": "bad",
    "CLOSED": "quiet",
}
REVEALED = "revealed_member"


@story.tells("members.member", 10)
def who(request: HttpRequest, member: Member) -> Panel:
    is_revealed = request.session.pop(REVEALED, None) == member.pk
    return story.facts(_("Who"), [
        (_("Name"), member.name or formats.NOTHING),
        (_("Card number"), formats.identifier(member.card_number)),
        (_("Phone"), phone(member, is_revealed)),
        *([(_("Phone verified"), _("typed by the member, not verified"))] if member.has_typed_phone else []),
        (_("E-mail"), (member.email if is_revealed else formats.masked_email(member.email)) or formats.NOTHING),
        (_("Program"), formats.name_of(member.program)),
        (_("Joined"), formats.moment(member.joined_at)),
    ])  # fmt: skip


@story.tells("members.member", 40)
def passes(request: HttpRequest, member: Member) -> Panel:
    rows = [_pass_row(request, one) for one in member.passes.select_related("mall").order_by("pk")]
    headings = [
        (_("State"), ""),
        (_("Wallet"), ""),
        (_("Wallet user ID"), ""),
        (_("Pass ID"), ""),
        (_("Joined at"), ""),
        (_("Joined"), ""),
    ]
    return story.table(
        _("Wallet cards"),
        headings,
        rows,
        empty=_("No wallet card: it is made when the member joins in a wallet."),
    )


@story.tells("members.member", 50)
def consents(request: HttpRequest, member: Member) -> Panel:
    rows = [_consent_row(consent) for consent in member.consents.order_by("-began_at")]
    headings = [
        (_("State"), ""),
        (_("Began"), ""),
        (_("Ended"), ""),
        (_("Text version"), ""),
        (_("Evidence"), ""),
        (_("Why it ended"), ""),
    ]
    return story.table(
        _("Consent to share payments"),
        headings,
        rows,
        empty=_("Never agreed to share payments, so wallet payments earn nothing."),
    )


def phone(member: Member, is_revealed: bool) -> str:
    """Masked unless looked up; what could not be read as a number is marked as such."""
    if member.phone:
        return member.phone if is_revealed else formats.masked_phone(member.phone)
    if member.phone_raw:
        return _("unreadable: %(phone)s") % {
            "phone": member.phone_raw if is_revealed else formats.masked_phone(member.phone_raw)
        }
    return formats.NOTHING


def pass_pill(one: Pass) -> str:
    return formats.pill(PASS_TONES[one.state], one.get_state_display())


def joined_at(request: HttpRequest, one: Pass) -> str:
    """The mall's name, if this login sees that mall."""
    sight = scoping.sight_of(request)
    return formats.name_of(one.mall) if one.mall_id in sight.mall_ids else _("another mall of the group")


def _pass_row(request: HttpRequest, one: Pass) -> list[object]:
    return [
        pass_pill(one), one.wallet, formats.identifier(one.user_id),
        formats.identifier(one.external_id), joined_at(request, one), formats.moment(one.joined_at),
    ]  # fmt: skip


def _consent_row(consent: Consent) -> list[object]:
    state = formats.pill("quiet", _("ended")) if consent.ended_at else formats.pill("good", _("in force"))
    return [
        state, formats.moment(consent.began_at), formats.moment(consent.ended_at),
        consent.text_version or formats.NOTHING, consent.evidence or formats.NOTHING,
        formats.word(consent.get_ended_reason_display()) if consent.ended_reason else formats.NOTHING,
    ]  # fmt: skip
