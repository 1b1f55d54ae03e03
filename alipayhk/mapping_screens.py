"""Mappings on the staff screens: their history, how far each is, and taking one back with its own page and reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alipayhk import mapping_losses, mapping_words, mappings
from alipayhk.mapping_losses import Loss
from alipayhk.models import MappingJob
from alipayhk.unknown_store_screens import UnknownStorePages
from loyalty.earning import transaction_story
from loyalty.earning.models import Transaction
from members.models import Member
from pms import clock, formats, scoping, story
from pms.records import RecordAdmin, login_of, pill_by
from pms.story import Panel

UNMAP = "alipayhk.change_mappingjob"
LISTED = 50
TONES = {"WAITING": "wait", "RUNNING": "news", "DONE": "good"}
KINDS = {"MAP": "good", "UNMAP": "warn"}


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=256, strip=True)
    is_sure = forms.BooleanField(
        label=gettext_lazy("Yes, take these points back from these members"), required=False
    )


@admin.register(MappingJob)
class MappingJobAdmin(UnknownStorePages, RecordAdmin):
    mall_path = "mall"
    screen_name = gettext_lazy("Mappings")
    list_display = (
        "label_shown",
        "kind_pill",
        "store_name",
        "payments",
        "points_shown",
        "state_pill",
        "asked",
    )
    list_select_related = ("store", "mall", "asked_by")
    list_filter = ("kind", ("mall", scoping.ScopedFilter))
    search_fields = ("=label", "=store__code")
    search_help_text = gettext_lazy("Label, merchant ID or store code, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = gettext_lazy(
        "No label was mapped yet. Payments of unknown stores wait under “Unknown stores” until somebody maps them."
    )

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        own = [
            path("<int:object_id>/progress.json", page(self.progress_view), name="alipayhk_mappingjob_progress"),
            path("<int:object_id>/unmap/", page(self.unmap_view), name="alipayhk_mappingjob_unmap"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the page's script asks for while the job is open."""
        job: Any = self._visible_thing(request, str(object_id))
        shown = {"judged": job.done_count, "transactions": job.payment_count, "is_open": job.is_open}
        return JsonResponse(shown | {"said": _said(job)})

    def unmap_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What will be taken from whom; a reason first, then once more whether it is meant."""
        job: Any = self._visible_thing(request, str(object_id))
        if not request.user.has_perm(UNMAP) or not _sees_all_of(request, job):
            raise PermissionDenied
        if not is_in_force(job):
            raise Http404
        form = ReasonForm(request.POST or None)
        is_asked = request.method == "POST" and form.is_valid()
        if is_asked and form.cleaned_data["is_sure"]:
            return self._unmap(request, job, form.cleaned_data["reason"])
        loss = mapping_losses.foreseen(job.mapping)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts,
            "title": _("Unmap %(label)s") % {"label": job.label},
            "form": form, "is_asked": is_asked, "panels": [_loss(loss), _short(request, loss)],
        }  # fmt: skip
        return TemplateResponse(request, "admin/unmap_store.html", context)

    def _unmap(self, request: HttpRequest, job: MappingJob, reason: str) -> HttpResponse:
        try:
            undo = mappings.unmap(mapping=job.mapping, reason=reason, by=login_of(request), now=clock.now())
        except mappings.EndedAlready:
            messages.error(request, _("Somebody else has unmapped it meanwhile. Nothing was changed."))
            return HttpResponseRedirect(self._address(job))
        self.log_change(request, job, f"{_('Unmapped')}: {reason}")
        mapping_words.tell(request, undo)
        return HttpResponseRedirect(self._address(undo))

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/mapping_job.html"
        assert page.context_data is not None
        may = is_in_force(thing) and request.user.has_perm(UNMAP) and _sees_all_of(request, thing)
        address = reverse("admin:alipayhk_mappingjob_unmap", args=[thing.pk])
        page.context_data["unmap_address"] = address if may else ""
        return page

    @admin.display(description=gettext_lazy("label or merchant ID"))
    def label_shown(self, job: MappingJob) -> str:
        return formats.two_lines(job.label, formats.name_of(job.mall))

    @admin.display(description=gettext_lazy("kind"))
    def kind_pill(self, job: MappingJob) -> str:
        return formats.pill(KINDS[job.kind], job.get_kind_display())

    @admin.display(description=gettext_lazy("store"))
    def store_name(self, job: MappingJob) -> str:
        return formats.two_lines(formats.name_of(job.store), job.store.code)

    @admin.display(description=gettext_lazy("payments"))
    def payments(self, job: MappingJob) -> str:
        return formats.column(formats.number(job.payment_count))

    @admin.display(description=gettext_lazy("points"))
    def points_shown(self, job: MappingJob) -> str:
        is_taken = job.kind == MappingJob.Kind.UNMAP
        return formats.column(formats.signed(-job.points if is_taken else job.points))

    @admin.display(description=gettext_lazy("state"))
    def state_pill(self, job: MappingJob) -> str:
        return pill_by(TONES, job)

    @admin.display(description=gettext_lazy("asked"))
    def asked(self, job: MappingJob) -> str:
        return formats.two_lines(formats.moment(job.asked_at), str(job.asked_by or _("command line")))

    def title_of(self, thing: MappingJob) -> object:
        words = (
            _("%(label)s mapped to %(store)s")
            if thing.kind == "MAP"
            else _("%(label)s unmapped from %(store)s")
        )
        return words % {"label": thing.label, "store": formats.name_of(thing.store)}

    def pill_of(self, thing: MappingJob) -> str:
        return self.state_pill(thing)


def is_in_force(job: MappingJob) -> bool:
    return job.kind == MappingJob.Kind.MAP and job.mapping.ended_at is None


def _sees_all_of(request: HttpRequest, job: MappingJob) -> bool:
    """Points are taken back in every mall where the label was reported, and new payments miss the store."""
    malls = set(mappings.under(job.mapping).order_by().values_list("mall_id", flat=True))
    return malls | {job.store.mall_id} <= scoping.sight_of(request).mall_ids


@story.tells("alipayhk.mappingjob", 10)
def progress(_request: HttpRequest, job: MappingJob) -> Panel | None:
    if not job.is_open:
        return None
    address = reverse("admin:alipayhk_mappingjob_progress", args=[job.pk])
    bar = {"transaction_count": job.payment_count, "judged_count": job.done_count}
    return Panel(
        title=_("Progress"), template="progress", content={"run": bar, "address": address, "said": _said(job)}
    )


@story.tells("alipayhk.mappingjob", 20)
def what(request: HttpRequest, job: MappingJob) -> Panel:
    is_taken = job.kind == MappingJob.Kind.UNMAP
    mapping = job.mapping
    ended = [(_("Unmapped"), formats.moment(mapping.ended_at)), (_("Because"), mapping.reason)]
    return story.facts(_("What was done"), [
        (_("Label or merchant ID"), formats.identifier(job.label)),
        (_("Store"), story.link(request, job.store, formats.name_of(job.store))),
        (_("Payments"), formats.big(formats.number(job.payment_count))),
        (_("Points taken back") if is_taken else _("Points given"), formats.big(formats.points(job.points))),
        (_("Not collected"), formats.points(job.missed) if job.missed else ""),
        (_("Asked for by"), str(job.asked_by or _("command line"))),
        (_("Mapped"), formats.moment(mapping.began_at)),
        *(ended if mapping.ended_at else []),
    ], is_short=True)  # fmt: skip


@story.tells("alipayhk.mappingjob", 30)
def now_there(request: HttpRequest, job: MappingJob) -> Panel | None:
    """What stands at the store by this mapping; nothing once it has ended."""
    if not is_in_force(job):
        return None
    seen = story.visible(request, Transaction).filter(pk__in=mappings.under(job.mapping).values("pk"))
    rows = [
        transaction_story.recent_row(request, one)
        for one in seen.select_related("store", "award")
        .prefetch_related("corrections")
        .order_by("-pk")[:LISTED]
    ]
    headings = [
        (_("Paid"), ""), (_("Number"), ""), (_("Store"), ""), (_("Amount"), "number"), (_("Points"), "number"),
        (_("State"), ""),
    ]  # fmt: skip
    empty = _("No payment came under this label yet.")
    return story.table(_("Payments at the store by this mapping"), headings, rows, empty=empty)


def _said(job: MappingJob) -> str:
    if job.state == MappingJob.State.WAITING:
        return _("Waiting for a worker.")
    counted = {"done": formats.number(job.done_count), "payments": formats.number(job.payment_count)}
    if job.kind == MappingJob.Kind.UNMAP:
        return _("%(done)s of %(payments)s payments taken back") % counted
    return _("%(done)s of %(payments)s payments judged") % counted


def _loss(loss: Loss) -> Panel:
    return story.facts(_("What will be taken back"), [
        (_("Payments"), formats.big(formats.number(loss.payments))),
        (_("Points"), formats.big(formats.points(loss.points))),
        (_("Members"), formats.big(formats.number(loss.members))),
        (_("Members who have spent some of them"), formats.big(formats.number(loss.short_members))),
    ])  # fmt: skip


def _short(request: HttpRequest, loss: Loss) -> Panel:
    seen = story.visible(request, Member).in_bulk([one.member_id for one in loss.most])
    rows = [
        (story.link(request, seen.get(one.member_id)), formats.number(one.points), formats.number(one.balance),
         formats.pill("warn", _("%(points)s short") % {"points": formats.number(one.points - one.balance)})
         if one.points > one.balance else formats.pill("good", _("enough")))
        for one in loss.most
    ]  # fmt: skip
    headings = [(_("Member"), ""), (_("To be taken"), "number"), (_("Balance"), "number"), (_("Covered"), "")]
    return story.table(
        _("From whom, those who lack most first"), headings, rows, empty=_("Nobody has points of it.")
    )
