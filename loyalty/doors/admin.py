"""Registers the doors' screens; each stands in a module of its own."""

from loyalty.doors import (
    counter_desk,  # noqa: F401  (registers its screen)
    page_screens,  # noqa: F401  (adds its panel)
    partner_patterns,  # noqa: F401  (registers its list)
    partner_screens,  # noqa: F401  (registers its screen)
    provider_screens,  # noqa: F401  (registers its screen)
    receipt_screens,  # noqa: F401  (registers its screen)
)
