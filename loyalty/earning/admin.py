"""Screens of purchases, refunds, and of the rules that decide points: all read only."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from loyalty.earning import (
    duplicates,
    rule_pages,
    rule_sentences,
    rule_story,
    standing,
    takings,  # noqa: F401  (adds its figures)
    tier_story,  # noqa: F401  (adds its panels)
    transaction_story,
)
from loyalty.earning.models import NumberClaim, Refund, Rule, RuleVersion, Transaction
from members import lookup
from pms import formats, scoping
from pms.filters import day_of
from pms.records import RecordAdmin, pill_by

MOST_FOUND = 200


@admin.register(Transaction)
class TransactionAdmin(RecordAdmin):
    mall_path = "mall"
    list_display = ("number", "paid", "member_name", "store_name", "amount", "points", "state_pill")
    list_select_related = ("member", "store", "mall", "award", "award__rule_version__rule")
    list_filter = ("state", "channel", day_of("paid_at"), ("mall", scoping.ScopedFilter))
    search_fields = ("payment_number__exact",)
    search_help_text = _("Bill number, or a member's phone, card number or user ID, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("No transaction found. Payments appear here as soon as AlipayHK sends them.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("corrections")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or not scoping.is_searchable(search_term):
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(pk__in=_found(search_term.strip(), scoping.sight_of(request))), False

    @admin.display(description=_("number"))
    def number(self, purchase: Transaction) -> str:
        return purchase.payment_number or purchase.receipt_number or f"#{purchase.pk}"

    @admin.display(description=_("paid"))
    def paid(self, purchase: Transaction) -> str:
        return formats.moment(purchase.paid_at)

    @admin.display(description=_("member"))
    def member_name(self, purchase: Transaction) -> str:
        return formats.two_lines(
            purchase.member.name or purchase.member.card_number,
            purchase.member.card_number if purchase.member.name else "",
        )

    @admin.display(description=_("store"))
    def store_name(self, purchase: Transaction) -> str:
        if purchase.store:
            return formats.two_lines(
                formats.name_of(purchase.store), purchase.store.code or purchase.store.pms_label
            )
        return formats.two_lines(
            purchase.merchant_name or purchase.store_label or formats.NOTHING, _("unknown store")
        )

    @admin.display(description=_("amount"))
    def amount(self, purchase: Transaction) -> str:
        return formats.column(formats.money(purchase.amount_cents, purchase.currency))

    @admin.display(description=_("points"))
    def points(self, purchase: Transaction) -> str:
        earned = standing.earned(purchase)
        return formats.column(formats.signed(earned) if earned else formats.NOTHING)

    @admin.display(description=_("state"))
    def state_pill(self, purchase: Transaction) -> str:
        return pill_by(transaction_story.TONES, purchase)

    def title_of(self, thing: Transaction) -> object:
        return _("Transaction %(number)s") % {"number": self.number(thing)}

    def pill_of(self, thing: Transaction) -> str:
        return self.state_pill(thing)


def _found(text: str, sight: scoping.Sight) -> list[int]:
    """By any number it is known by, else by who paid; each an index."""
    forms = {text, duplicates.canonical(text)}
    claimed = NumberClaim.objects.filter(
        group__in=sight.group_ids, kind__in=NumberClaim.Kind.values, number__in=forms
    )
    numbered = Transaction.objects.filter(group__in=sight.group_ids, payment_number__in=forms)
    receipts = Transaction.objects.filter(group__in=sight.group_ids, receipt_number__iexact=text)
    ids = [
        *claimed.values_list("transaction_id", flat=True)[:MOST_FOUND],
        *numbered.values_list("pk", flat=True)[:MOST_FOUND],
        *receipts.values_list("pk", flat=True)[:MOST_FOUND],
    ]
    if ids:
        return ids
    members = lookup.find(text, group_ids=sight.group_ids, mall_ids=sight.mall_ids)
    paid = Transaction.objects.filter(member__in=members, mall__in=sight.mall_ids).order_by("-paid_at")
    return list(paid.values_list("pk", flat=True)[:MOST_FOUND])


@admin.register(Refund)
class RefundAdmin(RecordAdmin):
    mall_path = "transaction__mall"
    list_display = ("title", "refunded", "payment", "amount", "points_taken", "uncollected_shown")
    list_select_related = ("transaction",)
    list_filter = (("transaction__mall", scoping.ScopedFilter),)
    search_fields = ("number__exact", "transaction__payment_number__exact")
    search_help_text = _("Refund number or bill number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _(
        "No refund found. A refund appears here when AlipayHK reports it and its payment is known."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or not scoping.is_searchable(search_term):
            return super().get_search_results(request, queryset, search_term)
        text = search_term.strip()
        paid = Refund.objects.filter(transaction__in=_found(text, scoping.sight_of(request)))
        named = Refund.objects.filter(number=text)
        ids = [pk for rows in (paid, named) for pk in rows.values_list("pk", flat=True)[:MOST_FOUND]]
        return queryset.filter(pk__in=ids), False

    @admin.display(description=_("refund number"))
    def title(self, refund: Refund) -> str:
        return refund.number or f"#{refund.pk}"

    @admin.display(description=_("refunded"))
    def refunded(self, refund: Refund) -> str:
        return formats.moment(refund.refunded_at)

    @admin.display(description=_("transaction"))
    def payment(self, refund: Refund) -> str:
        return refund.transaction.payment_number

    @admin.display(description=_("amount"))
    def amount(self, refund: Refund) -> str:
        return formats.column(formats.money(refund.amount_cents, refund.transaction.currency))

    @admin.display(description=_("points taken back"))
    def points_taken(self, refund: Refund) -> str:
        return formats.column(
            formats.signed(-refund.points) if refund.points else formats.NOTHING, is_minus=refund.points > 0
        )

    @admin.display(description=_("not collected"))
    def uncollected_shown(self, refund: Refund) -> str:
        return formats.column(formats.number(refund.uncollected) if refund.uncollected else formats.NOTHING)

    def title_of(self, thing: Refund) -> object:
        return _("Refund %(number)s") % {"number": self.title(thing)}


@admin.register(Rule)
class RuleAdmin(RecordAdmin):
    """Rules as they stand. They are written on pages of their own, since a published version is never edited."""

    group_path = "program__group"
    list_display = ("named", "code", "program_name", "kind_shown", "said")
    list_select_related = ("program",)
    list_filter = ("kind", ("program", scoping.ScopedFilter))
    search_fields = ("name_en", "name_zh", "code")
    ordering = ("program", "pk")
    change_list_template = "admin/earning/rule/change_list.html"
    empty_words = _("No rule yet. The command register_mall publishes the base rule of a program.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = RuleVersion.objects.select_related("rule").order_by("number")
        named = ("program__group__malls", "program__tiers")
        return super().get_queryset(request).prefetch_related(Prefetch("versions", queryset=newest), *named)

    def get_urls(self) -> list[URLPattern]:
        return [*rule_pages.addresses(self), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        shown = {"may_write": request.user.has_perm("earning.change_rule"), **(extra_context or {})}
        return super().changelist_view(request, shown)

    @admin.display(description=_("rule"))
    def named(self, rule: Rule) -> str:
        return formats.name_of(rule)

    @admin.display(description=_("program"))
    def program_name(self, rule: Rule) -> str:
        return formats.name_of(rule.program)

    @admin.display(description=_("kind"))
    def kind_shown(self, rule: Rule) -> str:
        return formats.word(rule.get_kind_display())

    @admin.display(description=_("what it says"))
    def said(self, rule: Rule) -> str:
        newest = next(reversed(rule.versions.all()), None)
        if newest is None:
            return formats.NOTHING
        english, chinese = rule_sentences.both(newest, names=rule_sentences.called_in_lists(rule.program))
        return formats.two_lines(*((chinese, english) if formats.is_chinese() else (english, chinese)))

    def title_of(self, thing: Rule) -> object:
        return formats.name_of(thing)


@admin.register(RuleVersion)
class RuleVersionAdmin(RecordAdmin):
    group_path = "rule__program__group"
    list_display = ("named", "program_name", "said", "effective")
    list_select_related = ("rule__program",)
    list_filter = (("rule__program", scoping.ScopedFilter),)
    search_fields = ("rule__name_en", "rule__name_zh")
    ordering = ("-pk",)
    empty_words = _("No version yet. The command register_mall publishes one whenever a figure differs.")

    @admin.display(description=_("version"))
    def named(self, version: RuleVersion) -> str:
        return f"{formats.name_of(version.rule)} v{version.number}"

    @admin.display(description=_("program"))
    def program_name(self, version: RuleVersion) -> str:
        return formats.name_of(version.rule.program)

    @admin.display(description=_("what it pays"))
    def said(self, version: RuleVersion) -> str:
        english, chinese = rule_sentences.both(version)
        return formats.two_lines(*((chinese, english) if formats.is_chinese() else (english, chinese)))

    @admin.display(description=_("in force from"))
    def effective(self, version: RuleVersion) -> str:
        return rule_story.in_force_from(version)

    def title_of(self, thing: RuleVersion) -> object:
        return self.named(thing)
