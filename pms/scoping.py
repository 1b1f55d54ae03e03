"""Which malls a staff login may see, and the admin base classes that show it nothing else.

Default-deny: every queryset, form choice, filter and autocomplete goes through a scope, and a model whose admin
names none cannot be registered. Superusers see everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.db import OperationalError
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from pms.bounded_pages import BoundedPaginator
from pms.models import Mall, MallGroup, MallStaff, User

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[Any]
    BaseInline = admin.TabularInline[Any, Any]
else:
    BaseAdmin = admin.ModelAdmin
    BaseInline = admin.TabularInline

LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True)
class Sight:
    """What one login sees. `mall_ids` and `group_ids` are spelled out, so that indexes on them are used."""

    is_everything: bool
    mall_ids: frozenset[int]
    group_ids: frozenset[int]


def malls_of(user: User | AnonymousUser) -> QuerySet[Mall]:
    """The malls whose transactions, notices and stores the login may see."""
    if user.is_superuser:
        return Mall.objects.all()
    rows = MallStaff.objects.filter(user_id=user.pk) if user.pk else MallStaff.objects.none()
    return Mall.objects.filter(
        Q(pk__in=rows.filter(mall__isnull=False).values("mall_id"))
        | Q(group_id__in=rows.filter(mall=None).values("group_id"))
    )


def groups_of(user: User | AnonymousUser) -> QuerySet[MallGroup]:
    """The groups whose members and programs the login may see: staff of any of its malls."""
    if user.is_superuser:
        return MallGroup.objects.all()
    rows = MallStaff.objects.filter(user_id=user.pk) if user.pk else MallStaff.objects.none()
    return MallGroup.objects.filter(
        Q(malls__in=rows.filter(mall__isnull=False).values("mall_id"))
        | Q(pk__in=rows.filter(mall=None).values("group_id"))
    ).distinct()


def sight_of(request: HttpRequest) -> Sight:
    """What the request's login sees, looked up once a request."""
    known: Sight | None = getattr(request, "_sight", None)
    if known is None:
        known = Sight(
            is_everything=request.user.is_superuser,
            mall_ids=frozenset(malls_of(request.user).values_list("pk", flat=True)),
            group_ids=frozenset(groups_of(request.user).values_list("pk", flat=True)),
        )
        request._sight = known  # type: ignore[attr-defined]
    return known


def whole_groups(request: HttpRequest) -> set[int]:
    """Groups of which the login sees every mall: what holds for all of a group is changed by these alone."""
    if request.user.is_superuser:
        return set(MallGroup.objects.values_list("pk", flat=True))
    sight = sight_of(request)
    hidden = Mall.objects.filter(group_id__in=sight.group_ids).exclude(pk__in=sight.mall_ids)
    return set(sight.group_ids) - set(hidden.values_list("group_id", flat=True))


def limit(rows: QuerySet[Any], sight: Sight, *, mall: str = "", group: str = "") -> QuerySet[Any]:
    """Rows whose `mall` path (else `group` path) ends in what the login sees; without a path only superusers see."""
    if sight.is_everything:
        return rows
    if mall:
        return rows.filter(**{f"{mall}__in": sight.mall_ids})
    return rows.filter(**{f"{group}__in": sight.group_ids}) if group else rows.none()


def visible(model: type[Model], request: HttpRequest, site: admin.AdminSite) -> QuerySet[Any]:
    """The rows of any model that this request may see or choose: its own admin's, else none."""
    registered: Any = site._registry.get(model)
    if isinstance(registered, Scoped):
        rows: QuerySet[Any] = registered.get_queryset(request)
        return rows
    return model._default_manager.none()


def is_searchable(text: str) -> bool:
    return "\x00" not in text and len(text) <= LONGEST_SEARCH


class Scoped:
    """What admins and inlines share: a path to the mall or the group, and choices that stay within it."""

    mall_path: ClassVar[str] = ""
    group_path: ClassVar[str] = ""
    is_for_superusers: ClassVar[bool] = False

    def __init__(self, *arguments: Any) -> None:
        if sum(map(bool, (self.mall_path, self.group_path, self.is_for_superusers))) != 1:
            raise ImproperlyConfigured(
                f"{type(self).__name__} must name mall_path, group_path or is_for_superusers."
            )
        super().__init__(*arguments)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return limit(rows, sight_of(request), mall=self.mall_path, group=self.group_path)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        options["queryset"] = visible(db_field.remote_field.model, request, self.admin_site)  # type: ignore[attr-defined]
        return super().formfield_for_foreignkey(db_field, request, **options)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        options["queryset"] = visible(db_field.remote_field.model, request, self.admin_site)  # type: ignore[attr-defined]
        return super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]


class ScopedModelAdmin(Scoped, BaseAdmin):
    """Rows within the login's scope; nothing is ever deleted, and only what says so is added or changed."""

    is_addable = False
    is_changeable = False
    # Rows that wait for somebody, counted in the sidebar and on the front page, with the field that tells their age.
    open_since: ClassVar[str] = ""
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    actions_on_top = True
    empty_value_display = "–"
    # What the list is called, where the model's own name is not how staff say it.
    screen_name: ClassVar[object] = ""
    # Said instead of an empty list: what will be here, and how.
    empty_words: ClassVar[object] = ""

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.none()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.is_addable and self._is_for(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.is_changeable and self._is_for(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._is_for(request) and super().has_view_permission(request, obj)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what the filters offer: any other look-up could ask about a hidden value letter by letter."""
        return any(_offers(entry, lookup) for entry in self.get_list_filter(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not is_searchable(search_term):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if any("\x00" in text for values in request.GET.lists() for text in (values[0], *values[1])):
            raise SuspiciousOperation("The address holds a NUL.")
        try:
            return super().changelist_view(request, extra_context)
        except OperationalError:
            if not request.GET:
                raise
            messages.error(
                request, _("That took too long on so many rows. Choose a day, or search by a number.")
            )
            return HttpResponseRedirect(request.path)

    def get_ordering(self, request: HttpRequest) -> Any:
        """A queue that shows what is open shows the oldest first."""
        is_queue = self.open_since and not request.GET.get("show") and not request.GET.get("q")
        return self.queue_ordering() if is_queue else super().get_ordering(request)

    def queue_ordering(self) -> tuple[Any, ...]:
        return (self.open_since,)

    def _is_for(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) or not self.is_for_superusers

    def _get_obj_does_not_exist_redirect(self, *_: object) -> HttpResponse:
        raise Http404


def _offers(entry: Any, lookup: str) -> bool:
    """Whether an entry of `list_filter` asks by this look-up: a field's own words, or a filter's parameter."""
    field = entry[0] if isinstance(entry, tuple | list) else entry
    return lookup.startswith(f"{field}__") if isinstance(field, str) else lookup == field.parameter_name


class ScopedInline(Scoped, BaseInline):
    """Rows of a parent that is itself in scope; the path is asked all the same."""

    extra = 0
    can_delete = False
    show_change_link = False


class ScopedFilter(admin.RelatedFieldListFilter):
    """A drop-down of related rows that offers only those the login may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        related = visible(field.remote_field.model, request, model_admin.admin_site)
        return [(row.pk, str(row)) for row in related]

    def has_output(self) -> bool:
        return len(list(self.lookup_choices)) > 1


def admins(site: admin.AdminSite, request: HttpRequest) -> Iterable[ScopedModelAdmin]:
    """Every registered screen the login may view."""
    for registered in site._registry.values():
        if isinstance(registered, ScopedModelAdmin) and registered.has_view_permission(request):
            yield registered
