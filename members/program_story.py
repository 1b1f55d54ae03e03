"""What the pages of a program and of a contact change tell."""

from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from members import terms
from members.models import ContactChange, Program
from pms import formats, scoping, story
from pms.story import Panel

HIGHEST = 100


@story.tells("members.program", 10)
def program(request: HttpRequest, one: Program) -> Panel:
    return story.facts(_("Program"), [
        (_("Name (English)"), one.name_en),
        (_("Name (Chinese)"), one.name_zh),
        (_("Group"), formats.name_of(one.group)),
        (_("Joining grace"), formats.days(one.joining_grace_days)),
        (_("Claw-back larger than the balance"), formats.word(one.get_negative_balance_display())),
        (_("Window for manual channels"), formats.days(one.manual_window_days)),
        (_("Points expire"), _expiry(one)),
        (_("Tier spend counts over"), formats.word(one.get_tier_window_display())),
        (_("HK$1 costs"), formats.points(one.redemption_points_per_hkd)),
        (_("Smallest redemption"), formats.points(one.redemption_min_points)),
        (_("A redemption code lives"), formats.span(timedelta(seconds=one.redemption_seconds))),
        (_("Redeemed points go back on a refund"), _("yes") if one.returns_redeemed_points else _("no")),
        (_("Alike: points, but checked"), _from(one.duplicate_flag_score)),
        (_("Alike: points held back"), _from(one.duplicate_hold_score)),
        (_("Alike: no points"), _from(one.duplicate_block_score)),
        (_("Automatic verdicts checked by people"), f"{one.spot_check_percent} %"),
    ])  # fmt: skip


@story.tells("members.program", 12)
def terms_link(request: HttpRequest, one: Program) -> Panel | None:
    may = request.user.has_perm("members.change_program") and one.group_id in scoping.whole_groups(request)
    if not may:
        return None
    address = reverse("admin:members_program_terms", args=[one.pk])
    return Panel(title=_("Terms"), template="links", content={"links": [(address, _("Change the terms"))]})


@story.tells("members.program", 20)
def tiers(request: HttpRequest, one: Program) -> Panel:
    rows = [
        [
            story.link(request, tier, formats.both_names(tier)), tier.code, formats.money(tier.min_spend_cents),
            f"{terms.factor_words(tier)}×",
        ]
        for tier in one.tiers.order_by("min_spend_cents")
    ]  # fmt: skip
    headings = [
        (_("Tier"), ""),
        (_("Tier code"), ""),
        (_("Net spend"), "number"),
        (_("Points factor"), "number"),
    ]
    return story.table(_("Tiers"), headings, rows, empty=_("No tier: every member earns alike."))


def _from(score: int | None) -> str:
    if score is None or score > HIGHEST:
        return _("never")
    return _("from %(score)s of 100") % {"score": score}


def _expiry(one: Program) -> str:
    words = str(one.get_expiry_display())
    return f"{one.expiry_count} {words}" if one.expiry_count else formats.word(words)


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
