"""Reports over long periods that staff asked for: what was asked, how far it is, what came out. Moves no points."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import Transaction
from pms.models import MallGroup, User


class ReportRun(models.Model):
    """One duplicates report worked out month by month. `mall_ids` are the malls its asker saw, and all it tells of.

    `moved_at` rises while somebody works on it, so that a run whose worker died is taken up again.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", _("waiting")
        RUNNING = "RUNNING", _("running")
        DONE = "DONE", _("done")
        CANCELED = "CANCELED", _("canceled")
        FAILED = "FAILED", _("failed")

    OPEN = (State.WAITING, State.RUNNING)

    group = models.ForeignKey(MallGroup, on_delete=models.PROTECT, related_name="+", verbose_name=_("group"))
    mall_ids = models.JSONField(_("malls"), blank=True)
    channel = models.CharField(_("channel"), max_length=16, choices=Transaction.Channel, blank=True)
    since_at = models.DateTimeField(_("from"))
    until_at = models.DateTimeField(_("until"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    day_count = models.PositiveIntegerField(_("days"), default=0)
    done_count = models.PositiveIntegerField(_("days done"), default=0)
    result = models.JSONField(_("result"), default=dict, blank=True)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("asked by"))
    asked_at = models.DateTimeField(_("asked"))
    moved_at = models.DateTimeField(_("last progress"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("long report")
        verbose_name_plural = _("long reports")
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
        indexes = [models.Index(fields=["group", "-asked_at"], name="review_reportrun_group")]

    def __str__(self) -> str:
        return f"{self.since_at:%Y-%m-%d} – {self.until_at:%Y-%m-%d} (#{self.pk})"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN
