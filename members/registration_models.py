"""What a program asks of those who register, beside the fields that every program asks."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class RegistrationField(models.Model):
    """One further question of a program's registration form. `choices` lists `{"code", "en", "zh"}`."""

    class Kind(models.TextChoices):
        TEXT = "TEXT", _("text")
        CHOICE = "CHOICE", _("one of a list")
        YES_NO = "YES_NO", _("yes or no")
        MONTH = "MONTH", _("month of the year")

    program = models.ForeignKey(
        "members.Program",
        on_delete=models.PROTECT,
        related_name="registration_fields",
        verbose_name=_("program"),
    )
    code = models.CharField(_("code"), max_length=32)
    label_en = models.CharField(_("label (English)"), max_length=128)
    label_zh = models.CharField(_("label (Chinese)"), max_length=128)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.TEXT)
    choices = models.JSONField(_("choices"), default=list, blank=True)
    is_required = models.BooleanField(_("required"), default=False)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("registration field")
        verbose_name_plural = _("registration fields")
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="%(app_label)s_%(class)s_one_per_code"),
            models.CheckConstraint(
                condition=Q(kind="CHOICE") & ~Q(choices=[])
                | Q(kind__in=["TEXT", "YES_NO", "MONTH"], choices=[]),
                name="%(app_label)s_%(class)s_choices_belong_to_a_choice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label_en} {self.label_zh} (#{self.pk})"
