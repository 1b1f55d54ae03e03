"""What a change of terms was, from what to what: kept with the admin's own history, shown on the program's page."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext as _

from members.models import Program, Tier
from pms import formats, story
from pms.story import Panel

LATEST = 20


def with_values(message: Any, *, before: Model | None, after: Model) -> Any:
    """Django's own message of a change, which its history page reads, with the values beside it."""
    if before is None or not isinstance(message, list):
        return message
    fields = [field for field in after._meta.concrete_fields if not field.primary_key]
    changes = {
        field.name: [field.value_from_object(before), field.value_from_object(after)]
        for field in fields
        if field.value_from_object(before) != field.value_from_object(after)
    }
    return [*message, {"terms": changes}]


@story.tells("members.program", 25)
def changes(request: HttpRequest, one: Program) -> Panel:
    rows = [row for entry in _entries(one) for row in _rows(entry)]
    headings = [(_("When"), ""), (_("Who"), ""), (_("What"), ""), (_("Before"), ""), (_("Since then"), "")]
    empty = _("The terms have not been changed here yet. Each change appears with who made it.")
    return story.table(_("Changes of terms"), headings, rows, empty=empty, key="changes")


def _entries(program: Program) -> Iterable[LogEntry]:
    tiers = [str(pk) for pk in program.tiers.values_list("pk", flat=True)]
    kinds = ContentType.objects.get_for_models(Program, Tier)
    of_program = LogEntry.objects.filter(content_type=kinds[Program], object_id=str(program.pk))
    of_tiers = LogEntry.objects.filter(content_type=kinds[Tier], object_id__in=tiers)
    return (of_program | of_tiers).select_related("user", "content_type").order_by("-action_time")[:LATEST]


def _rows(entry: LogEntry) -> Iterable[list[object]]:
    for name, (before, after) in _terms(entry.change_message).items():
        model = Tier if entry.content_type and entry.content_type.model == "tier" else Program
        field: Any = model._meta.get_field(name)
        what = formats.word(field.verbose_name)
        if model is Tier:
            what = f"{entry.object_repr} · {what}"
        yield [
            formats.moment(entry.action_time), entry.user.get_username(), what, _shown(field, before),
            _shown(field, after),
        ]  # fmt: skip


def _terms(message: str) -> dict[str, list[Any]]:
    try:
        parts = json.loads(message)
    except ValueError:
        return {}
    found = [part["terms"] for part in parts if "terms" in part] if isinstance(parts, list) else []
    return found[0] if found else {}


def _shown(field: Any, value: Any) -> str:
    if value is None:
        return formats.NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if field.name == "min_spend_cents":
        return formats.money(value)
    if field.choices:
        return formats.word(dict(field.flatchoices).get(value, value))
    return formats.number(value) if isinstance(value, int) else str(value)
