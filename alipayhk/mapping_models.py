"""What staff did about stores that AlipayHK named and nobody knew: led there, led away again, and how far that is."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from pms.models import Mall, MallGroup, Store, StoreMapping, User


class MappingJob(models.Model):
    """The judging that follows a mapping, or its end; `mapping` itself is in force, or ended, since `asked_at`.

    `points` were given by it, or taken back; `missed` could not be taken. `moved_at` rises while somebody works on it,
    so that a job whose worker died is taken up again. `bound` is the database's number of the moment it was taken up:
    what began before has ended when the job is done. `last_award_id` and `last_correction_id` were the newest when it
    was asked: what follows from it has higher ones, whatever a host's clock says.
    """

    class Kind(models.TextChoices):
        MAP = "MAP", _("mapped")
        UNMAP = "UNMAP", _("unmapped")

    class State(models.TextChoices):
        WAITING = "WAITING", _("waiting")
        RUNNING = "RUNNING", _("running")
        DONE = "DONE", _("done")

    OPEN = (State.WAITING, State.RUNNING)

    group = models.ForeignKey(MallGroup, on_delete=models.PROTECT, related_name="+", verbose_name=_("group"))
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    mapping = models.ForeignKey(
        StoreMapping, on_delete=models.PROTECT, related_name="jobs", verbose_name=_("mapped label")
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store"))
    label = models.CharField(_("label or merchant ID"), max_length=128)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    reason = models.CharField(_("reason"), max_length=256, blank=True)
    payment_count = models.PositiveIntegerField(_("payments"), default=0)
    done_count = models.PositiveIntegerField(_("payments done"), default=0)
    points = models.BigIntegerField(_("points"), default=0)
    missed = models.BigIntegerField(_("points not collected"), default=0)
    bound = models.BigIntegerField(_("taken up at"), default=0, editable=False)
    last_award_id = models.BigIntegerField(_("newest award then"), default=0, editable=False)
    last_correction_id = models.BigIntegerField(_("newest correction then"), default=0, editable=False)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("asked by")
    )
    asked_at = models.DateTimeField(_("asked"))
    moved_at = models.DateTimeField(_("last progress"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("mapping")
        verbose_name_plural = _("mappings")
        constraints = [
            models.UniqueConstraint(fields=["mapping", "kind"], name="%(app_label)s_%(class)s_once_each_way"),
            models.UniqueConstraint(
                fields=["group", "label"],
                condition=Q(kind="UNMAP", state__in=["WAITING", "RUNNING"]),
                name="%(app_label)s_%(class)s_unmapped_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="DONE", ended_at__isnull=False) | (~Q(state="DONE") & Q(ended_at=None)),
                name="%(app_label)s_%(class)s_ended_when_done",
            ),
            models.CheckConstraint(
                condition=Q(kind="MAP", reason="", missed=0) | (Q(kind="UNMAP") & ~Q(reason="")),
                name="%(app_label)s_%(class)s_unmapped_for_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["mall", "-asked_at"], name="alipayhk_mapping_recent"),
            models.Index(
                fields=["moved_at"],
                condition=Q(state__in=["WAITING", "RUNNING"]),
                name="alipayhk_mapping_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.label} (#{self.pk})"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN
