"""How much of each mall AlipayHK has, as a figure and a bar: for the list of stores and for the front page."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from alipayhk import collection_story, stores
from alipayhk.models import CollectionSetup, ConfirmationRun
from alipayhk.stores import Coverage
from pms import clock, formats, scoping, story, today
from pms.models import Mall
from pms.story import Panel
from pms.today import Day, Figure, Part

MOST_MALLS = 12


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One mall's bar; `run` is its latest reading."""

    mall: Mall
    figures: Coverage
    run: ConfirmationRun | None

    @property
    def name(self) -> str:
        return formats.name_of(self.mall)

    @property
    def is_moving(self) -> bool:
        return bool(self.figures.waiting or (self.run and self.run.is_moving))

    @property
    def address(self) -> str:
        return (
            reverse("admin:alipayhk_storecollection_changelist") + f"?store__mall__id__exact={self.mall.pk}"
        )

    @property
    def unsent(self) -> int:
        """Not sent, and not on their way."""
        return self.figures.not_sent - self.figures.leaving

    @property
    def said(self) -> str:
        counted = {
            "confirmed": formats.number(self.figures.confirmed),
            "total": formats.number(self.figures.total),
            "percent": self.figures.percent,
        }
        return _("%(confirmed)s of %(total)s stores confirmed (%(percent)s%%)") % counted

    @property
    def parts(self) -> list[tuple[str, str, str]]:
        """What is not confirmed: tone, words, address."""
        found = self.figures
        listing = self.address
        theirs = reverse("admin:alipayhk_listedstore_changelist") + f"?mall__id__exact={self.mall.pk}"
        parts = [
            ("wait", _("%(count)s sent"), found.sent, f"{listing}&state__exact=SENT"),
            ("warn", _("%(count)s differ"), found.differs, f"{listing}&state__exact=DIFFERS"),
            ("quiet", _("%(count)s not sent"), self.unsent, f"{listing}&state__exact=NOT_SENT"),
            ("warn", _("%(count)s only at AlipayHK"), found.only_there, theirs),
            ("bad", _("%(count)s given up on"), found.dead, listing),
            ("news", _("%(count)s on their way"), found.waiting, listing),
        ]
        return [
            (tone, words % {"count": formats.number(count)}, address)
            for tone, words, count, address in parts
            if count
        ]

    @property
    def reading(self) -> str:
        if self.run is None:
            return _("AlipayHK's list was never read.")
        if self.run.is_moving:
            return collection_story.said(self.run)
        at = formats.moment(self.run.ended_at)
        if self.run.fault:
            return formats.sentence(
                _("List read %(time)s: %(fault)s"), time=at, fault=collection_story.fault(self.run.fault)
            )
        return formats.sentence(_("List read %(time)s."), time=at)


def of(mall_ids: Collection[int], *, now: datetime) -> list[Covered]:
    """The malls among these that are set up to collect."""
    malls = _malls(mall_ids)[:MOST_MALLS]
    runs = (
        ConfirmationRun.objects.filter(mall__in=malls).order_by("mall", "-asked_at", "-pk").distinct("mall")
    )
    latest = {run.mall_id: run for run in runs}
    return [
        Covered(mall=mall, figures=stores.coverage([mall], now=now), run=latest.get(mall.pk))
        for mall in malls
    ]


@today.source(35)
def confirmed_today(request: HttpRequest, day: Day) -> Part:
    """One figure over all malls that collect; none while nobody does."""
    if not request.user.has_perm("alipayhk.view_storecollection"):
        return Part()
    malls = _malls(scoping.sight_of(request).mall_ids, is_on=True)
    if not malls:
        return Part()
    found = stores.coverage(malls, now=day.now)
    open_ones = found.total - found.confirmed + found.only_there
    note = (
        _("%(count)s need a look") % {"count": formats.number(open_ones)}
        if open_ones
        else _("nothing needs you")
    )
    figure = Figure(
        label=_("Stores confirmed"),
        shown=f"{found.percent}%",
        note=note,
        address=reverse("admin:alipayhk_storecollection_changelist"),
        tone="warn" if open_ones else "",
    )
    return Part(figures=[figure])


@story.heads("pms.store")
def above_stores(request: HttpRequest) -> Panel | None:
    """How many of them AlipayHK has, with the way to what it has not."""
    if not request.user.has_perm("alipayhk.view_storecollection"):
        return None
    covered = of(scoping.sight_of(request).mall_ids, now=clock.now())
    return (
        Panel(title=_("At AlipayHK"), template="coverage", content={"covered": covered}) if covered else None
    )


def _malls(mall_ids: Collection[int], **setup: bool) -> list[Mall]:
    setups = CollectionSetup.objects.filter(credential__mall__in=mall_ids, **setup)
    return list(Mall.objects.filter(pk__in=setups.values("credential__mall")).order_by("name_en", "pk"))
