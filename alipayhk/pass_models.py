"""How far each card in the wallet has come: what it shall show, what AlipayHK acknowledged, and every call made."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models import Pass


class PassUpdate(models.Model):
    """How far one card has come: the account version it should show, and the one AlipayHK acknowledged.

    Also drives the card's creation. All times are on the database's clock. `credential` is the client that calls
    about this card, empty while its mall has none with a template; `confirm_at` when a push confirms an open answer.
    """

    wallet_pass = models.OneToOneField(
        Pass, on_delete=models.PROTECT, related_name="update", verbose_name=_("pass")
    )
    credential = models.ForeignKey(
        "alipayhk.Credential",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("credential"),
    )
    wanted_version = models.BigIntegerField(_("wanted version"), default=0)
    acknowledged_version = models.BigIntegerField(_("acknowledged version"), null=True, blank=True)
    acknowledged_points = models.BigIntegerField(_("points acknowledged"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before_at = models.DateTimeField(
        _("not before"), null=True, blank=True, help_text=_("AlipayHK asked us to wait.")
    )
    confirmations_due = models.PositiveSmallIntegerField(_("confirming pushes due"), default=0)
    confirm_at = models.DateTimeField(_("confirming push"), null=True, blank=True)
    leased_until_at = models.DateTimeField(_("leased until"), null=True, blank=True)
    lease = models.UUIDField(_("lease"), null=True, blank=True)
    called_at = models.DateTimeField(_("last call"), null=True, blank=True)
    dead_at = models.DateTimeField(_("gave up"), null=True, blank=True)
    last_code = models.CharField(_("last answer"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("card update")
        verbose_name_plural = _("card updates")
        constraints = [
            models.CheckConstraint(
                condition=Q(acknowledged_version=None) | Q(acknowledged_version__lte=F("wanted_version")),
                name="%(app_label)s_%(class)s_acknowledged_within_wanted",
            ),
            models.CheckConstraint(
                condition=Q(lease=None, leased_until_at=None)
                | Q(lease__isnull=False, leased_until_at__isnull=False),
                name="%(app_label)s_%(class)s_lease_has_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="alipayhk_passupdate_due"
            ),
            models.Index(
                fields=["dead_at"], condition=Q(dead_at__isnull=False), name="alipayhk_passupdate_dead"
            ),
            models.Index(
                fields=["wallet_pass"],
                condition=Q(credential=None),
                name="alipayhk_passupdate_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.wallet_pass} {self.acknowledged_version}/{self.wanted_version}"


class PassCall(models.Model):
    """One call to AlipayHK about one card, as it went; never changed."""

    class Outcome(models.TextChoices):
        DONE = "DONE", _("acknowledged")
        UNKNOWN = "UNKNOWN", _("unknown")
        PERMANENT = "PERMANENT", _("refused")

    update = models.ForeignKey(
        PassUpdate, on_delete=models.PROTECT, related_name="calls", verbose_name=_("card update")
    )
    api = models.CharField(_("call"), max_length=32)
    attempt = models.PositiveSmallIntegerField(_("attempt"))
    version = models.BigIntegerField(_("version sent"))
    points = models.BigIntegerField(_("points sent"))
    called_at = models.DateTimeField(_("called"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    code = models.CharField(_("code"), max_length=64, blank=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    tracer_id = models.CharField(_("Tracer-Id"), max_length=128, blank=True)
    request_body = models.TextField(_("request"))
    answer_body = models.TextField(_("answer"), blank=True)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        indexes = [models.Index(fields=["update", "-called_at"], name="alipayhk_passcall_recent")]

    def __str__(self) -> str:
        return f"{self.api} {self.outcome} {self.code} (#{self.pk})"
