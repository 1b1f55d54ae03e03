"""App configuration of earning."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EarningConfig(AppConfig):
    name = "loyalty.earning"
    verbose_name = _("Earning")

    def ready(self) -> None:
        """The ledger's statements learn from here why points moved."""
        import_module("loyalty.earning.statement_words")
