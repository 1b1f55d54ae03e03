"""What people decided, when, why, and what it did to points. Written once, never changed."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import DuplicateCase
from loyalty.review.adjustment_models import AdjustmentRequest as AdjustmentRequest
from loyalty.review.reconciliation_models import Finding as Finding
from loyalty.review.reconciliation_models import ProviderColumn as ProviderColumn
from loyalty.review.reconciliation_models import ProviderRow as ProviderRow
from loyalty.review.reconciliation_models import Reconciliation as Reconciliation
from loyalty.review.reconciliation_models import ReconciliationPiece as ReconciliationPiece
from pms.models import User


class Decision(models.Model):
    """One answer to a case, or its reopening. A new answer is a new row; the case shows the last one.

    Points are what the two purchases keep, by what was earned and not taken back, before and after.
    """

    class Answer(models.TextChoices):
        SAME = "SAME", _("same purchase")
        DIFFERENT = "DIFFERENT", _("different purchases")
        ASK = "ASK", _("ask")
        REOPEN = "REOPEN", _("reopened")

    case = models.ForeignKey(
        DuplicateCase, on_delete=models.PROTECT, related_name="decisions", verbose_name=_("case")
    )
    answer = models.CharField(_("answer"), max_length=16, choices=Answer)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("decided by")
    )
    note = models.CharField(_("note"), max_length=255, blank=True)
    points_before = models.BigIntegerField(_("points before"))
    points_after = models.BigIntegerField(_("points after"))
    earlier_points_before = models.BigIntegerField(_("points of the earlier record before"))
    earlier_points_after = models.BigIntegerField(_("points of the earlier record after"))
    decided_at = models.DateTimeField(_("decided"))

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        constraints = [
            models.CheckConstraint(
                condition=Q(points_before__gte=0)
                & Q(points_after__gte=0)
                & Q(earlier_points_before__gte=0)
                & Q(earlier_points_after__gte=0),
                name="%(app_label)s_%(class)s_points_not_negative",
            ),
        ]
        indexes = [models.Index(fields=["decided_by", "-decided_at"], name="review_decision_by")]

    def __str__(self) -> str:
        return f"{self.answer} {self.case_id} (#{self.pk})"
