"""The inbox of unknown stores on the staff screens: who waits how long, which store it may be, and mapping it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from alipayhk import mapping_words as words
from alipayhk import mappings, unknown_stores
from alipayhk.likely_stores import Likely, Shelf
from alipayhk.models import MappingJob
from alipayhk.unknown_stores import Preview, UnknownStore
from loyalty.earning import foresight
from loyalty.earning.models import Transaction
from pms import clock, formats, scoping, sidebar, store_labels, story, today
from pms.models import Mall, Store
from pms.records import RecordAdmin, login_of
from pms.story import Panel
from pms.today import Day, Part, Queue

MAP = "alipayhk.add_mappingjob"
VIEW = "alipayhk.view_mappingjob"
LIST = "admin:alipayhk_unknown_stores"
MOST_FOUND = 20
# Payments judged for show on the list, for all its lines together.
MOST_FORESEEN = 300

if TYPE_CHECKING:
    BaseAdmin = RecordAdmin
else:
    BaseAdmin = object


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the inbox as it is shown; `points` under the likely store, None where too many wait."""

    unknown: UnknownStore
    mall: Mall
    likely: Likely | None
    is_compared: bool
    points: int | None
    address: str

    @property
    def map_address(self) -> str:
        return f"{self.address}&store={self.likely.store.pk}" if self.likely else self.address

    @property
    def age(self) -> object:
        return formats.age(self.unknown.since)

    @property
    def money(self) -> str:
        return formats.money(self.unknown.cents)

    @property
    def count(self) -> str:
        return formats.number(self.unknown.payments)

    @property
    def points_shown(self) -> str:
        return formats.NOTHING if self.points is None else formats.number(self.points)

    @property
    def span(self) -> list[object]:
        return [formats.moment(self.unknown.first_paid_at), formats.moment(self.unknown.last_paid_at)]

    @property
    def names(self) -> str:
        return " · ".join(self.unknown.merchant_names)

    @property
    def said(self) -> str:
        return words.score(self.likely) if self.likely else ""

    @property
    def store_name(self) -> str:
        return formats.name_of(self.likely.store) if self.likely else ""

    @property
    def mall_name(self) -> str:
        return formats.name_of(self.mall)


class UnknownStorePages(BaseAdmin):
    """What the screen of mappings gains: the inbox, and the page on which one line of it is mapped."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        own = [
            path("unknown/", page(self.unknown_view), name="alipayhk_unknown_stores"),
            path("unknown/map/", page(self.map_view), name="alipayhk_map_store"),
        ]
        return [*own, *super().get_urls()]

    def unknown_view(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not request.user.has_perm(VIEW):
            raise PermissionDenied
        sight = scoping.sight_of(request)
        typed, number = _typed(request), _page(request)
        found = unknown_stores.listed(
            group_ids=sight.group_ids, mall_ids=sight.mall_ids, typed=typed, page=number
        )
        has_next = len(found) > unknown_stores.PAGE
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": _("Unknown stores"),
            "rows": _rows(found[: unknown_stores.PAGE], sight.mall_ids), "may_map": request.user.has_perm(MAP),
            "typed": typed, "number": number, "is_paged": has_next or number > 1,
            "previous": _list(typed, number - 1) if number > 1 else "",
            "next": _list(typed, number + 1) if has_next else "",
        }  # fmt: skip
        return TemplateResponse(request, "admin/unknown_stores.html", context)

    def map_view(self, request: HttpRequest) -> HttpResponse:
        """A store is chosen, what would follow is shown, and only then is it mapped."""
        unknown = _asked(request)
        store = _chosen(request, unknown)
        if request.method == "POST":
            if not request.user.has_perm(MAP) or store is None or not _may(request, unknown, store):
                raise PermissionDenied
            return self._map(request, unknown, store)
        led = store_labels.named(group_id=unknown.group_id, label=unknown.name)
        may = store is not None and _may(request, unknown, store)
        # It counts what waits in every mall.
        preview = (
            unknown_stores.preview(group_id=unknown.group_id, name=unknown.name, store=store, now=clock.now())
            if store and may and not led
            else None
        )
        context = {
            **self.admin_site.each_context(request), "opts": self.opts,
            "title": _("Map %(name)s") % {"name": unknown.name}, "unknown": unknown,
            "led": words.seen(led, scoping.sight_of(request)) if led else "", "store": store,
            "store_name": formats.name_of(store) if store else "", "typed": _typed(request),
            "may_map": request.user.has_perm(MAP) and may, "needs_group": store is not None and not may,
            "panels": [*([_facts(unknown)] if unknown.payments else []), *([_preview(preview)] if preview else [])],
            "job": _mapped_by(request, unknown) if led else "",
            "choices": _choices(request, unknown), "new_store": _new_store(request, unknown),
            "is_over": not unknown.payments,
        }  # fmt: skip
        return TemplateResponse(request, "admin/map_store.html", context)

    def _map(self, request: HttpRequest, unknown: UnknownStore, store: Store) -> HttpResponse:
        mall = Mall.objects.get(pk=unknown.mall_id)
        try:
            job = mappings.map_to(
                mall=mall, name=unknown.name, store=store, by=login_of(request), now=clock.now()
            )
        except mappings.MappingRefused as refusal:
            messages.error(request, words.refused(refusal, scoping.sight_of(request)))
            return HttpResponseRedirect(_address(unknown))
        if job.state == job.State.WAITING:
            self.log_addition(request, job, _("Mapped"))
            words.tell(request, job)
        return HttpResponseRedirect(reverse("admin:alipayhk_mappingjob_change", args=[job.pk]))


def _typed(request: HttpRequest) -> str:
    return request.GET.get("q", "")[:100].strip().replace("\x00", "")


def _page(request: HttpRequest) -> int:
    number = request.GET.get("p", "")
    return max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1


def _list(typed: str, number: int) -> str:
    return f"{reverse(LIST)}?{urlencode({'q': typed, 'p': number})}"


def _rows(found: list[UnknownStore], mall_ids: Collection[int]) -> list[Row]:
    """Stores of malls that the login does not see are likely to nobody."""
    shelf = Shelf(mall_ids)
    malls = Mall.objects.in_bulk({one.mall_id for one in found})
    compared: dict[UnknownStore, bool] = {}
    likely: dict[UnknownStore, Likely | None] = {}
    for one in found:
        compared[one] = not shelf.is_tired
        likely[one] = next(iter(shelf.likely(one)), None)
    points = _points(likely, now=clock.now())
    return [
        Row(
            unknown=one,
            mall=malls[one.mall_id],
            likely=likely[one],
            is_compared=compared[one],
            points=points.get(one),
            address=_address(one),
        )
        for one in found
    ]


def _points(likely: dict[UnknownStore, Likely | None], *, now: datetime) -> dict[UnknownStore, int]:
    """Of the oldest lines, as many payments as a list may judge for show."""
    points: Counter[UnknownStore] = Counter()
    left = MOST_FORESEEN
    for unknown, one in likely.items():
        if one is None or unknown.payments > left:
            continue
        left -= unknown.payments
        rows = unknown_stores.waiting(group_id=unknown.group_id, name=unknown.name)
        here = list(
            rows.filter(mall=unknown.mall_id).select_related("wallet_pass", "duplicate_case")[:MOST_FORESEEN]
        )
        points[unknown] = sum(each.points for each in foresight.at_store(here, one.store, now=now))
    return points


def _asked(request: HttpRequest) -> UnknownStore:
    """The line that the address names; one that no longer waits has no payments."""
    sight = scoping.sight_of(request)
    name, mall_id = request.GET.get("name", "")[:128], request.GET.get("mall", "")
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    if not mall_id.isdecimal() or int(mall_id[:18]) not in sight.mall_ids or not name or "\x00" in name:
        raise Http404
    mall = Mall.objects.get(pk=int(mall_id[:18]))
    found = unknown_stores.listed(group_ids=[mall.group_id], mall_ids=[mall.pk], name=name)
    return next(iter(found), None) or unknown_stores.nothing_of(mall=mall, name=name, now=clock.now())


def _chosen(request: HttpRequest, unknown: UnknownStore) -> Store | None:
    pk = (request.POST if request.method == "POST" else request.GET).get("store", "")
    if not pk.isdecimal():
        return None
    found: Store | None = _stores(request, unknown).filter(pk=int(pk[:18])).first()
    return found


def _stores(request: HttpRequest, unknown: UnknownStore) -> QuerySet[Any]:
    rows = story.visible(request, Store).filter(
        group=unknown.group_id, merged_into=None, state=Store.State.ACTIVE
    )
    return rows.select_related("mall")


def _may(request: HttpRequest, unknown: UnknownStore, store: Store) -> bool:
    """A label leads to one store for the whole group: beyond one's own mall, that is the group's staff's to say.

    So is a name under which nothing waits yet, and a merchant ID that another mall's store has.
    """
    if unknown.group_id in scoping.whole_groups(request):
        return True
    seen = scoping.sight_of(request).mall_ids
    rows = unknown_stores.waiting(group_id=unknown.group_id, name=unknown.name).order_by()
    malls = set(rows.values_list("mall_id", flat=True).distinct())
    others = Store.objects.filter(group=unknown.group_id, merchant_id=unknown.name).exclude(mall__in=seen)
    is_here = store.mall_id == unknown.mall_id and unknown.mall_id in malls
    return is_here and malls <= seen and not others.exists()


def _choices(request: HttpRequest, unknown: UnknownStore) -> list[tuple[Store, str, str, str, str]]:
    """Found by what was typed, else the likely ones: store, name, mall, why, address."""
    typed = _typed(request)
    if typed:
        asked = Q()
        for field in ("name_en", "name_zh", "code", "pms_label", "merchant_id", "unit"):
            asked |= Q(**{f"{field}__icontains": typed})
        found = [
            (store, "")
            for store in _stores(request, unknown).filter(asked).order_by("name_en", "pk")[:MOST_FOUND]
        ]
    else:
        likely = Shelf(scoping.sight_of(request).mall_ids).likely(unknown)
        found = [(one.store, words.score(one)) for one in likely]
    return [
        (
            store,
            formats.name_of(store),
            formats.name_of(store.mall),
            said,
            f"{_address(unknown)}&store={store.pk}",
        )
        for store, said in found
    ]


def _mapped_by(request: HttpRequest, unknown: UnknownStore) -> str:
    """Where the mapping that leads on has its page; empty for a store's own label."""
    jobs = story.visible(request, MappingJob).filter(
        group=unknown.group_id, label=unknown.name, kind=MappingJob.Kind.MAP, mapping__ended_at=None
    )
    return story.page_of(request, jobs.order_by("-pk").first()) or ""


def _address(unknown: UnknownStore) -> str:
    return (
        f"{reverse('admin:alipayhk_map_store')}?{urlencode({'mall': unknown.mall_id, 'name': unknown.name})}"
    )


def _new_store(request: HttpRequest, unknown: UnknownStore) -> str:
    """The form of a new store, filled in with what the payments say."""
    if not request.user.has_perm("pms.add_store"):
        return ""
    name = next(iter(unknown.merchant_names), "")
    filled = {"mall": unknown.mall_id, "name_zh" if not name.isascii() else "name_en": name}
    filled["merchant_id"] = next(iter(unknown.merchant_ids), "")
    if not unknown.is_merchant:
        filled["pms_label"] = unknown.name
    return f"{reverse('admin:pms_store_add')}?{urlencode(filled)}"


def _facts(unknown: UnknownStore) -> Panel:
    kind = _("Merchant ID, without a label") if unknown.is_merchant else _("PMS label")
    return story.facts(_("What waits"), [
        (kind, formats.identifier(unknown.name)),
        (_("Merchant names reported"), " · ".join(unknown.merchant_names)),
        (_("Merchant IDs reported"), "" if unknown.is_merchant else " · ".join(unknown.merchant_ids)),
        (_("Payments"), formats.big(formats.number(unknown.payments))),
        (_("Amount"), formats.big(formats.money(unknown.cents))),
        (_("Members"), formats.number(unknown.members)),
        (_("First and last paid"), formats.two_lines(
            formats.moment(unknown.first_paid_at), formats.moment(unknown.last_paid_at))),
        (_("Waits"), formats.age(unknown.since)),
    ], is_short=True)  # fmt: skip


def _preview(preview: Preview) -> Panel:
    rows: list[tuple[object, object]] = [
        (_("Payments"), formats.big(formats.number(preview.payments))),
        (_("Members"), formats.big(formats.number(preview.members))),
        (_("Amount"), formats.big(formats.money(preview.cents))),
        (_("Points they would get"), formats.big(formats.points(preview.points))),
    ]
    if preview.held:
        rows.append((_("Held back as possible duplicates"), formats.number(preview.held)))
    rows += [
        (words.why_nothing(code), _("%(count)s without points") % {"count": formats.number(count)})
        for code, count in preview.nothing.items()
    ]
    if not preview.is_whole:
        rows.append(
            (
                _("Shown"),
                _("the first %(count)s; all are judged") % {"count": formats.number(preview.payments)},
            )
        )
    return story.facts(_("What mapping will do"), rows)


@sidebar.counts(LIST)
def waiting_names(request: HttpRequest, most: int) -> int:
    sight = scoping.sight_of(request)
    return unknown_stores.counted(group_ids=sight.group_ids, mall_ids=sight.mall_ids, most=most)[0]


@today.source(40)
def work(request: HttpRequest, _day: Day) -> Part:
    if not request.user.has_perm(VIEW) or not request.user.has_perm(
        f"earning.view_{Transaction._meta.model_name}"
    ):
        return Part()
    sight = scoping.sight_of(request)
    most = sidebar.HIGHEST_COUNT + 1
    count, since = unknown_stores.counted(group_ids=sight.group_ids, mall_ids=sight.mall_ids, most=most)
    if since is None:
        return Part()
    line = Queue(
        label=_("Unknown stores"),
        count=sidebar.words(count),
        oldest=formats.age(since),
        address=reverse(LIST),
    )
    return Part(queues=[line])
