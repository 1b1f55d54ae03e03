"""App configuration of review."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReviewConfig(AppConfig):
    name = "loyalty.review"
    verbose_name = _("Review")

    def ready(self) -> None:
        # Register its figure of the front page, and why points by hand moved.
        import_module("loyalty.review.duplicates_today")
        import_module("loyalty.review.adjustment_words")
