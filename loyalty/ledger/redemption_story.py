"""What redeeming adds to pages: the counter's form and the latest redemptions of a member; a redemption's own page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty.ledger.models import Redemption
from loyalty.ledger.redemption_forms import ReserveForm
from members.models import Member
from pms import formats, scoping, story
from pms.story import Panel

TONES = {"RESERVED": "wait", "CONFIRMED": "good", "RELEASED": "quiet", "RETURNED": "news"}
LATEST = 10


@story.tells("members.member", 24)
def counter(request: HttpRequest, member: Member) -> Panel | None:
    """The form, for who may redeem in a mall of the member's group."""
    is_here = scoping.malls_of(request.user).filter(group=member.program.group_id).exists()
    may = request.user.has_perm("ledger.add_redemption") and member.state == Member.State.ACTIVE
    if not (is_here and may):
        return None
    program = member.program
    terms = _(
        "%(points)s points are HK$1; at least %(minimum)s points; the code lives %(seconds)s seconds."
    ) % {
        "points": formats.number(program.redemption_points_per_hkd),
        "minimum": formats.number(program.redemption_min_points),
        "seconds": program.redemption_seconds,
    }
    content = {
        "form": ReserveForm(request=request, member=member),
        "address": reverse("admin:ledger_redemption_reserve", args=[member.pk]),
        "terms": terms,
    }
    return Panel(title=_("Redeem points"), template="redeem", content=content, key="redeem")


@story.tells("members.member", 26)
def latest(request: HttpRequest, member: Any) -> Panel:
    seen = story.visible(request, Redemption).filter(account__member=member)
    headings = [
        (_("State"), ""),
        (_("Code"), ""),
        (_("Points"), "number"),
        (_("Worth"), "number"),
        (_("Mall"), ""),
        (_("Set aside"), ""),
    ]
    rows = [_row(request, redemption) for redemption in seen.order_by("-reserved_at")[:LATEST]]
    return story.table(
        _("Latest redemptions"), headings, rows, empty=_("No points redeemed in your malls yet.")
    )


@story.tells("ledger.redemption", 10)
def redemption(request: HttpRequest, one: Redemption) -> Panel:
    return story.facts(_("Redemption"), [
        (_("Code"), formats.big(one.code)),
        (_("Points"), formats.big(formats.points(one.points))),
        (_("Worth"), formats.big(formats.money(one.value_cents))),
        (_("Member"), story.link(request, one.account.member)),
        (_("Mall"), formats.name_of(one.mall)),
        (_("Pays for"), formats.identifier(one.payment_number)),
        (_("Set aside"), formats.moment(one.reserved_at)),
        (_("Set aside by"), one.reserved_by or formats.NOTHING),
        (_("Code valid until"), formats.moment(one.expires_at)),
        (_("Confirmed or released"), formats.moment(one.ended_at)),
        (_("Ended by"), one.ended_by or formats.NOTHING),
    ])  # fmt: skip


@story.tells("ledger.redemption", 20)
def parts(request: HttpRequest, one: Redemption) -> Panel:
    headings = [(_("Lot"), ""), (_("Expires"), ""), (_("Points"), "number")]
    rows = [
        (
            story.link(request, part.lot, f"#{part.lot_id}"),
            formats.moment(part.lot.expires_at) if part.lot.expires_at else _("never"),
            formats.number(part.points),
        )
        for part in one.parts.select_related("lot").order_by("pk")
    ]
    return story.table(_("Taken from"), headings, rows, empty=_("No points were taken."))


@story.tells("ledger.redemption", 30)
def postings(request: HttpRequest, one: Redemption) -> Panel:
    made = [one.reserve_posting, one.end_posting, one.return_posting]
    rows = [
        (
            formats.moment(posting.posted_at),
            story.link(request, posting, formats.word(posting.get_kind_display())),
        )
        for posting in made
        if posting
    ]
    headings = [(_("Posted"), ""), (_("Posting"), "")]
    return story.table(_("Postings"), headings, rows, empty=_("No points were posted."))


def _row(request: HttpRequest, one: Redemption) -> list[object]:
    return [
        formats.pill(TONES[one.state], one.get_state_display()),
        story.link(request, one, one.code),
        formats.signed(-one.points),
        formats.money(one.value_cents),
        formats.name_of(one.mall),
        formats.moment(one.reserved_at),
    ]
