"""Providers' daily files on the staff screens: send one, watch it go, see the four ways to differ and their money."""

import logging
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from loyalty.doors import provider_columns, provider_files, tasks
from loyalty.doors.receipt_screens import FileForm
from loyalty.review import finding_screens, reconciliation
from loyalty.review.models import Finding, ProviderRow, Reconciliation
from pms import clock, formats, scoping, story, table_files
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

LISTED = 200
CHANGE = "review.change_reconciliation"
TONES = {"READING": "news", "DONE": "good", "REPLACED": "quiet", "REFUSED": "bad", "FAILED": "bad"}
FIGURES = {
    "PAID_NOT_AWARDED": "warn", "AWARDED_NOT_PAID": "bad", "REFUNDED_NOT_CLAWED_BACK": "bad", "AMOUNT_DIFFERS": "warn",
}  # fmt: skip


class ProviderFileForm(FileForm):
    """The same questions as for receipts."""

    field_order = ("mall", "file")


def _again(_request: HttpRequest, file: Reconciliation) -> object:
    try:
        tasks.compare_again.delay(job_id=file.pk)
    except OperationalError as error:
        log.warning("no worker could be told to compare %d again: %s", file.pk, error)
        raise Refused(gettext("The worker is away. Nothing was compared; try again.")) from error
    return gettext("It is being compared with the ledger as it is now. Load the page again in a moment.")


@admin.register(Reconciliation)
class ReconciliationAdmin(RecordAdmin):
    screen_name = _("Reconciliation")
    mall_path = "mall"
    is_addable = True
    list_display = ("name", "days", "state_pill", "mall_name", "rows_shown", "open_shown", "sent")
    list_select_related = ("mall__group", "asked_by")
    list_filter = ("state", ("mall", scoping.ScopedFilter))
    search_fields = ("file_name__exact",)
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _(
        "No file yet. Upload the provider's daily file: it is compared with the ledger, and no point moves by itself."
    )
    deeds = (
        Deed(name="again", label=_("Compare again"), permission=CHANGE, do=_again,
             is_offered=lambda file: file.state == Reconciliation.State.DONE,
             explanation=_("With the ledger as it is now; decisions stay.")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        is_open = Q(findings__state=Finding.State.OPEN)
        return super().get_queryset(request).annotate(open_count=Count("findings", filter=is_open))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path(
                "<int:object_id>/progress.json",
                view(self.progress_view),
                name="review_reconciliation_progress",
            ),
            path(
                "<int:object_id>/findings.csv",
                view(self.findings_view),
                name="review_reconciliation_findings",
            ),
        ]
        return [*own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = (
            ProviderFileForm(request.POST, request.FILES, request=request)
            if is_sent
            else ProviderFileForm(request=request)
        )
        accepted = self._accepted(request, form) if is_sent and form.is_valid() else None
        if accepted:
            return HttpResponseRedirect(self._address(accepted))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Reconcile a day"),
            "form": form, "button": gettext("Compare"), "intro": _intro(),
        }  # fmt: skip
        return TemplateResponse(request, "admin/asking.html", context)

    def _accepted(self, request: HttpRequest, form: forms.Form) -> Reconciliation | None:
        file = form.cleaned_data["file"]
        try:
            kept, is_new = provider_files.accept(
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
            self.log_addition(request, kept, gettext("Sent"))
            _tell(request, kept)
        else:
            messages.info(request, gettext("This file was sent before. Nothing was done again."))
        return kept

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the file is worked on."""
        file: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": file.done_count, "transactions": file.row_count, "is_open": file.is_moving}
        return JsonResponse(shown | {"said": _said(file)})

    def findings_view(self, request: HttpRequest, object_id: int) -> StreamingHttpResponse:
        file: Any = self._visible_thing(request, str(object_id))
        found = Finding.objects.filter(reconciliation=file).exclude(state=Finding.State.GONE)
        return finding_screens.as_csv(found, f"differences-{file.pk}.csv")

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/backtest.html"
        return page

    @admin.display(description=_("file"))
    def name(self, file: Reconciliation) -> str:
        return file.file_name

    @admin.display(description=_("day"))
    def days(self, file: Reconciliation) -> str:
        return _days(file)

    @admin.display(description=_("state"))
    def state_pill(self, file: Reconciliation) -> str:
        return pill_by(TONES, file)

    @admin.display(description=_("mall"))
    def mall_name(self, file: Reconciliation) -> str:
        return formats.name_of(file.mall)

    @admin.display(description=_("rows"))
    def rows_shown(self, file: Reconciliation) -> str:
        return formats.column(formats.number(file.row_count))

    @admin.display(description=_("open differences"))
    def open_shown(self, file: Reconciliation) -> str:
        return formats.column(formats.number(file.open_count))  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("uploaded"))
    def sent(self, file: Reconciliation) -> str:
        return formats.two_lines(formats.moment(file.asked_at), file.asked_by or "")

    def title_of(self, thing: Reconciliation) -> object:
        return gettext("Reconciliation of %(day)s") % {"day": _days(thing)}

    def pill_of(self, thing: Reconciliation) -> str:
        return self.state_pill(thing)


@story.tells("review.reconciliation", 10)
def progress(_request: HttpRequest, file: Reconciliation) -> Panel | None:
    if not file.is_moving:
        return None
    address = reverse("admin:review_reconciliation_progress", args=[file.pk])
    bar = {"transaction_count": file.row_count, "judged_count": file.done_count}
    content = {"run": bar, "address": address, "said": _said(file)}
    return Panel(title=gettext("Progress"), template="progress", content=content)


@story.tells("review.reconciliation", 20)
def classes(_request: HttpRequest, file: Reconciliation) -> Panel | None:
    """The four ways to differ, each a door to its list."""
    if file.business_date is None or file.is_moving:
        return None
    figures = [_figure(file, one) for one in reconciliation.sums(file)]
    return Panel(title=gettext("What differs"), template="figures", content={"figures": figures})


def _figure(file: Reconciliation, one: reconciliation.Sums) -> dict[str, object]:
    listed = reverse("admin:review_finding_changelist")
    day = f"&day={file.business_date}" if file.business_date == file.last_date else ""
    return {
        "label": formats.word(Finding.Kind(one.kind).label),
        "number": formats.number(one.count),
        "note": f"{formats.money(one.cents)} · {formats.points(one.points)}",
        "tone": FIGURES[one.kind] if one.count else "good",
        "address": f"{listed}?show=all&kind__exact={one.kind}&mall__id__exact={file.mall_id}{day}",
    }


@story.tells("review.reconciliation", 30)
def summary(_request: HttpRequest, file: Reconciliation) -> Panel:
    if file.state == Reconciliation.State.REFUSED:
        return story.facts(gettext("The file was refused"), [
            (gettext("Because"), _refusal(file.refusal, file.refusal_detail)),
            (gettext("Kept"), gettext("Nothing was taken from the file.")),
        ])  # fmt: skip
    counted = reconciliation.counts(file)
    labels = {
        "payment": gettext("Payments"), "awarded": gettext("– awarded"),
        "no_points_by_the_rules": gettext("– no points by the rules"),
        "not_in_the_ledger": gettext("– not in the ledger"), "refund": gettext("Refunds"),
        "cancel": gettext("Cancellations"), "ignored": gettext("Did not succeed"), "faulty": gettext("Cannot be read"),
    }  # fmt: skip
    rows: list[tuple[object, object]] = [
        (gettext("Mall"), formats.name_of(file.mall)),
        (gettext("File"), file.file_name),
        (gettext("Merchant ID"), formats.identifier(file.merchant_id) if file.merchant_id else ""),
        *((words, formats.number(counted[name])) for name, words in labels.items() if counted[name]),
    ]
    if file.state == Reconciliation.State.DONE:
        address = reverse("admin:review_reconciliation_findings", args=[file.pk])
        rows.append((gettext("Differences"), formats.link(address, gettext("Download as CSV"))))
    return story.facts(gettext("The file"), rows, is_short=True)


@story.tells("review.reconciliation", 40)
def faults(_request: HttpRequest, file: Reconciliation) -> Panel | None:
    rows = ProviderRow.objects.filter(reconciliation=file, kind=ProviderRow.Kind.FAULTY).order_by("line")[
        :LISTED
    ]
    told = [(formats.number(row.line), fault["field"], _fault(fault)) for row in rows for fault in row.faults]
    headings = [(gettext("Line"), "number"), (gettext("Field"), ""), (gettext("What is wrong"), "")]
    title = gettext("Refused rows (the first %(count)s)") % {"count": LISTED}
    return story.table(title, headings, told, empty="") if told else None


@story.tells("review.reconciliation", 50)
def found(request: HttpRequest, file: Reconciliation) -> Panel | None:
    """The first differences, largest first."""
    seen = story.visible(request, Finding).filter(reconciliation=file).exclude(state=Finding.State.GONE)
    told = [
        (finding_screens.kind_pill(one.kind), story.link(request, one, one.number),
         formats.money(one.cents, one.currency), formats.signed(one.points), pill_by(finding_screens.TONES, one))
        for one in seen.order_by("-cents", "pk")[:LISTED]
    ]  # fmt: skip
    headings = [
        (gettext("What differs"), ""), (gettext("Bill number"), ""), (gettext("Difference"), "number"),
        (gettext("Points"), "number"), (gettext("State"), ""),
    ]  # fmt: skip
    title = gettext("The largest differences (the first %(count)s)") % {"count": LISTED}
    return story.table(title, headings, told, empty="") if told else None


def _tell(request: HttpRequest, file: Reconciliation) -> None:
    """A worker that cannot be told finds it by itself, within half a minute."""
    try:
        tasks.reconcile.delay(job_id=file.pk)
    except OperationalError as error:
        log.warning("no worker could be told of reconciliation %d: %s", file.pk, error)
        messages.warning(request, gettext("The worker is away; it goes on as soon as it is back."))


def _intro() -> list[str]:
    columns = ", ".join(provider_columns.SHOWN)
    return [
        gettext(
            "The provider's transaction file of a day, as published. It is compared with the ledger; no point moves "
            "before a repair is asked for and approved. The same file again changes nothing."
        ),
        gettext("Columns it needs: %(columns)s. Other headings can be named under Settings.")
        % {"columns": columns},
    ]


def _said(file: Reconciliation) -> str:
    return gettext("%(count)s rows read; then they are compared.") % {
        "count": formats.number(file.done_count)
    }


def _days(file: Reconciliation) -> str:
    if file.business_date is None:
        return formats.NOTHING
    return " – ".join(dict.fromkeys(f"{day}" for day in (file.business_date, file.last_date)))


def _refusal(code: str, detail: str) -> str:
    return f"{table_files.REFUSALS[code]} {detail}".strip() if code else ""


def _fault(fault: dict[str, Any]) -> str:
    line = f" ({fault['line']})" if fault.get("line") else ""
    return f"{provider_columns.FAULTS[fault['code']]}{line}"
