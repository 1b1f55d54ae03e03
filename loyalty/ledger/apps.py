"""App configuration of the points ledger."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LedgerConfig(AppConfig):
    name = "loyalty.ledger"
    verbose_name = _("Points ledger")

    def ready(self) -> None:
        """The front page learns from here of the last proof."""
        import_module("loyalty.ledger.proof_today")
