"""The front page's figures of cards and waiting messages, and how fast payments became points and cards."""

from collections.abc import Sequence

from django.db.models import F, OuterRef, Q, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from alipayhk.models import Notification, PassCall, PassUpdate
from pms import formats, scoping, today
from pms.today import Day, Figure, Latency, Part

LATEST = 200
MOST = 1000
NEEDS_A_PERSON = Q(state=Notification.State.PARKED) | Q(state=Notification.State.CONFLICT, is_confirmed=False)


@today.source(30)
def deliveries(request: HttpRequest, day: Day) -> Part:
    figures = []
    if request.user.has_perm("alipayhk.view_passupdate"):
        figures.append(_cards_behind(request))
    if not request.user.has_perm("alipayhk.view_notification"):
        return Part(figures=figures)
    figures.append(_waiting(request))
    return Part(figures=figures, latencies=_latencies(request, day))


def _cards_behind(request: HttpRequest) -> Figure:
    groups = scoping.sight_of(request).group_ids
    open_ones = PassUpdate.objects.filter(Q(due_at__isnull=False) | Q(dead_at__isnull=False))
    behind = open_ones.filter(wallet_pass__program__group__in=groups)
    dead = behind.filter(dead_at__isnull=False)[:MOST].count()
    count = behind.filter(Q(acknowledged_version=None) | Q(acknowledged_version__lt=F("wanted_version")))[
        :MOST
    ].count()
    note = _("%(count)s given up on") % {"count": formats.number(dead)} if dead else _("none given up on")
    address = reverse("admin:alipayhk_passupdate_changelist")
    return Figure(
        label=_("Cards behind"), shown=_bounded(count), note=note, address=address, tone="bad" if dead else ""
    )


def _waiting(request: HttpRequest) -> Figure:
    rows = Notification.objects.filter(NEEDS_A_PERSON, mall__in=scoping.sight_of(request).mall_ids)
    oldest = rows.order_by("received_at").values_list("received_at", flat=True).first()
    note = (
        _("nothing needs you")
        if oldest is None
        else formats.sentence(_("oldest %(age)s"), age=formats.age(oldest))
    )
    address = reverse("admin:alipayhk_notification_changelist")
    count = rows.order_by()[:MOST].count()
    return Figure(
        label=_("Waiting"), shown=_bounded(count), note=note, address=address, tone="warn" if count else ""
    )


def _latencies(request: HttpRequest, day: Day) -> Sequence[Latency]:
    """Over the latest payments of today, from three times that stand on the rows anyway."""
    malls = scoping.sight_of(request).mall_ids
    followed = PassCall.objects.filter(
        update__wallet_pass=OuterRef("transaction__wallet_pass"), outcome=PassCall.Outcome.DONE,
        called_at__gte=OuterRef("judged_at"),
    )  # fmt: skip
    first = followed.order_by("called_at").values("called_at")[:1]
    length = followed.order_by("called_at").values("duration_ms")[:1]
    latest = Notification.objects.filter(
        mall__in=malls, received_at__gte=day.start, kind=Notification.Kind.BILL, judged_at__isnull=False,
        transaction__award__points__gt=0,
    ).order_by("-received_at")[:LATEST]  # fmt: skip
    times = latest.annotate(first=Subquery(first), length=Subquery(length)).values_list(
        "transaction__paid_at", "transaction__award__awarded_at", "first", "length"
    )
    rows = [(paid, awarded, called, length_ms) for paid, awarded, called, length_ms in times]
    to_points = [max((awarded - paid).total_seconds(), 0) for paid, awarded, _called, _length in rows]
    to_card = [
        (called - awarded).total_seconds() + length_ms / 1000
        for _paid, awarded, called, length_ms in rows
        if called is not None and called >= awarded
    ]
    return [
        Latency(label=_("Payment to points"), seconds=to_points),
        Latency(label=_("Points to card"), seconds=to_card),
    ]


def _bounded(count: int) -> str:
    return f"{MOST:,}+" if count >= MOST else formats.number(count)
