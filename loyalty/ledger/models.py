"""How many points: accounts, and double-entry postings between them. Postings and entries are never changed.

A posting's entries sum to zero. A member's account keeps its balance in a row, moved under that row's lock;
a program's accounts keep none, since one shared row would serialise every award.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models import Member, Program
from pms.models import Mall, User


class PointAccount(models.Model):
    """Points of one member, or one side of a program's books. `version` rises with every posting."""

    class Kind(models.TextChoices):
        MEMBER = "MEMBER", _("member")
        PENDING = "PENDING", _("member, on hold")
        RESERVED = "RESERVED", _("reserved")
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
    spendable = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        related_name="pending",
        null=True,
        blank=True,
        verbose_name=_("held for"),
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
                condition=Q(member=None, spendable=None),
                name="%(app_label)s_%(class)s_one_per_program_and_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="MEMBER", member__isnull=False, spendable=None, balance__isnull=False)
                | Q(kind="PENDING", member=None, spendable__isnull=False, balance__gte=0)
                | (~Q(kind__in=["MEMBER", "PENDING"]) & Q(member=None, spendable=None, balance=None)),
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
        RELEASE = "RELEASE", _("released from hold")
        RESERVE = "RESERVE", _("reserved")
        REDEEM = "REDEEM", _("redeemed")
        UNRESERVE = "UNRESERVE", _("reservation released")
        RETURN = "RETURN", _("redemption returned")
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
        Posting,
        on_delete=models.PROTECT,
        related_name="entries",
        db_index=False,  # begins the one below
        verbose_name=_("posting"),
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
    """What is left of points that one posting brought in, with one expiry. While `is_held` they cannot be spent.

    A hold without `held_until_at` ends when somebody confirms. The account is the member's, held or not.
    """

    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="lots", verbose_name=_("account")
    )
    posting = models.ForeignKey(
        Posting, on_delete=models.PROTECT, related_name="lots", verbose_name=_("posting")
    )
    points = models.BigIntegerField(_("points"))
    remaining = models.BigIntegerField(_("remaining"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    is_held = models.BooleanField(_("on hold"), default=False)
    held_until_at = models.DateTimeField(_("on hold until"), null=True, blank=True)

    class Meta:
        verbose_name = _("point lot")
        verbose_name_plural = _("point lots")
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="%(app_label)s_%(class)s_points_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0) & Q(remaining__lte=F("points")),
                name="%(app_label)s_%(class)s_remaining_within_points",
            ),
            models.CheckConstraint(
                condition=Q(is_held=True) | Q(held_until_at=None),
                name="%(app_label)s_%(class)s_hold_has_points_held",
            ),
        ]
        indexes = [
            models.Index(
                F("account"),
                F("expires_at").asc(nulls_last=True),
                condition=Q(remaining__gt=0, is_held=False),
                name="ledger_pointlot_spendable",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(remaining__gt=0, is_held=False),
                name="ledger_pointlot_expiring",
            ),
            models.Index(
                fields=["held_until_at"],
                condition=Q(remaining__gt=0, is_held=True),
                name="ledger_pointlot_held",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining}/{self.points} #{self.pk}"


class Redemption(models.Model):
    """Points set aside by a code of short life, then confirmed or released; returned if what they paid is refunded.

    `request_key` makes the same request one redemption; `payment_number` names the purchase the points paid for.
    """

    class State(models.TextChoices):
        RESERVED = "RESERVED", _("set aside")
        CONFIRMED = "CONFIRMED", _("redeemed")
        RELEASED = "RELEASED", _("released")
        RETURNED = "RETURNED", _("returned")

    account = models.ForeignKey(
        PointAccount, on_delete=models.PROTECT, related_name="redemptions", verbose_name=_("account")
    )
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    code = models.CharField(_("code"), max_length=16, unique=True)
    points = models.BigIntegerField(_("points"))
    value_cents = models.BigIntegerField(_("worth (cents)"))
    payment_number = models.CharField(_("pays for"), max_length=128, blank=True)
    request_key = models.CharField(_("request"), max_length=64, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RESERVED)
    reserved_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("set aside by"),
    )
    ended_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("ended by")
    )
    reserved_at = models.DateTimeField(_("set aside"))
    expires_at = models.DateTimeField(_("code valid until"))
    ended_at = models.DateTimeField(_("confirmed or released"), null=True, blank=True)
    reserve_posting = models.OneToOneField(
        Posting, on_delete=models.PROTECT, related_name="reservation", verbose_name=_("posting")
    )
    end_posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="redemption",
        null=True,
        blank=True,
        verbose_name=_("posting"),
    )
    return_posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="returned_redemption",
        null=True,
        blank=True,
        verbose_name=_("posting of the return"),
    )

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints = [
            models.CheckConstraint(condition=Q(points__gt=0), name="%(app_label)s_%(class)s_points_positive"),
            models.CheckConstraint(
                condition=Q(state="RESERVED", ended_at=None, end_posting=None)
                | (~Q(state="RESERVED") & Q(ended_at__isnull=False, end_posting__isnull=False)),
                name="%(app_label)s_%(class)s_ended_has_its_posting",
            ),
            models.CheckConstraint(
                condition=Q(state="RETURNED", return_posting__isnull=False)
                | (~Q(state="RETURNED") & Q(return_posting=None)),
                name="%(app_label)s_%(class)s_returned_has_its_posting",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("reserved_at")), name="%(app_label)s_%(class)s_code_lives"
            ),
            models.CheckConstraint(
                condition=Q(value_cents__gte=0), name="%(app_label)s_%(class)s_worth_not_negative"
            ),
            models.UniqueConstraint(
                fields=["account", "request_key"],
                condition=~Q(request_key=""),
                name="%(app_label)s_%(class)s_one_per_request",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="RESERVED"), name="ledger_redemption_open"),
            models.Index(fields=["account", "-reserved_at"], name="ledger_redemption_account"),
            models.Index(fields=["mall", "-reserved_at"], name="ledger_redemption_mall"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.points} (#{self.pk})"


class RedemptionPart(models.Model):
    """What a redemption took from one lot, so that a release gives it back there."""

    redemption = models.ForeignKey(
        Redemption, on_delete=models.PROTECT, related_name="parts", verbose_name=_("redemption")
    )
    lot = models.ForeignKey(PointLot, on_delete=models.PROTECT, related_name="+", verbose_name=_("lot"))
    points = models.BigIntegerField(_("points"))

    class Meta:
        verbose_name = _("part of a redemption")
        verbose_name_plural = _("parts of redemptions")
        constraints = [
            models.UniqueConstraint(fields=["redemption", "lot"], name="%(app_label)s_%(class)s_one_per_lot"),
            models.CheckConstraint(condition=Q(points__gt=0), name="%(app_label)s_%(class)s_points_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.points} of lot {self.lot_id} (#{self.pk})"


class ExpiryNotice(models.Model):
    """A warning that points of a lot will expire; written 30, 7 and 1 days ahead, delivered later."""

    lot = models.ForeignKey(PointLot, on_delete=models.PROTECT, related_name="notices", verbose_name=_("lot"))
    days_ahead = models.PositiveSmallIntegerField(_("days ahead"))
    points = models.BigIntegerField(_("points"))
    noticed_at = models.DateTimeField(_("noticed"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    class Meta:
        verbose_name = _("expiry notice")
        verbose_name_plural = _("expiry notices")
        constraints = [
            models.UniqueConstraint(
                fields=["lot", "days_ahead"], name="%(app_label)s_%(class)s_once_per_lot"
            ),
        ]

    def __str__(self) -> str:
        return f"lot {self.lot_id}, {self.days_ahead} days (#{self.pk})"


class LedgerBlock(models.Model):
    """Seals a run of entries of one program: each block's hash covers its entries and the block before. Never changed.

    `digests` holds eight bytes of id and the SHA-256 of each entry with its posting, so that a row can be named.
    """

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("program")
    )
    number = models.PositiveIntegerField(_("block"))
    last_entry_id = models.BigIntegerField(_("last entry"))
    entry_count = models.PositiveIntegerField(_("entries"))
    digests = models.BinaryField(_("digests"))
    previous_hash = models.CharField(_("hash before"), max_length=64, blank=True)
    block_hash = models.CharField(_("hash"), max_length=64)
    sealed_at = models.DateTimeField(_("sealed"))

    class Meta:
        verbose_name = _("sealed block")
        verbose_name_plural = _("sealed blocks")
        constraints = [
            models.UniqueConstraint(
                fields=["program", "number"], name="%(app_label)s_%(class)s_one_per_number"
            ),
        ]

    def __str__(self) -> str:
        return f"block {self.number} (#{self.pk})"


class ProofRun(models.Model):
    """One run of the proof: what was counted and what broke a promise. The last one is the certificate. Never changed.

    `heads` names the last block of each program's chain, so that a chain that became shorter shows.
    """

    began_at = models.DateTimeField(_("began"))
    ended_at = models.DateTimeField(_("ended"))
    is_green = models.BooleanField(_("green"))
    counts = models.JSONField(_("counts"), blank=True)
    heads = models.JSONField(_("heads of the chains"), default=dict, blank=True)
    breaches = models.JSONField(_("breaches"), default=list, blank=True)

    class Meta:
        verbose_name = _("proof")
        verbose_name_plural = _("proofs")

    def __str__(self) -> str:
        return f"{self.ended_at:%Y-%m-%d %H:%M} (#{self.pk})"
