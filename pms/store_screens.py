"""The screens of stores: the list, a store with its past, a move, a merger. Files have `store_file_screens`."""

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pms import clock, formats, registry, scoping, store_rows, story
from pms.models import Store, StoreChange
from pms.place_screens import PlaceAdmin
from pms.records import login_of
from pms.registry import StoreRefused
from pms.store_file_screens import StoreFileScreens
from pms.store_forms import MergeForm, MoveForm, StoreForm
from pms.store_history import FIELDS


def today() -> date:
    return clock.now().astimezone(clock.HONG_KONG).date()


class StandingFilter(admin.SimpleListFilter):
    """Stores that are there now, unless others are asked for."""

    title = _("Standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open now")),
            ("closed", _("closed")),
            ("coming", _("not open yet")),
            ("merged", _("merged")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Store]) -> QuerySet[Store]:
        closed, coming = Q(closed_date__lt=today()), Q(opened_date__gt=today())
        wanted = {
            "open": Q(merged_into=None) & ~closed & ~coming,
            "closed": closed & Q(merged_into=None),
            "coming": coming & Q(merged_into=None),
            "merged": Q(merged_into__isnull=False),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


def absence(store: Store) -> object:
    """Why the store is not there today, in a word; nothing if it is."""
    if store.merged_into_id:
        return _("merged")
    if store.closed_date and store.closed_date < today():
        return _("closed")
    return _("not open yet") if store.opened_date and store.opened_date > today() else ""


def _title(store: Store) -> dict[str, object]:
    names = (store.code or store.pms_label, formats.name_of(store.mall))
    return {"title": formats.name_of(store), "subtitle": " · ".join(names)}


@admin.register(Store)
class StoreAdmin(StoreFileScreens, PlaceAdmin):
    form = StoreForm
    mall_path = "mall"
    change_form_template = "admin/store.html"
    change_list_template = "admin/stores.html"
    ordering = ("name_en", "pk")
    list_display = ("named", "pms_label", "code", "trade", "place", "mall_name", "earns", "standing")
    list_select_related = ("mall", "group", "merged_into")
    list_filter: ClassVar[Any] = (
        StandingFilter, "state", "is_excluded", "category", ("mall", scoping.ScopedFilter),
    )  # fmt: skip
    search_fields = ("pms_label", "code", "merchant_id", "store_id", "name_en", "name_zh", "unit")
    search_help_text = _("Name, PMS label, code, merchant ID, store ID or unit")
    autocomplete_fields = ("mall",)
    fieldsets = (
        (None, {"fields": ("mall", "name_en", "name_zh", "code", "category", ("floor", "unit"), "seen")}),
        (
            _("How acquirers name it"),
            {"fields": ("pms_label", "partner_id", ("merchant_id", "merchant_name"), "store_id")},
        ),
        (
            _("Earning points"),
            {"fields": ("is_excluded", "excluded_tenders", ("opened_date", "closed_date"), "state")},
        ),
    )
    empty_words = _("No store found. Stores come from a file, with register_mall, or one by one here.")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        panels = story.above(request, Store) if self.has_view_permission(request) else []
        return super().changelist_view(request, {**(extra_context or {}), "panels": panels})

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(f"<int:object_id>/{name}/", self.admin_site.admin_view(view), name=f"pms_store_{name}")
            for name, view in (("move", self.move_view), ("merge", self.merge_view))
        ]
        return [*own, *super().get_urls()]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **more: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **more)
        form.seen_malls = scoping.malls_of(request.user)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Store | None = None) -> tuple[str, ...]:
        return ("mall",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.merged_into_id)

    def save_model(self, request: HttpRequest, obj: Store, form: Any, change: bool) -> None:
        """Through the registry, which keeps what it was."""
        source, by, now = StoreChange.Source.STAFF, login_of(request), clock.now()
        if change:
            fields = {name: getattr(obj, name) for name in form.changed_data if name in FIELDS}
            registry.change(store=obj, fields=fields, source=source, by=by, now=now)
            return
        fields = {name: getattr(obj, name) for name in FIELDS}
        made = registry.create(mall=obj.mall, fields=fields, source=source, by=by, now=now)
        obj.pk, obj._state.adding = made.pk, False

    def changeform_view(self, request: HttpRequest, *typed: Any, **more: Any) -> HttpResponse:
        """Others may have merged the store, or taken its label, since the form was looked at."""
        try:
            return super().changeform_view(request, *typed, **more)
        except StoreRefused as refused:
            messages.error(request, str(registry.REFUSALS[refused.code]))
        except IntegrityError:
            messages.error(
                request, _("Somebody else has just entered this label or these IDs; nothing was saved.")
            )
        return HttpResponseRedirect(request.path)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        store = self.get_object(request, object_id)
        told = {"panels": story.of(request, store), "store": store, **_title(store)} if store else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **told})

    def move_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        store = self._changeable(request, object_id)
        form = MoveForm(*([request.POST] if request.method == "POST" else []), request=request, store=store)
        return self._deed(request, store, form, title=gettext("Move to another mall"), say=self._move_words,
                          do=self._move, button=gettext("Move the store"))  # fmt: skip

    def merge_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        store = self._changeable(request, object_id)
        form = MergeForm(*([request.POST] if request.method == "POST" else []), request=request, store=store)
        return self._deed(request, store, form, title=gettext("Merge into another store"), say=self._merge_words,
                          do=self._merge, button=gettext("Merge the stores"))  # fmt: skip

    def _changeable(self, request: HttpRequest, object_id: int) -> Store:
        store: Store | None = self.get_object(request, str(object_id))
        if store is None:
            raise Http404
        if not self.has_change_permission(request, store):
            raise PermissionDenied
        return store

    def _deed(
        self, request: HttpRequest, store: Store, form: forms.Form, *, title: str, button: str,
        say: Callable[[Store, dict[str, Any]], list[str]],
        do: Callable[[HttpRequest, Store, dict[str, Any]], str],
    ) -> HttpResponse:  # fmt: skip
        """Said first, done once exactly what was said is confirmed."""
        said: list[str] = []
        typed = "\x1f".join(str(request.POST.get(name, "")).strip() for name in form.fields)
        if form.is_bound and form.is_valid():
            said = say(store, form.cleaned_data)
            if request.POST.get("said") == typed:
                try:
                    messages.success(request, do(request, store, form.cleaned_data))
                except StoreRefused as refused:
                    form.add_error(None, str(registry.REFUSALS[refused.code]))
                else:
                    return HttpResponseRedirect(reverse("admin:pms_store_change", args=[store.pk]))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": store, "form": form,
            "title": title, "said": said if not form.errors else [], "typed": typed, "button": button, "store": store,
        }  # fmt: skip
        return TemplateResponse(request, "admin/store_deed.html", context)

    def _move_words(self, store: Store, typed: dict[str, Any]) -> list[str]:
        names = {
            "store": formats.name_of(store), "before": formats.name_of(store.mall),
            "after": formats.name_of(typed["to_mall"]), "day": f"{typed['moved_date']:%Y-%m-%d}",
        }  # fmt: skip
        return [
            gettext("%(store)s belongs to %(after)s from %(day)s on, Hong Kong time.") % names,
            gettext("What is paid before that day counts for %(before)s, also when its notice comes later.")
            % names,
            gettext("Purchases that are recorded already stay where they are."),
            gettext(
                "From now on the staff of %(after)s keep this store; those of %(before)s see it no longer."
            )
            % names,
        ]

    def _move(self, request: HttpRequest, store: Store, typed: dict[str, Any]) -> str:
        registry.move(
            store=store,
            to_mall=typed["to_mall"],
            moved_date=typed["moved_date"],
            by=login_of(request),
            now=clock.now(),
        )
        self.log_change(request, store, gettext("Moved"))
        return gettext("The store has moved. Its past stays with it.")

    def _merge_words(self, store: Store, typed: dict[str, Any]) -> list[str]:
        names = {"store": str(store), "label": store.pms_label, "into": str(typed["into"])}
        return [
            gettext("%(store)s turned out to be %(into)s.") % names,
            gettext("The label %(label)s, and all that is mapped to it, leads to %(into)s from now on.")
            % names,
            gettext("Purchases recorded for %(store)s stay there; its page and its past stay too.") % names,
            gettext("This cannot be undone here."),
        ]

    def _merge(self, request: HttpRequest, store: Store, typed: dict[str, Any]) -> str:
        registry.merge(store=store, into=typed["into"], by=login_of(request), now=clock.now())
        self.log_change(request, store, gettext("Merged"))
        return gettext("The stores are merged. New purchases are recorded for the one that stays.")

    @admin.display(description=_("category"), ordering="category")
    def trade(self, store: Store) -> str:
        return formats.word(store_rows.CATEGORIES.get(store.category, store.category)) or formats.NOTHING

    @admin.display(description=_("mall"))
    def mall_name(self, store: Store) -> str:
        return formats.name_of(store.mall)

    @admin.display(description=_("place"))
    def place(self, store: Store) -> str:
        return " · ".join(part for part in (store.floor, store.unit) if part) or formats.NOTHING

    @admin.display(description=_("earns"))
    def earns(self, store: Store) -> str:
        """Whether what is paid there today does."""
        is_earning = not store.is_excluded and not absence(store) and store.state == Store.State.ACTIVE
        return formats.pill("good", _("yes")) if is_earning else formats.pill("quiet", _("no"))

    @admin.display(description=_("state"))
    def standing(self, store: Store) -> str:
        """What keeps purchases from earning here, else that it is there."""
        why = absence(store)
        return formats.pill("quiet", why) if why else self.state_pill(store)
