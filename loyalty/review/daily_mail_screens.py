"""The mails of the morning: what was sent to whom, and what could not be."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.review import daily_mails
from loyalty.review.models import DailyMail
from pms import clock, formats, scoping, story
from pms.filters import OpenFilter
from pms.records import Deed, RecordAdmin
from pms.story import Panel


def _again(_request: HttpRequest, mail: DailyMail) -> object:
    daily_mails.send_again(mail=mail, now=clock.now())
    return _("It is sent again within five minutes.")


def _is_given_up(mail: DailyMail) -> bool:
    return mail.is_given_up


class DailyMailAdmin(RecordAdmin):
    screen_name = gettext_lazy("Daily mails")
    mall_path = "mall"
    list_display = ("day", "mall_name", "address", "tries", "pill_of", "when")
    list_select_related = ("mall",)
    list_filter = (OpenFilter, ("mall", scoping.ScopedFilter))
    search_fields = ("=address",)
    search_help_text = gettext_lazy("Address, in full")
    ordering = ("-report_date", "-pk")
    sortable_by = ()
    open_since = "report_date"
    empty_words = gettext_lazy(
        "No mail waits. The duplicates of yesterday are mailed each morning to whom the configuration names; all are"
        " under “All”."
    )
    deeds = (
        Deed(name="again", label=gettext_lazy("Send again"), permission="review.change_dailymail", do=_again,
             is_offered=_is_given_up),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(sent_at=None)

    @admin.display(description=gettext_lazy("day"))
    def day(self, mail: DailyMail) -> str:
        return f"{mail.report_date}"

    @admin.display(description=gettext_lazy("mall"))
    def mall_name(self, mail: DailyMail) -> str:
        return formats.name_of(mail.mall)

    @admin.display(description=gettext_lazy("attempts"))
    def tries(self, mail: DailyMail) -> str:
        return formats.column(formats.number(mail.attempts))

    @admin.display(description=gettext_lazy("when"))
    def when(self, mail: DailyMail) -> str:
        return formats.moment(mail.sent_at) if mail.sent_at else formats.due(mail.due_at)

    def title_of(self, thing: DailyMail) -> object:
        return _("Mail of %(day)s to %(address)s") % {"day": thing.report_date, "address": thing.address}

    @admin.display(description=gettext_lazy("state"))
    def pill_of(self, thing: DailyMail) -> str:
        if thing.sent_at:
            return formats.pill("good", _("sent"))
        return formats.pill("bad", _("given up")) if thing.is_given_up else formats.pill("wait", _("waiting"))


@story.tells("review.dailymail", 10)
def mail(_request: HttpRequest, one: DailyMail) -> Panel | None:
    return story.facts(_("Mail"), [
        (_("Mall"), formats.name_of(one.mall)),
        (_("Day"), f"{one.report_date}"),
        (_("Address"), one.address),
        (_("Language"), one.language),
        (_("Attempts"), formats.number(one.attempts)),
        (_("Sent"), formats.moment(one.sent_at)),
        (_("Next attempt"), formats.due(one.due_at)),
        (_("Last fault"), one.last_fault or formats.NOTHING),
    ])  # fmt: skip
