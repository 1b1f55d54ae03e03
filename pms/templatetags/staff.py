"""What our templates need beyond Django's: one time of day in our form, and a list's count when it is bounded."""

from typing import Any

from django import template
from django.contrib import admin
from django.utils.safestring import SafeString

from pms import bounded_pages, formats

register = template.Library()


@register.filter
def moment(at: Any) -> SafeString | str:
    return formats.moment(at)


@register.filter
def bounded(count: int) -> str:
    """`1,000+` once a list was not counted any further."""
    return f"{count:,}+" if count >= bounded_pages.BOUND else f"{count:,}"


@register.filter
def is_shown(spec: admin.ListFilter) -> bool:
    return bool(spec.has_output())


@register.simple_tag
def chosen(spec: Any, changelist: Any) -> dict[str, Any]:
    """The choice of a filter that is in force, and whether it is its first, which filters nothing."""
    choices = list(spec.choices(changelist))
    place = next((place for place, choice in enumerate(choices) if choice["selected"]), 0)
    return {"choices": choices, "display": choices[place]["display"] if choices else "", "is_set": place > 0}
