"""What the pages of a program and of a contact change tell."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from members.models import ContactChange, Program
from pms import formats, story
from pms.story import Panel


@story.tells("members.program", 10)
def program(request: HttpRequest, one: Program) -> Panel:
    return story.facts(_("Program"), [
        (_("Name (English)"), one.name_en),
        (_("Name (Chinese)"), one.name_zh),
        (_("Group"), formats.name_of(one.group)),
        (_("Joining grace"), formats.days(one.joining_grace_days)),
        (_("Claw-back larger than the balance"), formats.word(one.get_negative_balance_display())),
    ])  # fmt: skip


@story.tells("members.contactchange", 10)
def change(request: HttpRequest, one: ContactChange) -> Panel:
    """`held_by` is shown as a link only: whose phone it is already is personal as well."""
    return story.facts(_("What the wallet sent"), [
        (_("Member"), story.link(request, one.member)),
        (_("Phone"), formats.masked_phone(one.phone) or formats.NOTHING),
        (_("E-mail"), formats.masked_email(one.email) or formats.NOTHING),
        (_("Already held by"), story.link(request, one.held_by)),
        (_("Noticed"), formats.moment(one.noticed_at)),
        (_("State"), formats.word(one.get_state_display())),
    ])  # fmt: skip
