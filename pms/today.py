"""The front page: figures of today against the same weekday a week ago, what waits, a chart, how fast it went.

Each layer adds what it knows (`@today.source(order)`); this module only gathers. Costs a bounded look at one day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from pms import clock, formats, scoping, sidebar

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Day:
    """Today so far; the same stretch a week ago is `before`."""

    start: datetime
    now: datetime

    @property
    def before(self) -> "Day":
        return Day(self.start - WEEK, self.now - WEEK)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`note` compares, or says how old the oldest is. A figure without an address is not a link."""

    label: object
    shown: str
    note: object = ""
    tone: str = ""
    address: str | None = None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one step took over the latest payments, in seconds; empty when there were none."""

    label: object
    seconds: Sequence[float]

    @property
    def p50(self) -> str:
        return _seconds(self.seconds, 50)

    @property
    def p95(self) -> str:
        return _seconds(self.seconds, 95)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one layer adds."""

    figures: Sequence[Figure] = ()
    latencies: Sequence[Latency] = ()
    chart: dict[str, Any] = field(default_factory=dict)
    queues: Sequence["Queue"] = ()


@dataclass(frozen=True, kw_only=True)
class Queue:
    label: object
    count: str
    oldest: object
    address: str


@dataclass(frozen=True, kw_only=True)
class Today:
    figures: list[Figure]
    latencies: list[Latency]
    chart: dict[str, Any]
    queues: list[Queue]
    now: datetime


Source = Callable[[HttpRequest, Day], Part]
_sources: list[tuple[int, Source]] = []


def source(order: int) -> Callable[[Source], Source]:
    def register(found: Source) -> Source:
        _sources.append((order, found))
        return found

    return register


def of(request: HttpRequest, site: admin.AdminSite) -> Today:
    day = day_of(clock.now())
    parts = [found(request, day) for _order, found in sorted(_sources, key=lambda pair: pair[0])]
    return Today(
        figures=[figure for part in parts for figure in part.figures],
        latencies=[latency for part in parts for latency in part.latencies],
        chart={name: series for part in parts for name, series in part.chart.items()},
        queues=[*_queues(request, site), *(line for part in parts for line in part.queues)],
        now=day.now,
    )


def day_of(now: datetime) -> Day:
    midnight = datetime.combine(timezone.localtime(now, clock.HONG_KONG), time(), clock.HONG_KONG)
    return Day(midnight, now)


def compared(value: int, before: int, day: Day) -> str:
    """`+8% on last Saturday`."""
    weekday = date_format(timezone.localtime(day.before.now, clock.HONG_KONG), "l")
    if not before:
        return _("none last %(weekday)s by now") % {"weekday": weekday}
    change = f"{round(100 * (value - before) / before):+,}%".replace("-", "−")
    return _("%(change)s on last %(weekday)s") % {"change": change, "weekday": weekday}


def _queues(request: HttpRequest, site: admin.AdminSite) -> list[Queue]:
    screens = [screen for screen in scoping.admins(site, request) if screen.open_since]
    queues = [_queue(request, screen) for screen in screens]
    return [queue for queue in queues if queue]


def _queue(request: HttpRequest, screen: scoping.ScopedModelAdmin) -> Queue | None:
    rows = screen.open_rows(screen.get_queryset(request)).order_by(screen.open_since)
    oldest = rows.values_list(screen.open_since, flat=True).first()
    if oldest is None:
        return None
    return Queue(
        label=screen.screen_name or screen.opts.verbose_name_plural,
        count=sidebar.words(sidebar.waiting(request, screen)),
        oldest=formats.age(oldest),
        address=reverse(f"admin:{screen.opts.app_label}_{screen.opts.model_name}_changelist"),
    )


def _seconds(seconds: Sequence[float], percent: int) -> str:
    if not seconds:
        return formats.NOTHING
    found = sorted(seconds)[min(len(seconds) * percent // 100, len(seconds) - 1)]
    return f"{found * 1000:.0f} ms" if found < 1 else f"{found:.1f} s"
