"""A member's own page behind a signed link: card, points, tier, what lapses soon, payments and why they earned.

For malls without a mini-app. No script, no cookie, nothing from elsewhere; a link that opens nothing answers every
stranger alike.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.dateformat import format as dated
from django.utils.text import capfirst
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from loyalty.doors import page_links
from loyalty.doors.page_links import Link
from loyalty.earning import member_account
from loyalty.earning.member_account import CursorUnreadable, HeldTier, Payment, Summary
from loyalty.earning.models import Transaction
from pms import clock, formats, request_rates, visitor

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LANGUAGES = {"en": "en", "zh": "zh-hant"}
SPOKEN = {"en": "en", "zh-hant": "zh-Hant-HK"}
State = Transaction.State


@require_safe
def account(request: HttpRequest, signed: str) -> HttpResponse:
    now = clock.now()
    if _is_hasty(request, now=now):
        return _closed("busy", 429)
    try:
        link = page_links.opened(signed, now=now)
        found = member_account.history(member=link.member, after=request.GET.get("after", ""))
    except (page_links.LinkUnknown, CursorUnreadable):
        return _closed("over", 404)
    except page_links.LinkOver:
        return _closed("over", 410)
    summary = member_account.summary(member=link.member, now=now)
    with override(_language(request)):
        return _answer("member/account.html", _content(request, link, summary, *found), 200)


def _is_hasty(request: HttpRequest, *, now: datetime) -> bool:
    limit = settings.MEMBER_PAGES_PER_MINUTE
    return request_rates.is_spent("page", visitor.address(request), limit=limit, now=now)


def _language(request: HttpRequest) -> str:
    """Of the page's own links, else of the browser, which Django has read."""
    asked = LANGUAGES.get(request.GET.get("lang", ""))
    return asked or ("zh-hant" if (get_language() or "").startswith("zh") else "en")


def _closed(why: str, status: int) -> HttpResponse:
    """In both languages: whoever comes without a good link has told us none."""
    with override("en"):
        return _answer("member/closed.html", {"why": why}, status)


def _answer(template: str, content: dict[str, Any], status: int) -> HttpResponse:
    headers = HEADERS | {"Content-Language": SPOKEN[get_language() or "en"]}
    return HttpResponse(render_to_string(template, content), status=status, headers=headers)


def _content(
    request: HttpRequest, link: Link, summary: Summary, payments: Sequence[Payment], after: str
) -> dict[str, Any]:
    spoken = "zh" if formats.is_chinese() else "en"
    shown = request.GET.get("after", "")
    return {
        "lang": SPOKEN[get_language() or "en"],
        "other": _address(lang="en" if spoken == "zh" else "zh", after=shown),
        "program": formats.name_of(link.member.program),
        "name": link.member.name,
        "card_number": _in_groups(summary["card_number"]),
        "since": _day(summary["joined_at"]),
        "points": formats.number(summary["balance"]["points"]),
        "held": summary["balance"]["held"] and formats.points(summary["balance"]["held"]),
        "tier": summary["tier"] and _tier(summary["tier"]),
        "expiring": [
            (formats.points(one["points"]), formats.day(one["expires_at"])) for one in summary["expiring"]
        ],
        "months": _months(payments, spoken),
        "newest": _address(lang=spoken) if shown else "",
        "older": _address(lang=spoken, after=after) if after else "",
        "ends": _day(link.ends_at),
    }


def _address(*, lang: str, after: str = "") -> str:
    return "?" + urlencode({"lang": lang} | ({"after": after} if after else {}))


def _tier(held: HeldTier) -> dict[str, Any]:
    """With the bar's two figures, in cents, where there is a tier to reach."""
    following = held["next"]
    if following is None:
        return {"name": _name(held), "next": None}
    needed = following["needed_cents"]
    return {
        "name": _name(held),
        "next": _name(following),
        "missing": formats.money(following["missing_cents"]),
        "needed": needed,
        "reached": needed - following["missing_cents"],
    }


def _months(payments: Sequence[Payment], spoken: str) -> list[tuple[str, list[dict[str, Any]]]]:
    by_month = groupby(payments, key=lambda one: _month(one["paid_at"]))
    return [(month, [_payment(one, spoken) for one in found]) for month, found in by_month]


def _payment(one: Payment, spoken: str) -> dict[str, Any]:
    store = one["store_zh"] or one["store_en"] if spoken == "zh" else one["store_en"]
    return {
        "store": store or _("Store being confirmed"),
        "mall": one["mall_zh"] or one["mall_en"] if spoken == "zh" else one["mall_en"],
        "amount": formats.money(one["amount_cents"], one["currency"]),
        "paid": formats.moment(one["paid_at"]),
        "number": one["number"],
        "points": formats.signed(one["points"]),
        "is_plus": one["points"] > 0,
        "state": _state(one["state"]),
        "reasons": [told["message_zh" if spoken == "zh" else "message_en"] for told in one["reasons"]],
        "refunds": [
            (formats.money(back["amount_cents"], one["currency"]), formats.moment(back["refunded_at"]))
            for back in one["refunds"]
        ],
    }


def _state(state: str) -> str:
    """Only where the payment is not simply counted."""
    return {
        State.PARKED: _("Waiting"),
        State.HELD: _("Being checked"),
        State.DUPLICATE: _("Counted already"),
    }.get(State(state), "")


def _name(tier: Any) -> str:
    return str(tier["name_zh"] if formats.is_chinese() and tier["name_zh"] else tier["name_en"])


def _in_groups(number: str) -> str:
    """As on a plastic card."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def _day(at: datetime) -> str:
    local = at.astimezone(clock.HONG_KONG)
    return dated(local, "Y年n月j日" if formats.is_chinese() else "j F Y")


def _month(at: datetime) -> str:
    return str(capfirst(dated(at, "Y年n月" if formats.is_chinese() else "F Y")))
