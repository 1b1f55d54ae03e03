"""Uploaded files on the staff screens: sent on a form, told to a worker, and watched while it works on them.

What a file is for, and what came of it, each kind's own screen says.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError

from loyalty.doors import kept_files
from pms import clock, formats, scoping, story, table_files
from pms.mall_forms import MallFileForm
from pms.records import RecordAdmin, login_of, pill_by
from pms.story import Panel
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

LISTED = 200


class FileForm(MallFileForm):
    file = forms.FileField(label=_("File (CSV in UTF-8, or XLSX; 200 MB at most)"), allow_empty_file=True)


class FileAdmin(RecordAdmin):
    """One kind of files: it names the tones of its states, the page of its form and the task that begins the work."""

    mall_path = "mall"
    is_addable = True
    list_select_related = ("mall__group", "asked_by")
    list_filter = ("state", ("mall", scoping.ScopedFilter))
    search_fields = ("file_name__exact",)
    ordering = ("-pk",)
    sortable_by = ()
    page_template = "admin/watched_record.html"
    tones: ClassVar[dict[str, str]]
    form_page: ClassVar[str]
    task: ClassVar[Any]

    def accept(self, **sent: Any) -> tuple[Any, bool]:
        """The file as it is kept, and whether it is a new one; raises FileRefused."""
        raise NotImplementedError

    def form_content(self) -> dict[str, object]:
        """What the form's page shows beside the form: its title, and what the file should look like."""
        raise NotImplementedError

    def said(self, file: Any) -> str:
        """How far the work is, in a sentence."""
        raise NotImplementedError

    def judged(self, file: Any) -> int:
        """Of the file's rows, how many the bar shows as done."""
        done: int = file.done_count
        return done

    def get_urls(self) -> list[URLPattern]:
        return [self.own_url("progress.json", self.progress_view), *super().get_urls()]

    def own_url(self, ending: str, view: Callable[..., Any]) -> URLPattern:
        """Of one file; known by the model and the ending's first word."""
        name = self._name(ending.partition(".")[0])
        return path(f"<int:object_id>/{ending}", self.admin_site.admin_view(view), name=name)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = FileForm(*([request.POST, request.FILES] if is_sent else []), request=request)
        accepted = self._accepted(request, form) if is_sent and form.is_valid() else None
        if accepted:
            return HttpResponseRedirect(self._address(accepted))
        own = {"opts": self.opts, "form": form, **self.form_content()}
        return TemplateResponse(request, self.form_page, {**self.admin_site.each_context(request), **own})

    def _accepted(self, request: HttpRequest, form: FileForm) -> Any:
        sent = form.cleaned_data["file"]
        named = {"mall": form.cleaned_data["mall"], "name": sent.name or ""}
        try:
            file, is_new = self.accept(file=sent, by=login_of(request), now=clock.now(), **named)
        except FileRefused as refused:
            form.add_error("file", _refusal(refused.code, refused.detail))
            return None
        if is_new:
            self.log_addition(request, file, gettext("Sent"))
            tell(request, file, self.task)
        else:
            messages.info(request, gettext("This file was sent before. Nothing was done again."))
        return file

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the file is worked on."""
        file: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": self.judged(file), "transactions": file.row_count, "is_open": file.is_moving}
        return JsonResponse(shown | {"said": self.said(file)})

    def progress_panel(self, file: Any) -> Panel:
        bar = {"transaction_count": file.row_count, "judged_count": self.judged(file)}
        address = reverse(f"admin:{self._name('progress')}", args=[file.pk])
        content = {"run": bar, "address": address, "said": self.said(file)}
        return Panel(title=gettext("Progress"), template="progress", content=content)

    def _name(self, word: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{word}"

    @admin.display(description=_("file"))
    def name(self, file: Any) -> str:
        return str(file.file_name)

    @admin.display(description=_("state"))
    def state_pill(self, file: Any) -> str:
        return pill_by(self.tones, file)

    @admin.display(description=_("mall"))
    def mall_name(self, file: Any) -> str:
        return formats.name_of(file.mall)

    @admin.display(description=_("rows"))
    def rows_shown(self, file: Any) -> str:
        return formats.column(formats.number(file.row_count))

    @admin.display(description=_("uploaded"))
    def sent(self, file: Any) -> str:
        return formats.two_lines(formats.moment(file.asked_at), file.asked_by or "")

    def pill_of(self, thing: Any) -> str:
        return self.state_pill(thing)


def progress(_request: HttpRequest, file: Any) -> Panel | None:
    """For the page of any kind of file, as long as somebody works on it."""
    screen: Any = admin.site._registry[type(file)]
    panel: Panel | None = screen.progress_panel(file) if file.is_moving else None
    return panel


def refused(file: Any) -> Panel:
    return story.facts(gettext("The file was refused"), [
        (gettext("Because"), _refusal(file.refusal, file.refusal_detail)),
        (gettext("Kept"), gettext("Nothing was taken from the file.")),
    ])  # fmt: skip


def faults(title: str, rows: Iterable[Any], words: Callable[[dict[str, Any]], str]) -> Panel | None:
    """Every fault of these rows; `words` say what is wrong."""
    told = [(formats.number(row.line), fault["field"], words(fault)) for row in rows for fault in row.faults]
    headings = [(gettext("Line"), "number"), (gettext("Field"), ""), (gettext("What is wrong"), "")]
    return story.table(title, headings, told, empty="") if told else None


def tell(request: HttpRequest, file: Any, task: Any) -> None:
    """A worker that cannot be told finds the file by itself, within half a minute."""
    try:
        task.delay(job_id=file.pk)
    except OperationalError as error:
        log.warning("no worker could be told of %s %d: %s", kept_files.called(file), file.pk, error)
        messages.warning(request, gettext("The worker is away; it goes on as soon as it is back."))


def _refusal(code: str, detail: str) -> str:
    return f"{table_files.REFUSALS[code]} {detail}".strip() if code else ""
