"""Rules, their frozen versions, and how far limits and budgets are used."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty.ledger.models import PointAccount
from members.models import Program


class Rule(models.Model):
    """A promise of points with a name; what it pays at a given time is in its versions."""

    class Kind(models.TextChoices):
        BASE = "BASE", _("base rate")
        RATE = "RATE", _("special rate")
        EXTRA = "EXTRA", _("extra points")
        FLAT = "FLAT", _("bonus")
        CEILING = "CEILING", _("ceiling")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="rules", verbose_name=_("program")
    )
    code = models.CharField(_("code"), max_length=32, default="BASE")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        constraints = [
            models.UniqueConstraint(
                fields=["program"],
                condition=Q(kind="BASE"),
                name="%(app_label)s_%(class)s_one_base_per_program",
            ),
            models.UniqueConstraint(fields=["program", "code"], name="%(app_label)s_%(class)s_one_per_code"),
        ]

    def __str__(self) -> str:
        return f"{self.name_en} {self.name_zh} (#{self.pk})"


class RuleVersion(models.Model):
    """What a rule pays from `effective_at` on; frozen. Points = cents × numerator ÷ (100 × denominator),
    or numerator a step of `step_cents`, or numerator flat.
    """

    class Rounding(models.TextChoices):
        FLOOR = "FLOOR", _("rounded down")
        HALF_UP = "HALF_UP", _("rounded half up")

    class Period(models.TextChoices):
        DAY = "DAY", _("day")
        MONTH = "MONTH", _("month")
        YEAR = "YEAR", _("year")
        EVER = "EVER", _("whole membership")

    class Unit(models.TextChoices):
        CENTS = "CENTS", _("cents of spend")
        STEPS = "STEPS", _("steps")
        TIMES = "TIMES", _("times")
        POINTS = "POINTS", _("points")

    class Stacking(models.TextChoices):
        ADD = "ADD", _("adds to the others")
        BEST_OF = "BEST_OF", _("best of its group")
        EXCLUSIVE = "EXCLUSIVE", _("alone with the rate")

    class Occasion(models.TextChoices):
        WELCOME = "WELCOME", _("welcome")
        BIRTHDAY = "BIRTHDAY", _("month of birth")

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="versions", verbose_name=_("rule"))
    number = models.PositiveIntegerField(_("version"))
    effective_at = models.DateTimeField(_("in force from"))
    published_at = models.DateTimeField(_("published"))
    is_off = models.BooleanField(_("switched off"), default=False)
    points_numerator = models.PositiveIntegerField(_("points"))
    points_denominator = models.PositiveIntegerField(_("per HK$"), default=1)
    step_cents = models.BigIntegerField(_("for each full (cents)"), null=True, blank=True)
    rounding = models.CharField(_("rounding"), max_length=16, choices=Rounding, default=Rounding.FLOOR)
    min_spend_cents = models.BigIntegerField(_("minimum spend (cents)"), default=0)
    is_min_spend_on_net = models.BooleanField(_("minimum judged on the net"), default=False)
    max_spend_cents = models.BigIntegerField(_("ceiling per transaction (cents)"), null=True, blank=True)
    malls = models.JSONField(_("malls"), default=list, blank=True, help_text=_("Tags; empty: every mall."))
    stores = models.JSONField(
        _("stores"), default=list, blank=True, help_text=_("Store codes; empty: every store.")
    )
    categories = models.JSONField(_("categories"), default=list, blank=True)
    tiers = models.JSONField(_("tiers"), default=list, blank=True)
    first_date = models.DateField(_("first day"), null=True, blank=True)
    last_date = models.DateField(_("last day"), null=True, blank=True)
    weekdays = models.JSONField(
        _("weekdays"), default=list, blank=True, help_text=_("1 is Monday; empty: every day.")
    )
    from_time = models.TimeField(_("from"), null=True, blank=True)
    to_time = models.TimeField(_("until"), null=True, blank=True)
    limit_amount = models.BigIntegerField(_("limit"), null=True, blank=True)
    limit_unit = models.CharField(_("limit counts"), max_length=8, choices=Unit, blank=True)
    limit_period = models.CharField(_("limit per"), max_length=8, choices=Period, blank=True)
    is_limit_per_mall = models.BooleanField(_("limit for each mall apart"), default=False)
    budget_points = models.BigIntegerField(_("budget (points)"), null=True, blank=True)
    stacking = models.CharField(
        _("beside other offers"), max_length=16, choices=Stacking, default=Stacking.ADD
    )
    stacking_group = models.CharField(_("group"), max_length=32, blank=True)
    occasion = models.CharField(_("occasion"), max_length=16, choices=Occasion, blank=True)
    takes_tier_factor = models.BooleanField(_("tier factor applies"), default=False)
    hold_days = models.PositiveSmallIntegerField(_("on hold (days)"), null=True, blank=True)
    excluded_categories = models.JSONField(_("excluded categories"), default=list, blank=True)
    excluded_tenders = models.JSONField(_("excluded tenders"), default=list, blank=True)
    excluded_items = models.JSONField(_("excluded items"), default=list, blank=True)

    class Meta:
        verbose_name = _("rule version")
        verbose_name_plural = _("rule versions")
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="%(app_label)s_%(class)s_one_per_number"),
            models.UniqueConstraint(
                fields=["rule", "effective_at"], name="%(app_label)s_%(class)s_one_per_start"
            ),
            models.CheckConstraint(
                condition=Q(points_denominator__gt=0), name="%(app_label)s_%(class)s_denominator_positive"
            ),
            models.CheckConstraint(
                condition=Q(min_spend_cents__gte=0), name="%(app_label)s_%(class)s_minimum_not_negative"
            ),
            models.CheckConstraint(
                condition=(Q(max_spend_cents=None) | Q(max_spend_cents__gt=0))
                & (Q(step_cents=None) | Q(step_cents__gt=0))
                & (Q(budget_points=None) | Q(budget_points__gt=0)),
                name="%(app_label)s_%(class)s_ceiling_positive",
            ),
            models.CheckConstraint(
                condition=Q(limit_amount=None, limit_unit="", limit_period="")
                | (Q(limit_amount__gt=0) & ~Q(limit_unit="") & ~Q(limit_period="")),
                name="%(app_label)s_%(class)s_limit_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(stacking="BEST_OF") & ~Q(stacking_group="") | ~Q(stacking="BEST_OF"),
                name="%(app_label)s_%(class)s_best_of_names_its_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} v{self.number}"


class CapUse(models.Model):
    """How much of one limit one member has used, by the limit's key; moved under the account's lock."""

    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("account")
    )
    key = models.CharField(_("limit"), max_length=192)
    used = models.BigIntegerField(_("used"))

    class Meta:
        verbose_name = _("used limit")
        verbose_name_plural = _("used limits")
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="%(app_label)s_%(class)s_one_per_limit"),
            models.CheckConstraint(
                condition=Q(used__gte=0), name="%(app_label)s_%(class)s_used_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.used} (#{self.pk})"


class BudgetUse(models.Model):
    """How many points of its budget a campaign has given, over all members; moved under this row's lock."""

    rule = models.OneToOneField(
        Rule, on_delete=models.PROTECT, related_name="budget_use", verbose_name=_("rule")
    )
    used = models.BigIntegerField(_("used"), default=0)

    class Meta:
        verbose_name = _("used budget")
        verbose_name_plural = _("used budgets")
        constraints = [
            models.CheckConstraint(
                condition=Q(used__gte=0), name="%(app_label)s_%(class)s_used_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.used}"
