"""What the doors keep beside the purchases they bring: forms already saved, partners' keys and requests, files."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.doors.import_models import ImportChunk as ImportChunk
from loyalty.doors.import_models import ImportJob as ImportJob
from loyalty.doors.import_models import ImportRow as ImportRow
from loyalty.earning.models import Transaction
from pms.models import Mall, User


class CounterEntry(models.Model):
    """One form that was saved at the counter. Its token is made with the form, so that it saves once."""

    token = models.CharField(_("token"), max_length=64, unique=True)
    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, related_name="counter_entry", verbose_name=_("transaction")
    )
    entered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", verbose_name=_("entered by")
    )
    entered_at = models.DateTimeField(_("entered"))

    class Meta:
        verbose_name = _("counter entry")
        verbose_name_plural = _("counter entries")

    def __str__(self) -> str:
        return f"{self.transaction_id} · {self.entered_by} (#{self.pk})"


class PartnerKey(models.Model):
    """Lets one partner's tills bring purchases of one mall. Only the key's SHA-256 and first letters are kept."""

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    name = models.CharField(_("name"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64, unique=True)
    start = models.CharField(_("begins with"), max_length=16)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("made"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("partner key")
        verbose_name_plural = _("partner keys")
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(revoked_at__gte=F("created_at")),
                name="%(app_label)s_%(class)s_revoked_after_made",
            ),
            models.UniqueConstraint(
                fields=["mall", "name"],
                condition=Q(revoked_at=None),
                name="%(app_label)s_%(class)s_one_in_use_per_name",
                violation_error_message=_("A key of this name is in use; revoke it first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.start}… (#{self.pk})"


class PartnerRequest(models.Model):
    """A request that was answered: the same idempotency key is answered the same, with another body it is refused."""

    partner_key = models.ForeignKey(
        PartnerKey, on_delete=models.PROTECT, related_name="requests", verbose_name=_("partner key")
    )
    idempotency_key = models.CharField(_("idempotency key"), max_length=128)
    digest = models.CharField(_("digest of the body"), max_length=64)
    reference = models.CharField(_("reference"), max_length=36, unique=True)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="+", verbose_name=_("transaction")
    )
    answer = models.JSONField(_("answer"), blank=True)
    answered_at = models.DateTimeField(_("answered"))

    class Meta:
        verbose_name = _("partner request")
        verbose_name_plural = _("partner requests")
        constraints = [
            models.UniqueConstraint(
                fields=["partner_key", "idempotency_key"], name="%(app_label)s_%(class)s_answered_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.idempotency_key} (#{self.pk})"
