"""What the ledger adds to pages: a member's balance and latest entries; an account's, a posting's, a lot's own page."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from pms import clock, formats, story
from pms.story import Panel

LATEST = 20
SOON_DAYS = 30
MOST_DAYS = 50
TONES = {
    "EARN": "good", "CLAW_BACK": "bad", "ADJUST": "news", "RELEASE": "good", "RESERVE": "wait", "REDEEM": "news",
    "UNRESERVE": "quiet", "RETURN": "good", "EXPIRE": "quiet", "REVERSE": "warn",
}  # fmt: skip


@story.tells("members.member", 20)
def balance(request: HttpRequest, member: Any) -> Panel:
    account = PointAccount.objects.filter(member=member).first()
    if account is None:
        return story.facts(_("Points"), [(_("Balance"), formats.NOTHING)])
    held, soon = _held_and_soon(account)
    return story.facts(_("Points"), [
        (_("Can be spent"), formats.big(formats.points(account.balance or 0))),
        (_("On hold"), formats.big(formats.points(held))),
        (_("Expiring within 30 days"), formats.big(formats.points(soon))),
        (_("Changed"), formats.moment(account.changed_at)),
        (_("Version"), formats.number(account.version)),
        (_("Account"), story.link(request, account, f"#{account.pk}")),
    ])  # fmt: skip


def _held_and_soon(account: PointAccount) -> tuple[int, int]:
    soon = clock.now() + timedelta(days=SOON_DAYS)
    sums = account.lots.filter(remaining__gt=0).aggregate(
        held=Sum("remaining", filter=Q(is_held=True)),
        soon=Sum("remaining", filter=Q(is_held=False, expires_at__lte=soon)),
    )
    return sums["held"] or 0, sums["soon"] or 0


@story.tells("members.member", 22)
def lots(request: HttpRequest, member: Any) -> Panel:
    """What is left by its last day; the soonest is spent first, and held points not at all."""
    left = PointLot.objects.filter(account__member=member, remaining__gt=0)
    days = (
        left.values("expires_at", "is_held", "held_until_at")
        .annotate(left=Sum("remaining"))
        .order_by("is_held", F("expires_at").asc(nulls_last=True), "held_until_at")
    )
    headings = [(_("Last day"), ""), (_("State"), ""), (_("Usable from"), ""), (_("Points"), "number")]
    empty = _("No points left. Points appear here by the day on which they expire, soonest first.")
    return story.table(
        _("Points by expiry"), headings, [_lot_row(day) for day in days[:MOST_DAYS]], empty=empty
    )


def _lot_row(day: Mapping[str, Any]) -> list[object]:
    is_held, until = day["is_held"], day["held_until_at"]
    state = formats.pill("wait", _("on hold")) if is_held else formats.pill("good", _("can be spent"))
    since = formats.moment(until) if until else (_("when confirmed") if is_held else _("at once"))
    last = formats.moment(day["expires_at"]) if day["expires_at"] else _("never")
    return [last, state, since, formats.number(day["left"])]


@story.tells("members.member", 60)
def statement(request: HttpRequest, member: Any) -> Panel:
    return _latest(request, PointEntry.objects.filter(account__member=member))


@story.tells("ledger.pointaccount", 10)
def account(request: HttpRequest, one: PointAccount) -> Panel:
    shown = formats.points(one.balance) if one.balance is not None else _("kept in no row: summed when asked")
    return story.facts(_("Account"), [
        (_("Owner"), story.link(request, one.member) if one.member else formats.name_of(one.program)),
        (_("Kind"), formats.word(one.get_kind_display())),
        (_("Balance"), shown),
        (_("Version"), formats.number(one.version)),
        (_("Changed"), formats.moment(one.changed_at)),
    ])  # fmt: skip


@story.tells("ledger.pointaccount", 20)
def account_entries(request: HttpRequest, one: PointAccount) -> Panel:
    return _latest(request, PointEntry.objects.filter(account=one))


@story.tells("ledger.posting", 10)
def posting(request: HttpRequest, one: Posting) -> Panel:
    return story.facts(_("Posting"), [
        (_("Kind"), formats.pill(TONES[one.kind], one.get_kind_display())),
        (_("Program"), formats.name_of(one.program)),
        (_("Source"), formats.identifier(one.source)),
        (_("Reverses"), story.link(request, one.reverses)),
        (_("Posted"), formats.moment(one.posted_at)),
    ])  # fmt: skip


@story.tells("ledger.posting", 20)
def posting_entries(request: HttpRequest, one: Posting) -> Panel:
    entries = one.entries.select_related("account__member", "account__program").order_by("pk")
    rows = [(owner(request, entry.account), formats.signed(entry.points)) for entry in entries]
    total = sum(entry.points for entry in entries)
    headings = [(_("Account"), ""), (_("Points"), "number")]
    rows.append((_("Sum"), formats.number(total)))
    return story.table(_("Entries"), headings, rows, empty=_("No entries."))


@story.tells("ledger.pointentry", 10)
def entry(request: HttpRequest, one: PointEntry) -> Panel:
    return story.facts(_("Ledger entry"), [
        (_("Points"), formats.big(formats.signed(one.points))),
        (_("Account"), owner(request, one.account)),
        (_("Posting"), posting_link(request, one)),
        (_("Source"), formats.identifier(one.posting.source)),
        (_("Posted"), formats.moment(one.posting.posted_at)),
    ])  # fmt: skip


@story.tells("ledger.pointlot", 10)
def lot(request: HttpRequest, one: PointLot) -> Panel:
    return story.facts(_("Point lot"), [
        (_("Remaining"), formats.big(formats.points(one.remaining))),
        (_("Points"), formats.number(one.points)),
        (_("Account"), owner(request, one.account)),
        (_("Posting"), posting_link(request, one)),
        (_("Expires"), formats.moment(one.expires_at) if one.expires_at else _("never")),
    ])  # fmt: skip


def posting_link(request: HttpRequest, one: PointEntry | PointLot) -> str:
    called = f"{formats.word(one.posting.get_kind_display())} #{one.posting_id}"
    return story.link(request, one.posting, called)


def owner(request: HttpRequest, one: PointAccount) -> str:
    return story.link(
        request, one, one.member or f"{formats.name_of(one.program)} · {one.get_kind_display()}"
    )


def _latest(request: HttpRequest, entries: Any) -> Panel:
    headings = [(_("Posted"), ""), (_("Kind"), ""), (_("Posting"), ""), (_("Points"), "number")]
    rows = [
        _entry_row(request, entry) for entry in entries.select_related("posting").order_by("-pk")[:LATEST]
    ]
    return story.table(_("Latest ledger entries"), headings, rows, empty=_("No points have moved yet."))


def _entry_row(request: HttpRequest, one: PointEntry) -> list[object]:
    kind = formats.pill(TONES[one.posting.kind], one.posting.get_kind_display())
    return [
        formats.moment(one.posting.posted_at),
        kind,
        story.link(request, one.posting, f"#{one.posting_id}"),
        formats.signed(one.points),
    ]
