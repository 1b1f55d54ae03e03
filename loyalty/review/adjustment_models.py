"""Points that staff move by hand: asked for by one person, approved by another. Nothing of a request is ever edited."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import Refund, Transaction
from loyalty.ledger.models import PointAccount, Posting
from loyalty.review.reconciliation_models import Finding
from pms.models import Mall, User


class AdjustmentRequest(models.Model):
    """Signed points for one member's account, and why. Approval posts them once, in the same block.

    A repair of what reconciliation found posts through the wire's own functions, so it records a purchase or a
    refund; that one's rules say how many points follow, and `points` is what they were expected to be.
    """

    class Deed(models.TextChoices):
        POINTS = "POINTS", _("moves points")
        EARN = "EARN", _("records a payment")
        CLAW_BACK = "CLAW_BACK", _("records a refund")

    class Reason(models.TextChoices):
        MISSING_POINTS = "MISSING_POINTS", _("missing points")
        GOODWILL = "GOODWILL", _("goodwill")
        ERROR = "ERROR", _("correction of an error")
        COUNTER_EXCESS = "COUNTER_EXCESS", _("spend above the automatic limit")
        RECONCILIATION = "RECONCILIATION", _("reconciliation")

    class State(models.TextChoices):
        PENDING = "PENDING", _("waiting for approval")
        APPROVED = "APPROVED", _("approved")
        REJECTED = "REJECTED", _("rejected")
        CANCELED = "CANCELED", _("canceled")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="adjustments", verbose_name=_("account")
    )
    deed = models.CharField(_("what it does"), max_length=16, choices=Deed, default=Deed.POINTS)
    points = models.BigIntegerField(_("points"))
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    note = models.CharField(_("note"), max_length=255)
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="adjustments",
        null=True,
        blank=True,
        verbose_name=_("transaction"),
    )
    finding = models.ForeignKey(
        Finding,
        on_delete=models.PROTECT,
        related_name="adjustments",
        null=True,
        blank=True,
        verbose_name=_("finding"),
    )
    request_key = models.CharField(_("request"), max_length=64, blank=True)
    requested_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("requested by")
    )
    requested_at = models.DateTimeField(_("requested"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decision_note = models.CharField(_("reason of the decision"), max_length=255, blank=True)
    posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="adjustment",
        null=True,
        blank=True,
        verbose_name=_("posting"),
    )
    recorded = models.OneToOneField(
        Transaction,
        on_delete=models.PROTECT,
        related_name="recorded_by_adjustment",
        null=True,
        blank=True,
        verbose_name=_("recorded payment"),
    )
    refund = models.OneToOneField(
        Refund,
        on_delete=models.PROTECT,
        related_name="recorded_by_adjustment",
        null=True,
        blank=True,
        verbose_name=_("recorded refund"),
    )

    class Meta:
        verbose_name = _("adjustment request")
        verbose_name_plural = _("adjustment requests")
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="%(app_label)s_%(class)s_points_not_zero"),
            models.CheckConstraint(condition=~Q(note=""), name="%(app_label)s_%(class)s_says_why"),
            models.CheckConstraint(
                condition=Q(state__in=["PENDING", "CANCELED"]) | ~Q(decided_by=F("requested_by")),
                name="%(app_label)s_%(class)s_two_people",
            ),
            models.CheckConstraint(
                condition=Q(state="PENDING", decided_by=None, decided_at=None)
                | (~Q(state="PENDING") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="%(app_label)s_%(class)s_decided_says_who_and_when",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="APPROVED", deed="POINTS", posting__isnull=False, recorded=None, refund=None
                )
                | Q(state="APPROVED", deed="EARN", recorded__isnull=False, refund=None)
                | Q(state="APPROVED", deed="CLAW_BACK", refund__isnull=False, recorded=None)
                | (~Q(state="APPROVED") & Q(posting=None, recorded=None, refund=None)),
                name="%(app_label)s_%(class)s_approved_is_posted",
            ),
            models.CheckConstraint(
                condition=Q(deed="POINTS") | Q(finding__isnull=False),
                name="%(app_label)s_%(class)s_repair_has_its_finding",
            ),
            models.UniqueConstraint(
                fields=["finding"],
                condition=Q(state__in=["PENDING", "APPROVED"]),
                name="%(app_label)s_%(class)s_one_per_finding",
            ),
            models.UniqueConstraint(
                fields=["requested_by", "request_key"],
                condition=~Q(request_key=""),
                name="%(app_label)s_%(class)s_one_per_request",
            ),
        ]
        indexes = [
            models.Index(
                fields=["mall", "requested_at"],
                condition=Q(state="PENDING"),
                name="review_adjustment_waiting",
            ),
            models.Index(fields=["mall", "-requested_at"], name="review_adjustment_mall"),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} · {self.account_id} (#{self.pk})"

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.PENDING
