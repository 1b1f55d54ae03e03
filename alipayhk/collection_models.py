"""Stores at AlipayHK: how a mall collects, how far each store has come, what AlipayHK lists and who read it."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from pms.models import Mall, Store, User


class CollectionSetup(models.Model):
    """How a mall's stores are collected. Most of it is not published: AlipayHK tells each mall (wire G3, G27, G29).

    `held_until_at` spares a gateway that gave no usable answer many times in a row.
    """

    class Names(models.TextChoices):
        ENGLISH = "ENGLISH", _("English")
        CHINESE = "CHINESE", _("Chinese")

    credential = models.OneToOneField(
        "alipayhk.Credential",
        on_delete=models.PROTECT,
        related_name="collection",
        verbose_name=_("credential"),
    )
    is_on = models.BooleanField(
        _("collects stores"),
        default=False,
        help_text=_("AlipayHK must have opened these calls for the mall."),
    )
    way_by_pms = models.CharField(
        _("saveWayType for a PMS"), max_length=64, blank=True, help_text=_("Not published: ask AlipayHK.")
    )
    way_by_number = models.CharField(
        _("saveWayType for a trade number"),
        max_length=64,
        blank=True,
        help_text=_("Not published: ask AlipayHK."),
    )
    names = models.CharField(_("names sent"), max_length=8, choices=Names, default=Names.ENGLISH)
    first_page = models.PositiveSmallIntegerField(
        _("number of the first page"), default=1, validators=[MaxValueValidator(1)]
    )
    page_size = models.PositiveSmallIntegerField(
        _("rows of a page"), default=20, validators=[MinValueValidator(1), MaxValueValidator(500)]
    )
    list_path = models.CharField(
        _("place of the list"),
        max_length=255,
        blank=True,
        help_text=_(
            "Where the answer of queryPage holds its stores, such as page.stores; several with |. "
            "Empty: the likely ones."
        ),
    )
    field_paths = models.JSONField(
        _("places of the fields"),
        default=dict,
        blank=True,
        help_text=_('Where the likely places are wrong, such as {"store_name": "pms.shopName"}.'),
    )
    unknowns_in_row = models.PositiveIntegerField(_("unknown outcomes in a row"), default=0)
    held_until_at = models.DateTimeField(_("spared until"), null=True, blank=True)

    class Meta:
        verbose_name = _("collection of stores")
        verbose_name_plural = _("collection of stores")
        constraints = [
            models.CheckConstraint(
                condition=Q(first_page__lte=1), name="%(app_label)s_%(class)s_first_page_is_0_or_1"
            ),
            models.CheckConstraint(
                condition=Q(page_size__gte=1, page_size__lte=500),
                name="%(app_label)s_%(class)s_page_size_is_bearable",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credential} · {'on' if self.is_on else 'off'}"


class StoreCollection(models.Model):
    """How far one store has come: what AlipayHK should know of it, what it acknowledged, and what its list says.

    `wanted_mark` stands for the content as it would be sent now, `acknowledged_mark` for the content AlipayHK took.
    Not to be sent without `asked_at`. While `is_uncertain`, the list is read before anything is sent again. All times
    are on the database's clock.
    """

    class State(models.TextChoices):
        NOT_SENT = "NOT_SENT", _("not sent")
        SENT = "SENT", _("sent")
        CONFIRMED = "CONFIRMED", _("confirmed")
        DIFFERS = "DIFFERS", _("differs")

    store = models.OneToOneField(
        Store, on_delete=models.PROTECT, related_name="collection", verbose_name=_("store")
    )
    credential = models.ForeignKey(
        "alipayhk.Credential",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("credential"),
    )
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.NOT_SENT)
    trade_number = models.CharField(
        _("AlipayHK trade number"),
        max_length=128,
        blank=True,
        help_text=_("A payment made in the store, by which AlipayHK finds it."),
    )
    wanted_mark = models.CharField(_("mark of what is wanted"), max_length=64, blank=True)
    acknowledged_mark = models.CharField(_("mark of what was taken"), max_length=64, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    asked_at = models.DateTimeField(_("asked for"), null=True, blank=True)
    asked_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("asked for by"),
    )
    due_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    is_uncertain = models.BooleanField(_("outcome uncertain"), default=False)
    leased_until_at = models.DateTimeField(_("leased until"), null=True, blank=True)
    lease = models.UUIDField(_("lease"), null=True, blank=True)
    called_at = models.DateTimeField(_("last call"), null=True, blank=True)
    dead_at = models.DateTimeField(_("gave up"), null=True, blank=True)
    last_code = models.CharField(_("last answer"), max_length=64, blank=True)
    compared_at = models.DateTimeField(_("compared with the list"), null=True, blank=True)
    vanished_at = models.DateTimeField(_("vanished from the list"), null=True, blank=True)
    differences = models.JSONField(_("differences"), default=list, blank=True)

    class Meta:
        verbose_name = _("collected store")
        verbose_name_plural = _("collected stores")
        constraints = [
            models.CheckConstraint(
                condition=Q(lease=None, leased_until_at=None)
                | Q(lease__isnull=False, leased_until_at__isnull=False),
                name="%(app_label)s_%(class)s_lease_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(due_at=None) | Q(asked_at__isnull=False, credential__isnull=False),
                name="%(app_label)s_%(class)s_due_was_asked_for",
            ),
            models.CheckConstraint(
                condition=Q(due_at=None) | Q(dead_at=None),
                name="%(app_label)s_%(class)s_dead_is_not_due",
            ),
            models.CheckConstraint(
                condition=Q(state="DIFFERS") | Q(differences=[]),
                name="%(app_label)s_%(class)s_differences_are_a_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="alipayhk_collection_due"
            ),
            models.Index(
                fields=["dead_at"], condition=Q(dead_at__isnull=False), name="alipayhk_collection_dead"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.store} · {self.state} (#{self.pk})"


class CollectionCall(models.Model):
    """One call to AlipayHK about one store, as it went, or one look for it in AlipayHK's list; never changed."""

    class Outcome(models.TextChoices):
        DONE = "DONE", _("taken by AlipayHK")
        UNKNOWN = "UNKNOWN", _("unknown")
        PERMANENT = "PERMANENT", _("refused")
        LISTED = "LISTED", _("found in the list")
        UNLISTED = "UNLISTED", _("not in the list")

    collection = models.ForeignKey(
        StoreCollection, on_delete=models.PROTECT, related_name="calls", verbose_name=_("collected store")
    )
    api = models.CharField(_("call"), max_length=32)
    attempt = models.PositiveSmallIntegerField(_("attempt"))
    mark = models.CharField(_("mark of what was sent"), max_length=64)
    called_at = models.DateTimeField(_("called"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    code = models.CharField(_("code"), max_length=64, blank=True)
    detail = models.CharField(_("detail"), max_length=255, blank=True)
    tracer_id = models.CharField(_("Tracer-Id"), max_length=128, blank=True)
    request_body = models.TextField(_("request"), blank=True)
    answer_body = models.TextField(_("answer"), blank=True)

    class Meta:
        verbose_name = _("call about a store")
        verbose_name_plural = _("calls about stores")
        indexes = [models.Index(fields=["collection", "-called_at"], name="alipayhk_collcall_recent")]

    def __str__(self) -> str:
        return f"{self.api} {self.outcome} {self.code} (#{self.pk})"


class ConfirmationRun(models.Model):
    """One reading of what AlipayHK lists for a mall. `moved_at` rises while somebody reads.

    Only a run that is known to have seen the whole list (`is_whole`) says that a store is not in it.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", _("waiting")
        RUNNING = "RUNNING", _("reading")
        DONE = "DONE", _("done")
        BROKEN = "BROKEN", _("broke off")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.WAITING)
    fault = models.CharField(_("fault"), max_length=64, blank=True)
    is_whole = models.BooleanField(_("the whole list"), default=False)
    pages = models.PositiveIntegerField(_("pages"), default=0)
    claimed_pages = models.PositiveIntegerField(_("pages claimed"), default=0)
    claimed_rows = models.PositiveIntegerField(_("stores claimed"), default=0)
    found_rows = models.PositiveIntegerField(_("stores found"), default=0)
    asked_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("asked for by"),
    )
    asked_at = models.DateTimeField(_("asked for"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    moved_at = models.DateTimeField(_("last progress"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("confirmation")
        verbose_name_plural = _("confirmations")
        constraints = [
            models.UniqueConstraint(
                fields=["mall"],
                condition=Q(state__in=["WAITING", "RUNNING"]),
                name="%(app_label)s_%(class)s_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["WAITING", "RUNNING"], ended_at=None)
                | (~Q(state__in=["WAITING", "RUNNING"]) & Q(ended_at__isnull=False)),
                name="%(app_label)s_%(class)s_ended_when_over",
            ),
            models.CheckConstraint(
                condition=Q(is_whole=False) | Q(state="DONE"),
                name="%(app_label)s_%(class)s_whole_when_done",
            ),
        ]
        indexes = [models.Index(fields=["mall", "-asked_at"], name="alipayhk_confirmation_recent")]

    def __str__(self) -> str:
        return f"{self.mall} · {self.state} (#{self.pk})"

    @property
    def is_moving(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING)


class ListedStore(models.Model):
    """A store as AlipayHK's list of a mall has it, verbatim, and the store of ours that it is.

    `seen_run` is the last reading that found it; one that a whole reading did not find is GONE.
    """

    class State(models.TextChoices):
        KNOWN = "KNOWN", _("in the registry")
        ONLY_AT_ALIPAYHK = "ONLY_AT_ALIPAYHK", _("only at AlipayHK")
        IGNORED = "IGNORED", _("ignored")
        GONE = "GONE", _("no longer listed")

    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="+", verbose_name=_("mall"))
    partner_id = models.CharField(_("partner ID"), max_length=128, blank=True)
    merchant_id = models.CharField(_("merchant ID"), max_length=128, blank=True)
    merchant_name = models.CharField(_("merchant name"), max_length=256, blank=True)
    store_id = models.CharField(_("store ID"), max_length=128, blank=True)
    store_name = models.CharField(_("store name"), max_length=256, blank=True)
    mall_label = models.CharField(_("AlipayHK mall label"), max_length=64, blank=True)
    raw = models.JSONField(_("as it came"), default=dict, blank=True)
    state = models.CharField(_("state"), max_length=24, choices=State, default=State.ONLY_AT_ALIPAYHK)
    ours = models.ForeignKey(
        Store,
        on_delete=models.PROTECT,
        related_name="listings",
        null=True,
        blank=True,
        verbose_name=_("store"),
    )
    seen_run = models.ForeignKey(
        ConfirmationRun, on_delete=models.PROTECT, related_name="+", verbose_name=_("last seen by")
    )
    first_seen_at = models.DateTimeField(_("first seen"))
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("store listed by AlipayHK")
        verbose_name_plural = _("stores listed by AlipayHK")
        constraints = [
            models.UniqueConstraint(
                fields=["mall", "partner_id", "merchant_id", "store_id"],
                name="%(app_label)s_%(class)s_one_per_triple",
            ),
            models.CheckConstraint(
                condition=Q(state="KNOWN", ours__isnull=False) | (~Q(state="KNOWN") & Q(ours=None)),
                name="%(app_label)s_%(class)s_known_is_ours",
            ),
            models.CheckConstraint(
                condition=Q(seen_at__gte=F("first_seen_at")), name="%(app_label)s_%(class)s_seen_in_order"
            ),
        ]
        indexes = [models.Index(fields=["mall", "state"], name="alipayhk_listed_state")]

    def __str__(self) -> str:
        return f"{self.store_name} {self.partner_id}/{self.merchant_id}/{self.store_id} (#{self.pk})"
