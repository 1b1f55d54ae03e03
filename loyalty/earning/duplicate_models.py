"""One purchase that came twice: cases that say so with their evidence, and points moved after staff decided."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.ledger.models import Posting
from pms.models import Mall, MallGroup, User

# The reason code of a correction that takes a purchase's store away from it.
UNPLACED = "STORE_UNMAPPED"


class DuplicateCase(models.Model):
    """A purchase that looks like an earlier one, what was done at once, and what was decided."""

    class Verdict(models.TextChoices):
        HELD = "HELD", _("held back")
        FLAGGED = "FLAGGED", _("points given, to be checked")
        BLOCKED = "BLOCKED", _("no points, too alike")
        NUMBER = "NUMBER", _("same number")
        CONFLICT = "CONFLICT", _("same number, other content")

    class State(models.TextChoices):
        OPEN = "OPEN", _("open")
        ASKED = "ASKED", _("asked")
        SAME = "SAME", _("same purchase")
        DIFFERENT = "DIFFERENT", _("different purchases")

    WAITING = (State.OPEN, State.ASKED)

    group = models.ForeignKey(MallGroup, on_delete=models.PROTECT, related_name="+", verbose_name=_("group"))
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    transaction = models.OneToOneField(
        "earning.Transaction",
        on_delete=models.PROTECT,
        related_name="duplicate_case",
        verbose_name=_("transaction"),
    )
    earlier = models.ForeignKey(
        "earning.Transaction",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("earlier transaction"),
    )
    verdict = models.CharField(
        _("what was done at once"), max_length=16, choices=Verdict, default=Verdict.CONFLICT
    )
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    score = models.PositiveSmallIntegerField(_("score"), default=100)
    parts = models.JSONField(_("evidence"), default=list, blank=True)
    points_at_stake = models.BigIntegerField(_("points at stake"), default=0)
    points_saved = models.BigIntegerField(_("points saved"), default=0)
    cents_saved = models.BigIntegerField(_("value of points saved (cents)"), default=0)
    assignee = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("assigned to")
    )
    opened_at = models.DateTimeField(_("opened"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("decided by")
    )

    class Meta:
        verbose_name = _("duplicate case")
        verbose_name_plural = _("duplicate cases")
        constraints = [
            models.CheckConstraint(
                condition=~Q(transaction=F("earlier")), name="%(app_label)s_%(class)s_two_transactions"
            ),
            models.CheckConstraint(condition=Q(score__lte=100), name="%(app_label)s_%(class)s_score_to_100"),
            models.CheckConstraint(
                condition=Q(state__in=["OPEN", "ASKED"], decided_at=None, decided_by=None)
                | Q(state__in=["SAME", "DIFFERENT"], decided_at__isnull=False),
                name="%(app_label)s_%(class)s_decided_says_when",
            ),
            models.CheckConstraint(
                condition=Q(points_at_stake__gte=0, points_saved__gte=0, cents_saved__gte=0),
                name="%(app_label)s_%(class)s_nothing_negative",
            ),
        ]
        indexes = [
            models.Index(
                fields=["mall", "opened_at"],
                condition=Q(state__in=["OPEN", "ASKED"]),
                name="earning_case_waiting",
            ),
            models.Index(fields=["mall", "-opened_at"], name="earning_case_opened"),
            # Lists of more malls than one are ordered by these.
            models.Index(
                fields=["opened_at"], condition=Q(state__in=["OPEN", "ASKED"]), name="earning_case_oldest"
            ),
            models.Index(fields=["-opened_at"], name="earning_case_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} = {self.earlier_id}? (#{self.pk})"

    @property
    def is_waiting(self) -> bool:
        return self.state in self.WAITING


class Correction(models.Model):
    """Points of a purchase taken or given after its award, because staff decided what it was. Never changed.

    `points` is what was posted, below zero for what was taken. `uncollected` is what could not be taken; what is
    given later settles it first, and then it is below zero. A gift to a purchase that had no judgement that counts
    keeps its own as an award does; else what the award kept still holds.
    """

    class Kind(models.TextChoices):
        TAKE = "TAKE", _("taken back")
        GIVE = "GIVE", _("given")

    transaction = models.ForeignKey(
        "earning.Transaction",
        on_delete=models.PROTECT,
        related_name="corrections",
        verbose_name=_("transaction"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    last_refund = models.ForeignKey(
        "earning.Refund",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("last refund before it"),
    )
    posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="correction",
        null=True,
        blank=True,
        verbose_name=_("posting"),
    )
    points = models.BigIntegerField(_("points"))
    uncollected = models.BigIntegerField(_("points not collected"), default=0)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    versions = models.JSONField(_("rule versions in force"), default=list, blank=True)
    rooms = models.JSONField(_("room found in limits"), default=dict, blank=True)
    lines = models.JSONField(_("lines"), default=list, blank=True)
    reasons = models.JSONField(_("reasons"))
    corrected_at = models.DateTimeField(_("corrected"))

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="TAKE", points__lte=0, uncollected__gte=0)
                | Q(kind="GIVE", points__gte=0, uncollected__lte=0),
                name="%(app_label)s_%(class)s_signs_fit_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(points=0, posting=None) | (~Q(points=0) & Q(posting__isnull=False)),
                name="%(app_label)s_%(class)s_points_have_a_posting",
            ),
            models.CheckConstraint(condition=~Q(reasons=[]), name="%(app_label)s_%(class)s_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.points} · {self.transaction_id} (#{self.pk})"

    @property
    def is_unplacing(self) -> bool:
        """Its store was found to be the wrong one: no judgement before it counts any more."""
        return any(entry["code"] == UNPLACED for entry in self.reasons)
