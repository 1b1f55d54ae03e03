"""Publishes what a program pays. A version is frozen once published; another figure is another version."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.db.transaction import atomic

from loyalty.earning.models import Rule, RuleVersion
from members.models import Program

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
        return _publish(_make_base_rule(program, names), 1, figures, effective_at=BEGINNING, now=now)
    if figures_of(latest) == figures:
        return None
    if latest.effective_at >= now:
        raise FiguresRefused("effective_at", "The version in force began later than now; check the clock.")
    return _publish(latest.rule, latest.number + 1, figures, effective_at=now, now=now)


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


def _publish(
    rule: Rule, number: int, figures: Figures, *, effective_at: datetime, now: datetime
) -> RuleVersion:
    return RuleVersion.objects.create(
        rule=rule, number=number, effective_at=effective_at, published_at=now, **asdict(figures)
    )
