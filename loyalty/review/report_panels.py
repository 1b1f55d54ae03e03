"""The duplicates report as it is shown: its figures, its chart, its tables; the same for a short and a long one."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from loyalty.review.report_lines import Breakdown, Line
from loyalty.review.reports import Age, Report, Sums
from pms import clock, formats, story
from pms.story import Panel
from pms.today import Figure

# More lines than anybody reads on a screen; the files hold all.
MOST_LINES = 50


def figures(sums: Sums) -> list[Figure]:
    checked = _("%(different)s of %(checked)s decided by people") % {
        "different": formats.number(sums.different), "checked": formats.number(sums.checked),
    }  # fmt: skip
    return [
        Figure(label=_("Duplicates stopped"), shown=formats.number(sums.stopped),
               note=_("of %(cases)s cases") % {"cases": formats.number(sums.cases)}, tone="good"),
        Figure(label=_("HK$ saved"), shown=formats.money(sums.cents_saved), note=formats.points(sums.points_saved)),
        Figure(label=_("False positives"), shown=_share(sums), note=checked),
        Figure(label=_("Still open"), shown=formats.number(sums.waiting), tone="warn" if sums.waiting else "",
               note=_oldest(sums)),
    ]  # fmt: skip


def _oldest(sums: Sums) -> object:
    if not sums.oldest_at:
        return _("all decided")
    return formats.sentence(_("the oldest for %(age)s"), age=formats.age(sums.oldest_at))


def by_day(report: Report, since: date, until: date) -> dict[str, list[Any]]:
    """Every day of the period, days without a case too. Money in whole dollars and cents, as the axis says it."""
    days = [since + timedelta(days=at) for at in range((until - since).days + 1)]
    return _series([str(formats.day(day)) for day in days], [report.by_day.get(day, Sums()) for day in days])


def by_month(report: Report, since: date, until: date) -> dict[str, list[Any]]:
    """As `by_day`, for a period of which nobody looks at single days."""
    months: dict[str, Sums] = {}
    for at in range((until - since).days + 1):
        day = since + timedelta(days=at)
        months[f"{day:%Y-%m}"] = months.get(f"{day:%Y-%m}", Sums()) + report.by_day.get(day, Sums())
    return _series(list(months), list(months.values()))


def days_of(since: datetime, until: datetime) -> tuple[date, date]:
    """The first and the last day of a period that ends before `until`."""
    last = until - timedelta(days=1)
    return since.astimezone(clock.HONG_KONG).date(), last.astimezone(clock.HONG_KONG).date()


def _series(names: list[str], sums: Sequence[Sums]) -> dict[str, list[Any]]:
    return {
        "names": names,
        "cases": [one.cases for one in sums],
        "stopped": [one.stopped for one in sums],
        "saved": [one.cents_saved / 100 for one in sums],
    }


def open_now(ages: list[Age]) -> Panel:
    headings = [(_("Waiting for"), ""), (_("Cases"), "number"), (_("Points at stake"), "number")]
    rows = [
        (_age(age, ages), formats.number(age.cases), formats.number(age.points)) for age in ages if age.cases
    ]
    return story.table(_("Open now"), headings, rows, empty=_("No duplicate waits for a decision."))


def _age(age: Age, ages: list[Age]) -> str:
    if age.below:
        return _("up to %(span)s") % {"span": _span(age.below)}
    longest = max(one.below for one in ages if one.below)
    return _("longer than %(span)s") % {"span": _span(longest)}


def _span(length: timedelta) -> str:
    return formats.days(length.days) if length.days else formats.span(length)


def table(breakdown: Breakdown) -> Panel:
    headings = [
        (breakdown.heading, ""), (_("Cases"), "number"), (_("Stopped"), "number"), (_("Open"), "number"),
        (_("False positives"), "number"), (_("Points saved"), "number"), (_("HK$ saved"), "number"),
    ]  # fmt: skip
    rows = [_row(line) for line in breakdown.lines[:MOST_LINES]]
    panel = story.table(breakdown.title, headings, rows, empty=_("No duplicate came in these days."))
    if len(breakdown.lines) > MOST_LINES:
        panel.content["note"] = _("The first %(count)s; the files hold all.") % {"count": MOST_LINES}
    return panel


def _row(line: Line) -> tuple[object, ...]:
    sums = line.sums
    return (
        _said(line), formats.number(sums.cases), formats.number(sums.stopped),
        formats.number(sums.waiting), _share(sums), formats.number(sums.points_saved),
        formats.money(sums.cents_saved),
    )  # fmt: skip


def _said(line: Line) -> str:
    """Days as people say them; the files keep them sortable."""
    return formats.day(line.day) if line.day else formats.name_of(line)


def _share(sums: Sums) -> str:
    """Nothing is said of what nobody has checked."""
    share = sums.false_positives
    return formats.NOTHING if share is None else f"{share:.1%}"
