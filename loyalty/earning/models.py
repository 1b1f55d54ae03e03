"""Why points were given: rules and their frozen versions, purchases, refunds, awards, claimed numbers."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from loyalty.earning.backtest_models import BacktestRun as BacktestRun
from loyalty.earning.duplicate_models import Correction as Correction
from loyalty.earning.duplicate_models import DuplicateCase as DuplicateCase
from loyalty.earning.rule_models import BudgetUse as BudgetUse
from loyalty.earning.rule_models import CapUse as CapUse
from loyalty.earning.rule_models import Rule as Rule
from loyalty.earning.rule_models import RuleVersion as RuleVersion
from loyalty.ledger.models import Posting
from members.models import Member, Pass
from pms.models import Mall, MallGroup, Store, User


class Transaction(models.Model):
    """One purchase as one channel reported it; the facts it was judged on, kept as they were."""

    class Channel(models.TextChoices):
        WALLET = "WALLET", _("wallet")
        UPLOAD = "UPLOAD", _("manual upload")
        COUNTER = "COUNTER", _("counter")
        IMPORT = "IMPORT", _("receipt file")
        PARTNER = "PARTNER", _("partner till")

    class State(models.TextChoices):
        EARNED = "EARNED", _("earned")
        NOTHING = "NOTHING", _("no points")
        HELD = "HELD", _("held")
        FLAGGED = "FLAGGED", _("flagged")
        PARKED = "PARKED", _("waiting")
        DUPLICATE = "DUPLICATE", _("duplicate")

    # What begins an index below needs none of its own; nobody looks for one group's alone.
    group = models.ForeignKey(
        MallGroup, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("group")
    )
    mall = models.ForeignKey(
        Mall, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("mall")
    )
    store = models.ForeignKey(
        Store,
        on_delete=models.PROTECT,
        related_name="transactions",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("store"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="transactions",
        db_index=False,
        verbose_name=_("member"),
    )
    wallet_pass = models.ForeignKey(
        Pass, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("pass")
    )
    channel = models.CharField(_("channel"), max_length=16, choices=Channel)
    state = models.CharField(_("state"), max_length=16, choices=State)
    amount_cents = models.BigIntegerField(_("amount (smallest unit)"))
    currency = models.CharField(_("currency"), max_length=3)
    paid_at = models.DateTimeField(_("paid"))
    recorded_at = models.DateTimeField(_("recorded"))
    payment_number = models.CharField(_("payment number"), max_length=128, blank=True)
    mainland_number = models.CharField(_("mainland payment number"), max_length=128, blank=True)
    acquirer_number = models.CharField(_("acquirer number"), max_length=128, blank=True)
    receipt_number = models.CharField(_("receipt number"), max_length=128, blank=True)
    store_label = models.CharField(_("store as reported"), max_length=128, blank=True)
    merchant_id = models.CharField(_("merchant ID as reported"), max_length=128, blank=True)
    merchant_name = models.CharField(_("merchant name as reported"), max_length=256, blank=True)
    tender = models.CharField(_("tender"), max_length=32, blank=True)
    item = models.CharField(_("kind of purchase"), max_length=32, blank=True)
    entered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("entered by")
    )

    class Meta:
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_cents__gte=0), name="%(app_label)s_%(class)s_amount_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["EARNED", "HELD", "FLAGGED"]) | Q(store__isnull=False),
                name="%(app_label)s_%(class)s_earned_has_store",
            ),
        ]
        indexes = [
            models.Index(F("group"), Upper("payment_number"), name="earning_tx_payment"),
            models.Index(F("group"), Upper("receipt_number"), name="earning_tx_receipt"),
            models.Index(fields=["member", "-paid_at"], name="earning_tx_member"),
            models.Index(fields=["mall", "-paid_at"], name="earning_tx_mall"),
            models.Index(fields=["store", "amount_cents", "paid_at"], name="earning_tx_alike"),
            models.Index(
                fields=["group", "store_label"], condition=Q(state="PARKED"), name="earning_tx_parked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.payment_number or self.receipt_number} (#{self.pk})"

    @property
    def numbers(self) -> dict[str, str]:
        """The numbers it is known by, by `NumberClaim.Kind`."""
        known = {
            NumberClaim.Kind.PAYMENT: self.payment_number,
            NumberClaim.Kind.MAINLAND: self.mainland_number,
            NumberClaim.Kind.ACQUIRER: self.acquirer_number,
            NumberClaim.Kind.RECEIPT: self.receipt_number,
        }
        return {str(kind): number for kind, number in known.items() if number}


class NumberClaim(models.Model):
    """Holds one number of a purchase for one transaction, so that a purchase earns once over all channels."""

    class Kind(models.TextChoices):
        PAYMENT = "PAYMENT", _("payment")
        MAINLAND = "MAINLAND", _("mainland payment")
        ACQUIRER = "ACQUIRER", _("acquirer")
        RECEIPT = "RECEIPT", _("receipt")

    # Its own index would name all claims there are, and be taken for a good one while the table is new.
    group = models.ForeignKey(
        MallGroup, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("group")
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    number = models.CharField(_("number"), max_length=256, validators=[RegexValidator(r"\S")])
    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="claims", verbose_name=_("transaction")
    )

    class Meta:
        verbose_name = _("claimed number")
        verbose_name_plural = _("claimed numbers")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "kind", "number"], name="%(app_label)s_%(class)s_claimed_once"
            ),
            models.CheckConstraint(condition=~Q(number=""), name="%(app_label)s_%(class)s_number_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} (#{self.pk})"


class Award(models.Model):
    """The judgement of one transaction: points, reasons, and every condition with what it found. Never changed."""

    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, related_name="award", verbose_name=_("transaction")
    )
    rule_version = models.ForeignKey(
        RuleVersion,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("rule version"),
    )
    posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="award",
        null=True,
        blank=True,
        verbose_name=_("posting"),
    )
    points = models.BigIntegerField(_("points"))
    pending_points = models.BigIntegerField(_("points on hold"), default=0)
    counted_cents = models.BigIntegerField(_("counted spend (cents)"), default=0)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    versions = models.JSONField(_("rule versions in force"), default=list, blank=True)
    rooms = models.JSONField(_("room found in limits"), default=dict, blank=True)
    lines = models.JSONField(_("lines"), default=list, blank=True)
    reasons = models.JSONField(_("reasons"))
    conditions = models.JSONField(_("conditions"))
    awarded_at = models.DateTimeField(_("judged"))

    class Meta:
        verbose_name = _("award")
        verbose_name_plural = _("awards")
        constraints = [
            models.CheckConstraint(
                condition=Q(points__gte=0), name="%(app_label)s_%(class)s_points_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(points=0, posting=None) | Q(points__gt=0, posting__isnull=False),
                name="%(app_label)s_%(class)s_points_have_a_posting",
            ),
            models.CheckConstraint(condition=~Q(reasons=[]), name="%(app_label)s_%(class)s_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.points} · {self.transaction_id} (#{self.pk})"


class Refund(models.Model):
    """Money given back for a transaction, and the points that followed. Never changed."""

    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("transaction")
    )
    key = models.CharField(_("key"), max_length=400)
    number = models.CharField(_("refund number"), max_length=128, blank=True)
    amount_cents = models.BigIntegerField(_("amount (smallest unit)"))
    refunded_at = models.DateTimeField(_("refunded"))
    recorded_at = models.DateTimeField(_("recorded"))
    points = models.BigIntegerField(_("points taken back"))
    uncollected = models.BigIntegerField(_("points not collected"), default=0)
    reasons = models.JSONField(_("reasons"))
    posting = models.OneToOneField(
        Posting,
        on_delete=models.PROTECT,
        related_name="refund",
        null=True,
        blank=True,
        verbose_name=_("posting"),
    )

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "key"], name="%(app_label)s_%(class)s_once_per_key"
            ),
            models.CheckConstraint(
                condition=Q(amount_cents__gte=0) & Q(points__gte=0) & Q(uncollected__gte=0),
                name="%(app_label)s_%(class)s_nothing_negative",
            ),
            models.CheckConstraint(
                condition=Q(points=0, posting=None) | Q(points__gt=0, posting__isnull=False),
                name="%(app_label)s_%(class)s_points_have_a_posting",
            ),
            models.CheckConstraint(condition=~Q(reasons=[]), name="%(app_label)s_%(class)s_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.key} (#{self.pk})"
