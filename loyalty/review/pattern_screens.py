"""Patterns on the staff screens: who stands out in duplicates, with links to the cases. For those who decide them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.review import patterns
from loyalty.review.patterns import Pattern, Question, Subject
from loyalty.review.report_screens import ReportForm, midnight
from members.models import Member
from pms import clock, formats, scoping, story
from pms.models import Mall, Store
from pms.records import RecordAdmin
from pms.story import Panel

DECIDE = "earning.change_duplicatecase"
USUAL = timedelta(days=29)
NAMES = {
    "member": gettext_lazy("Members"),
    "staff": gettext_lazy("Staff"),
    "store": gettext_lazy("Stores"),
    "partner": gettext_lazy("Partner keys"),
}
ORDERS = [
    ("cases", gettext_lazy("Most cases")),
    ("share", gettext_lazy("Highest share")),
    ("saved", gettext_lazy("Most HK$ saved")),
]

if TYPE_CHECKING:
    BaseAdmin = RecordAdmin
else:
    BaseAdmin = object


class PatternForm(ReportForm):
    """Days paid in Hong Kong, both included; a mall or all; by whom to count, and what comes first."""

    channel = None  # type: ignore[assignment]  # takes the report's field out
    by = forms.ChoiceField(label=gettext_lazy("Of"))
    order = forms.ChoiceField(label=gettext_lazy("Sorted by"), choices=ORDERS)
    field_order = ("by", "since", "until", "mall", "order")

    def __init__(self, *arguments: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*arguments, request=request, **options)
        field: Any = self.fields["by"]
        field.choices = [(name, NAMES[name]) for name in patterns.SUBJECTS]

    def pattern_question(self, request: HttpRequest) -> Question:
        asked = self.cleaned_data
        malls = {asked["mall"].pk} if asked["mall"] else scoping.sight_of(request).mall_ids
        since, until = midnight(asked["since"]), midnight(asked["until"]) + timedelta(days=1)
        return Question(mall_ids=malls, since=since, until=until, order=asked["order"])


class PatternPages(BaseAdmin):
    """What the duplicate desk gains: the page of patterns."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.patterns_view)
        return [path("patterns/", page, name="earning_duplicatecase_patterns"), *super().get_urls()]

    def patterns_view(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not request.user.has_perm(DECIDE):
            raise PermissionDenied
        form = _form(request)
        panel = _told(request, form) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Patterns"),
            "form": form,
            "panels": [panel] if panel else [],
        }
        return TemplateResponse(request, "admin/patterns.html", context, status=200 if panel else 400)


@dataclass(frozen=True)
class Chosen:
    """One subject in a period, as an address carries it: `member.12.2026-11-01.2026-11-21`."""

    subject: Subject
    subject_id: int
    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.subject.name}.{self.subject_id}.{self.first}.{self.last}"

    @property
    def question(self) -> dict[str, Any]:
        return {"since": midnight(self.first), "until": midnight(self.last) + timedelta(days=1)}


def read(text: str) -> Chosen:
    """ValueError or KeyError where it names nothing."""
    name, subject_id, first, last = text.split(".")
    return Chosen(
        patterns.SUBJECTS[name],
        int(subject_id[:18]),
        max(date.fromisoformat(first), date(2000, 1, 1)),
        min(date.fromisoformat(last), date(2099, 12, 31)),
    )


class PatternFilter(admin.SimpleListFilter):
    """The cases behind one line of the patterns; offered only to who comes from there."""

    title = gettext_lazy("Of")
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        if not value:
            return []
        try:
            chosen = read(value)
        except (KeyError, ValueError):
            messages.error(request, _("The address names nobody; all cases are shown."))
            return []
        rows = model_admin.get_queryset(request)
        return [(value, _called(chosen, rows))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        chosen = read(value) if value else None
        if chosen is None:
            return queryset
        return queryset.filter(patterns.cases_of(chosen.subject, chosen.subject_id, **chosen.question))


def _called(chosen: Chosen, rows: QuerySet[Any]) -> str:
    """Nobody is named to a login that sees no case of theirs."""
    cases = patterns.cases_of(chosen.subject, chosen.subject_id, **chosen.question)
    if not rows.filter(cases).exists():
        return formats.NOTHING
    one = chosen.subject.fetch([chosen.subject_id]).get(chosen.subject_id)
    return f"{formats.name_of(one) if isinstance(one, Store) else one}, {chosen.first} – {chosen.last}"


def _form(request: HttpRequest) -> PatternForm:
    today = clock.now().astimezone(clock.HONG_KONG).date()
    usual = {"by": "member", "since": f"{today - USUAL}", "until": f"{today}", "mall": "", "order": "cases"}
    return PatternForm({name: request.GET.get(name, usual[name]) for name in usual}, request=request)


def _told(request: HttpRequest, form: PatternForm) -> Panel | None:
    question, subject = form.pattern_question(request), patterns.SUBJECTS[form.cleaned_data["by"]]
    try:
        rows = patterns.found(subject, question)
    except OperationalError:
        form.add_error(None, _("That took too long on so many rows. Choose fewer days."))
        return None
    return _panel(request, subject, rows, form)


def _panel(request: HttpRequest, subject: Subject, rows: Sequence[Pattern], form: PatternForm) -> Panel:
    malls = Mall.objects.in_bulk({row.mall_id for row in rows})
    named = subject.fetch({row.subject_id for row in rows})
    headings = [
        (_("Who"), ""), (_("Mall"), ""), (_("Cases"), "number"), (_("Against the median"), "number"),
        (_("Of entries"), "number"), (_("Share"), "number"), (_("Two purchases"), "number"), (_("Open"), "number"),
        (_("Points saved"), "number"), (_("HK$ saved"), "number"),
    ]  # fmt: skip
    lead = partial(_cases, subject, form)
    shown = [
        (_who(request, named[row.subject_id]), formats.name_of(malls[row.mall_id]), lead(row), *_figures(row))
        for row in rows
    ]
    empty = _("No duplicate came in these days. Whoever has one appears here, with the share of all entries.")
    panel = story.table(NAMES[subject.name], headings, shown, empty=empty)
    panel.content["note"] = " ".join(_medians(rows, malls))
    return panel


def _figures(row: Pattern) -> tuple[object, ...]:
    times = f"{row.times:.1f}×"
    return (
        formats.pill("warn", times) if row.stands_out else times, formats.number(row.entries), f"{row.share:.1%}",
        formats.number(row.different), formats.number(row.waiting), formats.number(row.points_saved),
        formats.money(row.cents_saved),
    )  # fmt: skip


def _medians(rows: Sequence[Pattern], malls: dict[int, Mall]) -> list[str]:
    """What is usual in each mall, among those that have a case at all."""
    usual = {row.mall_id: (row.usual_cases, row.usual_share) for row in rows}
    words = _("Median at %(mall)s, of those with a case – cases: %(cases)s, share: %(share)s.")
    return [
        words % {"mall": formats.name_of(malls[mall_id]), "cases": f"{count:g}", "share": f"{share:.1%}"}
        for mall_id, (count, share) in usual.items()
    ]


def _who(request: HttpRequest, one: Any) -> object:
    if isinstance(one, Member):
        return formats.two_lines(story.link(request, one, one.name or one.card_number), one.card_number)
    return story.link(request, one, formats.name_of(one) if isinstance(one, Store) else one)


def _cases(subject: Subject, form: PatternForm, row: Pattern) -> str:
    days = form.cleaned_data
    chosen = Chosen(subject, row.subject_id, days["since"], days["until"])
    asked = urlencode({"show": "all", "of": str(chosen), "mall__id__exact": f"{row.mall_id}"})
    return formats.link(
        f"{reverse('admin:earning_duplicatecase_changelist')}?{asked}", formats.number(row.cases)
    )
