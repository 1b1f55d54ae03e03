"""Receipt files on the staff screens: what would become of each row, the import, and what became of them."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django import db
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.doors import file_screens, receipt_files, receipts, slips, tasks
from loyalty.doors.file_screens import LISTED, FileAdmin
from loyalty.doors.models import ImportJob, ImportRow
from loyalty.earning import transaction_story
from loyalty.earning.models import Transaction
from pms import clock, formats, story
from pms.records import Deed, Refused, pill_by
from pms.story import Panel

CHANGE = "doors.change_importjob"
TONES = {
    "CHECKING": "news", "CHECKED": "wait", "RUNNING": "news", "DONE": "good", "REFUSED": "bad", "CANCELED": "quiet",
    "FAILED": "bad",
}  # fmt: skip
FATES = {"READY": "good", "CONFLICT": "warn", "KNOWN": "quiet", "FAULTY": "bad", "RECORDED": "good"}


def _import(request: HttpRequest, job: ImportJob) -> object:
    if not receipts.approve(job=job, now=clock.now()):
        raise Refused(gettext("The file is not waiting to be imported."))
    file_screens.tell(request, job, tasks.import_receipts)
    return gettext("The file is being imported.")


def _cancel(_request: HttpRequest, job: ImportJob) -> object:
    if not receipts.cancel(job=job, now=clock.now()):
        raise Refused(gettext("The file was over already."))
    return gettext("Canceled. What was recorded before stays.")


@admin.register(ImportJob)
class ImportJobAdmin(FileAdmin):
    tones = TONES
    form_page = "admin/receipt_file.html"
    task = tasks.check_receipts
    list_display = ("name", "state_pill", "mall_name", "rows_shown", "sent")
    empty_words = _("No receipt file yet. A file is checked first, and imported only when you say so.")
    deeds = (
        Deed(name="import", label=_("Import"), permission=CHANGE, do=_import,
             is_offered=lambda job: job.state == ImportJob.State.CHECKED,
             explanation=_("The good rows are recorded and earn; refused rows are left out.")),
        Deed(name="cancel", label=_("Cancel"), permission=CHANGE, do=_cancel, is_main=lambda _job: False,
             is_offered=lambda job: job.is_moving or job.state == ImportJob.State.CHECKED),
    )  # fmt: skip

    def accept(self, **sent: Any) -> tuple[ImportJob, bool]:
        return receipts.accept(**sent)

    def form_content(self) -> dict[str, object]:
        return {"title": gettext("Import receipts"), "columns": receipt_files}

    def said(self, file: ImportJob) -> str:
        return _said(file)

    def judged(self, file: ImportJob) -> int:
        """The bar stands still while nobody knows how many rows there are."""
        return file.done_count if file.row_count else 0

    def get_urls(self) -> list[URLPattern]:
        return [self.own_url("rows.csv", self.rows_view), *super().get_urls()]

    def rows_view(self, request: HttpRequest, object_id: int) -> StreamingHttpResponse:
        """Every row's fate, as a file that a spreadsheet opens with correct Chinese and runs nothing of."""
        job: Any = self._visible_thing(request, str(object_id))
        rows = (
            ImportRow.objects.filter(job=job).select_related("earlier", "transaction__award").order_by("line")
        )
        answer = StreamingHttpResponse(_csv(rows), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="receipts-{job.pk}.csv"'
        return answer

    def title_of(self, thing: ImportJob) -> object:
        return thing.file_name


story.tells("doors.importjob", 10)(file_screens.progress)


@story.tells("doors.importjob", 20)
def summary(_request: HttpRequest, job: ImportJob) -> Panel:
    """What would become of the rows, or what became of them."""
    if job.state == ImportJob.State.REFUSED:
        return file_screens.refused(job)
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
    return file_screens.faults(_first(gettext("Refused rows"), len(rows)), rows, _fault)


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
