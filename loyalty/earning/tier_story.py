"""What the page of a member tells about tiers: the one held, the way to the next, and those held before."""

from django.http import HttpRequest
from django.utils.dates import MONTHS
from django.utils.translation import gettext as _

from loyalty.earning import tiers
from members.models import Member, MemberTier, Tier
from pms import clock, formats, story
from pms.story import Panel


@story.tells("members.member", 15)
def standing(request: HttpRequest, member: Member) -> Panel | None:
    ladder = list(Tier.objects.filter(program=member.program).order_by("min_spend_cents"))
    if not ladder:
        return None
    now = clock.now()
    held = member.tiers.filter(ended_at=None).select_related("tier").first()
    tier = held.tier if held else ladder[0]
    spend = tiers.standing_of(member_id=member.pk, now=now).net_cents
    higher = next((one for one in ladder if one.min_spend_cents > tier.min_spend_cents), None)
    return story.facts(_("Tier"), [
        (_("Tier"), formats.both_names(tier, is_big=True)),
        (_("Kept at least until"), formats.moment(held.keeps_until_at) if held else formats.NOTHING),
        (_("Net spend that counts"), formats.money(spend)),
        (_("Next tier"), _way(higher, spend) if higher else _("the highest is reached")),
        (_("Month of birth"), str(MONTHS[member.birth_month]) if member.birth_month else _("not known")),
    ], is_short=True)  # fmt: skip


@story.tells("members.member", 55)
def history(request: HttpRequest, member: Member) -> Panel | None:
    held = member.tiers.select_related("tier").order_by("-began_at")
    rows = [_row(one) for one in held]
    headings = [
        (_("State"), ""),
        (_("Tier"), ""),
        (_("Began"), ""),
        (_("Ended"), ""),
        (_("Kept at least until"), ""),
    ]
    return story.table(_("Tiers held"), headings, rows, empty="", key="tiers") if rows else None


def _way(higher: Tier, spend: int) -> str:
    left = formats.money(max(0, higher.min_spend_cents - spend))
    return _("%(tier)s after another %(amount)s") % {"tier": formats.name_of(higher), "amount": left}


def _row(one: MemberTier) -> list[object]:
    state = formats.pill("quiet", _("ended")) if one.ended_at else formats.pill("good", _("in force"))
    return [
        state, formats.both_names(one.tier), formats.moment(one.began_at), formats.moment(one.ended_at),
        formats.moment(one.keeps_until_at),
    ]  # fmt: skip
