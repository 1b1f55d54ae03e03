"""Providers' daily files on the staff screens: the four ways to differ from the ledger, and their money."""

import logging
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from loyalty.doors import file_screens, provider_columns, provider_files, tasks
from loyalty.doors.file_screens import LISTED, FileAdmin
from loyalty.review import finding_screens, reconciliation
from loyalty.review.models import Finding, ProviderRow, Reconciliation
from pms import formats, story
from pms.records import Deed, Refused, pill_by
from pms.story import Panel

log = logging.getLogger(__name__)

CHANGE = "review.change_reconciliation"
TONES = {"READING": "news", "DONE": "good", "REPLACED": "quiet", "REFUSED": "bad", "FAILED": "bad"}
FIGURES = {
    "PAID_NOT_AWARDED": "warn", "AWARDED_NOT_PAID": "bad", "REFUNDED_NOT_CLAWED_BACK": "bad", "AMOUNT_DIFFERS": "warn",
}  # fmt: skip


def _again(_request: HttpRequest, file: Reconciliation) -> object:
    try:
        tasks.compare_again.delay(job_id=file.pk)
    except OperationalError as error:
        log.warning("no worker could be told to compare %d again: %s", file.pk, error)
        raise Refused(gettext("The worker is away. Nothing was compared; try again.")) from error
    return gettext("It is being compared with the ledger as it is now. Load the page again in a moment.")


@admin.register(Reconciliation)
class ReconciliationAdmin(FileAdmin):
    screen_name = _("Reconciliation")
    tones = TONES
    form_page = "admin/asking.html"
    task = tasks.reconcile
    list_display = ("name", "days", "state_pill", "mall_name", "rows_shown", "open_shown", "sent")
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

    def accept(self, **sent: Any) -> tuple[Reconciliation, bool]:
        return provider_files.accept(**sent)

    def form_content(self) -> dict[str, object]:
        return {"title": gettext("Reconcile a day"), "button": gettext("Compare"), "intro": _intro()}

    def said(self, file: Reconciliation) -> str:
        rows = formats.number(file.done_count)
        return gettext("%(count)s rows read; then they are compared.") % {"count": rows}

    def get_urls(self) -> list[URLPattern]:
        return [self.own_url("findings.csv", self.findings_view), *super().get_urls()]

    def findings_view(self, request: HttpRequest, object_id: int) -> StreamingHttpResponse:
        file: Any = self._visible_thing(request, str(object_id))
        found = Finding.objects.filter(reconciliation=file).exclude(state=Finding.State.GONE)
        return finding_screens.as_csv(found, f"differences-{file.pk}.csv")

    @admin.display(description=_("day"))
    def days(self, file: Reconciliation) -> str:
        return _days(file)

    @admin.display(description=_("open differences"))
    def open_shown(self, file: Reconciliation) -> str:
        return formats.column(formats.number(file.open_count))  # type: ignore[attr-defined]  # annotated

    def title_of(self, thing: Reconciliation) -> object:
        return gettext("Reconciliation of %(day)s") % {"day": _days(thing)}


story.tells("review.reconciliation", 10)(file_screens.progress)


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
        return file_screens.refused(file)
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
    faulty = ProviderRow.objects.filter(reconciliation=file, kind=ProviderRow.Kind.FAULTY)
    title = gettext("Refused rows (the first %(count)s)") % {"count": LISTED}
    return file_screens.faults(title, faulty.order_by("line")[:LISTED], _fault)


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


def _days(file: Reconciliation) -> str:
    if file.business_date is None:
        return formats.NOTHING
    return " – ".join(dict.fromkeys(f"{day}" for day in (file.business_date, file.last_date)))


def _fault(fault: dict[str, Any]) -> str:
    line = f" ({fault['line']})" if fault.get("line") else ""
    return f"{provider_columns.FAULTS[fault['code']]}{line}"
