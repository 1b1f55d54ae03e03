"""The front page's first figure, with which ops start: duplicates stopped today, and what their points were worth."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from loyalty.review import reports
from pms import clock, formats, scoping, today
from pms.today import Day, Figure, Part


@today.source(5)
def stopped(request: HttpRequest, day: Day) -> Part:
    if not request.user.has_perm("earning.view_duplicatecase"):
        return Part()
    malls = scoping.sight_of(request).mall_ids
    now, before = (reports.stopped(mall_ids=malls, day=one) for one in (day, day.before))
    note = formats.sentence(
        _("%(money)s saved · %(compared)s"),
        money=formats.money(now.cents),
        compared=today.compared(now.cases, before.cases, day),
    )
    figure = Figure(
        label=_("Duplicates stopped"), shown=formats.number(now.cases), note=note, address=_address(day)
    )
    return Part(figures=[figure])


def _address(day: Day) -> str:
    date = day.start.astimezone(clock.HONG_KONG).date()
    asked = urlencode({"since": f"{date}", "until": f"{date}"})
    return f"{reverse('admin:earning_duplicatecase_report')}?{asked}"
