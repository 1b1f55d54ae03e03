"""What people decided, when, why, and what it did to points; what they are asked to check; what was mailed to them.

Long reports are kept beside.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review.adjustment_models import AdjustmentRequest as AdjustmentRequest
from loyalty.review.reconciliation_models import Finding as Finding
from loyalty.review.reconciliation_models import ProviderColumn as ProviderColumn
from loyalty.review.reconciliation_models import ProviderRow as ProviderRow
from loyalty.review.reconciliation_models import Reconciliation as Reconciliation
from loyalty.review.reconciliation_models import ReconciliationPiece as ReconciliationPiece
from loyalty.review.report_models import ReportRun as ReportRun
from pms.models import Mall, User


class Decision(models.Model):
    """One answer to a case, or its reopening. Never changed: a new answer is a new row, the case shows the last one.

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


class SpotCheck(models.Model):
    """A verdict that no person took, drawn once for a person to check, and what that person found.

    `case` is empty while the purchase was let pass, and for good if that was right.
    """

    class Kind(models.TextChoices):
        NUMBER = "NUMBER", _("same number")
        BLOCKED = "BLOCKED", _("no points, too alike")
        PASSED = "PASSED", _("points, just not alike enough")

    class Answer(models.TextChoices):
        RIGHT = "RIGHT", _("right")
        WRONG = "WRONG", _("wrong")
        UNCLEAR = "UNCLEAR", _("can't tell")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, related_name="spot_check", verbose_name=_("transaction")
    )
    earlier = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="+", verbose_name=_("earlier transaction")
    )
    case = models.OneToOneField(
        DuplicateCase,
        on_delete=models.PROTECT,
        related_name="spot_check",
        null=True,
        blank=True,
        verbose_name=_("case"),
    )
    kind = models.CharField(_("verdict"), max_length=16, choices=Kind)
    score = models.PositiveSmallIntegerField(_("score"))
    parts = models.JSONField(_("evidence"), default=list, blank=True)
    judged_at = models.DateTimeField(_("judged"))
    drawn_at = models.DateTimeField(_("drawn"))
    answer = models.CharField(_("answer"), max_length=16, choices=Answer, blank=True)
    note = models.CharField(_("note"), max_length=255, blank=True)
    answered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("checked by")
    )
    answered_at = models.DateTimeField(_("checked"), null=True, blank=True)

    class Meta:
        verbose_name = _("spot check")
        verbose_name_plural = _("spot checks")
        constraints = [
            models.CheckConstraint(
                condition=~Q(transaction=F("earlier")), name="%(app_label)s_%(class)s_two_transactions"
            ),
            models.CheckConstraint(
                condition=Q(answer="", answered_by=None, answered_at=None)
                | (~Q(answer="") & Q(answered_by__isnull=False, answered_at__isnull=False)),
                name="%(app_label)s_%(class)s_answered_says_who",
            ),
            models.CheckConstraint(
                condition=Q(kind="PASSED") | Q(case__isnull=False),
                name="%(app_label)s_%(class)s_refused_has_a_case",
            ),
            models.CheckConstraint(condition=Q(score__lte=100), name="%(app_label)s_%(class)s_score_to_100"),
        ]
        indexes = [
            models.Index(fields=["mall", "drawn_at"], condition=Q(answer=""), name="review_check_waiting"),
            models.Index(fields=["mall", "-judged_at"], name="review_check_judged"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.transaction_id}? (#{self.pk})"


class DailyMail(models.Model):
    """One day's duplicates of one mall, to be mailed to one address once."""

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    report_date = models.DateField(_("day"))
    address = models.EmailField(_("address"))
    language = models.CharField(_("language"), max_length=16)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    last_fault = models.CharField(_("last fault"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("daily mail")
        verbose_name_plural = _("daily mails")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "report_date", "address"], name="%(app_label)s_%(class)s_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(sent_at=None) | Q(due_at=None), name="%(app_label)s_%(class)s_sent_is_over"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="review_mail_due"),
            models.Index(fields=["mall", "-report_date"], name="review_mail_day"),
        ]

    def __str__(self) -> str:
        return f"{self.report_date} {self.mall_id} (#{self.pk})"

    @property
    def is_given_up(self) -> bool:
        return self.sent_at is None and self.due_at is None
