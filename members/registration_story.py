"""What the pages of a program and of a member tell of the mini-app's registration."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from members.models import Member, Program, RegistrationField
from pms import formats, scoping, story
from pms.story import Panel


@story.tells("members.program", 14)
def consent_text(request: HttpRequest, one: Program) -> Panel:
    return story.facts(_("Consent to share payments"), [
        (_("Text version"), one.consent_text_version or formats.NOTHING),
        (_("Text (English)"), one.consent_text_en or formats.NOTHING),
        (_("Text (Chinese)"), one.consent_text_zh or formats.NOTHING),
    ])  # fmt: skip


@story.tells("members.program", 15)
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
    headings = [(_("Field"), ""), (_("Code"), ""), (_("Kind"), ""), (_("Required"), "")]
    empty = _("Nothing but name, phone, e-mail and month of birth.")
    return story.table(_("Registration in the mini-app"), headings, rows, empty=empty)


@story.tells("members.program", 16)
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
