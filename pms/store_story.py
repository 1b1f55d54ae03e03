"""What the page of a store tells beside its form: where it is and was, what leads to it, and all that was changed."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from pms import formats, story
from pms.models import Mall, Store, StoreChange, StoreMapping, StoreMove, User
from pms.store_history import DATES, FIELDS
from pms.story import Panel

MOST_TOLD = 100


@story.tells("pms.store", 10)
def whereabouts(_request: HttpRequest, store: Store) -> Panel | None:
    moves = StoreMove.objects.filter(store=store).select_related("from_mall", "to_mall", "moved_by")
    rows = [
        (formats.day(move.moved_date), _move(move), _moment_by(move.recorded_at, move.moved_by))
        for move in moves.order_by("-moved_date")
    ]
    headings = [(_("First day"), ""), (_("Move"), ""), (_("Recorded"), "")]
    return story.table(_("Moves"), headings, rows, empty="", key="moves") if rows else None


def _move(move: StoreMove) -> str:
    malls = {"before": formats.name_of(move.from_mall), "after": formats.name_of(move.to_mall)}
    return formats.sentence(_("from %(before)s to %(after)s"), **malls)


def _moment_by(at: datetime, by: User | None) -> str:
    return formats.two_lines(formats.moment(at), by or "")


@story.tells("pms.store", 20)
def labels(request: HttpRequest, store: Store) -> Panel | None:
    """Beside its own PMS label; what is mapped to a merged store leads on."""
    merged = list(Store.objects.filter(merged_into=store).order_by("pk")[:MOST_TOLD])
    mappings = StoreMapping.objects.filter(store__in=[store, *merged], ended_at=None).order_by("-began_at")
    rows: list[tuple[object, object, object]] = [
        (formats.identifier(one.label), _("mapped"), _moment_by(one.began_at, one.began_by))
        for one in mappings.select_related("began_by")[:MOST_TOLD]
    ]
    rows += [(formats.identifier(one.pms_label), _("merged"), story.link(request, one)) for one in merged]
    headings = [(_("PMS label"), ""), (_("How"), ""), (_("Since, or which store it was"), "")]
    title = _("Other labels that lead here")
    return story.table(title, headings, rows, empty="", key="labels") if rows else None


@story.tells("pms.store", 90)
def changes(_request: HttpRequest, store: Store) -> Panel:
    found = (
        StoreChange.objects.filter(store=store).select_related("changed_by").order_by("-changed_at", "-pk")
    )
    rows = [
        (
            formats.two_lines(formats.moment(one.changed_at), one.changed_by or ""),
            _source(one),
            _told(one.fields),
        )
        for one in found[:MOST_TOLD]
    ]
    headings = [(_("When"), ""), (_("How"), ""), (_("What"), "")]
    empty = _("Nothing has been changed since the store was entered.")
    return story.table(_("History of changes"), headings, rows, empty=empty, key="changes")


def _source(one: StoreChange) -> str:
    is_entry = one.fields.get("pms_label", ("",))[0] is None
    return formats.pill(
        "news" if is_entry else "quiet", _("first entry") if is_entry else one.get_source_display()
    )


def _told(fields: dict[str, list[Any]]) -> str:
    """In one piece, as a cell of a phone lays out side by side what it holds."""
    return format_html(
        "<div>{}</div>", format_html_join("", "<div>{}</div>", ((line,) for line in _lines(fields)))
    )


def _lines(fields: dict[str, list[Any]]) -> Iterator[str]:
    for name, (before, after) in sorted(fields.items(), key=_place):
        shown = [_shown(name, value) for value in (before, after)]
        if before in (None, "", [], False) and after in ("", [], False):
            continue
        yield format_html('{}: <span class="quiet">{}</span> → {}', called(name), *shown)


def _place(change: tuple[str, Any]) -> int:
    """As the form has them; where the store is comes first."""
    return FIELDS.index(change[0]) if change[0] in FIELDS else -1


def called(name: str) -> str:
    try:
        field: Any = Store._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    return str(capfirst(str(field.verbose_name)))


def _shown(name: str, value: Any) -> str:
    if value in (None, "", []):
        return formats.NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name == "mall":
        mall = Mall.objects.filter(pk=value).first()
        return formats.name_of(mall) if mall else str(value)
    if name == "merged_into":
        return str(Store.objects.filter(pk=value).first() or value)
    if name == "state":
        return formats.word(dict(Store.State.choices).get(value, value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def shown_fields(fields: Iterable[tuple[str, Any]]) -> list[str]:
    """Fields with their values, as a page says them of a store at another time."""
    return [
        f"{called(name)}: {_shown(name, f'{value}' if name in DATES and value else value)}"
        for name, value in fields
    ]
