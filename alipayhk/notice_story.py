"""What the page of a notification tells, and what it adds to the page of the transaction it became."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from alipayhk import masking
from alipayhk.models import Notification
from loyalty.earning import reasons
from loyalty.earning.models import Refund, Transaction
from members.models import Member, Pass
from pms import formats, story
from pms.scoping import Sight
from pms.story import Panel

MOST_FOUND = 200
TONES = {"PROCESSED": "good", "PARKED": "wait", "CONFLICT": "bad", "REJECTED": "bad"}


@story.tells("alipayhk.notification", 10)
def verdict(request: HttpRequest, notice: Notification) -> Panel:
    return story.facts(_("What became of it"), [
        (_("Reason"), why(notice)),
        (_("Waits for"), _cure(request, notice)),
        (_("Answer to AlipayHK"), notice.answer),
        (_("Received"), formats.moment(notice.received_at)),
        (_("Judged"), formats.moment(notice.judged_at)),
        (_("Next try"), formats.due(notice.try_at)),
        (_("Transaction"), _seen(request, Transaction, notice.transaction_id)),
        (_("Refund"), _seen(request, Refund, notice.refund_id)),
        (_("Member"), _seen(request, Member, notice.member_id)),
    ], is_short=True)  # fmt: skip


@story.tells("alipayhk.notification", 20)
def message(request: HttpRequest, notice: Notification) -> Panel:
    return story.facts(_("The message"), [
        (_("Kind"), formats.word(notice.get_kind_display())),
        (_("Number"), formats.identifier(notice.key)),
        (_("Mall"), formats.name_of(notice.mall)),
        (_("Wallet user ID"), formats.identifier(notice.user_id)),
        (_("Tracer-Id"), formats.identifier(notice.tracer_id)),
        (_("Repeats"), formats.number(notice.repeats)),
        (_("Confirmed by staff"), _("yes") if notice.is_confirmed else ""),
    ], is_short=True)  # fmt: skip


@story.tells("alipayhk.notification", 30)
def conflicts(request: HttpRequest, notice: Notification) -> Panel | None:
    same = story.visible(request, Notification).filter(
        group=notice.group_id, kind=notice.kind, key=notice.key
    )
    rows = [_notice_row(request, other) for other in same.exclude(pk=notice.pk).order_by("pk")[:20]]
    if not rows:
        return None
    return story.table(_("Other messages with this number"), _headings(), rows, empty="")


@story.tells("alipayhk.notification", 90)
def raw_body(request: HttpRequest, notice: Notification) -> Panel:
    content = {"text": masking.body(bytes(notice.raw_body))}
    return Panel(title=_("Raw message"), template="raw", content=content, is_folded=True, key="raw")


@story.tells("alipayhk.notification", 95)
def raw_headers(request: HttpRequest, notice: Notification) -> Panel:
    target = bytes(notice.raw_target).decode("ascii", errors="backslashreplace")
    content = {"text": f"POST {target}\n{masking.headers(notice.headers)}"}
    return Panel(title=_("Address and headers"), template="raw", content=content, is_folded=True)


@story.tells("earning.transaction", 50)
def of_transaction(request: HttpRequest, purchase: Transaction) -> Panel:
    came = story.visible(request, Notification).filter(transaction=purchase).order_by("received_at")
    rows = [_notice_row(request, notice) for notice in came[:20]]
    empty = _("It came through another channel, without a message.")
    return story.table(_("Messages from AlipayHK"), _headings(), rows, empty=empty)


def why(notice: Notification) -> str:
    """The reason as a sentence; a code without one is shown as it is, with its detail."""
    if not notice.reason:
        return formats.NOTHING
    known = _staff_sentences().get(notice.reason)
    if known is None and notice.reason in reasons.REASONS:
        known = reasons.sentence(notice.reason, {}, "zh-hant" if formats.is_chinese() else "en")
    return f"{known or notice.reason} {notice.detail}".strip()


def find(text: str, sight: Sight) -> list[int]:
    """By number, by the member's user ID, or by the user ID it waits for; an index each."""
    within = Notification.objects.filter(group__in=sight.group_ids)
    members = Pass.objects.filter(user_id=text, program__group__in=sight.group_ids).values_list(
        "member_id", flat=True
    )
    found = [
        within.filter(kind__in=Notification.Kind.values, is_first=True, key=text),
        within.filter(kind__in=Notification.Kind.values, is_first=False, key=text),
        within.filter(member__in=list(members)),
        within.filter(state=Notification.State.PARKED, waits_for=f"USER:{text}"),
    ]
    return [pk for rows in found for pk in rows.values_list("pk", flat=True)[:MOST_FOUND]]


def waits_for(notice: Notification) -> str:
    kind, _colon, name = notice.waits_for.partition(":")
    words = {
        "USER": _("the member %(name)s joining"), "PAYMENT": _("the payment %(name)s"),
        "STORE": _("the store %(name)s"), "MALL": _("the mall being active again"),
    }  # fmt: skip
    return words[kind] % {"name": name} if kind in words else notice.waits_for or formats.NOTHING


def _cure(request: HttpRequest, notice: Notification) -> str:
    """An unknown store leads to where it is mapped to one, or added."""
    kind, _colon, name = notice.waits_for.partition(":")
    said = waits_for(notice)
    if kind != "STORE" or not request.user.has_perm("alipayhk.view_mappingjob"):
        return said
    address = f"{reverse('admin:alipayhk_map_store')}?{urlencode({'mall': notice.mall_id, 'name': name})}"
    return formats.two_lines(said, formats.link(address, _("Map or add this store")))


def _staff_sentences() -> dict[str, str]:
    """Codes of the inbox that are no reasons of an award."""
    return {
        "MALFORMED": _("The message cannot be read."),
        "STORE_SUSPENDED": _("The store or the mall is suspended."),
    }


def _headings() -> list[tuple[object, str]]:
    return [
        (_("Received"), ""),
        (_("Kind"), ""),
        (_("Number"), ""),
        (_("State"), ""),
        (_("Repeats"), "number"),
    ]


def _notice_row(request: HttpRequest, notice: Notification) -> list[object]:
    return [
        formats.moment(notice.received_at), formats.word(notice.get_kind_display()),
        story.link(request, notice, notice.key),
        formats.pill(TONES[notice.state], notice.get_state_display()), formats.number(notice.repeats),
    ]  # fmt: skip


def _seen(request: HttpRequest, model: Any, pk: int | None) -> str:
    """A link to what it became, when this login may see it."""
    found = story.visible(request, model).filter(pk=pk).first() if pk else None
    return story.link(request, found)
