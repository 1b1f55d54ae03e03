"""Who earns: programs, members, their wallet passes, and their consent to share payments."""

import uuid

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from members.claim_models import MembershipClaim as MembershipClaim
from members.registration_models import RegistrationField as RegistrationField
from pms.models import Mall, MallGroup


class Program(models.Model):
    """The points program of one mall group. What it pays is a `RuleVersion`; here is what outlives versions."""

    class NegativeBalance(models.TextChoices):
        ALLOW_NEGATIVE = "ALLOW_NEGATIVE", _("may go below zero")
        STOP_AT_ZERO = "STOP_AT_ZERO", _("stops at zero")
        PENDING_ONLY = "PENDING_ONLY", _("takes pending points only")

    class Expiry(models.TextChoices):
        NEVER = "NEVER", _("never")
        DAYS = "DAYS", _("days after payment")
        MONTH_END = "MONTH_END", _("months after payment, then month end")
        YEAR_END = "YEAR_END", _("31 December; paid in December: end of next February")

    class TierWindow(models.TextChoices):
        ROLLING_YEAR = "ROLLING_YEAR", _("the last 12 months")
        CALENDAR_YEAR = "CALENDAR_YEAR", _("the calendar year")

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
    manual_window_days = models.PositiveSmallIntegerField(_("window for manual channels (days)"), default=14)
    expiry = models.CharField(_("points expire"), max_length=16, choices=Expiry, default=Expiry.NEVER)
    expiry_count = models.PositiveSmallIntegerField(_("days or months to expiry"), default=0)
    tier_window = models.CharField(
        _("tier spend counts over"), max_length=16, choices=TierWindow, default=TierWindow.ROLLING_YEAR
    )
    redemption_points_per_hkd = models.PositiveIntegerField(_("points for HK$1 redeemed"), default=250)
    redemption_min_points = models.PositiveIntegerField(_("smallest redemption (points)"), default=2500)
    redemption_seconds = models.PositiveSmallIntegerField(
        _("life of a redemption code (seconds)"), default=120
    )
    returns_redeemed_points = models.BooleanField(_("redeemed points go back on a refund"), default=False)
    duplicate_flag_score = models.PositiveSmallIntegerField(
        _("likeness from which points are given but checked"), default=65, db_default=65
    )
    duplicate_hold_score = models.PositiveSmallIntegerField(
        _("likeness from which points are held back"), default=85, db_default=85
    )
    duplicate_block_score = models.PositiveSmallIntegerField(
        _("likeness from which no points are given"), null=True, blank=True
    )
    spot_check_percent = models.PositiveSmallIntegerField(
        _("automatic verdicts that a person checks (%)"), default=5, db_default=5
    )
    # Nobody who enters purchases can tell which will be drawn.
    spot_check_salt = models.UUIDField(
        _("salt of the draw"), default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    consent_text_version = models.CharField(
        _("version of the consent text"), max_length=32, blank=True, default="", db_default=""
    )
    consent_text_en = models.TextField(_("consent text (English)"), blank=True, default="", db_default="")
    consent_text_zh = models.TextField(_("consent text (Chinese)"), blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("program")
        verbose_name_plural = _("programs")
        constraints = [
            models.CheckConstraint(
                condition=Q(expiry__in=["NEVER", "YEAR_END"], expiry_count=0)
                | Q(expiry__in=["DAYS", "MONTH_END"], expiry_count__gt=0),
                name="%(app_label)s_%(class)s_expiry_has_its_count",
            ),
            models.CheckConstraint(
                condition=Q(redemption_points_per_hkd__gt=0) & Q(redemption_min_points__gt=0),
                name="%(app_label)s_%(class)s_redemption_positive",
            ),
            models.CheckConstraint(
                condition=Q(duplicate_flag_score__gt=0, duplicate_hold_score__gte=F("duplicate_flag_score"))
                & (Q(duplicate_block_score=None) | Q(duplicate_block_score__gte=F("duplicate_hold_score"))),
                name="%(app_label)s_%(class)s_likeness_rises",
            ),
            models.CheckConstraint(
                condition=Q(spot_check_percent__lte=100), name="%(app_label)s_%(class)s_percent_to_100"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name_en} {self.name_zh} (#{self.pk})"


class Tier(models.Model):
    """A level of a program, reached by net spend in the program's window. The lowest asks for no spend."""

    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="tiers", verbose_name=_("program")
    )
    code = models.CharField(_("code"), max_length=16)
    name_en = models.CharField(_("name (English)"), max_length=64)
    name_zh = models.CharField(_("name (Chinese)"), max_length=64)
    min_spend_cents = models.BigIntegerField(_("net spend (cents)"), default=0)
    factor_numerator = models.PositiveSmallIntegerField(_("points factor"), default=1)
    factor_denominator = models.PositiveSmallIntegerField(_("points factor, divided by"), default=1)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="%(app_label)s_%(class)s_one_per_code"),
            models.UniqueConstraint(
                fields=["program", "min_spend_cents"], name="%(app_label)s_%(class)s_one_per_spend"
            ),
            models.CheckConstraint(
                condition=Q(min_spend_cents__gte=0) & Q(factor_numerator__gt=0) & Q(factor_denominator__gt=0),
                name="%(app_label)s_%(class)s_figures_positive",
            ),
        ]

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
    # A mini-app's form proves nothing: a number that a wallet has verified wins over it.
    has_typed_phone = models.BooleanField(
        _("phone typed by the member, not verified"), default=False, db_default=False, editable=False
    )
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    # What the member typed last, whether or not somebody else has it: the member is told these, and nothing else.
    typed_phone = models.CharField(
        _("phone typed last"), max_length=16, blank=True, default="", db_default="", editable=False
    )
    typed_email = models.CharField(
        _("e-mail typed last"), max_length=254, blank=True, default="", db_default="", editable=False
    )
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    birth_month = models.PositiveSmallIntegerField(_("month of birth"), null=True, blank=True)
    joined_at = models.DateTimeField(_("joined"))
    registered_at = models.DateTimeField(_("registered"), null=True, blank=True)
    supplied = models.JSONField(_("further answers"), default=dict, db_default={}, blank=True)
    # Counts how often the links to the member's own page were withdrawn; only those of now are good.
    link_revision = models.PositiveIntegerField(
        _("revision of page links"), default=0, db_default=0, editable=False
    )

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        permissions = [("link_member", "Can make and withdraw links to the member's own page")]
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
            models.CheckConstraint(
                condition=Q(birth_month=None) | Q(birth_month__gte=1, birth_month__lte=12),
                name="%(app_label)s_%(class)s_birth_month_is_a_month",
            ),
        ]
        indexes = [models.Index(F("program"), Upper("name"), name="members_member_name")]

    def __str__(self) -> str:
        return f"{self.name or _('Member')} {self.card_number}"


class MemberTier(models.Model):
    """A tier a member held over an interval; open while `ended_at` is empty. No row means the lowest tier."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="tiers", verbose_name=_("member")
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+", verbose_name=_("tier"))
    began_at = models.DateTimeField(_("began"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    keeps_until_at = models.DateTimeField(_("kept at least until"))

    class Meta:
        verbose_name = _("tier of a member")
        verbose_name_plural = _("tiers of members")
        constraints = [
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(ended_at=None),
                name="%(app_label)s_%(class)s_one_open_per_member",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="%(app_label)s_%(class)s_ends_after_it_began",
            ),
        ]
        indexes = [models.Index(fields=["member", "-began_at"], name="members_membertier_history")]

    def __str__(self) -> str:
        return f"{self.member} {self.tier} (#{self.pk})"


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

    class EndedReason(models.TextChoices):
        MEMBER = "MEMBER", _("withdrawn by the member")
        AUTHORIZATION_ENDED = "AUTHORIZATION_ENDED", _("authorization ended in the wallet")
        STAFF = "STAFF", _("withdrawn through staff")

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
    ended_reason = models.CharField(
        _("why it ended"), max_length=32, choices=EndedReason, blank=True, default="", db_default=""
    )

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
            models.CheckConstraint(
                condition=Q(ended_at__isnull=False) | Q(ended_reason=""),
                name="%(app_label)s_%(class)s_only_an_end_has_a_reason",
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
