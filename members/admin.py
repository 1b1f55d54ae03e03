"""Screens of programs, members and the changes of contact they sent."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from members import contact_changes, lookup, member_story, newcomers, program_story  # noqa: F401  (they add their panels)
from members.models import ContactChange, Member, Program, Tier
from pms import formats, scoping
from pms.filters import OpenFilter
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.scoping import ScopedModelAdmin
from pms.steady_forms import SteadyForm


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


def _is_open(change: ContactChange) -> bool:
    return change.state == ContactChange.State.OPEN


@admin.register(Program)
class ProgramAdmin(RecordAdmin):
    group_path = "group"
    ordering = ("name_en", "pk")
    list_display = ("named", "group", "joining_grace_days", "negative_balance")
    list_select_related = ("group",)
    search_fields = ("name_en", "name_zh")
    empty_words = _("No program yet. The command register_mall makes one for each mall group.")

    @admin.display(description=_("program"), ordering="name_en")
    def named(self, program: Program) -> str:
        return formats.two_lines(program.name_en, program.name_zh)

    def title_of(self, thing: Program) -> object:
        return formats.name_of(thing)


@admin.register(Tier)
class TierAdmin(ScopedModelAdmin):
    """The ladder of a program. What was earned keeps the factor of its day; a change counts from now on."""

    group_path = "program__group"
    form = SteadyForm
    is_addable = is_changeable = True
    list_display = ("named", "code", "program_name", "spend", "factor")
    list_select_related = ("program",)
    list_filter = (("program", scoping.ScopedFilter),)
    search_fields = ("code", "name_en", "name_zh")
    ordering = ("program", "min_spend_cents")
    sortable_by = ()
    autocomplete_fields = ("program",)
    fields = (
        "program", "code", "name_en", "name_zh", "min_spend_cents", "factor_numerator", "factor_denominator", "seen",
    )  # fmt: skip
    empty_words = _("No tier yet: every member earns alike. Add the lowest first, with no spend.")

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        """Rules and awards name a tier by its code."""
        return ("program", "code") if obj else ()

    @admin.display(description=_("tier"))
    def named(self, tier: Tier) -> str:
        return formats.two_lines(tier.name_en, tier.name_zh)

    @admin.display(description=_("program"))
    def program_name(self, tier: Tier) -> str:
        return formats.name_of(tier.program)

    @admin.display(description=_("net spend"))
    def spend(self, tier: Tier) -> str:
        return formats.column(formats.money(tier.min_spend_cents))

    @admin.display(description=_("points factor"))
    def factor(self, tier: Tier) -> str:
        return formats.column(f"{tier.factor_numerator / tier.factor_denominator:g}×")


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
