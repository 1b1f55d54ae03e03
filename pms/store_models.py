"""What became of stores: labels that were mapped to them, moves between malls, and every change of their fields."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class StoreMapping(models.Model):
    """One more label under which notices name a store, beside its own `pms_label`.

    In force until it is ended, and never anything else: a label mapped wrongly is ended and mapped anew.
    """

    group = models.ForeignKey(
        "pms.MallGroup", on_delete=models.PROTECT, related_name="+", verbose_name=_("group")
    )
    store = models.ForeignKey(
        "pms.Store", on_delete=models.PROTECT, related_name="mappings", verbose_name=_("store")
    )
    label = models.CharField(_("PMS label"), max_length=128)
    began_at = models.DateTimeField(_("mapped"))
    began_by = models.ForeignKey(
        "pms.User",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("mapped by"),
    )
    ended_at = models.DateTimeField(_("unmapped"), null=True, blank=True)
    ended_by = models.ForeignKey(
        "pms.User",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("unmapped by"),
    )
    reason = models.CharField(_("reason for unmapping"), max_length=256, blank=True)

    class Meta:
        verbose_name = _("mapped label")
        verbose_name_plural = _("mapped labels")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "label"],
                condition=Q(ended_at=None),
                name="%(app_label)s_%(class)s_one_per_label",
                violation_error_message=_("This PMS label leads to a store already."),
            ),
            models.CheckConstraint(condition=~Q(label=""), name="%(app_label)s_%(class)s_label_not_empty"),
            models.CheckConstraint(
                # Said out loud: a comparison with nothing would be neither true nor false, and pass.
                condition=Q(ended_at=None, ended_by=None, reason="")
                | Q(ended_at__isnull=False, ended_at__gte=F("began_at")),
                name="%(app_label)s_%(class)s_ended_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} → {self.store_id} (#{self.pk})"


class StoreMove(models.Model):
    """A store's move to another mall of its group. Purchases before `moved_date` stay the old mall's. Never changed."""

    store = models.ForeignKey(
        "pms.Store", on_delete=models.PROTECT, related_name="moves", verbose_name=_("store")
    )
    from_mall = models.ForeignKey(
        "pms.Mall", on_delete=models.PROTECT, related_name="+", verbose_name=_("from mall")
    )
    to_mall = models.ForeignKey(
        "pms.Mall", on_delete=models.PROTECT, related_name="+", verbose_name=_("to mall")
    )
    moved_date = models.DateField(_("first day in the new mall"))
    moved_by = models.ForeignKey(
        "pms.User", on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("by")
    )
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("store move")
        verbose_name_plural = _("store moves")
        constraints = [
            models.UniqueConstraint(
                fields=["store", "moved_date"], name="%(app_label)s_%(class)s_one_per_day"
            ),
            models.CheckConstraint(
                condition=~Q(from_mall=F("to_mall")), name="%(app_label)s_%(class)s_between_two_malls"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.store_id}: {self.from_mall_id} → {self.to_mall_id} (#{self.pk})"


class StoreChange(models.Model):
    """What one change made of a store's fields: `{field: [before, after]}`. Never changed."""

    class Source(models.TextChoices):
        STAFF = "STAFF", _("by hand")
        FILE = "FILE", _("store file")
        COMMAND = "COMMAND", _("command line")
        MOVE = "MOVE", _("move")
        MERGE = "MERGE", _("merger")
        WALLET = "WALLET", _("taken over from the wallet")

    store = models.ForeignKey(
        "pms.Store", on_delete=models.PROTECT, related_name="changes", verbose_name=_("store")
    )
    source = models.CharField(_("source"), max_length=16, choices=Source)
    fields = models.JSONField(_("changes"))
    changed_at = models.DateTimeField(_("changed"))
    changed_by = models.ForeignKey(
        "pms.User", on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("by")
    )

    class Meta:
        verbose_name = _("store change")
        verbose_name_plural = _("store changes")
        constraints = [
            models.CheckConstraint(condition=~Q(fields={}), name="%(app_label)s_%(class)s_changes_something"),
        ]
        indexes = [models.Index(fields=["store", "-changed_at"], name="pms_change_store")]

    def __str__(self) -> str:
        return f"{self.source} · {self.store_id} (#{self.pk})"
