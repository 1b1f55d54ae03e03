"""The duplicates report on the staff screens and as a file: one period, one mall or all that the login sees.

Ops start their day here. Another mall than the login's is refused as if it did not exist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.earning.models import Transaction
from loyalty.review import report_files, report_lines, reports
from loyalty.review.report_lines import Breakdown, Line
from loyalty.review.reports import Age, Question, Report, Sums
from pms import clock, formats, scoping, story
from pms.models import Mall
from pms.records import RecordAdmin
from pms.story import Panel
from pms.today import Figure

LONGEST = timedelta(days=366)
USUAL = timedelta(days=6)
FIRST, LAST = date(2000, 1, 1), date(2099, 12, 31)
# More lines than anybody reads on a screen; the files hold all.
MOST_LINES = 50
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES: dict[str, tuple[str, Callable[[Sequence[Breakdown]], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", report_files.as_csv),
    "xlsx": (XLSX, report_files.as_xlsx),
}

if TYPE_CHECKING:
    BaseAdmin = RecordAdmin
else:
    BaseAdmin = object


class ReportForm(forms.Form):
    """Days in Hong Kong, both included; a mall and a channel, or all."""

    since = forms.DateField(
        label=gettext_lazy("From"),
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[MinValueValidator(FIRST)],
    )
    until = forms.DateField(
        label=gettext_lazy("To"),
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[MaxValueValidator(LAST)],
    )
    mall = forms.ModelChoiceField(
        label=gettext_lazy("Mall"), queryset=Mall.objects.none(), required=False, empty_label=gettext_lazy("All malls")
    )  # fmt: skip
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"),
        choices=[("", gettext_lazy("All channels")), *Transaction.Channel.choices],
        required=False,
    )

    def __init__(self, *arguments: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*arguments, **options)
        field: Any = self.fields["mall"]
        field.queryset = scoping.malls_of(request.user).order_by("tag")
        field.label_from_instance = formats.name_of

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("The last day is before the first."))
        elif since and until and until - since >= LONGEST:
            self.add_error("until", _("A report covers at most one year."))
        return cleaned

    def question(self, request: HttpRequest) -> Question:
        asked = self.cleaned_data
        malls = {asked["mall"].pk} if asked["mall"] else scoping.sight_of(request).mall_ids
        return Question(
            mall_ids=malls,
            since=_midnight(asked["since"]),
            until=_midnight(asked["until"]) + timedelta(days=1),
            channel=asked["channel"],
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """A report as it is shown."""

    figures: list[Figure]
    series: dict[str, list[Any]]
    panels: list[Panel]


class ReportPages(BaseAdmin):
    """What the duplicate desk gains: the report, as a page and as two kinds of file."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        own = [
            path("report/", page(self.report_view), name="earning_duplicatecase_report"),
            path("report/duplicates.<slug:kind>", page(self.report_file_view),
                 name="earning_duplicatecase_report_file"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def report_view(self, request: HttpRequest) -> HttpResponse:
        form = self._asked(request)
        told = self._told(request, form) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Duplicates report"),
            "form": form,
            "told": told,
            "files": _files(form) if told else [],
        }
        return TemplateResponse(request, "admin/report.html", context, status=200 if told else 400)

    def report_file_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        form = self._asked(request)
        if kind not in FILES or not form.is_valid():
            raise Http404
        content_type, written = FILES[kind]
        try:
            lines = report_lines.breakdowns(reports.duplicates(form.question(request)))
        except OperationalError:
            # The page is as slow, and says what to do.
            return HttpResponseRedirect(_address("report", form))
        name = f"duplicates-{form.cleaned_data['since']}-{form.cleaned_data['until']}.{kind}"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(written(lines), content_type=content_type, headers=disposition)

    def _asked(self, request: HttpRequest) -> ReportForm:
        """What the address asks for; the last seven days when it does not say."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        today = clock.now().astimezone(clock.HONG_KONG).date()
        usual = {"since": f"{today - USUAL}", "until": f"{today}", "mall": "", "channel": ""}
        return ReportForm({name: request.GET.get(name, usual[name]) for name in usual}, request=request)

    def _told(self, request: HttpRequest, form: ReportForm) -> Told | None:
        try:
            return _tell(form.question(request), now=clock.now())
        except OperationalError:
            form.add_error(None, _("That took too long on so many rows. Choose fewer days."))
            return None


def _tell(question: Question, *, now: datetime) -> Told:
    report = reports.duplicates(question)
    ages = reports.open_ages(mall_ids=question.mall_ids, channel=question.channel, now=now)
    tables = [_table(breakdown) for breakdown in report_lines.breakdowns(report)]
    return Told(
        figures=_figures(report.total), series=_series(report, question), panels=[_open(ages), *tables]
    )


def _figures(sums: Sums) -> list[Figure]:
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


def _series(report: Report, question: Question) -> dict[str, list[Any]]:
    """Every day of the period, days without a case too. Money in whole dollars and cents, as the axis says it."""
    first = question.since.astimezone(clock.HONG_KONG).date()
    days = [first + timedelta(days=at) for at in range((question.until - question.since).days)]
    sums = [report.by_day.get(day, Sums()) for day in days]
    return {
        "names": [str(formats.day(day)) for day in days],
        "cases": [one.cases for one in sums],
        "stopped": [one.stopped for one in sums],
        "saved": [one.cents_saved / 100 for one in sums],
    }


def _open(ages: list[Age]) -> Panel:
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


def _table(breakdown: Breakdown) -> Panel:
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


def _files(form: ReportForm) -> list[tuple[str, str]]:
    return [(kind.upper(), _address("report_file", form, kind=kind)) for kind in FILES]


def _address(page: str, form: ReportForm, **options: str) -> str:
    return f"{reverse(f'admin:earning_duplicatecase_{page}', kwargs=options)}?{urlencode(form.data)}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.HONG_KONG)
