"""What our templates need beyond Django's: one time of day in our form, and a list's count when it is bounded."""

from typing import Any

from django import template
from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from pms import bounded_pages, formats

register = template.Library()


@register.filter
def moment(at: Any) -> SafeString | str:
    return formats.moment(at)


@register.filter
def heading(options: Any) -> str:
    """What the list of a model is called."""
    screen: Any = admin.site._registry[options.model]
    return str(capfirst(str(getattr(screen, "screen_name", "") or options.verbose_name_plural)))


@register.filter
def bounded(count: int) -> str:
    """`1,000+` once a list was not counted any further."""
    return f"{count:,}+" if count >= bounded_pages.BOUND else f"{count:,}"


@register.filter
def chosen(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """The choice of a filter that is in force; `is_set` unless it is the first, which filters nothing."""
    place = next((place for place, choice in enumerate(choices) if choice["selected"]), 0)
    return {"display": choices[place]["display"] if choices else "", "is_set": place > 0}
