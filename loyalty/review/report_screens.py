"""The duplicates report on the staff screens and as a file: one period, one mall or all that the login sees.

Ops start their day here. Another mall than the login's is refused as if it did not exist.
"""

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
from loyalty.review import (
    report_files,
    report_lines,
    report_panels,
    report_run_screens,
    reports,
    spot_check_story,
    spot_checks,
)
from loyalty.review.reports import Question
from pms import clock, formats, scoping
from pms.models import Mall
from pms.records import RecordAdmin
from pms.story import Panel
from pms.today import Figure

# What is counted while somebody waits; a longer period is worked out by a worker.
AT_ONCE = timedelta(days=92)
USUAL = timedelta(days=6)
FIRST, LAST = date(2000, 1, 1), date(2099, 12, 31)
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
        return cleaned

    @property
    def is_long(self) -> bool:
        return bool(self.cleaned_data["until"] - self.cleaned_data["since"] >= AT_ONCE)

    def question(self, request: HttpRequest) -> Question:
        asked = self.cleaned_data
        malls = {asked["mall"].pk} if asked["mall"] else scoping.sight_of(request).mall_ids
        return Question(
            mall_ids=malls,
            since=midnight(asked["since"]),
            until=midnight(asked["until"]) + timedelta(days=1),
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
            path("report/long/", page(self.report_long_view), name="earning_duplicatecase_report_long"),
            path("report/duplicates.<slug:kind>", page(self.report_file_view),
                 name="earning_duplicatecase_report_file"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def report_view(self, request: HttpRequest) -> HttpResponse:
        form = self._asked(request)
        is_long = form.is_valid() and form.is_long
        told = self._told(request, form) if form.is_valid() and not is_long else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Duplicates report"),
            "form": form,
            "told": told,
            "files": _files(form) if told else [],
            "is_long": is_long,
            "whole_history": urlencode({**form.data, "since": f"{FIRST}", "until": f"{_today()}"}),
        }
        return TemplateResponse(request, "admin/report.html", context, status=200 if told or is_long else 400)

    def report_long_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        form = ReportForm(request.POST, request=request)
        if not form.is_valid():
            return HttpResponseRedirect(reverse("admin:earning_duplicatecase_report"))
        return report_run_screens.start(request, form.question(request))

    def report_file_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        form = self._asked(request)
        if kind not in report_files.KINDS or not form.is_valid():
            raise Http404
        if form.is_long:
            return HttpResponseRedirect(_address("report", form))
        try:
            lines = report_lines.breakdowns(reports.duplicates(form.question(request)))
        except OperationalError:
            # The page is as slow, and says what to do.
            return HttpResponseRedirect(_address("report", form))
        asked = form.cleaned_data
        return report_files.answer(lines, kind=kind, since=asked["since"], until=asked["until"])

    def _asked(self, request: HttpRequest) -> ReportForm:
        """What the address asks for; the last seven days when it does not say."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        usual = {"since": f"{_today() - USUAL}", "until": f"{_today()}", "mall": "", "channel": ""}
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
    tables = [report_panels.table(breakdown) for breakdown in report_lines.breakdowns(report)]
    return Told(
        figures=report_panels.figures(report.total),
        series=report_panels.by_day(report, *report_panels.days_of(question.since, question.until)),
        panels=[report_panels.open_now(ages), *tables, _precision(question)],
    )


def _precision(question: Question) -> Panel:
    """How far the verdicts that no person took can be trusted."""
    found = spot_checks.precision(
        mall_ids=question.mall_ids, since=question.since, until=question.until, channel=question.channel
    )
    return spot_check_story.precision(found)


def _files(form: ReportForm) -> list[tuple[str, str]]:
    return [(kind.upper(), _address("report_file", form, kind=kind)) for kind in report_files.KINDS]


def _address(page: str, form: ReportForm, **options: str) -> str:
    return f"{reverse(f'admin:earning_duplicatecase_{page}', kwargs=options)}?{urlencode(form.data)}"


def _today() -> date:
    return clock.now().astimezone(clock.HONG_KONG).date()


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.HONG_KONG)
