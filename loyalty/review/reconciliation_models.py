"""A payment provider's daily file against the ledger: the file, its lines as they were read, and what does not fit."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import Transaction
from members.models import Member, Program
from pms.models import Mall, User


class Reconciliation(models.Model):
    """One file of one mall. `moved_at` rises while somebody works on it, so that one whose worker died is found.

    It speaks for the days from `business_date` to `last_date`; with `merchant_id`, for that merchant's shops only.
    """

    class State(models.TextChoices):
        READING = "READING", _("being read")
        DONE = "DONE", _("compared")
        REPLACED = "REPLACED", _("replaced by a newer file")
        REFUSED = "REFUSED", _("refused")
        FAILED = "FAILED", _("failed")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    file_name = models.CharField(_("file"), max_length=255)
    digest = models.CharField(_("digest"), max_length=64)
    merchant_id = models.CharField(_("merchant ID"), max_length=128, blank=True)
    business_date = models.DateField(_("day"), null=True, blank=True)
    last_date = models.DateField(_("last day"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.READING)
    refusal = models.CharField(_("refused because"), max_length=32, blank=True)
    refusal_detail = models.CharField(_("detail"), max_length=255, blank=True)
    row_count = models.PositiveIntegerField(_("rows"), default=0)
    done_count = models.PositiveIntegerField(_("rows done"), default=0)
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("uploaded by")
    )
    asked_at = models.DateTimeField(_("uploaded"))
    moved_at = models.DateTimeField(_("last progress"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "digest"],
                condition=Q(state__in=["READING", "DONE", "REPLACED"]),
                name="%(app_label)s_%(class)s_one_per_file",
            ),
            models.CheckConstraint(
                condition=Q(state="READING", ended_at=None)
                | (~Q(state="READING") & Q(ended_at__isnull=False)),
                name="%(app_label)s_%(class)s_ended_when_over",
            ),
            models.UniqueConstraint(
                fields=["mall", "merchant_id", "business_date", "last_date"],
                condition=Q(state="DONE"),
                name="%(app_label)s_%(class)s_one_in_force_per_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} (#{self.pk})"

    @property
    def is_moving(self) -> bool:
        return self.state == self.State.READING


class ReconciliationPiece(models.Model):
    """A piece of a file, from the upload until it is read; web and worker need no common disk."""

    reconciliation = models.ForeignKey(
        Reconciliation, on_delete=models.PROTECT, related_name="pieces", verbose_name=_("reconciliation")
    )
    number = models.PositiveIntegerField(_("number"))
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("piece of a provider's file")
        verbose_name_plural = _("pieces of providers' files")
        constraints = [
            models.UniqueConstraint(fields=["reconciliation", "number"], name="%(app_label)s_%(class)s_once"),
        ]

    def __str__(self) -> str:
        return f"{self.reconciliation_id}/{self.number} (#{self.pk})"


class ProviderRow(models.Model):
    """One line of a provider's file. Numbers are in the form in which they are compared.

    `payment` is the number of the purchase a line is about, `partner` what the shop's own system called that
    purchase; `transaction` the purchase of ours that was found by them.
    """

    class Kind(models.TextChoices):
        PAYMENT = "PAYMENT", _("payment")
        REFUND = "REFUND", _("refund")
        CANCEL = "CANCEL", _("cancellation")
        IGNORED = "IGNORED", _("did not succeed")
        FAULTY = "FAULTY", _("cannot be read")

    reconciliation = models.ForeignKey(
        Reconciliation, on_delete=models.PROTECT, related_name="rows", verbose_name=_("reconciliation")
    )
    line = models.PositiveIntegerField(_("line"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    faults = models.JSONField(_("faults"), default=list, blank=True)
    number = models.CharField(_("number"), max_length=128, blank=True)
    payment = models.CharField(_("payment number"), max_length=128, blank=True)
    partner = models.CharField(_("number of the shop's system"), max_length=128, blank=True)
    amount_cents = models.BigIntegerField(_("amount (smallest unit)"), default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    happened_at = models.DateTimeField(_("time"), null=True, blank=True)
    user_id = models.CharField(_("user ID"), max_length=128, blank=True)
    store_label = models.CharField(_("store as reported"), max_length=128, blank=True)
    merchant_id = models.CharField(_("merchant ID as reported"), max_length=128, blank=True)
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("transaction"),
    )

    class Meta:
        verbose_name = _("line of a provider's file")
        verbose_name_plural = _("lines of providers' files")
        constraints = [
            models.UniqueConstraint(
                fields=["reconciliation", "line"], name="%(app_label)s_%(class)s_one_per_line"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["FAULTY", "IGNORED"])
                | (Q(happened_at__isnull=False, amount_cents__gte=0) & ~Q(number="")),
                name="%(app_label)s_%(class)s_sound_unless_faulty",
            ),
        ]
        indexes = [
            models.Index(fields=["reconciliation", "kind", "payment"], name="review_row_payment"),
            models.Index(fields=["partner"], condition=Q(kind="PAYMENT"), name="review_row_partner"),
        ]

    def __str__(self) -> str:
        return f"{self.reconciliation_id}:{self.line} {self.kind} (#{self.pk})"


class Finding(models.Model):
    """What the provider's file and the ledger disagree on, and what was decided about it.

    `cents` is the money in question, `points` what a repair would move. A newer file of the day renews what nobody
    has decided, and leaves the rest.
    """

    class Kind(models.TextChoices):
        PAID_NOT_AWARDED = "PAID_NOT_AWARDED", _("paid, not awarded")
        AWARDED_NOT_PAID = "AWARDED_NOT_PAID", _("awarded, not paid")
        REFUNDED_NOT_CLAWED_BACK = "REFUNDED_NOT_CLAWED_BACK", _("refunded, not taken back")
        AMOUNT_DIFFERS = "AMOUNT_DIFFERS", _("amount differs")

    class State(models.TextChoices):
        OPEN = "OPEN", _("open")
        REQUESTED = "REQUESTED", _("repair requested")
        REPAIRED = "REPAIRED", _("repaired")
        DISMISSED = "DISMISSED", _("left as it is")
        GONE = "GONE", _("settled itself")

    reconciliation = models.ForeignKey(
        Reconciliation, on_delete=models.PROTECT, related_name="findings", verbose_name=_("reconciliation")
    )
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    business_date = models.DateField(_("day"))
    kind = models.CharField(_("what differs"), max_length=32, choices=Kind)
    number = models.CharField(_("payment number"), max_length=128)
    line = models.PositiveIntegerField(_("line"), null=True, blank=True)
    refund_number = models.CharField(_("refund number"), max_length=128, blank=True)
    happened_at = models.DateTimeField(_("time"))
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="findings",
        null=True,
        blank=True,
        verbose_name=_("transaction"),
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("member")
    )
    user_id = models.CharField(_("user ID"), max_length=128, blank=True)
    store_label = models.CharField(_("store as reported"), max_length=128, blank=True)
    merchant_id = models.CharField(_("merchant ID as reported"), max_length=128, blank=True)
    file_cents = models.BigIntegerField(_("in the file (cents)"), default=0)
    ledger_cents = models.BigIntegerField(_("in the ledger (cents)"), default=0)
    cents = models.BigIntegerField(_("difference (cents)"))
    currency = models.CharField(_("currency"), max_length=3)
    points = models.BigIntegerField(_("points"), default=0)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    found_at = models.DateTimeField(_("found"))
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "business_date", "kind", "number"], name="%(app_label)s_%(class)s_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(cents__gte=0), name="%(app_label)s_%(class)s_cents_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(state="DISMISSED") | (Q(decided_by__isnull=False) & ~Q(note="")),
                name="%(app_label)s_%(class)s_dismissed_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["mall", "happened_at"], condition=Q(state="OPEN"), name="review_finding_open"
            ),
            models.Index(fields=["reconciliation", "kind"], name="review_finding_file"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} (#{self.pk})"


class ProviderColumn(models.Model):
    """Another name that a provider's files give to a column of ours, for one program."""

    class Field(models.TextChoices):
        NUMBER = "number", _("payment or refund number")
        PARTNER = "partner", _("number of the shop's system")
        ORIGINAL = "original", _("original payment number")
        ORIGINAL_PARTNER = "original_partner", _("original number of the shop's system")
        KIND = "kind", _("payment, refund or cancellation")
        AMOUNT = "amount", _("amount in dollars")
        AMOUNT_CENTS = "amount_cents", _("amount in cents")
        CURRENCY = "currency", _("currency")
        TIME = "time", _("time")
        STATUS = "status", _("status")
        USER = "user", _("user ID")
        STORE = "store", _("store")
        MERCHANT = "merchant", _("merchant ID")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="provider_columns", verbose_name=_("program")
    )
    field = models.CharField(_("column"), max_length=32, choices=Field)
    heading = models.CharField(_("heading in the file"), max_length=64)

    class Meta:
        verbose_name = _("column of provider files")
        verbose_name_plural = _("columns of provider files")
        constraints = [
            models.UniqueConstraint(
                fields=["program", "heading"], name="%(app_label)s_%(class)s_one_meaning_per_heading"
            ),
            models.CheckConstraint(condition=~Q(heading=""), name="%(app_label)s_%(class)s_has_a_heading"),
        ]

    def __str__(self) -> str:
        return f"{self.heading} = {self.field} (#{self.pk})"
