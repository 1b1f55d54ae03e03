"""Store files on the screen: sent, looked at, then written whole; and the list as a workbook.

Between the two steps the file is kept by nobody: the page carries it, signed for this login and a day.
"""

import base64
import io
import logging
import zlib
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pms import clock, formats, scoping, store_export, store_files, store_rows, table_files
from pms.mall_forms import MallFileForm
from pms.models import Mall, StoreChange
from pms.records import login_of
from pms.scoping import ScopedModelAdmin
from pms.store_files import Plan
from pms.table_files import FileRefused

log = logging.getLogger(__name__)
LISTED = 200
CARRIED_FOR = 24 * 3600
# Of the page that carries it back; a mall's list is a tenth of this.
LARGEST_CARRIED = 1_500_000
BUSY = _("Others are writing stores of this group just now. Nothing was written; send the file again.")
CHANGED = _("Stores were changed since you looked. Nothing was written; this is what the file would do now.")


class StoreFileScreens(ScopedModelAdmin):
    """What the list of stores has beside itself."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("import/", view(self.import_view), name="pms_store_import"),
            path("export.<slug:kind>", view(self.export_view), name="pms_store_export"),
        ]
        return [*own, *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        if "carried" in request.POST:
            return self._write(request)
        is_sent = request.method == "POST"
        form = MallFileForm(*([request.POST, request.FILES] if is_sent else []), request=request)
        plan, carried = self._look(request, form) if is_sent and form.is_valid() else (None, "")
        return self._import_page(request, form, plan, carried)

    def _look(self, request: HttpRequest, form: MallFileForm) -> tuple[Plan | None, str]:
        mall, file = form.cleaned_data["mall"], form.cleaned_data["file"]
        try:
            plan = store_files.check(mall=mall, file=file, by=login_of(request))
            file.seek(0)
            return plan, _carried(request, plan, file.read())
        except FileRefused as refused:
            form.add_error("file", f"{table_files.REFUSALS[refused.code]} {refused.detail}".strip())
            return None, ""

    def _write(self, request: HttpRequest) -> HttpResponse:
        mall, digest, content = _unpacked(request)
        try:
            plan = store_files.run(
                mall=mall,
                file=io.BytesIO(content),
                source=StoreChange.Source.FILE,
                by=login_of(request),
                now=clock.now(),
                digest=digest,
            )
        except OperationalError:
            self.message_user(request, BUSY, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:pms_store_import"))
        if not plan.is_done:
            if plan.is_worth_it:
                self.message_user(request, CHANGED, messages.WARNING)
            return self._import_page(
                request, MallFileForm(request=request), plan, _carried(request, plan, content)
            )
        count = store_files.counts(plan)
        log.info("%s imported stores of %s: %s", request.user.get_username(), mall.tag, count)
        self.message_user(
            request,
            gettext("Written: %(new)s new stores, %(changed)s changed, %(unchanged)s as they were.") % count,
        )
        return HttpResponseRedirect(reverse("admin:pms_store_changelist"))

    def _import_page(
        self, request: HttpRequest, form: MallFileForm, plan: Plan | None, carried: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Import stores"),
            "form": form, "plan": plan, "carried": carried, "required": store_rows.REQUIRED,
            "mall_name": formats.name_of(plan.mall) if plan else "",
            "optional": store_rows.FORM.optional, "count": store_files.counts(plan) if plan else {},
            "faulty": [(row, fault) for row in plan.faulty for fault in row.faults][:LISTED] if plan else [],
            "changed": _differences(plan) if plan else [], "listed": LISTED,
        }  # fmt: skip
        return TemplateResponse(request, "admin/store_file.html", context)

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """What the list shows, with its search and filters, for those who keep it: IDs of acquirers stand in it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if kind not in store_export.KINDS:
            raise Http404
        shown = self.get_changelist_instance(request).get_queryset(request)
        log.info("%s exported stores as %s: %s", request.user.get_username(), kind, request.GET.urlencode())
        content_type, made = store_export.KINDS[kind]
        answer = HttpResponse(made(store_export.rows(shown)), content_type=content_type)
        answer.headers["Content-Disposition"] = f'attachment; filename="stores.{kind}"'
        return answer


def _differences(plan: Plan) -> list[Any]:
    return [*plan.new[:10], *plan.changed[:10]]


def _salt(request: HttpRequest) -> str:
    return f"pms.store_file.{request.user.pk}"


def _carried(request: HttpRequest, plan: Plan, content: bytes) -> str:
    """With what was shown of it: nothing else is written."""
    if not plan.is_worth_it:
        return ""
    packed = base64.b64encode(zlib.compress(content)).decode()
    if len(packed) > LARGEST_CARRIED:
        raise FileRefused("STORES_TOO_LARGE")
    return signing.TimestampSigner(salt=_salt(request)).sign(f"{plan.mall.pk} {plan.digest} {packed}")


def _unpacked(request: HttpRequest) -> tuple[Mall, str, bytes]:
    """Only what this login was shown, in a mall that it still sees."""
    try:
        signer = signing.TimestampSigner(salt=_salt(request))
        mall_id, digest, packed = signer.unsign(request.POST["carried"], max_age=CARRIED_FOR).split(" ")
    except signing.BadSignature as error:
        raise Http404 from error
    mall = scoping.malls_of(request.user).select_related("group").filter(pk=mall_id).first()
    if mall is None:
        raise Http404
    return mall, digest, zlib.decompress(base64.b64decode(packed))
