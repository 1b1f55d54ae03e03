"""What the wire must remember: credentials and keys, card templates, the inbox, and how far each card has come."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alipayhk.collection_models import CollectionCall as CollectionCall
from alipayhk.collection_models import CollectionSetup as CollectionSetup
from alipayhk.collection_models import ConfirmationRun as ConfirmationRun
from alipayhk.collection_models import ListedStore as ListedStore
from alipayhk.collection_models import StoreCollection as StoreCollection
from alipayhk.mapping_models import MappingJob as MappingJob
from alipayhk.miniapp_models import MiniAppSession as MiniAppSession
from alipayhk.pass_models import PassCall as PassCall
from alipayhk.pass_models import PassUpdate as PassUpdate
from alipayhk.token_models import WalletToken as WalletToken
from alipayhk.upload_models import UploadBatch as UploadBatch
from loyalty.earning.models import Refund, Transaction
from members.models import Member
from pms.models import Mall, MallGroup


class Credential(models.Model):
    """One client of AlipayHK: how a mall is addressed, calls, and is called."""

    class Environment(models.TextChoices):
        DEV = "DEV", _("AlipayHK DEV")
        PROD = "PROD", _("AlipayHK production")
        CUSTOM = "CUSTOM", _("custom")

    class Encryption(models.TextChoices):
        OFF = "OFF", _("off")
        IN = "IN", _("incoming")
        OUT = "OUT", _("outgoing")
        BOTH = "BOTH", _("both ways")

    mall = models.ForeignKey(
        Mall, on_delete=models.PROTECT, related_name="credentials", verbose_name=_("mall")
    )
    client_id = models.CharField(_("Client-Id"), max_length=128)
    client_ids = models.JSONField(
        _("further accepted Client-Ids"),
        default=list,
        blank=True,
        help_text=_("Client-Ids AlipayHK may call us with."),
    )
    merchant_id = models.CharField(_("merchant ID"), max_length=64)
    app_id = models.CharField(_("mini-app ID"), max_length=64, blank=True)
    auth_client_id = models.CharField(
        _("merchant ID for authorizations"),
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text=_("Empty: the merchant ID."),
    )
    environment = models.CharField(
        _("environment"), max_length=16, choices=Environment, default=Environment.CUSTOM
    )
    gateway_url = models.CharField(_("gateway"), max_length=255)
    path_prefix = models.CharField(
        _("public path prefix"),
        max_length=255,
        blank=True,
        help_text=_(
            "What AlipayHK's address has before the tag and our proxy removes; it is part of what is signed."
        ),
    )
    sealed_agent_token = models.TextField(_("Agent-Token (sealed)"), blank=True)
    encryption = models.CharField(_("encryption"), max_length=8, choices=Encryption, default=Encryption.OFF)

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "client_id"], name="%(app_label)s_%(class)s_one_per_client"
            ),
            models.CheckConstraint(
                condition=Q(path_prefix="") | Q(path_prefix__regex=r"^(/[A-Za-z0-9._~-]+)+$"),
                name="%(app_label)s_%(class)s_prefix_is_a_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mall.tag} · {self.client_id}"


class CredentialKey(models.Model):
    """One RSA key of a credential: ours (kept sealed) or AlipayHK's. Numbers name keys; states decide."""

    class Side(models.TextChoices):
        OURS = "OURS", _("ours")
        ALIPAYHK = "ALIPAYHK", _("AlipayHK's")

    class State(models.TextChoices):
        PREPARED = "PREPARED", _("prepared, not in use yet")
        ACTIVE = "ACTIVE", _("active")
        RETIRING = "RETIRING", _("retiring")
        REVOKED = "REVOKED", _("revoked")

    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, related_name="keys", verbose_name=_("credential")
    )
    side = models.CharField(_("side"), max_length=16, choices=Side)
    version = models.PositiveIntegerField(_("version"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    public_key = models.TextField(
        _("public key"), help_text=_("Base64 of the X.509 form, as AlipayHK exchanges it.")
    )
    sealed_private_key = models.TextField(_("private key (sealed)"), blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    added_at = models.DateTimeField(_("added"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("key")
        verbose_name_plural = _("keys")
        constraints = [
            models.UniqueConstraint(
                fields=["credential", "side", "version"], name="%(app_label)s_%(class)s_one_per_version"
            ),
            models.CheckConstraint(
                condition=Q(side="OURS") & ~Q(sealed_private_key="")
                | Q(side="ALIPAYHK", sealed_private_key=""),
                name="%(app_label)s_%(class)s_private_half_is_ours",
            ),
            models.CheckConstraint(
                condition=Q(state="REVOKED", revoked_at__isnull=False)
                | (~Q(state="REVOKED") & Q(revoked_at=None)),
                name="%(app_label)s_%(class)s_revoked_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential} · {self.side} v{self.version}"


class CardTemplate(models.Model):
    """How cards of a credential look to AlipayHK. There is no safe default for `shape` (wire G5)."""

    class Shape(models.TextChoices):
        NESTED = "NESTED", _("nested by locale")
        FLAT = "FLAT", _("flat, locale in the key")

    credential = models.OneToOneField(
        Credential, on_delete=models.PROTECT, related_name="card_template", verbose_name=_("credential")
    )
    code = models.CharField(_("template code"), max_length=64)
    type = models.CharField(_("type"), max_length=32, default="COUPON")
    product = models.CharField(_("product"), max_length=32, default="GIFT_CARD")
    shape = models.CharField(_("shape"), max_length=8, choices=Shape)
    placeholders = models.JSONField(
        _("placeholders"),
        default=dict,
        help_text=_("Placeholder of the template → balance, member_name, card_number or program_name."),
    )
    update_detail_type = models.CharField(_("update detail type"), max_length=32, default="UPDATE_DATA_INFO")
    valid_days = models.PositiveIntegerField(_("valid for (days)"), default=3650)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    pause_code = models.CharField(_("paused because of"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("card template")
        verbose_name_plural = _("card templates")
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at=None, pause_code="") | (Q(paused_at__isnull=False) & ~Q(pause_code="")),
                name="%(app_label)s_%(class)s_pause_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.credential})"


class Notification(models.Model):
    """One genuine message from AlipayHK, kept as it came, and what became of it.

    `is_first` marks the one that owns its key; another content under the same key is a further row, a conflict.
    """

    class Kind(models.TextChoices):
        BILL = "BILL", _("payment")
        REFUND = "REFUND", _("refund")
        CARD = "CARD", _("new card")

    class State(models.TextChoices):
        PROCESSED = "PROCESSED", _("processed")
        PARKED = "PARKED", _("waiting")
        CONFLICT = "CONFLICT", _("conflict")
        REJECTED = "REJECTED", _("rejected")

    class Answer(models.TextChoices):
        SUCCESS = "SUCCESS", "SUCCESS"
        PARAM_ILLEGAL = "PARAM_ILLEGAL", "PARAM_ILLEGAL"

    group = models.ForeignKey(MallGroup, on_delete=models.PROTECT, related_name="+", verbose_name=_("group"))
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    credential = models.ForeignKey(
        Credential, on_delete=models.PROTECT, related_name="+", verbose_name=_("credential")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    key = models.CharField(_("number"), max_length=400)
    content_hash = models.CharField(_("content hash"), max_length=64)
    is_first = models.BooleanField(_("first of its number"), default=True)
    state = models.CharField(_("state"), max_length=16, choices=State)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    waits_for = models.CharField(_("waits for"), max_length=160, blank=True)
    answer = models.CharField(_("answer"), max_length=16, choices=Answer)
    raw_target = models.BinaryField(_("request target"))
    raw_body = models.BinaryField(_("body"))
    headers = models.JSONField(_("headers"))
    user_id = models.CharField(_("wallet user ID"), max_length=128, blank=True)
    tracer_id = models.CharField(_("Tracer-Id"), max_length=128, blank=True)
    received_at = models.DateTimeField(_("received"))
    judged_at = models.DateTimeField(_("judged"), null=True, blank=True)
    repeats = models.PositiveIntegerField(_("repeats"), default=0)
    tries = models.PositiveSmallIntegerField(_("failed tries"), default=0)
    try_at = models.DateTimeField(_("next try"), null=True, blank=True)
    is_confirmed = models.BooleanField(_("confirmed by staff"), default=False)
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("transaction"),
    )
    refund = models.ForeignKey(
        Refund, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("refund")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("member")
    )

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "kind", "key"],
                condition=Q(is_first=True),
                name="%(app_label)s_%(class)s_one_first_per_key",
            ),
            models.UniqueConstraint(
                fields=["group", "kind", "key", "content_hash"],
                condition=Q(is_first=False),
                name="%(app_label)s_%(class)s_one_conflict_per_content",
            ),
            models.CheckConstraint(
                condition=Q(state="PARKED") | ~Q(judged_at=None),
                name="%(app_label)s_%(class)s_judged_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="PARKED") | ~Q(reason=""),
                name="%(app_label)s_%(class)s_parked_has_a_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["group", "waits_for"], condition=Q(state="PARKED"), name="alipayhk_notification_waits"
            ),
            models.Index(
                fields=["received_at"], condition=~Q(state="PROCESSED"), name="alipayhk_notification_open"
            ),
            models.Index(
                fields=["try_at"], condition=Q(try_at__isnull=False), name="alipayhk_notification_try"
            ),
            models.Index(fields=["mall", "-received_at"], name="alipayhk_notification_recent"),
            models.Index(fields=["transaction"], name="alipayhk_notification_tx"),
            models.Index(
                fields=["repeats"], condition=Q(repeats__gt=0), name="alipayhk_notification_repeats"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} (#{self.pk})"


class SeenSignature(models.Model):
    """A signature used while the request window is on; the same one is refused until the window has passed."""

    digest = models.BinaryField(_("digest"), unique=True)
    seen_at = models.DateTimeField(_("seen"), db_index=True)

    class Meta:
        verbose_name = _("seen signature")
        verbose_name_plural = _("seen signatures")

    def __str__(self) -> str:
        return f"#{self.pk}"


class Circuit(models.Model):
    """Whether a credential's gateway is worth calling: opened by unknown outcomes in a row, tried by probes."""

    credential = models.OneToOneField(
        Credential, on_delete=models.PROTECT, related_name="circuit", verbose_name=_("credential")
    )
    unknowns_in_row = models.PositiveIntegerField(_("unknown outcomes in a row"), default=0)
    opened_at = models.DateTimeField(_("opened"), null=True, blank=True)
    probe_at = models.DateTimeField(_("next probe"), null=True, blank=True)

    class Meta:
        verbose_name = _("circuit")
        verbose_name_plural = _("circuits")
        constraints = [
            models.CheckConstraint(
                condition=Q(opened_at=None, probe_at=None)
                | Q(opened_at__isnull=False, probe_at__isnull=False),
                name="%(app_label)s_%(class)s_open_is_probed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential}: {self.unknowns_in_row}"
