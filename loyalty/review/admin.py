"""Screens of review: the duplicate desk, spot checks, daily mails, decisions, adjustments, provider files' columns."""

from typing import Any

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import DuplicateCase
from loyalty.review import (
    adjustment_screens,  # noqa: F401  (registers its screen)
    finding_screens,  # noqa: F401  (registers its screen)
)
from loyalty.review.case_desk import DuplicateCaseAdmin
from loyalty.review.daily_mail_screens import DailyMailAdmin
from loyalty.review.models import DailyMail, Decision, ProviderColumn, SpotCheck
from loyalty.review.spot_check_desk import SpotCheckAdmin
from pms import formats, scoping
from pms.filters import day_of
from pms.records import RecordAdmin
from pms.scoping import ScopedModelAdmin

admin.site.register(DuplicateCase, DuplicateCaseAdmin)
admin.site.register(SpotCheck, SpotCheckAdmin)
admin.site.register(DailyMail, DailyMailAdmin)


@admin.register(Decision)
class DecisionAdmin(RecordAdmin):
    mall_path = "case__mall"
    list_display = ("case_number", "answer_shown", "who", "when", "ours", "earlier", "note")
    list_select_related = ("case__transaction", "decided_by")
    list_filter = ("answer", day_of("decided_at"), ("case__mall", scoping.ScopedFilter))
    search_fields = ("=case__transaction__payment_number", "=decided_by__username")
    search_help_text = _("Bill number or staff name, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _(
        "No decision yet. Each answer on the duplicate desk is kept here, with who gave it and why."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With whether the earlier record's mall is one that the login sees."""
        sight = scoping.sight_of(request)
        seen = Value(True) if sight.is_everything else Q(case__earlier__mall__in=sight.mall_ids)
        told = ExpressionWrapper(seen, output_field=BooleanField())
        rows: QuerySet[Any] = super().get_queryset(request).annotate(is_earlier_told=told)
        return rows

    @admin.display(description=_("case"))
    def case_number(self, decision: Decision) -> str:
        one = decision.case.transaction
        return one.payment_number or one.receipt_number or f"#{decision.case_id}"

    @admin.display(description=_("answer"))
    def answer_shown(self, decision: Decision) -> str:
        return formats.word(decision.get_answer_display())

    @admin.display(description=_("who"))
    def who(self, decision: Decision) -> str:
        return str(decision.decided_by)

    @admin.display(description=_("when"))
    def when(self, decision: Decision) -> str:
        return formats.moment(decision.decided_at)

    @admin.display(description=_("points"))
    def ours(self, decision: Decision) -> str:
        return _change(decision.points_before, decision.points_after)

    @admin.display(description=_("points of the earlier record"))
    def earlier(self, decision: Any) -> str:
        if not decision.is_earlier_told:
            return formats.word(_("of another mall"))
        return _change(decision.earlier_points_before, decision.earlier_points_after)

    def title_of(self, thing: Decision) -> object:
        return _("Decision on %(number)s") % {"number": self.case_number(thing)}


def _change(before: int, after: int) -> str:
    return formats.column(f"{formats.number(before)} → {formats.number(after)}")


@admin.register(ProviderColumn)
class ProviderColumnAdmin(ScopedModelAdmin):
    """Headings that a provider's files use beside the published ones."""

    screen_name = _("Columns of provider files")
    group_path = "program__group"
    is_addable = True
    is_changeable = True
    list_display = ("heading", "field", "program")
    list_select_related = ("program",)
    search_fields = ("heading",)
    ordering = ("program", "heading")
    sortable_by = ()
    empty_words = _(
        "The published headings are known. If a provider's files use others, say here which column each one is."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(scoping.whole_groups(request))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        groups = scoping.whole_groups(request)
        is_whole = bool(groups) if obj is None else obj.program.group_id in groups
        return super().has_change_permission(request, obj) and is_whole

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """A heading holds for the whole group, so only who sees all of its malls adds one."""
        field = super().formfield_for_foreignkey(db_field, request, **options)
        field.queryset = field.queryset.filter(group__in=scoping.whole_groups(request))
        return field
