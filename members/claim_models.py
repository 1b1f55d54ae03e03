"""What came of claims to an earlier membership, which guard it against guessing and tell staff who moved which card."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class MembershipClaim(models.Model):
    """Somebody with a wallet card named the card number of a membership, and a phone. `moved_to` is who they proved
    to be; `moved_from` is whose the card was."""

    class Outcome(models.TextChoices):
        MOVED = "MOVED", _("proved: the wallet card moved")
        REFUSED = "REFUSED", _("not proved")
        TOO_MANY = "TOO_MANY", _("too many claims: not looked at")

    wallet_pass = models.ForeignKey(
        "members.Pass", on_delete=models.PROTECT, related_name="claims", verbose_name=_("pass")
    )
    moved_from = models.ForeignKey(
        "members.Member", on_delete=models.PROTECT, related_name="claims_made", verbose_name=_("claimed by")
    )
    moved_to = models.ForeignKey(
        "members.Member",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="claims_won",
        verbose_name=_("card moved to"),
    )
    card_number = models.CharField(_("claimed card number"), max_length=16)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    claimed_at = models.DateTimeField(_("claimed"))

    class Meta:
        verbose_name = _("claim to a membership")
        verbose_name_plural = _("claims to memberships")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome="MOVED", moved_to__isnull=False)
                | (~models.Q(outcome="MOVED") & models.Q(moved_to=None)),
                name="%(app_label)s_%(class)s_moved_names_to_whom",
            ),
        ]
        indexes = [
            models.Index(fields=["card_number", "claimed_at"], name="members_claim_of_card"),
            models.Index(fields=["wallet_pass", "claimed_at"], name="members_claim_of_pass"),
        ]

    def __str__(self) -> str:
        return f"{self.card_number} {self.outcome} (#{self.pk})"
