"""The screens of collecting stores: how much of each mall AlipayHK has, each store with its cure, each reading."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from alipayhk import collection_coverage, collection_story, confirmations, stores, tasks
from alipayhk.collection_setup import CannotCollect
from alipayhk.models import ConfirmationRun, ListedStore, StoreCollection
from alipayhk.stores import Asked, LabelTaken, NothingToTake, NotTaken, NumberRefused
from pms import clock, formats, scoping
from pms.filters import OpenFilter
from pms.models import Mall, Store
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by

log = logging.getLogger(__name__)

COLLECT = "alipayhk.change_storecollection"
CONFIRM = "alipayhk.add_confirmationrun"
State = StoreCollection.State
# What differs first, what is confirmed last.
URGENCY = Case(
    When(state=State.DIFFERS, then=0),
    When(state=State.NOT_SENT, then=1),
    When(state=State.SENT, then=2),
    default=3,
).asc()
NO_LABEL = _(
    "Another store of the group has this PMS label or these IDs, or this one is in the registry by now."
)


def _send(request: HttpRequest, row: StoreCollection) -> object:
    asked = _ask(request, [row.store])
    if asked.left_out:
        raise Refused(
            _("AlipayHK knows stores by merchant ID and store ID; this one lacks them, or has closed.")
        )
    return _("It goes out within seconds; every attempt is kept below.")


def _send_by_number(request: HttpRequest, row: StoreCollection) -> object:
    _ask(request, [row.store], trade_number=request.POST.get("typed", "").strip())
    return _("It goes out within seconds; AlipayHK finds the store by the payment.")


def _take(request: HttpRequest, row: StoreCollection) -> object:
    try:
        stores.take_theirs(collection=row, by=login_of(request), now=clock.now())
    except NothingToTake as error:
        raise Refused(_("Nothing of this can be taken over; send ours instead.")) from error
    except LabelTaken as error:
        raise Refused(NO_LABEL) from error
    except NotTaken as error:
        raise Refused(str(error)) from error
    return _("The registry says what AlipayHK says now. The change is in the store's history.")


def _ask(request: HttpRequest, chosen: Any, *, trade_number: str = "") -> Asked:
    try:
        asked = stores.ask(stores=chosen, trade_number=trade_number, by=login_of(request), now=clock.now())
    except CannotCollect as error:
        raise Refused(str(error)) from error
    except NumberRefused as error:
        raise Refused(
            _("A trade number is letters, digits, _ or -, at most 128, and names one store.")
        ) from error
    _tell(tasks.collect_stores)
    return asked


def _tell(task: Any) -> None:
    """A worker that cannot be told looks by itself within seconds."""
    try:
        task.delay()
    except OperationalError as error:
        log.warning("no worker could be told of stores: %s", type(error).__name__)


def _is_free(row: StoreCollection) -> bool:
    return row.due_at is None


@admin.register(StoreCollection)
class StoreCollectionAdmin(RecordAdmin):
    mall_path = "store__mall"
    screen_name = _("Collection")
    change_list_template = "admin/collection.html"
    list_display = ("store_name", "state_shown", "next_step", "ids", "mall_name", "compared")
    list_select_related = ("store__mall",)
    list_filter = ("state", ("store__mall", scoping.ScopedFilter))
    search_fields = ("store__pms_label", "store__code", "store__store_id", "store__name_en", "store__name_zh")
    search_help_text = _("Name, PMS label, code or store ID")
    ordering = (URGENCY, "pk")
    sortable_by = ()
    actions = ("collect_selected",)
    empty_words = _(
        "No store here. Once a mall's credential says how its stores are collected, each of them appears here."
    )
    deeds = (
        Deed(name="take", label=_("Take AlipayHK's"), permission=COLLECT, do=_take,
             is_offered=lambda row: row.state == State.DIFFERS and _is_free(row),
             explanation=_("Writes AlipayHK's name and IDs into the registry.")),
        Deed(name="send-ours", label=_("Send ours"), permission=COLLECT, do=_send,
             is_offered=lambda row: row.state == State.DIFFERS and _is_free(row)),
        Deed(name="send", label=_("Send"), permission=COLLECT, do=_send,
             is_offered=lambda row: row.state == State.NOT_SENT and _is_free(row)),
        Deed(name="send-again", label=_("Send again"), permission=COLLECT, do=_send,
             is_main=lambda row: row.state == State.SENT,
             is_offered=lambda row: row.state in (State.SENT, State.CONFIRMED) and _is_free(row)),
        Deed(name="by-number", label=_("Collect by a payment"), permission=COLLECT, do=_send_by_number,
             field_label=_("AlipayHK trade number"), is_main=lambda _row: False,
             is_offered=lambda row: row.state == State.NOT_SENT and _is_free(row),
             explanation=_("A payment made in this store: AlipayHK finds the store by it.")),
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        def own(address: str, view: Any, name: str) -> Any:
            return path(address, self.admin_site.admin_view(view), name=f"alipayhk_storecollection_{name}")

        return [
            own("coverage/", self.coverage_view, "coverage"),
            own("mall/<int:mall_id>/collect/", self.collect_view, "collect"),
            own("mall/<int:mall_id>/confirm/", self.confirm_view, "confirm"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        shown = self._coverage(request) if self.has_view_permission(request) else {}
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def coverage_view(self, request: HttpRequest) -> HttpResponse:
        """The bars alone, as the page's script asks for them while something moves."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return TemplateResponse(request, "admin/collection_coverage.html", self._coverage(request))

    def collect_view(self, request: HttpRequest, mall_id: int) -> HttpResponse:
        """Everything of a mall that AlipayHK has not got."""

        def collect(mall: Mall) -> object:
            asked = _ask(request, stores.unsent(mall, now=clock.now()))
            words = {"count": asked.count, "left": len(asked.left_out)}
            if asked.left_out:
                return _("%(count)s stores go out; %(left)s lack a merchant ID or store ID.") % words
            return _("%(count)s stores go out.") % words

        return self._for_mall(request, mall_id, COLLECT, collect)

    def confirm_view(self, request: HttpRequest, mall_id: int) -> HttpResponse:
        def confirm(mall: Mall) -> object:
            run = confirmations.ask(mall=mall, by=login_of(request), now=clock.now())
            self.log_addition(request, run, gettext("Asked for"))
            _tell(tasks.confirm_stores)
            return _("AlipayHK's list is being read.")

        return self._for_mall(request, mall_id, CONFIRM, confirm)

    def _for_mall(
        self, request: HttpRequest, mall_id: int, permission: str, do: Callable[[Mall], object]
    ) -> HttpResponse:
        if request.method != "POST" or not request.user.has_perm(permission):
            raise PermissionDenied
        mall = scoping.malls_of(request.user).filter(pk=mall_id).first()
        if mall is None:
            raise Http404
        try:
            messages.success(request, str(do(mall)))
        except Refused as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("admin:alipayhk_storecollection_changelist"))

    def has_collect_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(COLLECT)

    @admin.action(description=_("Collect"), permissions=["collect"])
    def collect_selected(self, request: HttpRequest, queryset: QuerySet[StoreCollection]) -> None:
        ids = list(queryset.order_by().values_list("store_id", flat=True))
        chosen = Store.objects.select_related("mall").filter(pk__in=ids)
        try:
            asked = _ask(request, chosen)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return
        messages.success(request, _("%(count)s stores go out.") % {"count": asked.count})
        if asked.left_out:
            words = {"stores": ", ".join(list(asked.left_out)[:10])}
            messages.warning(request, _("Left out, without a merchant ID or store ID: %(stores)s") % words)

    def _coverage(self, request: HttpRequest) -> dict[str, Any]:
        malls = collection_coverage.of(scoping.sight_of(request).mall_ids, now=clock.now())
        return {
            "covered": malls,
            "is_moving": any(one.is_moving for one in malls),
            "may_collect": request.user.has_perm(COLLECT),
            "may_confirm": request.user.has_perm(CONFIRM),
        }

    @admin.display(description=_("store"))
    def store_name(self, row: StoreCollection) -> str:
        return formats.two_lines(formats.name_of(row.store), row.store.pms_label)

    @admin.display(description=_("state"))
    def state_shown(self, row: StoreCollection) -> str:
        return collection_story.state_pill(row)

    @admin.display(description=_("what is odd, or comes next"))
    def next_step(self, row: StoreCollection) -> str:
        return collection_story.next_step(row) or formats.NOTHING

    @admin.display(description=_("partner, merchant, store"))
    def ids(self, row: StoreCollection) -> str:
        store = row.store
        return formats.two_lines(
            store.merchant_id or formats.NOTHING, f"{store.partner_id} · {store.store_id}"
        )

    @admin.display(description=_("mall"))
    def mall_name(self, row: StoreCollection) -> str:
        return formats.name_of(row.store.mall)

    @admin.display(description=_("compared"))
    def compared(self, row: StoreCollection) -> str:
        return formats.moment(row.compared_at)

    def title_of(self, thing: StoreCollection) -> object:
        return _("%(store)s at AlipayHK") % {"store": formats.name_of(thing.store)}

    def pill_of(self, thing: StoreCollection) -> str:
        return self.state_shown(thing)


def _add(request: HttpRequest, listed: ListedStore) -> object:
    label = request.POST.get("typed", "").strip()
    if not label:
        raise Refused(_("Enter the PMS label under which payments name this store."))
    seen = scoping.sight_of(request).mall_ids
    try:
        stores.add(listed=listed, pms_label=label, seen_malls=seen, by=login_of(request), now=clock.now())
    except LabelTaken as error:
        raise Refused(NO_LABEL) from error
    except NotTaken as error:
        raise Refused(str(error)) from error
    return _("It is in the registry now; give it its second name, category and place there.")


def _ignore(request: HttpRequest, listed: ListedStore) -> object:
    if not stores.ignore(listed=listed):
        raise Refused(_("Somebody else has seen to it already."))
    return _("Ignored: it waits for nobody any more.")


@admin.register(ListedStore)
class ListedStoreAdmin(RecordAdmin):
    mall_path = "mall"
    screen_name = _("Only at AlipayHK")
    list_display = ("named", "state_pill", "ids", "mall_name", "seen")
    list_select_related = ("mall",)
    list_filter = (OpenFilter, "state", ("mall", scoping.ScopedFilter))
    search_fields = ("store_name", "store_id", "merchant_id")
    search_help_text = _("Name, merchant ID or store ID")
    ordering = ("store_name", "pk")
    sortable_by = ()
    open_since = "first_seen_at"
    empty_words = _("AlipayHK lists no store that the registry lacks.")
    deeds = (
        Deed(name="add", label=_("Add to the registry"), permission="pms.add_store", do=_add,
             field_label=_("PMS label"), is_offered=lambda one: one.state in ("ONLY_AT_ALIPAYHK", "IGNORED"),
             explanation=_("Under the PMS label by which payments name it.")),
        Deed(name="ignore", label=_("Ignore"), permission="alipayhk.change_listedstore", do=_ignore,
             is_offered=lambda one: one.state == "ONLY_AT_ALIPAYHK", is_main=lambda _one: False,
             explanation=_("It is not the mall's, and stays out of the figures.")),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(state=ListedStore.State.ONLY_AT_ALIPAYHK)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("raw")

    @admin.display(description=_("store"))
    def named(self, listed: ListedStore) -> str:
        return formats.two_lines(listed.store_name or listed.store_id, listed.merchant_name)

    @admin.display(description=_("state"))
    def state_pill(self, listed: ListedStore) -> str:
        return pill_by(collection_story.LISTED_TONES, listed)

    @admin.display(description=_("partner, merchant, store"))
    def ids(self, listed: ListedStore) -> str:
        return formats.two_lines(listed.merchant_id, f"{listed.partner_id} · {listed.store_id}")

    @admin.display(description=_("mall"))
    def mall_name(self, listed: ListedStore) -> str:
        return formats.name_of(listed.mall)

    @admin.display(description=_("last seen"))
    def seen(self, listed: ListedStore) -> str:
        return formats.moment(listed.seen_at)

    def title_of(self, thing: ListedStore) -> object:
        return thing.store_name or thing.store_id

    def pill_of(self, thing: ListedStore) -> str:
        return self.state_pill(thing)


@admin.register(ConfirmationRun)
class ConfirmationRunAdmin(RecordAdmin):
    mall_path = "mall"
    page_template = "admin/watched_record.html"
    list_display = ("mall_name", "state_pill", "found", "odd", "asked")
    list_select_related = ("mall", "asked_by")
    list_filter = ("state", ("mall", scoping.ScopedFilter))
    search_fields = ("fault__exact",)
    search_help_text = _("What was odd, as its code")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("No reading yet. Every mall that collects is read at night, and when somebody asks.")

    def get_urls(self) -> list[URLPattern]:
        own = path("<int:object_id>/progress.json", self.admin_site.admin_view(self.progress_view),
                   name="alipayhk_confirmationrun_progress")  # fmt: skip
        return [own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Asked for on the list of stores, mall by mall."""
        return False

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the list is read."""
        run: Any = self._visible_thing(request, str(object_id))
        counted = {"judged": min(run.found_rows, run.claimed_rows), "transactions": run.claimed_rows}
        return JsonResponse({**counted, "is_open": run.is_moving, "said": collection_story.said(run)})

    @admin.display(description=_("mall"))
    def mall_name(self, run: ConfirmationRun) -> str:
        return formats.name_of(run.mall)

    @admin.display(description=_("state"))
    def state_pill(self, run: ConfirmationRun) -> str:
        return pill_by(collection_story.RUN_TONES, run)

    @admin.display(description=_("stores listed"))
    def found(self, run: ConfirmationRun) -> str:
        return formats.column(formats.number(run.found_rows))

    @admin.display(description=_("what was odd"))
    def odd(self, run: ConfirmationRun) -> str:
        return collection_story.fault(run.fault) or formats.NOTHING

    @admin.display(description=_("asked for"))
    def asked(self, run: ConfirmationRun) -> str:
        return formats.two_lines(
            formats.moment(run.asked_at), run.asked_by or gettext("by timetable or command")
        )

    def title_of(self, thing: ConfirmationRun) -> object:
        return _("Reading of %(mall)s") % {"mall": formats.name_of(thing.mall)}

    def pill_of(self, thing: ConfirmationRun) -> str:
        return self.state_pill(thing)
