"""What providers' files and the ledger disagree on: a queue, a page each, repairs asked for one by one or together."""

import csv
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import Transaction
from loyalty.review import reconciliation, report_files
from loyalty.review.adjustment_screens import ADD, BUSY, found_member, said_no, tried
from loyalty.review.adjustments import LONGEST_NOTE, AdjustmentRefused
from loyalty.review.models import AdjustmentRequest, Finding
from loyalty.review.repairs import RepairRefused
from members.models import Member
from pms import clock, formats, scoping, story
from pms.filters import OpenFilter, day_of
from pms.models import Store
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel

CHANGE = "review.change_finding"
TONES = {"OPEN": "warn", "REQUESTED": "wait", "REPAIRED": "good", "DISMISSED": "quiet", "GONE": "quiet"}
KIND_TONES = {
    "PAID_NOT_AWARDED": "warn", "AWARDED_NOT_PAID": "bad", "REFUNDED_NOT_CLAWED_BACK": "bad", "AMOUNT_DIFFERS": "warn",
}  # fmt: skip
MOST_AT_ONCE = 500
# Of a number in a cell that a spreadsheet takes for a figure; it shows longer ones as powers of ten.
DIGITS_KEPT = 11


class StoreChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # Django's own class is not generic at runtime
    def label_from_instance(self, obj: Store) -> str:
        return f"{formats.name_of(obj)} · {obj.code or obj.pms_label}"


class RepairForm(forms.Form):
    member = forms.CharField(
        label=_("Who paid (phone, card number or user ID)"), max_length=128, required=False
    )
    store = StoreChoice(label=_("Where"), queryset=Store.objects.none(), required=False)
    note = forms.CharField(label=_("Why"), max_length=LONGEST_NOTE)

    def __init__(self, typed: Any = None, *, request: HttpRequest, finding: Finding) -> None:
        super().__init__(typed, initial={"note": default_note(finding), "member": _payer_said(finding)})
        self.request, self.group_id = request, finding.mall.group_id
        if reconciliation.is_payer_given(finding):
            del self.fields["member"]
        if finding.kind != Finding.Kind.PAID_NOT_AWARDED:
            del self.fields["store"]
            return
        stores = Store.objects.filter(mall=finding.mall, state=Store.State.ACTIVE).order_by("name_en")
        field: Any = self.fields["store"]
        field.queryset = stores
        field.initial = stores.filter(pms_label=finding.store_label or "-").first()

    def clean_member(self) -> Member | None:
        typed = self.cleaned_data["member"].strip()
        member = found_member(self.request, typed, group_id=self.group_id) if typed else None
        if member and member.program.group_id != self.group_id:
            raise ValidationError(_("The member belongs to another mall group."))
        return member


def _payer_said(finding: Finding) -> str:
    return finding.member.card_number if finding.member else ""


def default_note(finding: Finding) -> str:
    return gettext("As the provider's file of %(day)s says.") % {"day": f"{finding.business_date:%Y-%m-%d}"}


def _dismiss(request: HttpRequest, finding: Finding) -> object:
    _tried(reconciliation.dismiss, finding, request, note=request.POST.get("typed", ""))
    return gettext("Left as it is. A newer file will not ask again.")


def _reopen(request: HttpRequest, finding: Finding) -> object:
    _tried(reconciliation.reopen, finding, request)
    return gettext("Open again.")


def _tried(act: Any, finding: Finding, request: HttpRequest, **options: Any) -> None:
    try:
        act(finding=finding, by=login_of(request), now=clock.now(), **options)
    except (AdjustmentRefused, RepairRefused) as refusal:
        raise Refused(said_no(refusal)) from refusal
    except OperationalError as error:
        raise Refused(str(BUSY)) from error


@admin.register(Finding)
class FindingAdmin(RecordAdmin):
    screen_name = _("Differences")
    mall_path = "mall"
    list_display = ("number_shown", "kind_pill", "member_name", "difference", "points_shown", "state_pill")
    list_select_related = ("member", "mall", "transaction")
    list_filter = (OpenFilter, "kind", day_of("happened_at"), ("mall", scoping.ScopedFilter))
    search_fields = ("=number", "=member__card_number")
    search_help_text = _("Bill number or card number, in full")
    ordering = ("-happened_at",)
    sortable_by = ()
    open_since = "happened_at"
    actions = ("ask_together", "download")
    empty_words = _(
        "Nothing differs. Upload a provider's daily file under Reconciliation; what it and the ledger disagree on "
        "appears here, with a repair to ask for."
    )
    deeds = (
        Deed(name="dismiss", label=_("Leave it as it is"), permission=CHANGE, do=_dismiss,
             field_label=_("Why"), is_offered=lambda one: one.state == Finding.State.OPEN,
             is_main=lambda _one: False),
        Deed(name="reopen", label=_("Open it again"), permission=CHANGE, do=_reopen,
             is_offered=lambda one: one.state == Finding.State.DISMISSED),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [path("<int:object_id>/repair/", view(self.repair_view), name="review_finding_repair")]
        return [*own, *super().get_urls()]

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(state=Finding.State.OPEN)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ADD)

    def repair_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Say who paid and where, if the file does not, and ask for the points."""
        finding: Any = self._visible_thing(request, str(object_id))
        if not request.user.has_perm(ADD):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = RepairForm(request.POST if is_sent else None, request=request, finding=finding)
        asked = self._asked(request, finding, form) if is_sent and form.is_valid() else None
        if asked:
            return HttpResponseRedirect(self._address(finding))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "form": form,
            "title": gettext("Repair %(number)s") % {"number": finding.number},
            "button": gettext("Ask for approval"),
            "intro": [f"{formats.word(finding.get_kind_display())} · "
                      f"{formats.money(finding.cents, finding.currency)} · {formats.points(finding.points)}",
                      gettext("Nothing moves until somebody else approves it.")],
        }  # fmt: skip
        return TemplateResponse(request, "admin/asking.html", context)

    def _asked(self, request: HttpRequest, finding: Finding, form: RepairForm) -> AdjustmentRequest | None:
        try:
            asked = tried(
                reconciliation.request_repair, finding=finding, by=login_of(request), **form.cleaned_data
            )
        except Refused as refused:
            form.add_error(None, str(refused))
            return None
        self.log_change(request, finding, gettext("Repair asked for"))
        said = gettext("%(points)s points asked for; somebody else approves.")
        messages.success(request, said % {"points": formats.signed(asked.points)})
        return asked

    @admin.action(description=_("Ask for the repair of all chosen"), permissions=["ask"])
    def ask_together(self, request: HttpRequest, chosen: QuerySet[Finding]) -> None:
        asked, left = 0, []
        for finding in self.open_rows(chosen).order_by("happened_at", "pk")[:MOST_AT_ONCE]:
            try:
                note = default_note(finding)
                tried(reconciliation.request_repair, finding=finding, by=login_of(request), note=note)
                self.log_change(request, finding, gettext("Repair asked for"))
                asked += 1
            except Refused as refused:
                left.append(f"{finding.number}: {refused}")
        said = gettext("%(count)s repairs asked for; somebody else approves them.")
        messages.success(request, said % {"count": formats.number(asked)})
        for sentence in left[:10]:
            messages.warning(request, sentence)

    @admin.action(description=_("Download the chosen as CSV"), permissions=["view"])
    def download(self, request: HttpRequest, chosen: QuerySet[Finding]) -> StreamingHttpResponse:
        return as_csv(chosen, "differences.csv")

    @admin.display(description=_("what differs"))
    def kind_pill(self, finding: Finding) -> str:
        return kind_pill(finding.kind)

    @admin.display(description=_("bill number"))
    def number_shown(self, finding: Finding) -> str:
        return formats.two_lines(finding.number, formats.moment(finding.happened_at))

    @admin.display(description=_("member"))
    def member_name(self, finding: Finding) -> str:
        member = finding.member
        if member is None:
            return _said_unknown()
        return formats.two_lines(member.name or member.card_number, member.card_number if member.name else "")

    @admin.display(description=_("difference"))
    def difference(self, finding: Finding) -> str:
        return formats.column(formats.money(finding.cents, finding.currency))

    @admin.display(description=_("points"))
    def points_shown(self, finding: Finding) -> str:
        return formats.column(formats.signed(finding.points), is_minus=finding.points < 0)

    @admin.display(description=_("state"))
    def state_pill(self, finding: Finding) -> str:
        return pill_by(TONES, finding)

    def title_of(self, thing: Finding) -> object:
        return f"{formats.word(thing.get_kind_display())} · {thing.number}"

    def pill_of(self, thing: Finding) -> str:
        return self.state_pill(thing)


def kind_pill(kind: str) -> str:
    return formats.pill(KIND_TONES[kind], Finding.Kind(kind).label)


def _said_unknown() -> str:
    return gettext("not known")


@story.tells("review.finding", 10)
def what(request: HttpRequest, finding: Finding) -> Panel:
    return story.facts(gettext("What differs"), [
        (gettext("Difference"), formats.big(formats.money(finding.cents, finding.currency))),
        (gettext("Points"), formats.big(formats.signed(finding.points))),
        (gettext("In the provider's file"), _money(finding, finding.file_cents)),
        (gettext("In the ledger"), _money(finding, finding.ledger_cents)),
        (gettext("Bill number"), formats.identifier(finding.number)),
        (gettext("Refund number"), formats.identifier(finding.refund_number)),
        (gettext("Time"), formats.moment(finding.happened_at)),
        (gettext("Member"), story.link(request, finding.member) if finding.member else _said_unknown()),
        (gettext("Mall"), formats.name_of(finding.mall)),
        (gettext("Store as reported"), finding.store_label or finding.merchant_id),
        (gettext("Line of the file"), formats.number(finding.line) if finding.line else ""),
        (gettext("Purchase"), _purchase(request, finding)),
        (gettext("File"), story.link(request, finding.reconciliation)),
        (gettext("Left because"), finding.note),
        (gettext("Decided by"), finding.decided_by or formats.NOTHING),
    ], is_short=True)  # fmt: skip


@story.tells("review.finding", 20)
def advice(request: HttpRequest, finding: Finding) -> Panel:
    """What it means, and what to do."""
    words = {
        Finding.Kind.PAID_NOT_AWARDED: gettext(
            "The provider counts a payment that earned nothing here. If the payer is a member, a repair records the "
            "payment as its notice would have been, so that a late notice earns nothing more."
        ),
        Finding.Kind.AWARDED_NOT_PAID: gettext(
            "Points were given for a payment that the provider does not count. A repair takes them back."
        ),
        Finding.Kind.REFUNDED_NOT_CLAWED_BACK: gettext(
            "The provider counts a refund that never came here. A repair records it and takes back what the rest no "
            "longer deserves."
        ),
        Finding.Kind.AMOUNT_DIFFERS: gettext(
            "The provider counts another amount. A repair moves the difference in points."
        ),
    }
    content = {"meaning": words[Finding.Kind(finding.kind)], "until": _may_come(finding)}
    if finding.state == Finding.State.OPEN and request.user.has_perm(ADD):
        address = reverse("admin:review_finding_repair", args=[finding.pk])
        content |= {"address": address, "words": gettext("Ask for a repair")}
    return Panel(title=gettext("What to do"), template="advice", content=content)


def _may_come(finding: Finding) -> str:
    """Whether the wallet may still deliver it by itself."""
    if finding.kind != Finding.Kind.PAID_NOT_AWARDED or finding.transaction_id:
        return ""
    until = finding.happened_at + reconciliation.STILL_COMING
    if until < clock.now():
        return gettext("The wallet's last resend is over; it will not come by itself.")
    return formats.sentence(
        gettext("It may still come by itself until %(when)s."), when=formats.moment(until)
    )


@story.tells("review.finding", 30)
def requests(request: HttpRequest, finding: Finding) -> Panel | None:
    asked = story.visible(request, AdjustmentRequest).filter(finding=finding).order_by("pk")
    rows = [
        (story.link(request, one), formats.moment(one.requested_at), str(one.requested_by),
         one.get_state_display())
        for one in asked
    ]  # fmt: skip
    headings = [
        (gettext("Request"), ""), (gettext("Requested"), ""), (gettext("Requested by"), ""), (gettext("State"), ""),
    ]  # fmt: skip
    return story.table(gettext("Repairs asked for"), headings, rows, empty="") if rows else None


def _money(finding: Finding, cents: int) -> str:
    return formats.money(cents, finding.currency)


def _purchase(request: HttpRequest, finding: Finding) -> str:
    """A purchase of another mall is not shown."""
    seen = story.visible(request, Transaction).filter(pk=finding.transaction_id or 0).first()
    return story.link(request, seen)


class _Echo:
    def write(self, text: str) -> str:
        return text


def as_csv(rows: QuerySet[Finding], name: str) -> StreamingHttpResponse:
    """With a byte order mark for correct Chinese; nothing in it can pose as a formula."""
    answer = StreamingHttpResponse(_csv(rows), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _csv(rows: QuerySet[Finding]) -> Iterator[str]:
    writer: Any = csv.writer(_Echo())
    yield "\ufeff"
    yield writer.writerow([
        gettext("What differs"), gettext("Bill number"), gettext("Time"), gettext("Mall"), gettext("Card number"),
        gettext("In the provider's file"), gettext("In the ledger"), gettext("Difference"), gettext("Currency"),
        gettext("Points"), gettext("State"), gettext("Line"),
    ])  # fmt: skip
    for one in rows.select_related("mall", "member").order_by("happened_at", "pk").iterator(chunk_size=1000):
        yield writer.writerow([report_files.plain(cell) for cell in _cells(one)])


def _cells(one: Finding) -> list[str | int]:
    return [
        str(one.get_kind_display()), _as_text(one.number),
        f"{one.happened_at.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M:%S}", formats.name_of(one.mall),
        _as_text(one.member.card_number) if one.member else "",
        *(_amount(cents, one.currency) for cents in (one.file_cents, one.ledger_cents, one.cents)),
        one.currency if one.currency == "HKD" else f"{one.currency} ({gettext('smallest unit')})",
        one.points, str(one.get_state_display()), one.line or "",
    ]  # fmt: skip


def _as_text(number: str) -> str:
    """A spreadsheet would cut the last digits of a long number, and zeros in front."""
    is_cut = number.isdigit() and (len(number) > DIGITS_KEPT or number.startswith("0"))
    return f"'{number}" if is_cut else number


def _amount(cents: int, currency: str) -> str:
    """As everywhere, other currencies stand in their smallest unit: not all have two decimals."""
    return f"{cents // 100}.{cents % 100:02d}" if currency == "HKD" else str(cents)
