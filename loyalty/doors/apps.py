"""App configuration of the doors."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DoorsConfig(AppConfig):
    name = "loyalty.doors"
    verbose_name = _("Doors")
