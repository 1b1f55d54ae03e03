"""Publishes what a program pays. A version is frozen once published; another figure is another version."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db.transaction import atomic
from django.utils.translation import gettext as _

from loyalty.earning import drafts
from loyalty.earning.drafts import Draft, DraftRefused, Fault, Names
from loyalty.earning.models import Rule, RuleVersion
from members.models import Program, Tier
from pms.models import Mall, Store

# Payments of any age are judged, so the first version covers all of the past.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
BASE_NAMES = ("Base rate", "基本積分")
HIGHEST_RATE = 10**6
HIGHEST_CENTS = 10**15 - 1
HIGHEST_IN_COLUMN = 2**31 - 1


class FiguresRefused(Exception):
    """No version can be published with these figures. `figure` names the field, `sentence` says why."""

    def __init__(self, figure: str, sentence: str) -> None:
        super().__init__(f"{figure}: {sentence}")
        self.figure = figure
        self.sentence = sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a version pays, in the words of RuleVersion; left out: one point per HK$1 without limits."""

    points_numerator: int = 1
    points_denominator: int = 1
    rounding: str = RuleVersion.Rounding.FLOOR.value
    min_spend_cents: int = 0
    is_min_spend_on_net: bool = False
    max_spend_cents: int | None = None


def figures_of(version: RuleVersion) -> Figures:
    return Figures(
        points_numerator=version.points_numerator,
        points_denominator=version.points_denominator,
        rounding=version.rounding,
        min_spend_cents=version.min_spend_cents,
        is_min_spend_on_net=version.is_min_spend_on_net,
        max_spend_cents=version.max_spend_cents,
    )


def latest_base(program: Program) -> RuleVersion | None:
    versions = RuleVersion.objects.filter(rule__program=program, rule__kind=Rule.Kind.BASE)
    return versions.select_related("rule").order_by("-number").first()


@atomic
def publish_base(
    *, program: Program, names: tuple[str, str] = BASE_NAMES, figures: Figures, now: datetime
) -> RuleVersion | None:
    """Put the figures in force at once; None when they are in force already.

    The first version covers the past too, later ones what is paid from `now` on. `names`: English, Chinese.
    """
    check(figures)
    Program.objects.select_for_update(no_key=True).get(pk=program.pk)
    latest = latest_base(program)
    if latest is None:
        draft = replace(Draft(), **asdict(figures))
        return _publish(_make_base_rule(program, names), draft, effective_at=BEGINNING, now=now)
    if figures_of(latest) == figures:
        return None
    if latest.effective_at >= now:
        raise FiguresRefused("effective_at", "The version in force began later than now; check the clock.")
    return _publish(latest.rule, replace(drafts.of(latest), **asdict(figures)), effective_at=now, now=now)


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """Which rule a version belongs to; a new code makes a new rule."""

    code: str
    kind: str
    name_en: str
    name_zh: str


@atomic
def publish(
    *, program: Program, naming: Naming, draft: Draft, effective_at: datetime | None, now: datetime
) -> RuleVersion | None:
    """Freeze a draft as the rule's next version, in force from `effective_at` (None: now, and a program's first
    rules for the past too). None when the rule says just that already; DraftRefused when it must not be published.
    """
    Program.objects.select_for_update(no_key=True).get(pk=program.pk)
    latest = _latest(program, naming)
    if latest and drafts.of(latest) == draft and effective_at is None:
        return None
    found = faults(program=program, naming=naming, draft=draft)
    if effective_at is not None and effective_at < now:
        found.append(
            Fault("effective_at", _("A version cannot start in the past: what was judged stays judged."))
        )
    if latest and latest.effective_at >= (effective_at or now):
        found.append(Fault("effective_at", _("A later version of this rule is published already.")))
    if found:
        raise DraftRefused(found)
    return _publish(_rule(program, naming), draft, effective_at=effective_at or now, now=now)


@atomic
def publish_for_all_time(
    *, program: Program, naming: Naming, draft: Draft, now: datetime
) -> RuleVersion | None:
    """As `publish`, for a program without transactions: the version covers the past, as nothing was judged yet."""
    latest = _latest(program, naming)
    if latest and drafts.of(latest) == draft:
        return None
    found = faults(program=program, naming=naming, draft=draft)
    if found:
        raise DraftRefused(found)
    rule = _rule(program, naming)
    effective_at = BEGINNING + timedelta(seconds=rule.versions.count())
    return _publish(rule, draft, effective_at=effective_at, now=now)


def faults(*, program: Program, naming: Naming, draft: Draft) -> list[Fault]:
    """Everything that keeps the draft from being published, beside what it would clash with."""
    found = drafts.faults(naming.kind, draft, names(program))
    known = Rule.objects.filter(program=program, code=naming.code).first()
    if known and known.kind != naming.kind:
        found.append(
            Fault(
                "kind", _("Rule %(code)s is of another kind; a rule keeps its kind.") % {"code": naming.code}
            )
        )
    return found + clashes(program=program, naming=naming, draft=draft)


def clashes(*, program: Program, naming: Naming, draft: Draft) -> list[Fault]:
    """Rules in force that contradict the draft: two rates, equally specific, for one purchase; two that stand alone."""
    return [
        Fault("scope", f"{other.rule.name_en} ({other.rule.code}) {why}")
        for other in latest_versions(program)
        if other.rule.code != naming.code and not other.is_off and not draft.is_off
        for why in [_contradiction(naming.kind, draft, other.rule.kind, drafts.of(other))]
        if why
    ]


def _contradiction(kind: str, draft: Draft, other_kind: str, other: Draft) -> str:
    if not drafts.overlaps(draft, other):
        return ""
    if kind == other_kind == Rule.Kind.RATE and _specificity(draft) == _specificity(other):
        return _("is a rate just as specific for the same purchases; which of the two holds is not clear.")
    alone = RuleVersion.Stacking.EXCLUSIVE
    if draft.stacking == other.stacking == alone:
        return _("stands alone too, for some of the same purchases; only one of the two can.")
    return ""


def _specificity(draft: Draft) -> int:
    return 4 if draft.stores else (2 if draft.categories else 0) + (1 if draft.malls else 0)


def latest_versions(program: Program) -> list[RuleVersion]:
    """The newest version of each rule of the program, in force or still to come."""
    newest = (
        RuleVersion.objects.filter(rule__program=program).order_by("rule_id", "-number").distinct("rule_id")
    )
    return list(newest.select_related("rule"))


def names(program: Program) -> Names:
    """What a scope of this program may name."""
    stores = Store.objects.filter(group_id=program.group_id)
    return Names(
        malls=frozenset(Mall.objects.filter(group_id=program.group_id).values_list("tag", flat=True)),
        stores=frozenset(code or label for code, label in stores.values_list("code", "pms_label")),
        categories=frozenset(stores.values_list("category", flat=True)),
        tiers=frozenset(Tier.objects.filter(program=program).values_list("code", flat=True)),
    )


def _latest(program: Program, naming: Naming) -> RuleVersion | None:
    rule = _known(program, naming)
    return rule.versions.select_related("rule").order_by("-number").first() if rule else None


def _known(program: Program, naming: Naming) -> Rule | None:
    """By its code; the base rule by being the only one of its kind."""
    rules = Rule.objects.filter(program=program)
    return (
        rules.filter(kind=naming.kind).first()
        if naming.kind == Rule.Kind.BASE
        else rules.filter(code=naming.code).first()
    )


def _rule(program: Program, naming: Naming) -> Rule:
    rule = _known(program, naming) or Rule(program=program, kind=naming.kind)
    rule.code, rule.name_en, rule.name_zh = naming.code, naming.name_en, naming.name_zh
    rule.save()
    return rule


def check(figures: Figures) -> None:
    """Raise FiguresRefused for what would pay nothing, pay absurdly, or not fit the table."""
    numerator, denominator = figures.points_numerator, figures.points_denominator
    if numerator <= 0 or denominator <= 0:
        raise FiguresRefused("points_numerator", "The rate must be above zero.")
    if numerator > HIGHEST_RATE * denominator:
        raise FiguresRefused("points_numerator", f"The rate must be at most {HIGHEST_RATE} points per HK$1.")
    if max(numerator, denominator) > HIGHEST_IN_COLUMN:
        raise FiguresRefused("points_numerator", "The rate has too many digits.")
    if figures.rounding not in RuleVersion.Rounding.values:
        raise FiguresRefused("rounding", "The rounding must be FLOOR or HALF_UP.")
    if not 0 <= figures.min_spend_cents <= HIGHEST_CENTS:
        raise FiguresRefused("min_spend_cents", "The minimum spend must not be negative or absurdly high.")
    if figures.max_spend_cents is not None and not 0 < figures.max_spend_cents <= HIGHEST_CENTS:
        raise FiguresRefused("max_spend_cents", "The ceiling must be above zero and not absurdly high.")


def _make_base_rule(program: Program, names: tuple[str, str]) -> Rule:
    name_en, name_zh = names
    rule, _ = Rule.objects.get_or_create(
        program=program, kind=Rule.Kind.BASE, defaults={"name_en": name_en, "name_zh": name_zh}
    )
    return rule


def _publish(rule: Rule, draft: Draft, *, effective_at: datetime, now: datetime) -> RuleVersion:
    number = rule.versions.count() + 1
    values = drafts.columns(draft)
    return RuleVersion.objects.create(
        rule=rule, number=number, effective_at=effective_at, published_at=now, **values
    )
