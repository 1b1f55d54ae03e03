"""Receipt files on the staff screens: send one, read what would become of each row, import it, watch it go."""

import csv
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django import db, forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from loyalty.doors import receipt_files, receipts, slips, tasks
from loyalty.doors.models import ImportJob, ImportRow
from loyalty.doors.partner_screens import MallField
from loyalty.earning import transaction_story
from loyalty.earning.models import Transaction
from pms import clock, formats, scoping, story, table_files
from pms.models import Mall
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

LISTED = 200
CHANGE = "doors.change_importjob"
TONES = {
    "CHECKING": "news", "CHECKED": "wait", "RUNNING": "news", "DONE": "good", "REFUSED": "bad", "CANCELED": "quiet",
    "FAILED": "bad",
}  # fmt: skip
FATES = {"READY": "good", "CONFLICT": "warn", "KNOWN": "quiet", "FAULTY": "bad", "RECORDED": "good"}


class FileForm(forms.Form):
    mall = MallField(label=_("Mall"), queryset=Mall.objects.none(), empty_label=None)
    file = forms.FileField(label=_("File (CSV in UTF-8, or XLSX; 200 MB at most)"), allow_empty_file=True)

    def __init__(self, *typed: Any, request: HttpRequest) -> None:
        super().__init__(*typed)
        field: Any = self.fields["mall"]
        field.queryset = scoping.malls_of(request.user).order_by("name_en")
        self.fields["file"].widget.attrs |= {"accept": ".csv,.xlsx"}


def _import(request: HttpRequest, job: ImportJob) -> object:
    if not receipts.approve(job=job, now=clock.now()):
        raise Refused(gettext("The file is not waiting to be imported."))
    _tell(request, job, tasks.import_receipts)
    return gettext("The file is being imported.")


def _cancel(_request: HttpRequest, job: ImportJob) -> object:
    if not receipts.cancel(job=job, now=clock.now()):
        raise Refused(gettext("The file was over already."))
    return gettext("Canceled. What was recorded before stays.")


@admin.register(ImportJob)
class ImportJobAdmin(RecordAdmin):
    mall_path = "mall"
    is_addable = True
    list_display = ("name", "state_pill", "mall_name", "rows_shown", "sent")
    list_select_related = ("mall__group", "asked_by")
    list_filter = ("state", ("mall", scoping.ScopedFilter))
    search_fields = ("file_name__exact",)
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("No receipt file yet. A file is checked first, and imported only when you say so.")
    deeds = (
        Deed(name="import", label=_("Import"), permission=CHANGE, do=_import,
             is_offered=lambda job: job.state == ImportJob.State.CHECKED,
             explanation=_("The good rows are recorded and earn; refused rows are left out.")),
        Deed(name="cancel", label=_("Cancel"), permission=CHANGE, do=_cancel, is_main=lambda _job: False,
             is_offered=lambda job: job.is_moving or job.state == ImportJob.State.CHECKED),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:object_id>/progress.json", self.admin_site.admin_view(self.progress_view),
                 name="doors_importjob_progress"),
            path("<int:object_id>/rows.csv", self.admin_site.admin_view(self.rows_view),
                 name="doors_importjob_rows"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = (
            FileForm(request.POST, request.FILES, request=request) if is_sent else FileForm(request=request)
        )
        accepted = self._accepted(request, form) if is_sent and form.is_valid() else None
        if accepted:
            return HttpResponseRedirect(self._address(accepted))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Import receipts"),
            "form": form, "columns": receipt_files,
        }  # fmt: skip
        return TemplateResponse(request, "admin/receipt_file.html", context)

    def _accepted(self, request: HttpRequest, form: FileForm) -> ImportJob | None:
        file = form.cleaned_data["file"]
        try:
            job, is_new = receipts.accept(
                mall=form.cleaned_data["mall"],
                file=file,
                name=file.name or "",
                by=login_of(request),
                now=clock.now(),
            )
        except FileRefused as refused:
            form.add_error("file", _refusal(refused.code, refused.detail))
            return None
        if is_new:
            self.log_addition(request, job, gettext("Sent"))
            _tell(request, job, tasks.check_receipts)
        else:
            messages.info(request, gettext("This file was sent before. Nothing was done again."))
        return job

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the file is worked on."""
        job: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": _shown(job), "transactions": job.row_count, "is_open": job.is_moving}
        return JsonResponse(shown | {"said": _said(job)})

    def rows_view(self, request: HttpRequest, object_id: int) -> StreamingHttpResponse:
        """Every row's fate, as a file that a spreadsheet opens with correct Chinese and runs nothing of."""
        job: Any = self._visible_thing(request, str(object_id))
        rows = (
            ImportRow.objects.filter(job=job).select_related("earlier", "transaction__award").order_by("line")
        )
        answer = StreamingHttpResponse(_csv(rows), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="receipts-{job.pk}.csv"'
        return answer

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/backtest.html"
        return page

    @admin.display(description=_("file"))
    def name(self, job: ImportJob) -> str:
        return job.file_name

    @admin.display(description=_("state"))
    def state_pill(self, job: ImportJob) -> str:
        return pill_by(TONES, job)

    @admin.display(description=_("mall"))
    def mall_name(self, job: ImportJob) -> str:
        return formats.name_of(job.mall)

    @admin.display(description=_("rows"))
    def rows_shown(self, job: ImportJob) -> str:
        return formats.column(formats.number(job.row_count))

    @admin.display(description=_("uploaded"))
    def sent(self, job: ImportJob) -> str:
        return formats.two_lines(formats.moment(job.asked_at), job.asked_by or "")

    def title_of(self, thing: ImportJob) -> object:
        return thing.file_name

    def pill_of(self, thing: ImportJob) -> str:
        return self.state_pill(thing)


@story.tells("doors.importjob", 10)
def progress(_request: HttpRequest, job: ImportJob) -> Panel | None:
    if not job.is_moving:
        return None
    address = reverse("admin:doors_importjob_progress", args=[job.pk])
    bar = {"transaction_count": job.row_count, "judged_count": _shown(job)}
    content = {"run": bar, "address": address, "said": _said(job)}
    return Panel(title=gettext("Progress"), template="progress", content=content)


@story.tells("doors.importjob", 20)
def summary(_request: HttpRequest, job: ImportJob) -> Panel:
    """What would become of the rows, or what became of them."""
    if job.state == ImportJob.State.REFUSED:
        return story.facts(gettext("The file was refused"), [
            (gettext("Because"), _refusal(job.refusal, job.refusal_detail)),
            (gettext("Kept"), gettext("Nothing was taken from the file.")),
        ])  # fmt: skip
    try:
        counted = receipts.counts(job)
    except db.OperationalError:
        # Half a million rows, while the database has much else to do.
        return story.facts(gettext("The rows"), [
            (gettext("Counting"), gettext("That took too long on so many rows. Load the page again.")),
            _download(job),
        ])  # fmt: skip
    rows: list[tuple[object, object]] = [
        (formats.word(fate.label), formats.big(formats.number(counted.get(fate.value, 0))))
        for fate in ImportRow.Fate
        if counted.get(fate.value)
    ]
    labels = dict(Transaction.State.choices)
    rows += [
        (f"– {formats.word(labels[state])}", formats.number(counted[f"RECORDED_{state}"]))
        for state in labels
        if counted.get(f"RECORDED_{state}")
    ]
    if job.state in (ImportJob.State.CHECKED, ImportJob.State.RUNNING):
        foreseen = formats.big(formats.points(counted["points_foreseen"]))
        rows.append((gettext("Points the good rows would get"), foreseen))
    if counted.get("RECORDED"):
        rows.append((gettext("Points given"), formats.big(formats.points(counted["points"]))))
    return story.facts(gettext("The rows"), [*rows, _download(job)])


def _download(job: ImportJob) -> tuple[object, object]:
    address = reverse("admin:doors_importjob_rows", args=[job.pk])
    return gettext("Every row"), formats.link(address, gettext("Download as CSV"))


@story.tells("doors.importjob", 30)
def faults(_request: HttpRequest, job: ImportJob) -> Panel | None:
    rows = list(ImportRow.objects.filter(job=job, fate=ImportRow.Fate.FAULTY).order_by("line")[:LISTED])
    told = [(formats.number(row.line), fault["field"], _fault(fault)) for row in rows for fault in row.faults]
    headings = [(gettext("Line"), "number"), (gettext("Field"), ""), (gettext("What is wrong"), "")]
    title = _first(gettext("Refused rows"), len(rows))
    return story.table(title, headings, told, empty="") if told else None


@story.tells("doors.importjob", 40)
def known(request: HttpRequest, job: ImportJob) -> Panel | None:
    """Rows that another door, or an earlier file, was faster with."""
    fates = [ImportRow.Fate.KNOWN, ImportRow.Fate.CONFLICT]
    found = ImportRow.objects.filter(job=job, fate__in=fates).select_related("earlier").order_by("line")
    seen = story.visible(request, Transaction).in_bulk([row.earlier_id for row in found[:LISTED]])
    told = [
        (formats.number(row.line), formats.pill(FATES[row.fate], row.get_fate_display()), _door(row),
         story.link(request, seen.get(row.earlier_id)))
        for row in found[:LISTED]
    ]  # fmt: skip
    headings = [
        (gettext("Line"), "number"), (gettext("Fate"), ""), (gettext("First through"), ""),
        (gettext("Transaction"), ""),
    ]  # fmt: skip
    return story.table(gettext("Rows recorded before"), headings, told, empty="") if told else None


@story.tells("doors.importjob", 50)
def recorded(request: HttpRequest, job: ImportJob) -> Panel | None:
    rows: QuerySet[Any] = ImportRow.objects.filter(job=job, fate=ImportRow.Fate.RECORDED).order_by("line")
    pairs = list(rows.values_list("line", "transaction_id")[:LISTED])
    seen = story.visible(request, Transaction).in_bulk([pk for _line, pk in pairs])
    told = [
        (formats.number(line), story.link(request, seen[pk]), pill_by(transaction_story.TONES, seen[pk]))
        for line, pk in pairs
        if pk in seen
    ]
    headings = [(gettext("Line"), "number"), (gettext("Transaction"), ""), (gettext("State"), "")]
    title = _first(gettext("Recorded rows"), len(pairs))
    return story.table(title, headings, told, empty="") if told else None


def _first(title: str, shown: int) -> str:
    if shown < LISTED:
        return title
    return gettext("%(title)s (the first %(count)s)") % {"title": title, "count": LISTED}


def _tell(request: HttpRequest, job: ImportJob, task: Any) -> None:
    """A worker that cannot be told finds the job by itself, within half a minute."""
    try:
        task.delay(job_id=job.pk)
    except OperationalError as error:
        log.warning("no worker could be told of receipt file %d: %s", job.pk, error)
        messages.warning(request, gettext("The worker is away; it goes on as soon as it is back."))


def _said(job: ImportJob) -> str:
    counted = {"done": formats.number(job.done_count), "rows": formats.number(job.row_count)}
    if job.state != ImportJob.State.CHECKING:
        said = gettext("%(done)s of %(rows)s rows done") % counted
    elif job.row_count:
        said = gettext("Points foreseen for %(done)s of %(rows)s rows; nothing is recorded.") % counted
    else:
        said = gettext("%(done)s rows read; nothing is recorded.") % counted
    return " · ".join([said, *_pace(job)])


def _pace(job: ImportJob) -> Iterator[str]:
    pace = receipts.pace(job)
    if pace:
        yield gettext("%(count)s rows a second") % {"count": formats.number(pace.rows_per_second)}
    if pace and pace.left:
        yield gettext("about %(span)s left") % {"span": formats.span(pace.left)}


def _shown(job: ImportJob) -> int:
    """The bar stands still while nobody knows how many rows there are."""
    return job.done_count if job.row_count else 0


def _refusal(code: str, detail: str) -> str:
    return f"{table_files.REFUSALS[code]} {detail}".strip()


def _fault(fault: dict[str, Any]) -> str:
    said = str(slips.FAULTS[fault["code"]])
    if not fault.get("line"):
        return said
    return gettext("%(said)s Line %(line)s.") % {"said": said, "line": fault["line"]}


def _door(row: ImportRow) -> str:
    earlier = row.earlier
    if earlier is None:
        return formats.NOTHING
    return formats.two_lines(formats.word(earlier.get_channel_display()), formats.moment(earlier.recorded_at))


class _Echo:
    def write(self, text: str) -> str:
        return text


def _csv(rows: QuerySet[ImportRow]) -> Iterator[str]:
    """Nothing of the file's own words is in it but fields' names, so nothing can pose as a formula."""
    writer: Any = csv.writer(_Echo())
    yield "\ufeff"
    yield writer.writerow([gettext("Line"), gettext("Fate"), gettext("Field"), gettext("What is wrong"),
                           gettext("First through"), gettext("State"), gettext("Points foreseen"),
                           gettext("Points")])  # fmt: skip
    for row in rows.iterator(chunk_size=1000):
        for cells in _cells(row):
            yield writer.writerow(cells)


def _cells(row: ImportRow) -> Iterable[list[str]]:
    door = str(row.earlier.get_channel_display()) if row.earlier else ""
    state = str(row.transaction.get_state_display()) if row.transaction else ""
    award = getattr(row.transaction, "award", None)
    points = ["" if row.points is None else str(row.points), str(award.points) if award else ""]
    for fault in row.faults or [None]:
        said = [fault["field"], _fault(fault)] if fault else ["", ""]
        yield [str(row.line), str(row.get_fate_display()), *said, door, state, *points]
