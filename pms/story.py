"""Detail pages that tell a story: panels, top to bottom, which each layer adds for the things it knows about.

A higher layer adds to a lower layer's page (`@story.tells("earning.transaction", 60)`); a lower one never asks upwards.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from pms import formats, scoping


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One part of a page. `template` is a name under templates/story; `content` is what it shows."""

    title: object
    template: str
    content: dict[str, Any]
    is_folded: bool = False
    key: str = ""


Teller = Callable[[HttpRequest, Any], Panel | None]


@dataclass(frozen=True, order=True)
class _Part:
    order: int
    teller: Teller = field(compare=False)


_parts: dict[str, list[_Part]] = {}


def tells(model: str, order: int) -> Callable[[Teller], Teller]:
    """Register a panel of the page of `app_label.model_name`; pages show panels by `order`."""

    def register(teller: Teller) -> Teller:
        _parts.setdefault(model, []).append(_Part(order, teller))
        return teller

    return register


def of(request: HttpRequest, thing: Model) -> list[Panel]:
    parts = sorted(_parts.get(thing._meta.label_lower, []))
    told = [part.teller(request, thing) for part in parts]
    return [panel for panel in told if panel]


Header = Callable[[HttpRequest], Panel | None]
_headers: dict[str, list[Header]] = {}


def heads(model: str) -> Callable[[Header], Header]:
    """Register a panel above the list of `app_label.model_name`: what a higher layer knows of its rows in all."""

    def register(header: Header) -> Header:
        _headers.setdefault(model, []).append(header)
        return header

    return register


def above(request: HttpRequest, model: type[Model]) -> list[Panel]:
    told = [header(request) for header in _headers.get(model._meta.label_lower, [])]
    return [panel for panel in told if panel]


def facts(
    title: object, rows: Iterable[tuple[object, object]], *, is_short: bool = False, **options: Any
) -> Panel:
    """`is_short` leaves out what is not known."""
    shown = [row for row in rows if not is_short or row[1] not in ("", formats.NOTHING)]
    return Panel(title=title, template="facts", content={"rows": shown}, **options)


def table(
    title: object,
    headings: Sequence[tuple[object, str]],
    rows: Iterable[Sequence[object]],
    *,
    empty: object,
    **options: Any,
) -> Panel:
    """`headings`: words and a class for the column, `number` or empty. `empty`: what will be here, and how."""
    labelled = [
        [(word, kind, cell) for (word, kind), cell in zip(headings, row, strict=True)] for row in rows
    ]
    return Panel(
        title=title,
        template="table",
        content={"headings": headings, "rows": labelled, "empty": empty},
        **options,
    )


def page_of(request: HttpRequest, thing: Model | None) -> str | None:
    """Where the thing has its page, if this login may open that kind of page. Hand in only rows it may see."""
    screen = admin.site._registry.get(type(thing)) if thing else None
    if thing is None or screen is None or not screen.has_view_permission(request):
        return None
    return reverse(f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change", args=[thing.pk])


def visible(request: HttpRequest, model: type[Model]) -> QuerySet[Any]:
    """The rows of another screen that this login may see, with what that screen joins."""
    return scoping.visible(model, request, admin.site)


def link(request: HttpRequest, thing: Model | None, text: object = None) -> str:
    """`text` is what the thing's own page is called, unless given."""
    if thing is None:
        return formats.NOTHING
    screen: Any = admin.site._registry.get(type(thing))
    called = text or (screen.title_of(thing) if hasattr(screen, "title_of") else thing)
    return formats.link(page_of(request, thing), called)
