"""The duplicates report in words: its breakdowns with names in both languages, for the screen and for files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import partial

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import override

from loyalty.earning.models import Transaction
from loyalty.review.reports import Pair, Report, Sums
from pms.models import Mall, Store


@dataclass(frozen=True, kw_only=True)
class Line:
    name_en: str
    name_zh: str
    sums: Sums
    day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    title: str
    heading: str
    lines: list[Line]


def breakdowns(report: Report) -> list[Breakdown]:
    return [
        Breakdown(title=_("By mall"), heading=_("Mall"), lines=_malls(report)),
        Breakdown(title=_("By pair of channels"), heading=_("First through → again through"), lines=_pairs(report)),
        Breakdown(title=_("By store"), heading=_("Store"), lines=_stores(report)),
        Breakdown(title=_("By day"), heading=_("Day"), lines=_days(report)),
    ]  # fmt: skip


def _malls(report: Report) -> list[Line]:
    malls = Mall.objects.in_bulk(report.by_mall)
    return [
        Line(name_en=malls[mall_id].name_en, name_zh=malls[mall_id].name_zh, sums=sums)
        for mall_id, sums in report.by_mall.items()
    ]


def _pairs(report: Report) -> list[Line]:
    return [_line(partial(_pair, pair), sums) for pair, sums in report.by_pair.items()]


def _pair(pair: Pair) -> str:
    return " → ".join(capfirst(str(Transaction.Channel(channel).label)) for channel in pair)


def _stores(report: Report) -> list[Line]:
    known = (store_id for store_id in report.by_store if store_id is not None)
    stores = Store.objects.select_related("mall").in_bulk(list(known))
    return [
        _store(stores[store_id], sums) if store_id else _line(lambda: _("Store not known yet"), sums)
        for store_id, sums in report.by_store.items()
    ]


def _store(store: Store, sums: Sums) -> Line:
    """Chains have one name in every mall, so the mall's stands beside it."""
    english = (store.name_en, store.mall.name_en)
    chinese = (store.name_zh or store.name_en, store.mall.name_zh or store.mall.name_en)
    return Line(name_en=_joined(english), name_zh=_joined(chinese), sums=sums)


def _joined(names: Iterable[str]) -> str:
    return " · ".join(name for name in names if name)


def _days(report: Report) -> list[Line]:
    return [
        Line(name_en=f"{day}", name_zh=f"{day}", sums=sums, day=day) for day, sums in report.by_day.items()
    ]


def _line(said: Callable[[], str], sums: Sums) -> Line:
    with override("en"):
        english = said()
    with override("zh-hant"):
        return Line(name_en=english, name_zh=said(), sums=sums)
