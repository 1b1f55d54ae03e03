"""How many points: accounts, and double-entry postings between them. Postings and entries are never changed.

A posting's entries sum to zero. A member's account keeps its balance in a row, moved under that row's lock;
a program's accounts keep none, since one shared row would serialise every award.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models import Member, Program


class PointAccount(models.Model):
    """Points of one member, or one side of a program's books. `version` rises with every posting."""

    class Kind(models.TextChoices):
        MEMBER = "MEMBER", _("member")
        ISSUED = "ISSUED", _("issued")
        REDEEMED = "REDEEMED", _("redeemed")
        EXPIRED = "EXPIRED", _("expired")
        ADJUSTED = "ADJUSTED", _("adjusted")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="accounts", verbose_name=_("program")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    member = models.OneToOneField(
        Member,
        on_delete=models.PROTECT,
        related_name="account",
        null=True,
        blank=True,
        verbose_name=_("member"),
    )
    balance = models.BigIntegerField(_("balance"), null=True, blank=True)
    version = models.BigIntegerField(_("version"), default=0)
    changed_at = models.DateTimeField(_("changed"), db_index=True)

    class Meta:
        verbose_name = _("point account")
        verbose_name_plural = _("point accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["program", "kind"],
                condition=Q(member=None),
                name="%(app_label)s_%(class)s_one_per_program_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="MEMBER", member__isnull=False, balance__isnull=False)
                | (~Q(kind="MEMBER") & Q(member=None, balance=None)),
                name="%(app_label)s_%(class)s_member_keeps_balance",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=0), name="%(app_label)s_%(class)s_version_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member or self.program} · {self.kind} (#{self.pk})"


class Posting(models.Model):
    """One balanced set of entries. `source` names what caused it and makes the same cause post once."""

    class Kind(models.TextChoices):
        EARN = "EARN", _("earned")
        CLAW_BACK = "CLAW_BACK", _("taken back")
        ADJUST = "ADJUST", _("adjusted")
        REDEEM = "REDEEM", _("redeemed")
        EXPIRE = "EXPIRE", _("expired")
        REVERSE = "REVERSE", _("reversed")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("program")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    source = models.CharField(_("source"), max_length=64)
    reverses = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        related_name="reversed_by",
        null=True,
        blank=True,
        verbose_name=_("reverses"),
    )
    posted_at = models.DateTimeField(_("posted"))

    class Meta:
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "source"], name="%(app_label)s_%(class)s_once_per_source"
            ),
            models.CheckConstraint(
                condition=Q(kind="REVERSE", reverses__isnull=False) | (~Q(kind="REVERSE") & Q(reverses=None)),
                name="%(app_label)s_%(class)s_reversal_names_its_posting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source} (#{self.pk})"


class PointEntry(models.Model):
    """One signed line of a posting."""

    posting = models.ForeignKey(
        Posting, on_delete=models.PROTECT, related_name="entries", verbose_name=_("posting")
    )
    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="entries", verbose_name=_("account")
    )
    points = models.BigIntegerField(_("points"))

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        constraints = [
            models.CheckConstraint(condition=~Q(points=0), name="%(app_label)s_%(class)s_points_not_zero"),
            models.UniqueConstraint(
                fields=["posting", "account"], name="%(app_label)s_%(class)s_one_per_posting_and_account"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points:+d} #{self.pk}"


class PointLot(models.Model):
    """What is left of the points one posting brought in."""

    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="lots", verbose_name=_("account")
    )
    posting = models.OneToOneField(
        Posting, on_delete=models.PROTECT, related_name="lot", verbose_name=_("posting")
    )
    points = models.BigIntegerField(_("points"))
    remaining = models.BigIntegerField(_("remaining"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)

    class Meta:
        verbose_name = _("point lot")
        verbose_name_plural = _("point lots")
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="%(app_label)s_%(class)s_points_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0) & Q(remaining__lte=F("points")),
                name="%(app_label)s_%(class)s_remaining_within_points",
            ),
        ]
        indexes = [
            models.Index(
                F("account"),
                F("expires_at").asc(nulls_last=True),
                condition=Q(remaining__gt=0),
                name="ledger_pointlot_spendable",
            )
        ]

    def __str__(self) -> str:
        return f"{self.remaining}/{self.points} #{self.pk}"
