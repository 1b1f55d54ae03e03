"""Read-only screens: each row has a page that tells its story, and a few deeds that call the domain.

A deed is a button that posts; it is offered, allowed, done and logged here, and decided in the domain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from pms import formats, story
from pms.models import User
from pms.scoping import ScopedModelAdmin


class Refused(Exception):
    """The deed was refused; the message says why and what was kept."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """A button on a record's page. `do` returns the sentence that says what was done, or raises Refused."""

    name: str
    label: object
    permission: str
    do: Callable[[HttpRequest, Any], object]
    is_offered: Callable[[Any], bool] = lambda _: True
    explanation: object = ""
    field_label: object = ""
    is_main: Callable[[Any], bool] = lambda _: True


class RecordAdmin(ScopedModelAdmin):
    """A model that nobody edits by form."""

    deeds: ClassVar[Sequence[Deed]] = ()
    page_template = "admin/record.html"

    def title_of(self, thing: Any) -> object:
        return thing

    def pill_of(self, thing: Any) -> str:
        return ""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_deed"
        own = path("<path:object_id>/do/<slug:name>/", self.admin_site.admin_view(self.deed_view), name=name)
        return [own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return self._page(request, self._visible_thing(request, object_id))

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Do one deed; a refusal shows the page again with what was typed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        thing = self._visible_thing(request, object_id)
        deed = next((one for one in self._offered(request, thing) if one.name == name), None)
        if deed is None:
            raise PermissionDenied
        try:
            self._do(request, thing, deed)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return self._page(request, thing, typed=request.POST.get("typed", ""))
        return HttpResponseRedirect(self._address(thing))

    @atomic
    def _do(self, request: HttpRequest, thing: Any, deed: Deed) -> None:
        said = deed.do(request, thing)
        self.log_change(request, thing, str(deed.label))
        messages.success(request, str(said))

    def _visible_thing(self, request: HttpRequest, object_id: str) -> Model:
        if not self.has_view_permission(request):
            raise PermissionDenied
        thing: Model | None = self.get_object(request, unquote(object_id))
        if thing is None:
            raise Http404
        return thing

    def _offered(self, request: HttpRequest, thing: Any) -> list[Deed]:
        return [
            deed for deed in self.deeds if request.user.has_perm(deed.permission) and deed.is_offered(thing)
        ]

    def _address(self, thing: Any, *deed: str) -> str:
        kind = "deed" if deed else "change"
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{kind}", args=[thing.pk, *deed])

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": thing,
            "title": capfirst(str(self.title_of(thing))),
            "pill": self.pill_of(thing),
            "panels": story.of(request, thing),
            "deeds": [
                (deed, self._address(thing, deed.name), deed.is_main(thing))
                for deed in self._offered(request, thing)
            ],
            "typed": typed,
        }
        return TemplateResponse(request, self.page_template, context)


def login_of(request: HttpRequest) -> User:
    """The login that acts; the staff site lets nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def pill_by(tones: dict[str, str], thing: Any) -> str:
    """The pill of a thing's `state`, by a table of tones."""
    return formats.pill(tones[thing.state], thing.get_state_display())
