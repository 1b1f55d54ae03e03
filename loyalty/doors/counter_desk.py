"""The counter's screen: type a receipt, see what it would earn and whether it has earned already, then save it."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.doors import counter, slips
from loyalty.doors.counter_forms import CounterForm
from loyalty.doors.models import CounterEntry
from loyalty.doors.slips import FieldRefused, Look
from loyalty.earning import explanation, reasons, standing, transaction_document, transaction_story
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.suspects import Suspicion
from loyalty.review import case_story
from pms import clock, formats, scoping, story
from pms.records import RecordAdmin, login_of, pill_by
from pms.story import Panel

OTHER = _("This form was saved before, with another receipt. Nothing was saved now; check again.")
BUSY = _("Somebody else holds it right now. Nothing was saved; try again.")


@admin.register(CounterEntry)
class CounterEntryAdmin(RecordAdmin):
    mall_path = "transaction__mall"
    is_addable = True
    screen_name = _("Counter entries")
    list_display = ("number", "state_pill", "member_name", "store_name", "amount", "points", "entered")
    list_select_related = ("transaction__member", "transaction__store", "transaction__award", "entered_by")
    list_filter = (("transaction__mall", scoping.ScopedFilter),)
    search_fields = ("=transaction__receipt_number", "=transaction__member__card_number")
    search_help_text = _("Receipt number or card number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("Nothing entered yet. Press “Add counter entry” when a member hands in a receipt.")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The first press checks, the second saves what was checked; anything typed in between is checked anew."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        now = clock.now()
        if request.method != "POST":
            form = CounterForm(request=request, now=now, store=request.GET.get("store", "")[:128])
            return self._form_page(request, form)
        form = CounterForm(request.POST, request=request, now=now)
        if not form.is_valid():
            return self._form_page(request, form)
        if request.POST.get("do") == "save" and form.was_checked():
            saved = self._saved(request, form)
            if saved:
                return saved
            return self._form_page(request, form)
        return self._form_page(request, form, self._looked(form, now=now))

    def _looked(self, form: CounterForm, *, now: datetime) -> Look | None:
        try:
            if counter.is_used(form.cleaned_data["token"]):
                form.renew()
            return slips.look(form.slip(), now=now)
        except OperationalError:
            form.add_error(None, str(BUSY))
            return None

    def _saved(self, request: HttpRequest, form: CounterForm) -> HttpResponse | None:
        try:
            entry = counter.save(
                slip=form.slip(), token=form.cleaned_data["token"], by=login_of(request), now=clock.now()
            )
        except FieldRefused as refused:
            form.refuse(refused)
            return None
        except OperationalError:
            form.add_error(None, str(BUSY))
            return None
        except counter.OtherReceipt:
            form.add_error(None, str(OTHER))
            return None
        _tell(request, entry.transaction)
        store = form.cleaned_data["store"]
        address = reverse("admin:doors_counterentry_add")
        return HttpResponseRedirect(f"{address}?store={store.code or store.pms_label}")

    def _form_page(self, request: HttpRequest, form: CounterForm, seen: Look | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Enter a receipt"),
            "form": form, "looked": seen, "seen": form.digest() if seen else "", "member": form.found,
            "panels": _panels(request, form, seen) if seen else [],
        }  # fmt: skip
        return TemplateResponse(request, "admin/counter.html", context)

    @admin.display(description=_("receipt number"))
    def number(self, entry: CounterEntry) -> str:
        return entry.transaction.receipt_number or f"#{entry.transaction_id}"

    @admin.display(description=_("state"))
    def state_pill(self, entry: CounterEntry) -> str:
        return pill_by(transaction_story.TONES, entry.transaction)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CounterEntry]:
        return super().get_queryset(request).prefetch_related("transaction__corrections")

    @admin.display(description=_("member"))
    def member_name(self, entry: CounterEntry) -> str:
        return str(entry.transaction.member)

    @admin.display(description=_("store"))
    def store_name(self, entry: CounterEntry) -> str:
        return formats.name_of(entry.transaction.store)

    @admin.display(description=_("amount"))
    def amount(self, entry: CounterEntry) -> str:
        return formats.column(formats.money(entry.transaction.amount_cents))

    @admin.display(description=_("points"))
    def points(self, entry: CounterEntry) -> str:
        earned = standing.earned(entry.transaction)
        return formats.column(formats.signed(earned) if earned else formats.NOTHING)

    @admin.display(description=_("entered"))
    def entered(self, entry: CounterEntry) -> str:
        return formats.two_lines(formats.moment(entry.entered_at), entry.entered_by)

    def title_of(self, thing: CounterEntry) -> object:
        return _("Receipt %(number)s") % {"number": self.number(thing)}

    def pill_of(self, thing: CounterEntry) -> str:
        return self.state_pill(thing)


@story.tells("doors.counterentry", 10)
def entered(request: HttpRequest, entry: CounterEntry) -> Panel:
    return story.facts(gettext("Entered at the counter"), [
        (gettext("Transaction"), story.link(request, entry.transaction)),
        (gettext("Entered by"), entry.entered_by),
        (gettext("Entered"), formats.moment(entry.entered_at)),
    ])  # fmt: skip


def _panels(request: HttpRequest, form: CounterForm, seen: Look) -> list[Panel]:
    """Whether it has earned already comes first; then what it would earn, and why."""
    trial = seen.trial
    told = trial.judgement
    content = {
        "reasons": explanation.both(told.reasons),
        "conditions": explanation.conditions(told.conditions),
    }
    figures = story.facts(gettext("What it would earn"), [
        (_at_once(seen), formats.big(formats.points(trial.points))),
        *([(gettext("On hold"), formats.big(formats.points(trial.pending)))] if trial.pending else []),
        (gettext("Member"), story.link(request, form.found)),
        (gettext("Store"), formats.name_of(form.cleaned_data["store"])),
        (gettext("Paid"), formats.moment(form.cleaned_data["paid_at"])),
    ])  # fmt: skip
    why = Panel(title=gettext("Why"), template="why", content=content)
    return [*_warnings(request, seen), figures, why]


def _warnings(request: HttpRequest, seen: Look) -> list[Panel]:
    if seen.earlier:
        return [_earlier(request, seen.earlier, title=gettext("This number was recorded before"))]
    return _alike(request, seen.suspicion) if seen.suspicion else []


def _alike(request: HttpRequest, suspicion: Suspicion) -> list[Panel]:
    """The purchase that this one looks like, what they have in common, and what saving it will do."""
    is_flag = suspicion.verdict == DuplicateCase.Verdict.FLAGGED
    earlier = Transaction.objects.select_related("mall").get(pk=suspicion.earlier_id)
    title = (
        gettext("It looks like an earlier purchase: saved with points, and staff check it")
        if is_flag
        else gettext("It looks like an earlier purchase: saved without points until staff have decided")
    )
    evidence = case_story.likeness_panel(
        score=suspicion.score, parts=[part.as_json() for part in suspicion.parts]
    )
    return [_earlier(request, earlier, title=title), evidence]


def _at_once(seen: Look) -> str:
    return gettext("Usable at once") if seen.earns_at_once else gettext("If it is another purchase")


def _earlier(request: HttpRequest, earlier: Transaction, *, title: str) -> Panel:
    """Which door had the number first, and when. Another mall's transaction is told of, but not opened."""
    opened = story.visible(request, Transaction).filter(pk=earlier.pk).first()
    seen = [
        (gettext("Paid"), formats.moment(earlier.paid_at)),
        (gettext("Transaction"), story.link(request, opened)),
    ]
    return story.facts(title, [
        (gettext("Through"), formats.word(earlier.get_channel_display())),
        (gettext("Recorded"), formats.moment(earlier.recorded_at)),
        (gettext("Amount"), formats.money(earlier.amount_cents, earlier.currency)),
        *(seen if opened else []),
    ], key="earlier")  # fmt: skip


def _tell(request: HttpRequest, transaction: Transaction) -> None:
    """What came of it, in one line above the next form."""
    transaction.refresh_from_db()
    award = transaction_story.award_of(transaction)
    stored = award.reasons if award else [reasons.reason(transaction_document.unjudged_code(transaction))]
    words = " ".join(reasons.sentences(stored, "zh-hant" if formats.is_chinese() else "en"))
    is_good = transaction.state == Transaction.State.EARNED
    said = formats.sentence(
        gettext("%(points)s. %(why)s"), points=formats.points(standing.earned(transaction)), why=words
    )
    messages.add_message(request, messages.SUCCESS if is_good else messages.WARNING, said)
