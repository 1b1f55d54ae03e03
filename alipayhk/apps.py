"""App configuration of the AlipayHK wire."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlipayhkConfig(AppConfig):
    name = "alipayhk"
    verbose_name = _("AlipayHK")

    def ready(self) -> None:
        """The registry learns from here which labels payments wait for."""
        import_module("alipayhk.unknown_stores")
