"""What the ledger adds to pages: a member's balance and latest entries; an account's, a posting's, a lot's own page."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from pms import formats, story
from pms.story import Panel

LATEST = 20
TONES = {
    "EARN": "good", "CLAW_BACK": "bad", "ADJUST": "news", "RELEASE": "good", "RESERVE": "wait", "REDEEM": "news",
    "UNRESERVE": "quiet", "RETURN": "good", "EXPIRE": "quiet", "REVERSE": "warn",
}  # fmt: skip


@story.tells("members.member", 20)
def balance(request: HttpRequest, member: Any) -> Panel:
    account = PointAccount.objects.filter(member=member).first()
    if account is None:
        return story.facts(_("Points"), [(_("Balance"), formats.NOTHING)])
    return story.facts(_("Points"), [
        (_("Balance"), formats.big(formats.points(account.balance or 0))),
        (_("Changed"), formats.moment(account.changed_at)),
        (_("Version"), formats.number(account.version)),
        (_("Account"), story.link(request, account, f"#{account.pk}")),
    ])  # fmt: skip


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
