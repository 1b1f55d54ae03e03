"""What the pages of a rule, a rule version and a refund tell."""

from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty.earning import explanation, rule_pages, rule_sentences, rule_versions
from loyalty.earning.models import BudgetUse, Refund, Rule, RuleVersion
from loyalty.earning.rule_sentences import Called
from members.models import Program
from pms import clock, formats, story
from pms.story import Panel

VERSION_TONES = {"NOW": "good", "COMING": "news", "PAST": "quiet", "OFF": "warn"}


@story.tells("earning.rule", 10)
def rule(request: HttpRequest, one: Rule) -> Panel:
    """By the version in force; before its first one, by the one to come."""
    versions = list(one.versions.select_related("rule").order_by("-effective_at"))
    now = clock.now()
    standing = next((version for version in versions if version.effective_at <= now), None)
    shown = standing or (versions[-1] if versions else None)
    said = _both(shown) if shown else [_("No version has been published."), ""]
    return Panel(title=_("What it pays now"), template="why", content={"reasons": [tuple(said)]})


@story.tells("earning.rule", 12)
def rule_links(request: HttpRequest, one: Rule) -> Panel:
    links = [(reverse("admin:earning_rule_try", args=[one.program_id]), _("Try a payment"))]
    if rule_pages.may_write(request, one.program):
        draft = reverse("admin:earning_rule_draft", args=[one.pk])
        links = [(draft, _("Change this rule")), *links, (f"{draft}?off=1", _("Switch it off"))]
    return Panel(title=_("Next"), template="links", content={"links": links})


@story.tells("earning.rule", 15)
def rule_facts(request: HttpRequest, one: Rule) -> Panel:
    used = BudgetUse.objects.filter(rule=one).first()
    rows: list[tuple[object, object]] = [
        (_("Rule code"), one.code),
        (_("Kind"), formats.word(one.get_kind_display())),
        (_("Program"), story.link(request, one.program, formats.name_of(one.program))),
        (_("Name (English)"), one.name_en),
        (_("Name (Chinese)"), one.name_zh),
    ]
    if used:
        rows.append((_("Given of its budget"), formats.points(used.used)))
    return story.facts(_("Rule"), rows)


@story.tells("earning.rule", 20)
def versions(request: HttpRequest, one: Rule) -> Panel:
    """Newest first; what is in force now is marked."""
    found = list(one.versions.select_related("rule__program").order_by("-effective_at"))
    names = rule_sentences.called(one.program)
    now = clock.now()
    standing = next((version for version in found if version.effective_at <= now), None)
    told = [_told(request, version, standing, now, names) for version in found]
    content = {"versions": told, "empty": _("No version has been published.")}
    return Panel(title=_("Versions"), template="versions", content=content)


@story.tells("members.program", 30)
def program_rules(request: HttpRequest, one: Program) -> Panel | None:
    if not request.user.has_perm("earning.view_rule"):
        return None
    names = rule_sentences.called(one)
    language = "zh-hant" if formats.is_chinese() else "en"
    newest = sorted(rule_versions.latest_versions(one), key=lambda version: version.rule_id)
    rows = [
        [
            version.rule.code,
            story.link(request, version.rule, formats.name_of(version.rule)),
            rule_sentences.sentence(version, language, names=names),
        ]
        for version in newest
    ]
    headings = [(_("Rule code"), ""), (_("Rule"), ""), (_("What it says"), "")]
    return story.table(_("Rules"), headings, rows, empty=_("No version has been published."))


@story.tells("members.program", 15)
def program_links(request: HttpRequest, one: Program) -> Panel | None:
    if not request.user.has_perm("earning.view_rule"):
        return None
    links = [(reverse("admin:earning_rule_try", args=[one.pk]), _("Try a payment"))]
    if rule_pages.may_write(request, one):
        links.append((reverse("admin:earning_rule_new"), _("New rule")))
    return Panel(title=_("Next"), template="links", content={"links": links})


@story.tells("earning.ruleversion", 10)
def version(request: HttpRequest, one: RuleVersion) -> Panel:
    return Panel(title=_("What it pays"), template="why", content={"reasons": [tuple(_both(one))]})


@story.tells("earning.ruleversion", 20)
def figures(request: HttpRequest, one: RuleVersion) -> Panel:
    """Every column that says something, as it was frozen."""
    limit = formats.NOTHING
    if one.limit_amount is not None:
        amount = rule_sentences.limit_amount(one.limit_amount, one.limit_unit)
        limit = f"{amount} / {one.get_limit_period_display()}"
    return story.facts(_("Its figures, frozen"), [
        (_("Rule"), story.link(request, one.rule, formats.name_of(one.rule))),
        (_("Version"), one.number),
        (_("In force from"), in_force_from(one)),
        (_("Published"), formats.moment(one.published_at)),
        (_("Rate"), f"{one.points_numerator} / HK${one.points_denominator}"),
        (_("Rounding"), formats.word(one.get_rounding_display())),
        (_("Minimum spend"), formats.money(one.min_spend_cents)),
        (_("Minimum judged on the net"), _("yes") if one.is_min_spend_on_net else _("no")),
        (_("Ceiling per transaction"), _money(one.max_spend_cents)),
        (_("For each full"), _money(one.step_cents)),
        (_("Limit"), limit),
        (_("Budget"), formats.NOTHING if one.budget_points is None else formats.points(one.budget_points)),
        (_("Beside other offers"), formats.word(one.get_stacking_display())),
        (_("On hold"), formats.NOTHING if one.hold_days is None else formats.days(one.hold_days)),
        (_("Switched off"), _("yes") if one.is_off else _("no")),
    ], is_short=True)  # fmt: skip


@story.tells("earning.refund", 10)
def refund(request: HttpRequest, one: Refund) -> Panel:
    content = {"reasons": explanation.both(one.reasons)}
    return Panel(title=_("What the refund took"), template="why", content=content)


@story.tells("earning.refund", 20)
def refund_facts(request: HttpRequest, one: Refund) -> Panel:
    return story.facts(_("Refund"), [
        (_("Amount"), formats.big(formats.money(one.amount_cents, one.transaction.currency))),
        (_("Points taken back"), formats.big(formats.signed(-one.points))),
        (_("Of these on hold"), formats.signed(-explanation.taken_from_hold([one]).get(one.pk, 0))),
        (_("Not collected"), formats.number(one.uncollected)),
        (_("Transaction"), story.link(request, one.transaction, one.transaction.payment_number)),
        (_("Refund number"), formats.identifier(one.number)),
        (_("Refunded"), formats.moment(one.refunded_at)),
        (_("Recorded"), formats.moment(one.recorded_at)),
    ])  # fmt: skip


def in_force_from(one: RuleVersion) -> str:
    return _("the beginning") if one.effective_at.year <= 2000 else formats.moment(one.effective_at)


def _both(one: RuleVersion) -> list[str]:
    return rule_sentences.both(one, names=rule_sentences.called(one.rule.program))


def _since(one: RuleVersion) -> str:
    if one.effective_at.year <= 2000:
        return _("in force from the beginning")
    return formats.sentence(_("in force from %(at)s"), at=formats.moment(one.effective_at))


def _money(cents: int | None) -> str:
    return formats.NOTHING if cents is None else formats.money(cents)


def _told(
    request: HttpRequest, one: RuleVersion, standing: RuleVersion | None, now: datetime, names: Called
) -> dict[str, object]:
    """One version on the time line."""
    words = {"NOW": _("in force"), "COMING": _("to come"), "PAST": _("past"), "OFF": _("switched off")}
    state = "COMING" if one.effective_at > now else "PAST"
    if standing and one.pk == standing.pk:
        state = "OFF" if one.is_off else "NOW"
    english, chinese = rule_sentences.both(one, names=names)
    return {
        "tone": VERSION_TONES[state],
        "pill": formats.pill(VERSION_TONES[state], words[state]),
        "title": story.link(request, one, _("Version %(number)s") % {"number": one.number}),
        "from": _since(one),
        "published": formats.sentence(_("published %(at)s"), at=formats.moment(one.published_at)),
        "english": english,
        "chinese": chinese,
    }
