"""What lets a mall ask AlipayHK about one member: the tokens of a mini-app's sign-in, sealed."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members.models import Pass


class WalletToken(models.Model):
    """The newest tokens of one member at one client of AlipayHK. Only `wallet_tokens` reads them; nobody sees them.

    An ended row keeps no token. A missing expiry is one that AlipayHK did not say.
    """

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", _("active")
        ENDED = "ENDED", _("ended")

    wallet_pass = models.ForeignKey(
        Pass, on_delete=models.PROTECT, related_name="tokens", verbose_name=_("pass")
    )
    credential = models.ForeignKey(
        "alipayhk.Credential", on_delete=models.PROTECT, related_name="+", verbose_name=_("credential")
    )
    sealed_access_token = models.TextField(_("access token (sealed)"), blank=True)
    sealed_refresh_token = models.TextField(_("refresh token (sealed)"), blank=True)
    access_expires_at = models.DateTimeField(_("access token expires"), null=True, blank=True)
    refresh_expires_at = models.DateTimeField(_("refresh token expires"), null=True, blank=True)
    has_bill_scope = models.BooleanField(_("opens payments"), default=False)
    obtained_at = models.DateTimeField(_("obtained"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_reason = models.CharField(_("why it ended"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("wallet token")
        verbose_name_plural = _("wallet tokens")
        constraints = [
            models.UniqueConstraint(
                fields=["wallet_pass", "credential"], name="%(app_label)s_%(class)s_one_per_card_and_client"
            ),
            models.CheckConstraint(
                condition=Q(state="ACTIVE", ended_at=None, ended_reason="") & ~Q(sealed_access_token="")
                | Q(state="ENDED", ended_at__isnull=False, sealed_access_token="", sealed_refresh_token="")
                & ~Q(ended_reason=""),
                name="%(app_label)s_%(class)s_ended_keeps_no_token",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} (#{self.pk})"
