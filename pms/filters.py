"""Drop-downs over lists: what is open, and days."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pms import clock


class OpenFilter(admin.SimpleListFilter):
    """A work queue shows what is open unless something else is asked for; a search looks everywhere."""

    title = gettext_lazy("Show")
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield self._choice(changelist, None, _("Open"))
        for value, words in self.lookup_choices:
            yield self._choice(changelist, str(value), str(words))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() or request.GET.get("q"):
            return queryset
        screen: Any = admin.site._registry[queryset.model]
        return screen.open_rows(queryset)  # type: ignore[no-any-return]

    def _choice(self, changelist: Any, value: str | None, words: str) -> dict[str, Any]:
        return {
            "selected": self.value() == value,
            "query_string": changelist.get_query_string(
                {self.parameter_name: value} if value else {}, [self.parameter_name]
            ),
            "display": words,
        }


class DayFilter(admin.SimpleListFilter):
    """Today, yesterday, seven days, or one day in Hong Kong, on an indexed time. Subclasses name the field."""

    title = gettext_lazy("Day")
    parameter_name = "day"
    template = "admin/day_filter.html"
    field: ClassVar[str]

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.kept = [
            (name, text) for name, text in request.GET.items() if name not in (self.parameter_name, "p", "e")
        ]
        self.day = self._day(request)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("today", _("Today")), ("yesterday", _("Yesterday")), ("week", _("7 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        today = timezone.localtime(clock.now(), clock.HONG_KONG).date()
        spans = {
            "today": (today, 1),
            "yesterday": (today - timedelta(days=1), 1),
            "week": (today - timedelta(days=6), 7),
        }
        if self.day:
            spans[self.day] = (date.fromisoformat(self.day), 1)
        if self.value() not in spans:
            return queryset
        first, days = spans[str(self.value())]
        start = datetime.combine(first, time(), clock.HONG_KONG)
        return queryset.filter(
            **{f"{self.field}__gte": start, f"{self.field}__lt": start + timedelta(days=days)}
        )

    def _day(self, request: HttpRequest) -> str:
        value = self.value()
        if not value or value in dict(self.lookup_choices):
            return ""
        try:
            return date.fromisoformat(value).isoformat() if date.fromisoformat(value).year > 1999 else ""
        except ValueError:
            messages.error(request, _("“%(day)s” is not a day; all days are shown.") % {"day": value[:40]})
            return ""


def day_of(name: str) -> type[DayFilter]:
    """A day filter on the field of this name."""
    return type(f"{name.title()}DayFilter", (DayFilter,), {"field": name})
