"""What the pages of a program and of a member tell of the mini-app's registration."""

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from members.models import Member, MembershipClaim, Program, RegistrationField
from pms import formats, scoping, story
from pms.story import Panel

# The newest; guesses are few a day.
SHOWN = 50


@story.tells("members.program", 21)
def consent_text(request: HttpRequest, one: Program) -> Panel:
    return story.facts(_("Consent to share payments"), [
        (_("Text version"), one.consent_text_version or formats.NOTHING),
        (_("Text (English)"), one.consent_text_en or formats.NOTHING),
        (_("Text (Chinese)"), one.consent_text_zh or formats.NOTHING),
    ])  # fmt: skip


@story.tells("members.program", 22)
def fields(request: HttpRequest, one: Program) -> Panel:
    rows = [
        [
            formats.two_lines(asked.label_en, asked.label_zh),
            asked.code,
            formats.word(asked.get_kind_display()),
            _yes(asked.is_required),
        ]
        for asked in _asked(one)
    ]
    headings = [(_("Field"), ""), (_("Field code"), ""), (_("Kind"), ""), (_("Required"), "")]
    empty = _("Nothing but name, phone, e-mail and month of birth.")
    return story.table(_("Registration in the mini-app"), headings, rows, empty=empty)


@story.tells("members.program", 23)
def registration_link(request: HttpRequest, one: Program) -> Panel | None:
    may = request.user.has_perm("members.change_program") and one.group_id in scoping.whole_groups(request)
    if not may:
        return None
    address = reverse("admin:members_program_registration", args=[one.pk])
    links = [(address, _("Change consent text and fields"))]
    return Panel(title=_("Registration"), template="links", content={"links": links})


@story.tells("members.member", 12)
def supplied(request: HttpRequest, member: Member) -> Panel | None:
    """What the member answered; an answer whose field is no longer asked is shown by its code."""
    if member.registered_at is None:
        return None
    asked = {one.code: one for one in _asked(member.program)}
    answers = [
        (_label(asked[code]) if code in asked else code, _answer(asked.get(code), value))
        for code, value in sorted(member.supplied.items())
    ]
    return story.facts(_("Registration"), [(_("Registered"), formats.moment(member.registered_at)), *answers])


@story.tells("members.member", 58)
def claims(request: HttpRequest, member: Member) -> Panel | None:
    """Who moved which wallet card by a form, and who tried: claims of this membership and by it."""
    of_member = Q(moved_from=member) | Q(moved_to=member) | Q(card_number=member.card_number)
    found = MembershipClaim.objects.filter(of_member, wallet_pass__program=member.program_id)
    rows = [
        [
            formats.word(one.get_outcome_display()),
            formats.identifier(one.card_number),
            story.link(request, one.moved_from),
            story.link(request, one.moved_to),
            formats.identifier(one.wallet_pass.user_id),
            formats.moment(one.claimed_at),
        ]
        for one in found.select_related("moved_from", "moved_to", "wallet_pass").order_by("-pk")[:SHOWN]
    ]
    headings = [
        (_("Outcome"), ""),
        (_("Claimed card number"), ""),
        (_("Claimed by"), ""),
        (_("Card moved to"), ""),
        (_("Wallet user ID"), ""),
        (_("Claimed"), ""),
    ]
    return story.table(_("Claims by card number and phone"), headings, rows, empty="") if rows else None


def _asked(program: Program) -> list[RegistrationField]:
    return list(program.registration_fields.order_by("position", "pk"))


def _label(one: RegistrationField) -> str:
    return one.label_zh if formats.is_chinese() else one.label_en


def _answer(one: RegistrationField | None, value: object) -> str:
    if isinstance(value, bool):
        return _yes(value)
    choices = {choice["code"]: choice for choice in one.choices} if one else {}
    chosen = choices.get(str(value))
    return chosen["zh" if formats.is_chinese() else "en"] if chosen else str(value)


def _yes(is_so: bool) -> str:
    return _("yes") if is_so else _("no")
