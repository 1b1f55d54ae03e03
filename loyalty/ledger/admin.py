"""Screens of the ledger: read only, since nothing in it is ever changed; redemptions have a desk of their own."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty.ledger import account_story
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting, Redemption
from loyalty.ledger.redemption_desk import RedemptionAdmin
from loyalty.ledger.statement_screens import StatementPages
from pms import formats, scoping
from pms.records import RecordAdmin

admin.site.register(Redemption, RedemptionAdmin)
NOT_YET = _("No points have moved yet. The first payment that earns brings the first rows.")


class LedgerAdmin(RecordAdmin):
    """What the four lists share: newest first, by key alone, so that no index is missed on millions of rows."""

    ordering = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    empty_words = NOT_YET


@admin.register(PointEntry)
class PointEntryAdmin(LedgerAdmin):
    group_path = "account__program__group"
    list_display = ("line", "kind", "owner", "points_shown", "posted")
    list_select_related = ("posting", "account__member", "account__program")
    list_filter = (("account__program", scoping.ScopedFilter), "posting__kind")
    search_fields = ("account__member__card_number__exact",)
    search_help_text = _("Card number")

    @admin.display(description=_("entry"))
    def line(self, entry: PointEntry) -> str:
        return f"#{entry.pk}"

    @admin.display(description=_("kind"))
    def kind(self, entry: PointEntry) -> str:
        return formats.pill(account_story.TONES[entry.posting.kind], entry.posting.get_kind_display())

    @admin.display(description=_("account"))
    def owner(self, entry: PointEntry) -> str:
        return _owner(entry.account)

    @admin.display(description=_("points"))
    def points_shown(self, entry: PointEntry) -> str:
        return formats.column(formats.signed(entry.points), is_minus=entry.points < 0)

    @admin.display(description=_("posted"))
    def posted(self, entry: PointEntry) -> str:
        return formats.moment(entry.posting.posted_at)

    def title_of(self, thing: PointEntry) -> object:
        return f"{self.opts.verbose_name} #{thing.pk}"


@admin.register(Posting)
class PostingAdmin(LedgerAdmin):
    group_path = "program__group"
    list_display = ("line", "kind_pill", "source_shown", "program_name", "posted")
    list_select_related = ("program",)
    list_filter = ("kind", ("program", scoping.ScopedFilter))
    search_fields = ("source__exact",)
    search_help_text = _("Source")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """With every kind named, the unique index on kind and source answers."""
        kinds = queryset.filter(kind__in=Posting.Kind.values) if search_term else queryset
        return super().get_search_results(request, kinds, search_term)

    @admin.display(description=_("posting"))
    def line(self, posting: Posting) -> str:
        return f"#{posting.pk}"

    @admin.display(description=_("kind"))
    def kind_pill(self, posting: Posting) -> str:
        return formats.pill(account_story.TONES[posting.kind], posting.get_kind_display())

    @admin.display(description=_("source"))
    def source_shown(self, posting: Posting) -> str:
        return formats.identifier(posting.source)

    @admin.display(description=_("program"))
    def program_name(self, posting: Posting) -> str:
        return formats.name_of(posting.program)

    @admin.display(description=_("posted"))
    def posted(self, posting: Posting) -> str:
        return formats.moment(posting.posted_at)

    def title_of(self, thing: Posting) -> object:
        return f"{self.opts.verbose_name} #{thing.pk}"


@admin.register(PointAccount)
class PointAccountAdmin(StatementPages, LedgerAdmin):
    group_path = "program__group"
    list_display = ("owner", "kind", "balance_shown", "version_shown", "changed")
    list_select_related = ("member", "program")
    list_filter = ("kind", ("program", scoping.ScopedFilter))
    search_fields = ("member__card_number__exact",)
    search_help_text = _("Card number")

    @admin.display(description=_("owner"))
    def owner(self, account: PointAccount) -> str:
        return _owner(account)

    @admin.display(description=_("balance"))
    def balance_shown(self, account: PointAccount) -> str:
        balance = account.balance
        return formats.column(
            formats.NOTHING if balance is None else formats.number(balance), is_minus=(balance or 0) < 0
        )

    @admin.display(description=_("version"))
    def version_shown(self, account: PointAccount) -> str:
        return formats.column(formats.number(account.version))

    @admin.display(description=_("changed"))
    def changed(self, account: PointAccount) -> str:
        return formats.moment(account.changed_at)

    def title_of(self, thing: PointAccount) -> object:
        return _owner(thing)


@admin.register(PointLot)
class PointLotAdmin(LedgerAdmin):
    group_path = "account__program__group"
    list_display = ("line", "owner", "remaining_shown", "points_shown", "expires")
    list_select_related = ("account__member", "account__program")
    list_filter = (("account__program", scoping.ScopedFilter),)
    search_fields = ("account__member__card_number__exact",)
    search_help_text = _("Card number")

    @admin.display(description=_("lot"))
    def line(self, lot: PointLot) -> str:
        return f"#{lot.pk}"

    @admin.display(description=_("account"))
    def owner(self, lot: PointLot) -> str:
        return _owner(lot.account)

    @admin.display(description=_("remaining"))
    def remaining_shown(self, lot: PointLot) -> str:
        return formats.column(formats.number(lot.remaining))

    @admin.display(description=_("points"))
    def points_shown(self, lot: PointLot) -> str:
        return formats.column(formats.number(lot.points))

    @admin.display(description=_("expires"))
    def expires(self, lot: PointLot) -> str:
        return formats.moment(lot.expires_at) if lot.expires_at else str(_("never"))

    def title_of(self, thing: PointLot) -> object:
        return f"{self.opts.verbose_name} #{thing.pk}"


def _owner(account: PointAccount) -> str:
    return (
        str(account.member)
        if account.member
        else f"{formats.name_of(account.program)} · {account.get_kind_display()}"
    )
