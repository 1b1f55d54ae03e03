"""Screens of programs, members and the changes of contact they sent."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from members import (
    contact_changes,
    lookup,
    member_story,
    newcomers,  # noqa: F401  (adds its figure)
    program_story,  # noqa: F401  (adds its panels)
    registration_forms,
    registration_story,  # noqa: F401  (adds its panels)
    terms,
    terms_history,
)
from members.models import ContactChange, Member, Program, RegistrationField, Tier
from pms import formats, scoping
from pms.filters import OpenFilter
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.scoping import ScopedInline, ScopedModelAdmin

REGISTRATION = "members_program_registration"


def _reveal(request: HttpRequest, member: Member) -> object:
    request.session[member_story.REVEALED] = member.pk
    return _("Phone and e-mail are shown once; this was noted in the history.")


def _take_over(request: HttpRequest, change: ContactChange) -> object:
    try:
        contact_changes.take_over(change=change, by=login_of(request))
    except contact_changes.ContactTaken as error:
        raise Refused(
            _("Another member has this phone number or e-mail address. Nothing was changed.")
        ) from error
    except contact_changes.PhoneUnreadable as error:
        raise Refused(_("The phone cannot be read as a number. Nothing was changed.")) from error
    return _("The member has the new phone or e-mail now.")


def _dismiss(request: HttpRequest, change: ContactChange) -> object:
    contact_changes.dismiss(change=change, by=login_of(request))
    return _("The member stays as it is.")


def _is_whole(request: HttpRequest, group_id: int | None) -> bool:
    """What holds for a whole group is changed by those who see all of its malls."""
    groups = scoping.whole_groups(request)
    return bool(groups) if group_id is None else group_id in groups


def _is_registration(request: HttpRequest) -> bool:
    return bool(request.resolver_match) and request.resolver_match.url_name == REGISTRATION


def _is_open(change: ContactChange) -> bool:
    return change.state == ContactChange.State.OPEN


class RegistrationFieldInline(ScopedInline):
    """Whoever may change a program says what its mini-app asks; answers given stay with their members."""

    model = RegistrationField
    form = registration_forms.RegistrationFieldForm
    group_path = "program__group"
    can_delete = True
    verbose_name_plural = _("Registration fields")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("position", "pk")

    def _may(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("members.change_program") and _is_whole(request, obj and obj.group_id)

    has_view_permission = has_add_permission = has_change_permission = has_delete_permission = _may


@admin.register(Program)
class ProgramAdmin(RecordAdmin):
    group_path = "group"
    ordering = ("name_en", "pk")
    list_display = ("named", "group", "joining_grace_days", "negative_balance")
    list_select_related = ("group",)
    search_fields = ("name_en", "name_zh")
    form = terms.ProgramForm
    is_changeable = True
    fields = (*terms.TERMS, "seen")
    empty_words = _("No program yet. The command register_mall makes one for each mall group.")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:object_id>/terms/", wrap(self.terms_view), name="members_program_terms"),
            path("<int:object_id>/registration/", wrap(self.registration_view), name=REGISTRATION),
            *super().get_urls(),
        ]

    def terms_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The form behind the page that tells the terms."""
        return self._form_view(request, object_id, _("Change the terms"))

    def registration_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The form of what the mini-app asks."""
        return self._form_view(request, object_id, _("Change consent text and fields"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        if _is_registration(request):
            options["form"] = registration_forms.ConsentTextForm
        return super().get_form(request, obj, change, **options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if _is_registration(request):
            return (*registration_forms.CONSENT, "seen")
        return super().get_fields(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return (RegistrationFieldInline,) if _is_registration(request) else ()

    def _form_view(self, request: HttpRequest, object_id: int, title: object) -> HttpResponse:
        program = self._visible_thing(request, str(object_id))
        if not self.has_change_permission(request, program):
            raise PermissionDenied
        return self.changeform_view(request, str(object_id), extra_context={"title": title})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _is_whole(request, obj and obj.group_id)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        message = super().construct_change_message(request, form, formsets, add)
        return terms_history.with_values(message, before=form.before, after=form.instance)

    def response_post_save_change(self, request: HttpRequest, obj: Program) -> HttpResponseRedirect:
        return HttpResponseRedirect(self._address(obj))

    @admin.display(description=_("program"), ordering="name_en")
    def named(self, program: Program) -> str:
        return formats.two_lines(program.name_en, program.name_zh)

    def title_of(self, thing: Program) -> object:
        return formats.name_of(thing)


@admin.register(Tier)
class TierAdmin(ScopedModelAdmin):
    """The ladder of a program. What was earned keeps the factor of its day; a change counts from now on."""

    group_path = "program__group"
    form = terms.TierForm
    is_addable = is_changeable = True
    list_display = ("named", "code", "program_name", "spend_shown", "factor_shown")
    list_select_related = ("program",)
    list_filter = (("program", scoping.ScopedFilter),)
    search_fields = ("code", "name_en", "name_zh")
    ordering = ("program", "min_spend_cents")
    sortable_by = ()
    autocomplete_fields = ("program",)
    fields = (
        "program", "code", "name_en", "name_zh", "spend", "factor", "seen",
    )  # fmt: skip
    empty_words = _("No tier yet: every member earns alike. Add the lowest first, with no spend.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(scoping.whole_groups(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _is_whole(
            request, obj and obj.program.group_id
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """A tier holds for the whole group, so only who sees all of its malls adds one."""
        field = super().formfield_for_foreignkey(db_field, request, **options)
        field.queryset = field.queryset.filter(group__in=scoping.whole_groups(request))
        return field

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        message = super().construct_change_message(request, form, formsets, add)
        return terms_history.with_values(message, before=form.before, after=form.instance)

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        """Rules and awards name a tier by its code."""
        return ("program", "code") if obj else ()

    @admin.display(description=_("tier"))
    def named(self, tier: Tier) -> str:
        return formats.both_names(tier)

    @admin.display(description=_("program"))
    def program_name(self, tier: Tier) -> str:
        return formats.name_of(tier.program)

    @admin.display(description=_("net spend"))
    def spend_shown(self, tier: Tier) -> str:
        return formats.column(formats.money(tier.min_spend_cents))

    @admin.display(description=_("points factor"))
    def factor_shown(self, tier: Tier) -> str:
        return formats.column(f"{terms.factor_words(tier)}×")


@admin.register(Member)
class MemberAdmin(RecordAdmin):
    group_path = "program__group"
    list_display = ("card", "name", "phone_shown", "balance", "program_name", "state_pill", "joined")
    list_select_related = ("program", "account")
    list_filter = ("state", ("program", scoping.ScopedFilter))
    search_fields = ("card_number__exact",)
    search_help_text = _("Phone, e-mail, card number, user ID, pass ID or bill number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _(
        "No member found. Search takes a whole phone, e-mail, card number, user ID, pass ID or bill number."
    )
    deeds = (
        Deed(
            name="reveal",
            label=_("Show phone and e-mail"),
            permission="members.view_member",
            do=_reveal,
            is_main=lambda _: False,
        ),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or not scoping.is_searchable(search_term):
            return super().get_search_results(request, queryset, search_term)
        sight = scoping.sight_of(request)
        return queryset.filter(
            pk__in=lookup.find(search_term, group_ids=sight.group_ids, mall_ids=sight.mall_ids)
        ), False

    @admin.display(description=_("card number"))
    def card(self, member: Member) -> str:
        return member.card_number

    @admin.display(description=_("phone"))
    def phone_shown(self, member: Member) -> str:
        return member_story.phone(member, is_revealed=False)

    @admin.display(description=_("balance"))
    def balance(self, member: Member) -> str:
        account = getattr(member, "account", None)
        return formats.column(
            formats.number(account.balance) if account else formats.NOTHING,
            is_minus=bool(account and account.balance < 0),
        )

    @admin.display(description=_("program"))
    def program_name(self, member: Member) -> str:
        return formats.name_of(member.program)

    @admin.display(description=_("state"))
    def state_pill(self, member: Member) -> str:
        return pill_by(member_story.TONES, member)

    @admin.display(description=_("joined"))
    def joined(self, member: Member) -> str:
        return formats.moment(member.joined_at)

    def title_of(self, thing: Member) -> object:
        return thing

    def pill_of(self, thing: Member) -> str:
        return pill_by(member_story.TONES, thing)


@admin.register(ContactChange)
class ContactChangeAdmin(RecordAdmin):
    group_path = "member__program__group"
    list_display = ("member_name", "phone_shown", "email_shown", "state_pill", "noticed")
    list_select_related = ("member",)
    list_filter = (OpenFilter,)
    search_fields = ("member__card_number__exact",)
    search_help_text = _("Card number")
    ordering = ("noticed_at",)
    sortable_by = ()
    open_since = "noticed_at"
    empty_words = _(
        "No contact change waits. One appears here when a wallet sends a phone or e-mail "
        "that differs from the member's."
    )

    deeds = (
        Deed(name="take-over", label=_("Take over"), permission="members.change_contactchange", do=_take_over,
             is_offered=_is_open, explanation=_("The member gets this phone or e-mail.")),
        Deed(name="dismiss", label=_("Leave as it is"), permission="members.change_contactchange", do=_dismiss,
             is_offered=_is_open, is_main=lambda _: False),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(state=ContactChange.State.OPEN)

    @admin.display(description=_("member"))
    def member_name(self, change: ContactChange) -> str:
        return str(change.member)

    @admin.display(description=_("phone"))
    def phone_shown(self, change: ContactChange) -> str:
        return formats.masked_phone(change.phone) or formats.NOTHING

    @admin.display(description=_("e-mail"))
    def email_shown(self, change: ContactChange) -> str:
        return formats.masked_email(change.email) or formats.NOTHING

    @admin.display(description=_("state"))
    def state_pill(self, change: ContactChange) -> str:
        return formats.pill(
            "wait" if change.state == ContactChange.State.OPEN else "quiet", change.get_state_display()
        )

    @admin.display(description=_("noticed"))
    def noticed(self, change: ContactChange) -> str:
        return formats.age(change.noticed_at)

    def title_of(self, thing: ContactChange) -> object:
        return thing.member
