"""Manual uploads that were fetched: AlipayHK's answer as it came, and what became of each of its payments."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members.models import Pass
from pms.models import Mall, User


class UploadBatch(models.Model):
    """One batch that a member picked. Fetched again, it keeps the newest answer and verdicts.

    `lines` are the documents of `uploads`. The answer is kept because no page publishes its fields: what the settings
    cannot read yet can be read here. The access token that opened it is not kept.
    """

    class State(models.TextChoices):
        FETCHED = "FETCHED", _("broke off")
        UNREADABLE = "UNREADABLE", _("unreadable")
        OPEN = "OPEN", _("needs a look")
        SEEN = "SEEN", _("looked at")
        DONE = "DONE", _("done")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    wallet_pass = models.ForeignKey(
        Pass, on_delete=models.PROTECT, related_name="uploads", verbose_name=_("card")
    )
    number = models.CharField(_("batch number"), max_length=128)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.FETCHED)
    lines = models.JSONField(_("payments"), default=list, blank=True)
    fault = models.CharField(_("fault"), max_length=255, blank=True)
    raw_answer = models.BinaryField(_("answer"))
    fetches = models.PositiveIntegerField(_("fetches"), default=1, db_default=1)
    fetched_at = models.DateTimeField(_("fetched"))
    seen_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("looked at by"),
    )

    class Meta:
        verbose_name = _("manual upload")
        verbose_name_plural = _("manual uploads")
        constraints = [
            models.UniqueConstraint(
                fields=["wallet_pass", "mall", "number"], name="%(app_label)s_%(class)s_once_per_card"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["FETCHED", "UNREADABLE", "OPEN", "SEEN", "DONE"]),
                name="%(app_label)s_%(class)s_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state="SEEN", seen_by__isnull=False) | (~Q(state="SEEN") & Q(seen_by=None)),
                name="%(app_label)s_%(class)s_seen_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["fetched_at"],
                condition=Q(state__in=["FETCHED", "UNREADABLE", "OPEN"]),
                name="alipayhk_upload_open",
            ),
            models.Index(fields=["mall", "-fetched_at"], name="alipayhk_upload_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.state} (#{self.pk})"
