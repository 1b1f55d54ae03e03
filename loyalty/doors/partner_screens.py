"""Partners' keys on the staff screens: made and shown once, revoked, and when each was used last."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.doors import partners
from loyalty.doors.models import PartnerKey, PartnerRequest
from loyalty.earning.models import Transaction
from pms import clock, formats, scoping, story
from pms.mall_forms import MallForm
from pms.records import Deed, RecordAdmin, Refused, login_of
from pms.story import Panel

LISTED = 20
IN_USE = _("A key of this name is in use; revoke it first.")


class KeyForm(MallForm):
    name = forms.CharField(label=_("Name of the partner or till"), max_length=64)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        asked = {"mall": self.cleaned_data.get("mall"), "name": self.cleaned_data.get("name")}
        if PartnerKey.objects.filter(revoked_at=None, **asked).exists():
            raise ValidationError(IN_USE)
        return cleaned


def _revoke(_request: HttpRequest, key: PartnerKey) -> object:
    if not partners.revoke(key=key, now=clock.now()):
        raise Refused(gettext("The key was revoked already."))
    return gettext("The key opens nothing any more.")


@admin.register(PartnerKey)
class PartnerKeyAdmin(RecordAdmin):
    mall_path = "mall"
    is_addable = True
    list_display = ("name", "begins", "state_pill", "mall_name", "made")
    list_select_related = ("mall", "created_by")
    list_filter = (("mall", scoping.ScopedFilter),)
    search_fields = ("name__exact", "start__exact")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("No partner has a key yet. A key lets a partner's tills bring purchases of one mall.")
    deeds = (
        Deed(name="revoke", label=_("Revoke"), permission="doors.change_partnerkey", do=_revoke,
             is_offered=lambda key: key.revoked_at is None, is_main=lambda _key: False,
             explanation=_("The partner's tills are refused from the next request on.")),
    )  # fmt: skip

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The key stands in the answer to this press and nowhere else, so it is not redirected."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None, request=request)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("New partner key"),
            "form": form,
        }  # fmt: skip
        made = self._made(request, form) if request.method == "POST" and form.is_valid() else None
        if made:
            row, key = made
            self.log_addition(request, row, gettext("Made"))
            context |= {"key": formats.identifier(key), "row": row, "page": self._address(row)}
            context["address"] = f"{reverse('partners', args=[row.mall.tag])}"
        response = TemplateResponse(request, "admin/partner_key.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response

    def _made(self, request: HttpRequest, form: KeyForm) -> tuple[PartnerKey, str] | None:
        try:
            return partners.make_key(**form.cleaned_data, by=login_of(request), now=clock.now())
        except partners.NameInUse:
            form.add_error(None, str(IN_USE))
            return None

    @admin.display(description=_("begins with"))
    def begins(self, key: PartnerKey) -> str:
        return f"{key.start}…"

    @admin.display(description=_("state"))
    def state_pill(self, key: PartnerKey) -> str:
        if key.revoked_at:
            return formats.pill("bad", gettext("revoked"))
        return formats.pill("good", gettext("in use"))

    @admin.display(description=_("mall"))
    def mall_name(self, key: PartnerKey) -> str:
        return formats.name_of(key.mall)

    @admin.display(description=_("made"))
    def made(self, key: PartnerKey) -> str:
        return formats.two_lines(formats.moment(key.created_at), key.created_by or "")

    def title_of(self, thing: PartnerKey) -> object:
        return _("Partner key %(name)s") % {"name": thing.name}

    def pill_of(self, thing: PartnerKey) -> str:
        return self.state_pill(thing)


@story.tells("doors.partnerkey", 10)
def what(request: HttpRequest, key: PartnerKey) -> Panel:
    return story.facts(gettext("The key"), [
        (gettext("Mall"), formats.name_of(key.mall)),
        (gettext("Begins with"), f"{key.start}…"),
        (gettext("Made by"), key.created_by or gettext("the operator")),
        (gettext("Made"), formats.moment(key.created_at)),
        (gettext("Revoked"), formats.moment(key.revoked_at)),
    ])  # fmt: skip


@story.tells("doors.partnerkey", 20)
def brought(request: HttpRequest, key: PartnerKey) -> Panel:
    seen = story.visible(request, Transaction)
    found = PartnerRequest.objects.filter(partner_key=key, transaction__in=seen).select_related("transaction")
    rows = [
        (formats.moment(one.answered_at), story.link(request, one.transaction),
         formats.money(one.transaction.amount_cents, one.transaction.currency))
        for one in found.order_by("-pk")[:LISTED]
    ]  # fmt: skip
    headings = [(gettext("Brought"), ""), (gettext("Transaction"), ""), (gettext("Amount"), "number")]
    return story.table(gettext("What it brought last"), headings, rows, empty=gettext("Nothing yet."))
