"""Long reports on the staff screens: asked for beside the short one, watched while they run, read and taken as files.

Who sees a run sees all malls that it tells of; to anybody else it does not exist.
"""

import logging
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from kombu.exceptions import OperationalError

from loyalty.review import report_files, report_lines, report_panels, report_runs, tasks
from loyalty.review.models import ReportRun
from loyalty.review.reports import Question
from pms import clock, formats, scoping, story
from pms.models import Mall, MallGroup
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel

log = logging.getLogger(__name__)

TONES = {"WAITING": "wait", "RUNNING": "news", "DONE": "good", "CANCELED": "quiet", "FAILED": "bad"}


def _cancel(_request: HttpRequest, run: ReportRun) -> object:
    if not report_runs.cancel(run=run, now=clock.now()):
        raise Refused(_("The report was over already."))
    return _("The report was canceled.")


@admin.register(ReportRun)
class ReportRunAdmin(RecordAdmin):
    group_path = "group"
    list_display = ("period", "malls", "state_pill", "stopped", "saved", "asked")
    list_select_related = ("asked_by",)
    search_fields = ("=asked_by__username",)
    search_help_text = gettext_lazy("User name of who asked, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = gettext_lazy(
        "No long report yet. Ask for more days than the duplicates report shows at once, and it is worked out here."
    )
    deeds = (
        Deed(
            name="cancel", label=gettext_lazy("Cancel"), permission="review.add_reportrun",
            do=_cancel, is_offered=lambda run: run.is_open, is_main=lambda _: False,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows, sight = super().get_queryset(request), scoping.sight_of(request)
        return rows if sight.is_everything else rows.filter(mall_ids__contained_by=sorted(sight.mall_ids))

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        own = [
            path("<int:object_id>/progress.json", page(self.progress_view), name="review_reportrun_progress"),
            path(
                "<int:object_id>/duplicates.<slug:kind>", page(self.file_view), name="review_reportrun_file"
            ),
        ]
        return [*own, *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the run is open."""
        run: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": run.done_count, "transactions": run.day_count, "is_open": run.is_open}
        return JsonResponse(shown | {"said": str(_said(run))})

    def file_view(self, request: HttpRequest, object_id: int, kind: str) -> HttpResponse:
        run: Any = self._visible_thing(request, str(object_id))
        if kind not in report_files.KINDS or not run.result:
            raise Http404
        since, until = report_panels.days_of(run.since_at, run.until_at)
        return report_files.answer(
            report_lines.breakdowns(report_runs.report_of(run)), kind=kind, since=since, until=until
        )

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/report_run.html"
        assert page.context_data is not None
        page.context_data |= _told(thing)
        return page

    @admin.display(description=gettext_lazy("period"))
    def period(self, run: ReportRun) -> str:
        since, until = report_panels.days_of(run.since_at, run.until_at)
        return f"{since} – {until}"

    @admin.display(description=gettext_lazy("malls"))
    def malls(self, run: ReportRun) -> str:
        return formats.number(len(run.mall_ids))

    @admin.display(description=gettext_lazy("state"))
    def state_pill(self, run: ReportRun) -> str:
        return pill_by(TONES, run)

    @admin.display(description=gettext_lazy("stopped"))
    def stopped(self, run: ReportRun) -> str:
        total = run.result.get("total")
        return formats.column(formats.number(total["stopped"]) if total else formats.NOTHING)

    @admin.display(description=gettext_lazy("HK$ saved"))
    def saved(self, run: ReportRun) -> str:
        total = run.result.get("total")
        return formats.column(formats.money(total["cents_saved"]) if total else formats.NOTHING)

    @admin.display(description=gettext_lazy("asked"))
    def asked(self, run: ReportRun) -> str:
        return formats.two_lines(formats.moment(run.asked_at), str(run.asked_by))

    def title_of(self, thing: ReportRun) -> object:
        return _("Duplicates, %(period)s") % {"period": self.period(thing)}

    def pill_of(self, thing: ReportRun) -> str:
        return self.state_pill(thing)


def start(request: HttpRequest, question: Question) -> HttpResponse:
    """A run for each mall group that is asked about; leads to its page, or to the list of several."""
    if not request.user.has_perm("review.add_reportrun"):
        raise PermissionDenied
    groups = MallGroup.objects.filter(malls__in=question.mall_ids).distinct().order_by("pk")
    runs = [_start(request, group, question) for group in groups]
    if len(runs) == 1:
        return HttpResponseRedirect(reverse("admin:review_reportrun_change", args=[runs[0].pk]))
    return HttpResponseRedirect(reverse("admin:review_reportrun_changelist"))


def _start(request: HttpRequest, group: MallGroup, question: Question) -> ReportRun:
    within = set(Mall.objects.filter(group=group, pk__in=question.mall_ids).values_list("pk", flat=True))
    about = Question(mall_ids=within, since=question.since, until=question.until, channel=question.channel)
    run = report_runs.ask(group=group, question=about, by=login_of(request), now=clock.now())
    try:
        tasks.report.delay(run_id=run.pk)
    except OperationalError as error:
        # The sweep finds it within a minute.
        log.warning("no worker could be told of long report %d: %s", run.pk, error)
        messages.warning(request, _("No worker could be told yet. The report begins as soon as one is back."))
    return run


def _told(run: ReportRun) -> dict[str, Any]:
    """What a run that is done adds to its page."""
    if not run.result:
        return {}
    report = report_runs.report_of(run)
    since, until = report_panels.days_of(run.since_at, run.until_at)
    files = [
        (kind.upper(), reverse("admin:review_reportrun_file", args=[run.pk, kind]))
        for kind in report_files.KINDS
    ]
    return {
        "figures": report_panels.figures(report.total),
        "series": report_panels.by_month(report, since, until),
        "tables": [report_panels.table(one) for one in report_lines.breakdowns(report)],
        "files": files,
    }


@story.tells("review.reportrun", 10)
def asked(_request: HttpRequest, run: ReportRun) -> Panel:
    malls = Mall.objects.filter(pk__in=run.mall_ids).order_by("tag")
    ended = [(_("As it stood on"), formats.moment(run.ended_at))] if run.result else []
    return story.facts(_("What was asked"), [
        (_("Malls"), ", ".join(formats.name_of(mall) for mall in malls)),
        (_("Channel"), run.get_channel_display() if run.channel else _("All channels")),
        (_("Asked by"), str(run.asked_by)),
        *ended,
    ])  # fmt: skip


@story.tells("review.reportrun", 20)
def progress(_request: HttpRequest, run: ReportRun) -> Panel | None:
    if run.state == ReportRun.State.DONE:
        return None
    address = reverse("admin:review_reportrun_progress", args=[run.pk]) if run.is_open else ""
    bar = {"transaction_count": run.day_count, "judged_count": run.done_count}
    return Panel(
        title=_("Progress"), template="progress", content={"run": bar, "address": address, "said": _said(run)}
    )


def _said(run: ReportRun) -> str:
    words = {
        ReportRun.State.WAITING: _("Waiting for a worker."),
        ReportRun.State.CANCELED: _("Canceled; nothing was kept of what was counted."),
        ReportRun.State.FAILED: _("It failed; nothing was kept. Ask for it again, or tell an engineer."),
    }
    counted = _("%(done)s of %(days)s days counted") % {
        "done": formats.number(run.done_count), "days": formats.number(run.day_count),
    }  # fmt: skip
    return words.get(ReportRun.State(run.state), counted)
