"""Who earns: programs, members, their wallet passes, and their consent to share payments."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from pms.models import Mall, MallGroup


class Program(models.Model):
    """The points program of one mall group. What it pays is a `RuleVersion`; here is what outlives versions."""

    class NegativeBalance(models.TextChoices):
        ALLOW_NEGATIVE = "ALLOW_NEGATIVE", _("may go below zero")
        STOP_AT_ZERO = "STOP_AT_ZERO", _("stops at zero")
        PENDING_ONLY = "PENDING_ONLY", _("takes pending points only")

    group = models.OneToOneField(
        MallGroup, on_delete=models.PROTECT, related_name="program", verbose_name=_("group")
    )
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)
    joining_grace_days = models.PositiveSmallIntegerField(_("joining grace (days)"), default=1)
    negative_balance = models.CharField(
        _("claw-back larger than the balance"),
        max_length=16,
        choices=NegativeBalance,
        default=NegativeBalance.ALLOW_NEGATIVE,
    )

    class Meta:
        verbose_name = _("program")
        verbose_name_plural = _("programs")

    def __str__(self) -> str:
        return f"{self.name_en} {self.name_zh} (#{self.pk})"


class Member(models.Model):
    """A person in a program. `phone` is E.164 and unique; what could not be read so is only in `phone_raw`."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", _("active")
        SUSPENDED = "SUSPENDED", _("suspended")
        CLOSED = "CLOSED", _("closed")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="members", verbose_name=_("program")
    )
    card_number = models.CharField(_("card number"), max_length=16, unique=True)
    name = models.CharField(_("name"), max_length=128, blank=True)
    phone = models.CharField(_("phone"), max_length=16, blank=True)
    phone_raw = models.CharField(_("phone as received"), max_length=64, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    joined_at = models.DateTimeField(_("joined"))

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(
                fields=["program", "phone"],
                condition=~Q(phone=""),
                name="%(app_label)s_%(class)s_one_per_phone",
                violation_error_message=_("Another member has this phone number."),
            ),
            models.UniqueConstraint(
                fields=["program", "email"],
                condition=~Q(email=""),
                name="%(app_label)s_%(class)s_one_per_email",
                violation_error_message=_("Another member has this e-mail address."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or _('Member')} {self.card_number}"


class Pass(models.Model):
    """One member's card in one wallet. `serial` is made once and names the card before `external_id` is known."""

    class State(models.TextChoices):
        WAITING = "WAITING", _("being created")
        ACTIVE = "ACTIVE", _("active")
        EXISTS_UNKNOWN = "EXISTS_UNKNOWN", _("exists, id unknown")
        INVALID = "INVALID", _("refused by the wallet")
        CLOSED = "CLOSED", _("closed")

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="+", verbose_name=_("program")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="passes", verbose_name=_("member")
    )
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("joined at"))
    wallet = models.CharField(_("wallet"), max_length=16)
    user_id = models.CharField(_("wallet user ID"), max_length=128)
    serial = models.CharField(_("serial"), max_length=64, unique=True)
    external_id = models.CharField(_("pass ID"), max_length=64, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    joined_at = models.DateTimeField(_("joined"))

    class Meta:
        verbose_name = _("pass")
        verbose_name_plural = _("passes")
        constraints = [
            models.UniqueConstraint(
                fields=["program", "wallet", "user_id"], name="%(app_label)s_%(class)s_one_per_wallet_user"
            ),
            models.UniqueConstraint(
                fields=["wallet", "external_id"],
                condition=~Q(external_id=""),
                name="%(app_label)s_%(class)s_one_per_external_id",
            ),
            models.CheckConstraint(
                condition=~Q(state="ACTIVE") | ~Q(external_id=""),
                name="%(app_label)s_%(class)s_active_has_external_id",
            ),
        ]
        indexes = [models.Index(fields=["user_id"], name="members_pass_user_id")]

    def __str__(self) -> str:
        return f"{self.wallet} {self.user_id} ({self.serial})"


class Consent(models.Model):
    """The interval in which a member agreed that a wallet shares their payments; open while `ended_at` is empty."""

    wallet_pass = models.ForeignKey(
        Pass, on_delete=models.PROTECT, related_name="consents", verbose_name=_("pass")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="consents", verbose_name=_("member")
    )
    began_at = models.DateTimeField(_("began"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    text_version = models.CharField(_("text version"), max_length=32, blank=True)
    evidence = models.CharField(_("evidence"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["wallet_pass"],
                condition=Q(ended_at=None),
                name="%(app_label)s_%(class)s_one_open_per_pass",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="%(app_label)s_%(class)s_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.wallet_pass} {self.began_at:%Y-%m-%d %H:%M} – {self.ended_at or ''}"


class ContactChange(models.Model):
    """A phone or e-mail heard from a wallet that was not taken over by itself; staff decide."""

    class State(models.TextChoices):
        OPEN = "OPEN", _("open")
        TAKEN_OVER = "TAKEN_OVER", _("taken over")
        DISMISSED = "DISMISSED", _("dismissed")

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="contact_changes", verbose_name=_("member")
    )
    held_by = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("already held by"),
    )
    phone = models.CharField(_("phone"), max_length=64, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.OPEN)
    noticed_at = models.DateTimeField(_("noticed"))

    class Meta:
        verbose_name = _("contact change")
        verbose_name_plural = _("contact changes")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "phone", "email"],
                condition=Q(state="OPEN"),
                name="%(app_label)s_%(class)s_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member}: {self.phone} {self.email} (#{self.pk})"
