"""The pages on which staff write a rule, see what it would say, try it, and publish it.

A draft lives in the form alone: nothing is written before it is published, and a published version is never changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from loyalty.earning import (
    backtest_runs,
    backtest_screens,
    drafts,
    explanation,
    rule_sentences,
    rule_versions,
    rulesets,
    trials,
)
from loyalty.earning.drafts import Draft, DraftRefused, Fault
from loyalty.earning.explanation import Explained
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.rule_forms import RuleForm
from loyalty.earning.rule_terms import RuleTerms
from loyalty.earning.rule_versions import Naming
from loyalty.earning.trial_forms import TrialForm
from loyalty.earning.trials import Trial
from members.models import Program
from pms import clock, formats, scoping, story
from pms.models import Mall
from pms.story import Panel


class Outrun(Exception):
    """Somebody else published this rule while the form was open; `latest` is what they published."""

    def __init__(self, latest: RuleVersion) -> None:
        super().__init__()
        self.latest = latest


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is being written: another version of a rule, or the first of a new one."""

    program: Program
    kind: str
    rule: Rule | None = None
    latest: RuleVersion | None = None


def may_write(request: HttpRequest, program: Program) -> bool:
    """A rule holds for the whole group, so only who sees all of its malls writes one."""
    if not request.user.has_perm("earning.change_rule"):
        return False
    malls = set(Mall.objects.filter(group_id=program.group_id).values_list("pk", flat=True))
    return request.user.is_superuser or malls <= scoping.sight_of(request).mall_ids


def addresses(screen: Any) -> list[URLPattern]:
    """The pages of the rule screen beyond its records."""
    site = screen.admin_site

    def page(view: Any) -> Any:
        return site.admin_view(lambda request, **parts: view(screen, request, **parts))

    return [
        path("new/", page(new_view), name="earning_rule_new"),
        path("try/<int:program_id>/", page(try_view), name="earning_rule_try"),
        path("<int:rule_id>/draft/", page(draft_view), name="earning_rule_draft"),
    ]


def new_view(screen: Any, request: HttpRequest) -> HttpResponse:
    """Which kind of rule, then the form of that kind."""
    programs = [one for one in story.visible(request, Program).order_by("name_en") if may_write(request, one)]
    if not programs:
        raise PermissionDenied
    program = next((one for one in programs if str(one.pk) == request.GET.get("program")), None)
    kind = request.GET.get("kind", "")
    if program is None or kind not in _kinds(program):
        offered = [
            (one, [(kind, word, _kind_words()[kind]) for kind, word in _kinds(one).items()])
            for one in programs
        ]
        return _shown(screen, request, "admin/rule_kind.html", {"title": _("New rule"), "programs": offered})
    return _write(screen, request, Subject(program=program, kind=kind))


def draft_view(screen: Any, request: HttpRequest, rule_id: int) -> HttpResponse:
    """The form of the next version, filled in with the latest."""
    if not screen.has_view_permission(request):
        raise PermissionDenied
    rule = story.visible(request, Rule).filter(pk=rule_id).first()
    if rule is None:
        raise Http404
    if not may_write(request, rule.program):
        raise PermissionDenied
    latest = rule.versions.select_related("rule").order_by("-number").first()
    return _write(screen, request, Subject(program=rule.program, kind=rule.kind, rule=rule, latest=latest))


def try_view(screen: Any, request: HttpRequest, program_id: int) -> HttpResponse:
    """A payment under the rules in force; asked by address, since it writes nothing."""
    if not screen.has_view_permission(request):
        raise PermissionDenied
    program = story.visible(request, Program).filter(pk=program_id).first()
    if program is None:
        raise Http404
    form = TrialForm(request.GET if "try-amount" in request.GET else None, request=request, program=program)
    tried = form.tried(now=clock.now()) if form.is_valid() else None
    context = {
        "title": _("Try a payment"), "program": formats.name_of(program), "form": form,
        "trial": tried, "panels": trial_panels(request, tried) if tried else [],
    }  # fmt: skip
    return _shown(screen, request, "admin/rule_try.html", context)


def _write(screen: Any, request: HttpRequest, subject: Subject) -> HttpResponse:
    """Check on the first press, publish on the second; a refusal leaves everything as typed."""
    data = request.POST if request.method == "POST" else None
    is_off = bool(subject.latest and request.GET.get("off"))
    form = RuleForm(data, program=subject.program, kind=subject.kind, latest=subject.latest, is_off=is_off)
    context: dict[str, Any] = {}
    if data is not None and form.is_valid():
        form.take(_faults(subject, form))
        version = _publish(screen, request, subject, form) if data.get("do") == "publish" else None
        if version:
            return HttpResponseRedirect(reverse("admin:earning_rule_change", args=[version.rule_id]))
        if data.get("do", "").startswith("backtest-") and not form.errors:
            return _backtest(request, subject, form, days=data["do"].removeprefix("backtest-"))
        context = _checked(subject, form)
    trial_form, tried = _try(request, subject, form, data)
    context |= {
        "title": _title(subject), "subject": subject, "form": form, "trial_form": trial_form,
        "trial": tried, "panels": trial_panels(request, tried) if tried else [],
    }  # fmt: skip
    return _shown(screen, request, "admin/rule_draft.html", context)


def _backtest(request: HttpRequest, subject: Subject, form: RuleForm, *, days: str) -> HttpResponse:
    """Judge past transactions under the draft as typed, which is not published by that."""
    if days not in map(str, backtest_runs.DAYS):
        raise PermissionDenied
    return backtest_screens.start(
        request, program=subject.program, naming=form.naming, draft=form.draft, days=int(days)
    )


def _faults(subject: Subject, form: RuleForm) -> list[Fault]:
    found = rule_versions.faults(program=subject.program, naming=form.naming, draft=form.draft)
    at = form.begins_at
    if at is not None and at < clock.now():
        found.append(
            Fault("effective_at", _("A version cannot start in the past: what was judged stays judged."))
        )
    if subject.rule is None and Rule.objects.filter(program=subject.program, code=form.naming.code).exists():
        found.append(Fault("code", _("Another rule of this program has this code.")))
    return found


def _publish(screen: Any, request: HttpRequest, subject: Subject, form: RuleForm) -> RuleVersion | None:
    """None with a fault in the form, unless the form is published just as it was checked."""
    if form.errors:
        return None
    if form.cleaned_data["checked"] != form.digest:
        form.add_error(None, _("Read what the rule would say first; then publish it."))
        return None
    try:
        version = _frozen(subject, form)
    except DraftRefused as refused:
        form.take(refused.faults)
        return None
    except Outrun as outrun:
        form.add_error(None, _outrun_words(outrun.latest))
        return None
    if version is None:
        form.add_error(None, _("The rule says just that already; nothing was published."))
        return None
    words = _("Version %(number)s of %(rule)s is published.")
    said = words % {"number": version.number, "rule": formats.name_of(version.rule)}
    screen.log_change(request, version.rule, said)
    messages.success(request, said)
    return version


@atomic
def _frozen(subject: Subject, form: RuleForm) -> RuleVersion | None:
    """Publish unless another version came in between; whoever waits for the program's lock sees it."""
    Program.objects.select_for_update(no_key=True).get(pk=subject.program.pk)
    known = _latest(subject.program, form.naming)
    if known and known.number != form.cleaned_data["seen"]:
        raise Outrun(known)
    return rule_versions.publish(
        program=subject.program, naming=form.naming, draft=form.draft,
        effective_at=form.begins_at, now=clock.now(),
    )  # fmt: skip


def _latest(program: Program, naming: Naming) -> RuleVersion | None:
    one = {"rule__kind": naming.kind} if naming.kind == Rule.Kind.BASE else {"rule__code": naming.code}
    versions = RuleVersion.objects.filter(rule__program=program, **one)
    return versions.select_related("rule").order_by("-number").first()


def _outrun_words(latest: RuleVersion) -> str:
    return _(
        "Somebody else published version %(number)s of this rule at %(time)s. "
        "Nothing was published; open the rule again to see their version."
    ) % {"number": latest.number, "time": formats.exact(latest.published_at)}


def _checked(subject: Subject, form: RuleForm) -> dict[str, Any]:
    """What the draft says, and which rules it meets; the page carries its digest to the second press."""
    form.carry_digest()
    said = rule_sentences.both(form.draft, kind=subject.kind, names=form.names)
    return {"said": said, "meets": list(_meets(subject, form)), "is_publishable": not form.errors}


def _meets(subject: Subject, form: RuleForm) -> Iterable[dict[str, object]]:
    """Rules that some purchase meets together with the draft, and what happens then."""
    draft, kind = form.draft, subject.kind
    if draft.is_off or kind == Rule.Kind.BASE:
        return
    language = "zh-hant" if formats.is_chinese() else "en"
    for other in rule_versions.latest_versions(subject.program):
        said = drafts.of(other)
        is_same = subject.rule is not None and other.rule_id == subject.rule.pk
        if is_same or other.is_off or other.rule.kind == Rule.Kind.BASE or not drafts.overlaps(draft, said):
            continue
        words = rule_sentences.sentence(other, language, names=form.names)
        yield {
            "name": formats.name_of(other.rule),
            "said": words,
            "then": _together(kind, draft, other.rule.kind, said),
        }


def _together(kind: str, draft: Draft, other_kind: str, other: Draft) -> str:
    alone = RuleVersion.Stacking.EXCLUSIVE
    best = RuleVersion.Stacking.BEST_OF
    if Rule.Kind.CEILING in (kind, other_kind):
        return _("The ceiling decides how much counts.")
    if kind == other_kind == Rule.Kind.RATE:
        return _("The more specific rate holds.")
    if Rule.Kind.RATE in (kind, other_kind):
        return _("The rate is paid, and the other on top.")
    if alone in (draft.stacking, other.stacking):
        return _("Only the one that stands alone is paid.")
    if draft.stacking == other.stacking == best and draft.stacking_group == other.stacking_group:
        return _("Only the better one is paid.")
    return _("Both are paid.")


def _try(request: HttpRequest, subject: Subject, form: RuleForm, data: Any) -> tuple[TrialForm, Trial | None]:
    """A payment under the rules in force with the draft in place of its rule."""
    is_asked = data is not None and bool(data.get("try-amount"))
    trial_form = TrialForm(data if is_asked else None, request=request, program=subject.program)
    if not is_asked or not trial_form.is_valid() or not form.is_valid():
        return trial_form, None
    now = clock.now()
    ruleset = _with_draft(subject, form, trials.in_force(subject.program, trial_form.payment(now=now).at))
    return trial_form, trial_form.tried(now=now, ruleset=ruleset)


def _with_draft(subject: Subject, form: RuleForm, standing: Sequence[RuleTerms]) -> list[RuleTerms]:
    naming = form.naming
    rule = Rule(
        pk=subject.rule.pk if subject.rule else 0, program=subject.program, kind=subject.kind,
        code=naming.code, name_en=naming.name_en, name_zh=naming.name_zh,
    )  # fmt: skip
    others = [terms for terms in standing if terms.rule_id != rule.pk]
    if form.draft.is_off:
        return others
    number = subject.latest.number + 1 if subject.latest else 1
    version = RuleVersion(pk=0, rule=rule, number=number, **drafts.columns(form.draft))
    return [*others, replace(rulesets.terms_of(version), rule_id=rule.pk)]


def trial_panels(request: HttpRequest, tried: Trial) -> list[Panel]:
    """The answer to a try, told like a transaction's."""
    judgement = tried.judgement
    one = Explained(facts=tried.facts, ruleset=tried.ruleset, rooms=tried.rooms, judgement=judgement)
    content = {
        "reasons": explanation.both(judgement.reasons),
        "conditions": explanation.conditions(judgement.conditions),
        "rules": explanation.rule_conditions(judgement.conditions, one),
    }
    figures = story.facts(_("What it would earn"), [
        (_("Usable at once"), formats.big(formats.points(tried.points))),
        (_("On hold"), formats.big(formats.points(tried.pending))),
        (_("Paid"), formats.moment(tried.facts.paid_at)),
    ])  # fmt: skip
    why = Panel(title=_("Why"), template="why", content=content)
    found = [figures, explanation.lines(request, one), explanation.limits(request, one), why]
    return [panel for panel in found if panel]


def _kinds(program: Program) -> dict[str, str]:
    """What can still be made: a program has one base rate."""
    has_base = Rule.objects.filter(program=program, kind=Rule.Kind.BASE).exists()
    return {kind.value: str(kind.label) for kind in Rule.Kind if not (has_base and kind == Rule.Kind.BASE)}


def _kind_words() -> dict[str, str]:
    return {
        "BASE": _("What every payment earns, unless a special rate holds."),
        "RATE": _("Replaces the base rate at some malls, stores or categories, or for some members."),
        "EXTRA": _("Adds points for spend, on top of the rate."),
        "FLAT": _("Adds a fixed number of points."),
        "CEILING": _("Limits how much of a transaction counts."),
    }


def _title(subject: Subject) -> str:
    if subject.rule is None:
        return _("New rule: %(kind)s") % {"kind": dict(Rule.Kind.choices)[Rule.Kind(subject.kind)]}
    number = subject.latest.number + 1 if subject.latest else 1
    return _("%(rule)s, draft of version %(number)s") % {
        "rule": formats.name_of(subject.rule),
        "number": number,
    }


def _shown(screen: Any, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    whole = {**screen.admin_site.each_context(request), "opts": screen.opts, **context}
    return TemplateResponse(request, template, whole)
