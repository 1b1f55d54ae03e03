"""Back-tests that staff asked for: the draft, the period, how far it is, what came out. Moves no points."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.rule_models import Rule
from members.models import Program
from pms.models import User


class BacktestRun(models.Model):
    """One draft judged over the transactions of a period. `draft` holds columns of `RuleVersion`.

    `moved_at` rises while somebody works on it, so that a run whose worker died is taken up again.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", _("waiting")
        RUNNING = "RUNNING", _("running")
        DONE = "DONE", _("done")
        CANCELED = "CANCELED", _("canceled")
        FAILED = "FAILED", _("failed")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("program")
    )
    rule_code = models.CharField(_("rule"), max_length=32)
    rule_kind = models.CharField(_("kind"), max_length=16, choices=Rule.Kind)
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)
    draft = models.JSONField(_("draft"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    days = models.PositiveSmallIntegerField(_("days"))
    since_at = models.DateTimeField(_("from"))
    until_at = models.DateTimeField(_("until"))
    transaction_count = models.PositiveIntegerField(_("transactions"), default=0)
    judged_count = models.PositiveIntegerField(_("judged"), default=0)
    result = models.JSONField(_("result"), default=dict, blank=True)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("asked by")
    )
    asked_at = models.DateTimeField(_("asked"))
    moved_at = models.DateTimeField(_("last progress"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("back-test")
        verbose_name_plural = _("back-tests")
        constraints = [
            models.CheckConstraint(
                condition=Q(until_at__gt=F("since_at")), name="%(app_label)s_%(class)s_period_has_time"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "RUNNING"], ended_at=None)
                | (~Q(state__in=["WAITING", "RUNNING"]) & Q(ended_at__isnull=False)),
                name="%(app_label)s_%(class)s_ended_when_over",
            ),
        ]
        indexes = [models.Index(fields=["program", "-asked_at"], name="earning_backtest_program")]

    def __str__(self) -> str:
        return f"{self.rule_code}, {self.days} days (#{self.pk})"

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING)
