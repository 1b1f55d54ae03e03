"""App configuration of earning."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EarningConfig(AppConfig):
    name = "loyalty.earning"
    verbose_name = _("Earning")
