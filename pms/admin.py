"""Screens of the mall registry: groups, malls, stores, and staff logins with what they may see."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pms import formats, scoping, store_story
from pms.models import Mall, MallGroup, MallStaff, User
from pms.place_screens import PlaceAdmin
from pms.scoping import ScopedInline, ScopedModelAdmin
from pms.store_screens import StoreAdmin as StoreAdmin

__all__ = ["StoreAdmin", "store_story"]  # imported for their registrations
admin.site.unregister(Group)


@admin.register(MallGroup)
class MallGroupAdmin(PlaceAdmin):
    group_path = "pk"
    ordering = ("name_en", "pk")
    list_display = ("named", "label")
    search_fields = ("label", "name_en", "name_zh")
    fields = ("label", "name_en", "name_zh", "seen")
    empty_words = _("No mall group yet. The command register_mall makes the first.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new group lies in nobody's scope yet."""
        return request.user.is_superuser


@admin.register(Mall)
class MallAdmin(PlaceAdmin):
    mall_path = "pk"
    ordering = ("name_en", "pk")
    list_display = ("named", "tag", "label", "group", "state_pill")
    list_select_related = ("group",)
    list_filter = ("state", ("group", scoping.ScopedFilter))
    search_fields = ("tag", "label", "name_en", "name_zh")
    autocomplete_fields = ("group",)
    fields = ("group", "tag", "label", "name_en", "name_zh", "pms_identifier_code", "state", "seen")
    empty_words = _("No mall yet. The command register_mall makes the first.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def get_readonly_fields(self, request: HttpRequest, obj: Mall | None = None) -> tuple[str, ...]:
        """The group and the tag are in addresses, cards and postings; a mall keeps them."""
        return ("group", "tag") if obj else ()


class MallStaffInline(ScopedInline):
    model = MallStaff
    is_for_superusers = True
    autocomplete_fields = ("group", "mall")
    can_delete = True


@admin.register(User)
class StaffAdmin(ScopedModelAdmin, UserAdmin):  # type: ignore[type-arg]
    """Only superusers make logins: a login's malls decide what it may see."""

    is_for_superusers = True
    is_addable = is_changeable = True
    list_display = ("username", "full_name", "malls", "is_active", "last_seen")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    ordering = ("username",)
    inlines = (MallStaffInline,)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Who"), {"fields": ("first_name", "last_name", "email")}),
        (_("What they may do"), {"fields": ("is_active", "is_staff", "is_superuser")}),
    )
    empty_words = _("No staff login found. Add one here, or by the command add_staff.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("mall_staff__mall", "mall_staff__group")

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        return user.get_full_name() or formats.NOTHING

    @admin.display(description=_("malls"))
    def malls(self, user: User) -> str:
        rows = user.mall_staff.all()
        return (
            ", ".join(f"{formats.name_of(row.mall or row.group)} ({row.get_role_display()})" for row in rows)
            or formats.NOTHING
        )

    @admin.display(description=_("last log-in"), ordering="last_login")
    def last_seen(self, user: User) -> str:
        return formats.moment(user.last_login)
