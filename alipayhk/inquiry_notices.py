"""What the inbox knows of a number at the missing-points desk: a message that came and has not become a purchase."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.translation import gettext as _

from alipayhk.models import Notification
from loyalty.earning import reasons
from loyalty.review import inquiry_desk, inquiry_verdicts
from loyalty.review.inquiry_verdicts import Both
from pms import scoping, story

MOST_TOLD = 5


@inquiry_desk.asks
def messages(request: HttpRequest, numbers: Sequence[str]) -> list[tuple[Both, object]]:
    """Payments of the login's malls that wait or were turned away."""
    sight = scoping.sight_of(request)
    notices = Notification.objects.filter(
        group__in=sight.group_ids,
        mall__in=sight.mall_ids,
        kind=Notification.Kind.BILL,
        key__in={form for number in numbers for form in (number, number.upper())},
        is_first=True,
        transaction=None,
    ).order_by("pk")
    return [(_said(notice), story.link(request, notice, notice.key)) for notice in notices[:MOST_TOLD]]


def _said(notice: Notification) -> Both:
    english, chinese = (_why(notice, language) for language in ("en", "zh-hant"))
    before = inquiry_verdicts.both(lambda: _before(notice))
    return f"{before[0]} {english}".strip(), f"{before[1]}{chinese}".strip()


def _before(notice: Notification) -> str:
    if notice.state == Notification.State.PARKED:
        return _("AlipayHK has told us of it, and it waits.")
    return _("AlipayHK has told us of it, but it could not be recorded.")


def _why(notice: Notification, language: str) -> str:
    return reasons.sentence(notice.reason, {}, language) if notice.reason in reasons.REASONS else ""
