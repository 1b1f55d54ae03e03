"""Screens of review: the duplicate desk, spot checks, daily mails, and decisions, which nobody edits."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import DuplicateCase
from loyalty.review.case_desk import DuplicateCaseAdmin
from loyalty.review.daily_mail_screens import DailyMailAdmin
from loyalty.review.models import DailyMail, Decision, SpotCheck
from loyalty.review.spot_check_desk import SpotCheckAdmin
from pms import formats, scoping
from pms.filters import day_of
from pms.records import RecordAdmin

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
    def earlier(self, decision: Decision) -> str:
        return _change(decision.earlier_points_before, decision.earlier_points_after)

    def title_of(self, thing: Decision) -> object:
        return _("Decision on %(number)s") % {"number": self.case_number(thing)}


def _change(before: int, after: int) -> str:
    return formats.column(f"{formats.number(before)} → {formats.number(after)}")
