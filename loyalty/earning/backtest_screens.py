"""Back-tests on the staff screens: ask for one, watch it run, read what would have been different.

A rule holds for a whole group, and so does what a back-test tells: only who sees all malls of a group sees any.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from kombu.exceptions import OperationalError

from loyalty.earning import backtest_runs, drafts, rule_sentences, tasks
from loyalty.earning.backtest_models import BacktestRun
from loyalty.earning.drafts import Draft
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.rule_versions import Naming
from members.models import Member, Program
from pms import clock, formats, scoping, story
from pms.models import Mall
from pms.records import Deed, RecordAdmin, Refused, pill_by
from pms.story import Panel

log = logging.getLogger(__name__)

TONES = {"WAITING": "wait", "RUNNING": "news", "DONE": "good", "CANCELED": "quiet", "FAILED": "bad"}


class QuestionForm(forms.Form):
    """Which rule, as its newest version says it, over how many days."""

    rule = forms.ModelChoiceField(queryset=Rule.objects.none(), label=gettext_lazy("Rule"))
    days = forms.TypedChoiceField(
        label=gettext_lazy("Days"), coerce=int, choices=[(days, str(days)) for days in backtest_runs.DAYS]
    )

    def __init__(self, *arguments: Any, rules: QuerySet[Rule], **options: Any) -> None:
        super().__init__(*arguments, **options)
        field: Any = self.fields["rule"]
        field.queryset = rules
        field.label_from_instance = lambda rule: f"{formats.name_of(rule)} · {formats.name_of(rule.program)}"


def _cancel(_request: HttpRequest, run: BacktestRun) -> object:
    if not backtest_runs.cancel(run=run, now=clock.now()):
        raise Refused(_("The back-test was over already."))
    return _("The back-test was canceled.")


@admin.register(BacktestRun)
class BacktestRunAdmin(RecordAdmin):
    group_path = "program__group"
    is_addable = True
    page_template = "admin/watched_record.html"
    list_display = ("rule_name", "program_name", "period", "state_pill", "change", "asked")
    list_select_related = ("program", "asked_by")
    search_fields = ("rule_code", "name_en", "name_zh")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = gettext_lazy(
        "No back-test yet. It judges past transactions again under a draft and moves no points."
    )
    deeds = (
        Deed(
            name="cancel", label=gettext_lazy("Cancel"), permission="earning.add_backtestrun",
            do=_cancel, is_offered=lambda run: run.is_open, is_main=lambda _: False,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.filter(program__group__in=scoping.whole_groups(request))

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:object_id>/progress.json",
            self.admin_site.admin_view(self.progress_view),
            name="earning_backtestrun_progress",
        )
        return [own, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"rule": request.GET.get("rule", ""), "days": backtest_runs.DAYS[0]}
        form = QuestionForm(request.POST or None, rules=_rules(request), initial=initial)
        if request.method == "POST" and form.is_valid():
            version = form.cleaned_data["rule"].versions.select_related("rule__program").latest("number")
            return start_published(request, version, days=form.cleaned_data["days"])
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": _("Back-test"), "form": form,
        }  # fmt: skip
        return TemplateResponse(request, "admin/backtest_ask.html", context)

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the run is open."""
        run: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": run.judged_count, "transactions": run.transaction_count, "is_open": run.is_open}
        return JsonResponse(shown | {"said": str(_said(run))})

    @admin.display(description=gettext_lazy("rule"))
    def rule_name(self, run: BacktestRun) -> str:
        return formats.name_of(run)

    @admin.display(description=gettext_lazy("program"))
    def program_name(self, run: BacktestRun) -> str:
        return formats.name_of(run.program)

    @admin.display(description=gettext_lazy("period"))
    def period(self, run: BacktestRun) -> str:
        return formats.days(run.days)

    @admin.display(description=gettext_lazy("state"))
    def state_pill(self, run: BacktestRun) -> str:
        return pill_by(TONES, run)

    @admin.display(description=gettext_lazy("points more or less"))
    def change(self, run: BacktestRun) -> str:
        points = run.result.get("liability_points")
        return formats.column(formats.NOTHING if points is None else formats.signed(points))

    @admin.display(description=gettext_lazy("asked at"))
    def asked(self, run: BacktestRun) -> str:
        return formats.moment(run.asked_at)

    def title_of(self, thing: BacktestRun) -> object:
        return _("Back-test of %(rule)s") % {"rule": formats.name_of(thing)}

    def pill_of(self, thing: BacktestRun) -> str:
        return self.state_pill(thing)


def start(request: HttpRequest, *, program: Program, naming: Naming, draft: Draft, days: int) -> HttpResponse:
    """Back-test a draft that nobody has published: what the form of a rule calls. Leads to the run's page."""
    is_whole = program.group_id in scoping.whole_groups(request)
    if not (is_whole and request.user.has_perm("earning.add_backtestrun")):
        raise PermissionDenied
    run = backtest_runs.ask(
        program=program, naming=naming, draft=draft, days=days, by=_staff(request), now=clock.now()
    )
    try:
        tasks.backtest.delay(run_id=run.pk)
    except OperationalError as error:
        log.warning("no worker could be told of back-test %d: %s", run.pk, error)
        backtest_runs.fail(run=run, now=clock.now())
        messages.error(request, _("No worker could be told of the back-test. Nothing was judged; try again."))
    return HttpResponseRedirect(reverse("admin:earning_backtestrun_change", args=[run.pk]))


def start_published(request: HttpRequest, version: RuleVersion, *, days: int) -> HttpResponse:
    """What if the newest version had been in force all the time?"""
    rule = version.rule
    naming = Naming(code=rule.code, kind=rule.kind, name_en=rule.name_en, name_zh=rule.name_zh)
    return start(request, program=rule.program, naming=naming, draft=drafts.of(version), days=days)


def _staff(request: HttpRequest) -> Any:
    return request.user


def _rules(request: HttpRequest) -> QuerySet[Rule]:
    rules = story.visible(request, Rule).filter(versions__isnull=False).distinct().select_related("program")
    groups = scoping.whole_groups(request)
    seen = rules if request.user.is_superuser else rules.filter(program__group__in=groups)
    ordered: QuerySet[Rule] = seen.order_by("program", "code")
    return ordered


@story.tells("earning.backtestrun", 10)
def question(request: HttpRequest, run: BacktestRun) -> Panel:
    terms = drafts.columns(backtest_runs.question_of(run).draft)
    rule = Rule(
        program=run.program, code=run.rule_code, kind=run.rule_kind, name_en=run.name_en, name_zh=run.name_zh
    )
    draft = RuleVersion(rule=rule, number=0, **terms)
    content = {
        "reasons": [tuple(rule_sentences.both(draft))],
        "sum": _("Over what was paid in the %(days)s before %(time)s")
        % {"days": formats.days(run.days), "time": formats.exact(run.until_at)},
    }
    return Panel(title=_("What if the rule had said"), template="why", content=content)


@story.tells("earning.backtestrun", 20)
def progress(_request: HttpRequest, run: BacktestRun) -> Panel | None:
    if run.state == BacktestRun.State.DONE:
        return None
    address = reverse("admin:earning_backtestrun_progress", args=[run.pk])
    return Panel(
        title=_("Progress"), template="progress",
        content={"run": run, "address": address if run.is_open else "", "said": _said(run)},
    )  # fmt: skip


@story.tells("earning.backtestrun", 30)
def answer(_request: HttpRequest, run: BacktestRun) -> Panel | None:
    if not run.result:
        return None
    result = run.result
    return story.facts(_("The answer"), [
        (_("Points then"), formats.big(formats.number(result["all"]["then"]))),
        (_("Points now"), formats.big(formats.number(result["all"]["now"]))),
        (_("Liability"), f"{formats.signed(result['liability_points'])} · {formats.money(result['liability_cents'])}"),
        (_("Transactions judged"), formats.number(result["all"]["transactions"])),
        (_("Transactions with other points"), formats.number(result["changed"])),
        (_("Members better off"), formats.number(result["better"])),
        (_("Members worse off"), formats.number(result["worse"])),
        (_("Members as before"), formats.number(result["same"])),
    ])  # fmt: skip


@story.tells("earning.backtestrun", 40)
def chart(_request: HttpRequest, run: BacktestRun) -> Panel | None:
    if not run.result:
        return None
    rows = [*_named(run, "malls"), *_named(run, "tiers")]
    series = {
        "names": [name for name, _sums in rows],
        "then": [sums["then"] for _name, sums in rows],
        "now": [sums["now"] for _name, sums in rows],
    }
    return Panel(title=_("Points then and now"), template="chart", content={"series": series})


@story.tells("earning.backtestrun", 50)
def by_mall(_request: HttpRequest, run: BacktestRun) -> Panel | None:
    return _table(_("By mall"), _("Mall"), _named(run, "malls")) if run.result else None


@story.tells("earning.backtestrun", 60)
def by_tier(_request: HttpRequest, run: BacktestRun) -> Panel | None:
    return _table(_("By tier"), _("Tier"), _named(run, "tiers")) if run.result else None


@story.tells("earning.backtestrun", 70)
def members(request: HttpRequest, run: BacktestRun) -> Panel | None:
    """Whom it would change most, both ways."""
    if not run.result:
        return None
    pairs = [*run.result["largest_gains"], *run.result["largest_losses"]]
    found = story.visible(request, Member).in_bulk([member_id for member_id, _points in pairs])
    rows = [
        (story.link(request, found.get(member_id)), formats.signed(points)) for member_id, points in pairs
    ]
    headings = [(_("Member"), ""), (_("Points more or less"), "number")]
    return story.table(
        _("Members it changes most"), headings, rows, empty=_("No member's points would differ.")
    )


def _named(run: BacktestRun, kind: str) -> list[tuple[str, dict[str, int]]]:
    names = _mall_names(run) if kind == "malls" else _tier_names(run)
    return [(names.get(code, code) or _("without a tier"), sums) for code, sums in run.result[kind].items()]


def _mall_names(run: BacktestRun) -> dict[str, str]:
    malls = Mall.objects.filter(group_id=run.program.group_id)
    return {mall.tag: formats.name_of(mall) for mall in malls}


def _tier_names(run: BacktestRun) -> dict[str, str]:
    return {tier.code: formats.name_of(tier) for tier in run.program.tiers.all()}


def _table(title: str, first: str, named: Iterable[tuple[str, dict[str, int]]]) -> Panel:
    headings = [
        (first, ""), (_("Transactions"), "number"), (_("Points then"), "number"), (_("Points now"), "number"),
        (_("Difference"), "number"),
    ]  # fmt: skip
    rows = [
        (name, formats.number(sums["transactions"]), formats.number(sums["then"]), formats.number(sums["now"]),
         formats.signed(sums["now"] - sums["then"]))
        for name, sums in named
    ]  # fmt: skip
    return story.table(title, headings, rows, empty=_("No transaction was judged in this period."))


def _said(run: BacktestRun) -> str:
    words = {
        BacktestRun.State.WAITING: _("Waiting for a worker."),
        BacktestRun.State.CANCELED: _("Canceled; nothing was kept of what was judged."),
        BacktestRun.State.FAILED: _("It failed; nothing was kept. Ask for it again, or tell an engineer."),
    }
    counted = _("%(judged)s of %(transactions)s transactions judged") % {
        "judged": formats.number(run.judged_count), "transactions": formats.number(run.transaction_count),
    }  # fmt: skip
    return words.get(BacktestRun.State(run.state), counted)
