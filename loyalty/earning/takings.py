"""The front page's figures of payments and points, and the chart of both by hour."""

from typing import Any, TypedDict

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import ExtractHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty.earning.models import Transaction
from pms import clock, formats, scoping, today
from pms.today import Day, Figure, Part


class Hour(TypedDict):
    payments: int
    points: int
    cents: int


@today.source(10)
def takings(request: HttpRequest, day: Day) -> Part:
    if not request.user.has_perm("earning.view_transaction"):
        return Part()
    now, before = _hours(request, day), _hours(request, day.before)
    return Part(figures=_figures(now, before, day), chart=_chart(now, before, day))


def _hours(request: HttpRequest, day: Day) -> dict[int, Hour]:
    """One look at the day's slice of the index on mall and time."""
    malls = scoping.sight_of(request).mall_ids
    rows = Transaction.objects.filter(mall__in=malls, paid_at__gte=day.start, paid_at__lte=day.now)
    hours = rows.annotate(hour=ExtractHour("paid_at", tzinfo=clock.HONG_KONG))
    summed = hours.values("hour").annotate(
        payments=Count("pk"), points=Sum("award__points", default=0), cents=Sum("amount_cents")
    )
    corrected = _corrected(hours)
    return {
        row["hour"]: Hour(
            payments=row["payments"], points=row["points"] + corrected.get(row["hour"], 0), cents=row["cents"]
        )
        for row in summed
    }


def _corrected(hours: QuerySet[Any, Any]) -> dict[int, int]:
    """Points that decisions of staff took back or gave since."""
    found = hours.filter(corrections__isnull=False).values_list("hour")
    return dict(found.annotate(points=Sum("corrections__points", default=0)))


def _figures(now: dict[int, Hour], before: dict[int, Hour], day: Day) -> list[Figure]:
    address = reverse("admin:earning_transaction_changelist") + "?day=today"
    payments, former_payments = (sum(hour["payments"] for hour in hours.values()) for hours in (now, before))
    points, former_points = (sum(hour["points"] for hour in hours.values()) for hours in (now, before))
    return [
        Figure(label=_("Payments"), shown=formats.number(payments),
               note=today.compared(payments, former_payments, day), address=address),
        Figure(label=_("Points given"), shown=formats.number(points),
               note=today.compared(points, former_points, day), address=address),
    ]  # fmt: skip


def _chart(now: dict[int, Hour], before: dict[int, Hour], day: Day) -> dict[str, list[int | None]]:
    """Hours to come are empty, not zero."""
    hours = list(range(24))
    last = day.now.astimezone(clock.HONG_KONG).hour
    nothing = Hour(payments=0, points=0, cents=0)
    return {
        "hours": [*hours],
        "payments": [now.get(hour, nothing)["payments"] if hour <= last else None for hour in hours],
        "points": [now.get(hour, nothing)["points"] if hour <= last else None for hour in hours],
        "before": [before.get(hour, nothing)["payments"] if hour <= last else None for hour in hours],
    }
