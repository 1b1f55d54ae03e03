"""Sessions of members who signed in from a mall's mini-app. Only the digest of a session's token is kept."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models import Pass


class MiniAppSession(models.Model):
    """One sign-in: whoever shows its token acts for the card's member, in the credential's mall alone.

    Rows whose time is over are removed at night; what was done in a session stands where it was done.
    """

    wallet_pass = models.ForeignKey(
        Pass, on_delete=models.PROTECT, related_name="sessions", verbose_name=_("card")
    )
    credential = models.ForeignKey(
        "alipayhk.Credential", on_delete=models.PROTECT, related_name="+", verbose_name=_("credential")
    )
    token_hash = models.CharField(_("digest of the token"), max_length=64, unique=True, editable=False)
    began_at = models.DateTimeField(_("signed in"))
    expires_at = models.DateTimeField(_("good until"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("mini-app session")
        verbose_name_plural = _("mini-app sessions")
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("began_at")), name="%(app_label)s_%(class)s_lives"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="%(app_label)s_%(class)s_ends_after_it_began",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="alipayhk_session_expiry"),
            models.Index(fields=["credential", "-began_at"], name="alipayhk_session_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.wallet_pass_id} {self.began_at:%Y-%m-%d %H:%M} (#{self.pk})"
