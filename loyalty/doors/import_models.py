"""Receipt files: the file in pieces until it is read, its rows as they were read, and how far the work is."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import NumberClaim, Transaction
from members.models import Member
from pms.models import Mall, Store, User


class ImportJob(models.Model):
    """One receipt file of one mall: checked first, then imported when somebody says so.

    `moved_at` rises while somebody works on it, so that a job whose worker died is found again. What is being done now
    began at `began_at`, with `began_count` of the rows done.
    """

    class State(models.TextChoices):
        CHECKING = "CHECKING", _("being checked")
        CHECKED = "CHECKED", _("checked")
        RUNNING = "RUNNING", _("being imported")
        DONE = "DONE", _("imported")
        REFUSED = "REFUSED", _("refused")
        CANCELED = "CANCELED", _("canceled")
        FAILED = "FAILED", _("failed")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    file_name = models.CharField(_("file"), max_length=255)
    digest = models.CharField(_("digest"), max_length=64)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.CHECKING)
    refusal = models.CharField(_("refused because"), max_length=32, blank=True)
    refusal_detail = models.CharField(_("detail"), max_length=255, blank=True)
    row_count = models.PositiveIntegerField(_("rows"), default=0)
    done_count = models.PositiveIntegerField(_("rows done"), default=0)
    attempt_count = models.PositiveIntegerField(_("attempts without progress"), default=0)
    began_count = models.PositiveIntegerField(_("rows done before"), default=0)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("uploaded by")
    )
    asked_at = models.DateTimeField(_("uploaded"))
    moved_at = models.DateTimeField(_("last progress"))
    began_at = models.DateTimeField(_("begun"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("receipt file")
        verbose_name_plural = _("receipt files")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "digest"],
                condition=Q(state__in=["CHECKING", "CHECKED", "RUNNING", "DONE"]),
                name="%(app_label)s_%(class)s_one_per_file",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["CHECKING", "CHECKED", "RUNNING"], ended_at=None)
                | (~Q(state__in=["CHECKING", "CHECKED", "RUNNING"]) & Q(ended_at__isnull=False)),
                name="%(app_label)s_%(class)s_ended_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} (#{self.pk})"

    @property
    def is_moving(self) -> bool:
        return self.state in (self.State.CHECKING, self.State.RUNNING)


class ImportChunk(models.Model):
    """A piece of a file, from the upload until it is read; web and worker need no common disk."""

    job = models.ForeignKey(ImportJob, on_delete=models.PROTECT, related_name="chunks", verbose_name=_("job"))
    number = models.PositiveIntegerField(_("number"))
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("piece of a file")
        verbose_name_plural = _("pieces of files")
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="%(app_label)s_%(class)s_once"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number} (#{self.pk})"


class ImportRow(models.Model):
    """One line of a file: what was read, what is wrong with it, what became of it.

    `points` is what the check foresaw, were the file imported at once and nothing else paid meanwhile.
    `is_tied`: what becomes of it may depend on another member's row, so one process does both.
    Rows are written three times and only ever looked up by their job, so nothing else has an index.
    """

    class Fate(models.TextChoices):
        READY = "READY", _("will be recorded")
        CONFLICT = "CONFLICT", _("goes to review")
        KNOWN = "KNOWN", _("recorded before")
        FAULTY = "FAULTY", _("refused")
        RECORDED = "RECORDED", _("recorded")

    job = models.ForeignKey(
        ImportJob, on_delete=models.PROTECT, related_name="rows", db_index=False, verbose_name=_("job")
    )
    line = models.PositiveIntegerField(_("line"))
    fate = models.CharField(_("fate"), max_length=16, choices=Fate)
    faults = models.JSONField(_("faults"), default=list, blank=True)
    store = models.ForeignKey(
        Store,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("store"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("member"),
    )
    number = models.CharField(_("number"), max_length=128, blank=True)
    kind = models.CharField(_("kind"), max_length=16, choices=NumberClaim.Kind, blank=True)
    claim = models.CharField(_("claim"), max_length=300, blank=True)
    amount_cents = models.BigIntegerField(_("amount (cents)"), null=True, blank=True)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    tender = models.CharField(_("tender"), max_length=32, blank=True)
    points = models.BigIntegerField(_("points foreseen"), null=True, blank=True)
    is_tied = models.BooleanField(_("tied to another member's row"), default=False, db_default=False)
    earlier = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("recorded before as"),
    )
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("transaction"),
    )

    class Meta:
        verbose_name = _("row of a receipt file")
        verbose_name_plural = _("rows of receipt files")
        constraints = [
            models.UniqueConstraint(fields=["job", "line"], name="%(app_label)s_%(class)s_one_per_line"),
            models.CheckConstraint(
                condition=Q(fate="FAULTY")
                | Q(store__isnull=False, member__isnull=False, paid_at__isnull=False),
                name="%(app_label)s_%(class)s_sound_unless_faulty",
            ),
            models.CheckConstraint(
                condition=~Q(fate="RECORDED") | Q(transaction__isnull=False),
                name="%(app_label)s_%(class)s_recorded_is_somewhere",
            ),
        ]
        indexes = [
            models.Index(
                fields=["job", "member", "line"],
                condition=Q(fate__in=["READY", "CONFLICT"]),
                name="doors_importrow_open",
            ),
            models.Index(
                fields=["job", "line"],
                condition=Q(fate__in=["FAULTY", "KNOWN", "CONFLICT"]),
                name="doors_importrow_told",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}:{self.line} {self.fate} (#{self.pk})"
