"""Where purchases happen, and which staff may see it: mall groups, malls, stores, staff logins."""

from datetime import date

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from pms.store_models import StoreChange as StoreChange
from pms.store_models import StoreMapping as StoreMapping
from pms.store_models import StoreMove as StoreMove


class User(AbstractUser):
    """A staff login. What it may see follows from its `MallStaff` rows; a superuser sees everything."""

    class Meta:
        verbose_name = _("staff login")
        verbose_name_plural = _("staff logins")


class MallGroup(models.Model):
    """Malls that share one points program."""

    label = models.CharField(_("AlipayHK group label"), max_length=64, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)

    class Meta:
        verbose_name = _("mall group")
        verbose_name_plural = _("mall groups")
        constraints = [
            models.CheckConstraint(condition=~Q(label=""), name="%(app_label)s_%(class)s_label_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.name_en} {self.name_zh} ({self.label})"


class Mall(models.Model):
    """One shopping mall; `tag` is the first part of its webhook addresses and may hold slashes."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", _("active")
        SUSPENDED = "SUSPENDED", _("suspended")

    group = models.ForeignKey(
        MallGroup, on_delete=models.PROTECT, related_name="malls", verbose_name=_("group")
    )
    label = models.CharField(_("AlipayHK mall label"), max_length=64, blank=True)
    tag = models.CharField(_("tag"), max_length=128, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    pms_identifier_code = models.CharField(
        _("PMS identifier code"),
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text=_("From AlipayHK, to collect stores without the API. Its form is not published."),
    )

    class Meta:
        verbose_name = _("mall")
        verbose_name_plural = _("malls")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "label"],
                condition=~Q(label=""),
                name="%(app_label)s_%(class)s_one_per_label",
            ),
            models.CheckConstraint(
                condition=Q(tag__regex=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"),
                name="%(app_label)s_%(class)s_tag_fits_a_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name_en} {self.name_zh} ({self.tag})"


class Store(models.Model):
    """One shop, known to acquirers by its PMS triple (partner, merchant, store) and to notices by `pms_label`.

    Holds what is so now; `StoreChange` keeps what was, `StoreMove` which mall it was in. Other labels that lead to it
    are `StoreMapping`s. The days of opening and closing are both days on which it earns.
    """

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", _("active")
        SUSPENDED = "SUSPENDED", _("suspended")

    group = models.ForeignKey(
        MallGroup, on_delete=models.PROTECT, related_name="stores", verbose_name=_("group")
    )
    mall = models.ForeignKey(Mall, on_delete=models.PROTECT, related_name="stores", verbose_name=_("mall"))
    pms_label = models.CharField(_("PMS label"), max_length=128)
    partner_id = models.CharField(_("partner ID"), max_length=64, blank=True)
    merchant_id = models.CharField(_("merchant ID"), max_length=64, blank=True)
    merchant_name = models.CharField(
        _("merchant name"),
        max_length=128,
        blank=True,
        default="",
        db_default="",
        help_text=_("As AlipayHK is to know the merchant. Empty: the store's name is sent."),
    )
    store_id = models.CharField(_("store ID"), max_length=64, blank=True)
    code = models.CharField(_("store code"), max_length=32, blank=True)
    name_en = models.CharField(_("name (English)"), max_length=128)
    name_zh = models.CharField(_("name (Chinese)"), max_length=128)
    category = models.CharField(_("category"), max_length=32, blank=True)
    floor = models.CharField(_("floor"), max_length=16, blank=True, default="", db_default="")
    unit = models.CharField(_("unit"), max_length=32, blank=True, default="", db_default="")
    is_excluded = models.BooleanField(_("excluded from earning"), default=False)
    excluded_tenders = models.JSONField(
        _("excluded tenders"),
        default=list,
        db_default=[],
        blank=True,
        help_text=_("Ways to pay that earn nothing here, beside those that the program excludes everywhere."),
    )
    opened_date = models.DateField(_("first day"), null=True, blank=True)
    closed_date = models.DateField(
        _("last day"), null=True, blank=True, help_text=_("Purchases until the end of this day earn points.")
    )
    # What a purchase compares its day with before it asks for a `StoreMove`.
    moved_date = models.DateField(_("first day in this mall"), null=True, blank=True, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.ACTIVE)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        related_name="merged",
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("merged into"),
        help_text=_("The store that this turned out to be: new purchases are recorded there."),
    )

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "pms_label"],
                name="%(app_label)s_%(class)s_one_per_pms_label",
                violation_error_message=_("Another store of this group has this PMS label."),
            ),
            models.UniqueConstraint(
                fields=["group", "partner_id", "merchant_id", "store_id"],
                condition=~Q(merchant_id="") & ~Q(store_id=""),
                name="%(app_label)s_%(class)s_one_per_pms_triple",
                violation_error_message=_(
                    "Another store of this group has this partner, merchant and store ID."
                ),
            ),
            models.CheckConstraint(
                condition=~Q(pms_label=""), name="%(app_label)s_%(class)s_pms_label_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(opened_date=None) | Q(closed_date=None) | Q(closed_date__gte=F("opened_date")),
                name="%(app_label)s_%(class)s_closed_after_opened",
                violation_error_message=_("The last day is before the first day."),
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                name="%(app_label)s_%(class)s_not_merged_into_itself",
            ),
        ]
        indexes = [models.Index(fields=["group", "merchant_id"], name="pms_store_group_merchant")]

    def __str__(self) -> str:
        return f"{self.code or self.pms_label} {self.name_en} {self.name_zh}"

    @property
    def merged_ids(self) -> tuple[int, ...]:
        """The stores that were merged into this one. Many are asked with `merged` prefetched."""
        return tuple(one.pk for one in self.merged.all())

    def is_open_on(self, day: date) -> bool:
        """Whether purchases of this day, in Hong Kong, can earn here: from the first day to the last."""
        return (self.opened_date or day) <= day <= (self.closed_date or day)


class MallStaff(models.Model):
    """Lets one login see one mall, or, without a mall, every mall of the group."""

    class Role(models.TextChoices):
        COUNTER = "COUNTER", _("counter")
        OPERATOR = "OPERATOR", _("operator")
        REVIEWER = "REVIEWER", _("reviewer")
        MANAGER = "MANAGER", _("manager")

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="mall_staff", verbose_name=_("login")
    )
    group = models.ForeignKey(MallGroup, on_delete=models.PROTECT, related_name="+", verbose_name=_("group"))
    mall = models.ForeignKey(
        Mall,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("mall"),
        help_text=_("Empty: every mall of the group."),
    )
    role = models.CharField(_("role"), max_length=16, choices=Role)

    class Meta:
        verbose_name = _("mall staff")
        verbose_name_plural = _("mall staff")
        constraints = [
            models.UniqueConstraint(fields=["user", "mall"], name="%(app_label)s_%(class)s_one_per_mall"),
            models.UniqueConstraint(
                fields=["user", "group"], condition=Q(mall=None), name="%(app_label)s_%(class)s_one_per_group"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.role} · {self.mall or self.group}"
