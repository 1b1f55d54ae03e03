"""App configuration of the AlipayHK wire."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlipayhkConfig(AppConfig):
    name = "alipayhk"
    verbose_name = _("AlipayHK")
