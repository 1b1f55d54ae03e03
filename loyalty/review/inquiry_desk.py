"""The missing-points desk: one box for whatever a customer says, and a verdict that the clerk reads aloud.

Reads only. It shows nothing of malls that the login does not see.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty.earning import transaction_story
from loyalty.earning.models import DuplicateCase, Refund, Transaction
from loyalty.review import inquiries, inquiry_search, inquiry_verdicts
from loyalty.review.inquiries import Understood
from loyalty.review.inquiry_search import Found
from loyalty.review.inquiry_verdicts import Both
from members.models import Member
from pms import clock, formats, scoping, story
from pms.clock import HONG_KONG
from pms.models import Store
from pms.records import pill_by
from pms.scoping import Sight

VIEW = "earning.view_transaction"
MOST_NAMES = 3


# What a layer above knows of numbers that no purchase has: what to say, and a link.
Witness = Callable[[HttpRequest, Sequence[str]], list[tuple[Both, object]]]
_witnesses: list[Witness] = []


def asks(witness: Witness) -> Witness:
    """Register somebody to ask when no purchase has the numbers that were typed."""
    _witnesses.append(witness)
    return witness


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One purchase: what to say, and where to look further."""

    said: Both
    pill: str
    rows: list[tuple[object, object]]
    cases: list[tuple[Both | None, object]]


# Posted, though it only reads: an address ends up in logs and histories, and a customer's phone must not.
@require_http_methods(["GET", "HEAD", "POST"])
def inquiry(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    typed = request.POST.get("q", "")
    context = {
        **admin.site.each_context(request),
        "title": _("Missing points"),
        "typed": typed[: inquiries.LONGEST].replace("\x00", ""),
        "longest": inquiries.LONGEST,
        "counter": _counter(request),
        **(_answered(request, typed) if typed.strip() else {}),
    }
    return TemplateResponse(request, "admin/inquiry.html", context)


def _counter(request: HttpRequest) -> str:
    may = request.user.has_perm("doors.add_counterentry")
    return reverse("admin:doors_counterentry_add") if may else ""


def _answered(request: HttpRequest, typed: str) -> dict[str, Any]:
    if not inquiries.is_readable(typed):
        return {"said": inquiry_verdicts.of_unreadable()}
    sight, now = scoping.sight_of(request), clock.now()
    stores = inquiry_search.stores_of(sight)
    asked = inquiries.read(typed, today=now.astimezone(HONG_KONG).date(), stores=stores)
    chips = list(_chips(asked))
    if not asked.is_enough:
        return {"chips": chips, "said": inquiry_verdicts.of_too_little()}
    found = inquiry_search.find(asked, sight=sight, now=now)
    is_lost = not found.purchases
    heard = [told for one in _witnesses for told in one(request, asked.numbers)] if is_lost else []
    return {
        "chips": chips,
        "said": None if heard else _said(asked, found),
        "heard": heard,
        "answers": _answers(request, found.purchases, sight, now),
        "members": [_member(request, member) for member in found.members],
        "is_lost": is_lost,
    }


def _said(asked: Understood, found: Found) -> Both | None:
    """What stands above the answers, if anything must be said before them."""
    if not found.purchases:
        return inquiry_verdicts.of_nothing(asked, found)
    if found.is_nearest:
        return inquiry_verdicts.of_nearest()
    return inquiry_verdicts.of_many(len(found.purchases)) if found.is_more else None


def _chips(asked: Understood) -> Iterator[tuple[object, object]]:
    """What was understood, so that a clerk sees a slip of the fingers at once."""
    yield from ((_("Phone"), phone) for phone in asked.phones)
    yield from ((_("Number"), number) for number in asked.numbers)
    if asked.amount:
        yield _("Amount"), _amount(asked)
    if asked.day:
        yield _("Day"), dated(asked.day, "Y年n月j日" if formats.is_chinese() else "D j M Y")
    if asked.store_ids:
        yield _("Store"), _stores(asked)
    if asked.name:
        yield _("Member's name"), asked.name


def _amount(asked: Understood) -> str:
    assert asked.amount is not None  # asked by _chips
    lowest, highest = asked.amount.lowest, asked.amount.highest
    if lowest == highest:
        return formats.money(lowest)
    return f"{formats.money(lowest)} – {formats.money(highest)}"


def _stores(asked: Understood) -> str:
    stores = Store.objects.filter(pk__in=asked.store_ids).order_by("pk")[: MOST_NAMES + 1]
    names = [formats.name_of(store) for store in stores]
    return ", ".join(names[:MOST_NAMES]) + ("…" if len(names) > MOST_NAMES else "")


def _answers(request: HttpRequest, purchases: list[Transaction], sight: Sight, now: datetime) -> list[Answer]:
    cases = inquiry_search.cases_of(purchases, sight)
    return [
        Answer(
            said=inquiry_verdicts.of_purchase(purchase, now=now),
            pill=pill_by(transaction_story.TONES, purchase),
            rows=list(_rows(request, purchase)),
            cases=[_case(request, case) for case in cases[purchase.pk]],
        )
        for purchase in purchases
    ]


def _rows(request: HttpRequest, purchase: Transaction) -> Iterator[tuple[object, object]]:
    number = purchase.payment_number or purchase.receipt_number or f"#{purchase.pk}"
    yield _("Transaction"), story.link(request, purchase, number)
    yield _("Member"), story.link(request, purchase.member)
    yield _("Mall"), formats.name_of(purchase.mall)
    yield _("Through"), formats.word(purchase.get_channel_display())
    yield from ((_("Refund"), _refund(request, refund, purchase)) for refund in purchase.refunds.all())


def _refund(request: HttpRequest, refund: Refund, purchase: Transaction) -> object:
    words = formats.sentence(
        _("%(amount)s on %(when)s, %(points)s taken back"),
        amount=formats.money(refund.amount_cents, purchase.currency),
        when=formats.moment(refund.refunded_at),
        points=formats.points(refund.points),
    )
    return story.link(request, refund, words)


def _case(request: HttpRequest, case: DuplicateCase) -> tuple[Both | None, object]:
    words = formats.sentence(_("Duplicate case: %(state)s"), state=formats.word(case.get_state_display()))
    return inquiry_verdicts.of_case(case), story.link(request, case, words)


def _member(request: HttpRequest, member: Member) -> tuple[object, object]:
    return story.link(request, member), formats.masked_phone(member.phone)
