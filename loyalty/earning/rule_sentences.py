"""A rule version, or a draft of one, as a sentence that staff can read, in either language."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time

from django.utils import translation
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from loyalty.earning.drafts import Draft
from loyalty.earning.models import Rule, RuleVersion
from members.models import Program, Tier
from pms import formats, store_rows
from pms.models import Mall, Store

Said = RuleVersion | Draft
Names = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Called:
    """What the codes of a scope are called, in English and Chinese; a code without a name stands for itself."""

    malls: Names = field(default_factory=dict)
    stores: Names = field(default_factory=dict)
    tiers: Names = field(default_factory=dict)


BY_CODE = Called()


def called(program: Program) -> Called:
    malls = Mall.objects.filter(group_id=program.group_id).values_list("tag", "name_en", "name_zh")
    stores = Store.objects.filter(group_id=program.group_id)
    shown = stores.values_list("code", "pms_label", "name_en", "name_zh")
    tiers = Tier.objects.filter(program=program).values_list("code", "name_en", "name_zh")
    return Called(
        malls={tag: (english, chinese) for tag, english, chinese in malls},
        stores={code or label: (english, chinese) for code, label, english, chinese in shown},
        tiers={code: (english, chinese) for code, english, chinese in tiers},
    )


def called_in_lists(program: Program) -> Called:
    """From what a list has prefetched: its stores stay codes, since naming them would read every store."""
    return Called(
        malls={mall.tag: (mall.name_en, mall.name_zh) for mall in program.group.malls.all()},
        tiers={tier.code: (tier.name_en, tier.name_zh) for tier in program.tiers.all()},
    )


def both(said: Said, *, kind: str = "", names: Called = BY_CODE) -> list[str]:
    """English and Traditional Chinese."""
    return [sentence(said, language, kind=kind, names=names) for language in ("en", "zh-hant")]


def sentence(said: Said, language: str, *, kind: str = "", names: Called = BY_CODE) -> str:
    """`kind` is asked of a draft, which has no rule yet."""
    known = said.rule.kind if isinstance(said, RuleVersion) else kind
    with translation.override(language):
        if said.is_off:
            return _("Switched off: it pays nothing.")
        words = _("; ").join(clause for clause in _clauses(known, said, names) if clause)
        return words[:1].upper() + words[1:] + _(".")


def word(code: str) -> str:
    """What a category, tender or kind of purchase is called in the reader's language; a strange code as it is."""
    return _words().get(code, code)


def _clauses(kind: str, said: Said, names: Called) -> Iterator[str]:
    yield _what(kind, said)
    yield _occasion(said)
    if said.takes_tier_factor:
        yield _("times the factor of the member's tier")
    yield from _scope(said, names)
    yield from _schedule(said)
    yield _minimum(said)
    if said.max_spend_cents is not None and kind != Rule.Kind.CEILING:
        yield _("at most %(ceiling)s counted per transaction") % {
            "ceiling": formats.money(said.max_spend_cents)
        }
    yield from _limits(said)
    yield from _stacking(said)
    if said.hold_days:
        yield _("on hold for %(days)s after payment") % {"days": formats.days(said.hold_days)}
    yield from _exclusions(said)


def _what(kind: str, said: Said) -> str:
    points = formats.points(said.points_numerator)
    per = said.points_denominator
    if kind == Rule.Kind.CEILING:
        return _("at most %(ceiling)s of a transaction counts") % {
            "ceiling": formats.money(said.max_spend_cents or 0)
        }
    if kind == Rule.Kind.FLAT:
        return _("a bonus of %(points)s") % {"points": points}
    if kind == Rule.Kind.EXTRA and said.step_cents:
        return _("%(points)s extra for each full %(step)s") % {
            "points": points,
            "step": formats.money(said.step_cents),
        }
    if kind == Rule.Kind.EXTRA:
        return _("%(points)s extra per HK$%(per)s") % {"points": points, "per": per}
    if kind == Rule.Kind.RATE:
        return _("%(points)s per HK$%(per)s instead of the base rate") % {"points": points, "per": per}
    is_half_up = said.rounding == RuleVersion.Rounding.HALF_UP
    rounding = _("rounded half up") if is_half_up else _("rounded down")
    return _("%(points)s per HK$%(per)s, %(rounding)s") % {"points": points, "per": per, "rounding": rounding}


def _occasion(said: Said) -> str:
    if said.occasion == RuleVersion.Occasion.WELCOME:
        return _("a welcome gift with the first transaction that earns")
    if said.occasion == RuleVersion.Occasion.BIRTHDAY:
        return _("in the member's month of birth")
    return ""


def _scope(said: Said, names: Called) -> Iterator[str]:
    if said.malls:
        yield _("at %(places)s") % {"places": _named(said.malls, names.malls)}
    if said.stores:
        yield _("at %(places)s") % {"places": _named(said.stores, names.stores)}
    if said.categories:
        yield _("for %(categories)s") % {"categories": _listed(word(code) for code in said.categories)}
    if said.tiers:
        yield _("for %(tiers)s members") % {"tiers": _named(said.tiers, names.tiers)}


def _schedule(said: Said) -> Iterator[str]:
    if said.first_date and said.last_date:
        yield _("%(first)s to %(last)s") % {"first": _day(said.first_date), "last": _day(said.last_date)}
    elif said.first_date:
        yield _("from %(first)s") % {"first": _day(said.first_date)}
    elif said.last_date:
        yield _("until %(last)s") % {"last": _day(said.last_date)}
    if said.weekdays:
        yield _weekdays(sorted(said.weekdays))
    if said.from_time or said.to_time:
        yield f"{_hour(said.from_time, '00:00')}–{_hour(said.to_time, '24:00')}"


def _weekdays(days: list[int]) -> str:
    called = [str(WEEKDAYS[day - 1]) for day in days if 1 <= day <= 7]
    if len(called) > 2 and days[-1] - days[0] == len(days) - 1:
        return _("%(first)s to %(last)s") % {"first": called[0], "last": called[-1]}
    return _listed(called)


def _minimum(said: Said) -> str:
    if not said.min_spend_cents:
        return ""
    words = _("from %(minimum)s net of refunds") if said.is_min_spend_on_net else _("from %(minimum)s")
    return words % {"minimum": formats.money(said.min_spend_cents)}


def _limits(said: Said) -> Iterator[str]:
    if said.limit_amount is not None:
        each = {
            "DAY": _("at most %(amount)s per member and day"),
            "MONTH": _("at most %(amount)s per member and month"),
            "YEAR": _("at most %(amount)s per member and year"),
            "EVER": _("at most %(amount)s per member, ever"),
        }.get(said.limit_period, _("at most %(amount)s per member"))
        where = _(", in each mall") if said.is_limit_per_mall else ""
        yield each % {"amount": limit_amount(said.limit_amount, said.limit_unit)} + where
    if said.budget_points is not None:
        yield _("until %(points)s have been given in all") % {"points": formats.points(said.budget_points)}


def limit_amount(amount: int, unit: str) -> str:
    """An amount of a limit in the unit that it counts."""
    if unit == RuleVersion.Unit.CENTS:
        return _("%(money)s of spend") % {"money": formats.money(amount)}
    if unit == RuleVersion.Unit.STEPS:
        return _("%(count)s steps") % {"count": formats.number(amount)}
    if unit == RuleVersion.Unit.POINTS:
        return formats.points(amount)
    return _("once") if amount == 1 else _("%(count)s times") % {"count": formats.number(amount)}


def _stacking(said: Said) -> Iterator[str]:
    if said.stacking == RuleVersion.Stacking.EXCLUSIVE:
        yield _("alone: no other offer beside the rate")
    elif said.stacking == RuleVersion.Stacking.BEST_OF:
        yield _("only the best offer of the group “%(group)s”") % {"group": said.stacking_group}


def _exclusions(said: Said) -> Iterator[str]:
    out = (*said.excluded_categories, *said.excluded_tenders, *said.excluded_items)
    if out:
        yield _("nothing for %(excluded)s") % {"excluded": _listed(dict.fromkeys(word(code) for code in out))}


def named(code: str, names: Names) -> str:
    """A mall, store or tier in the reader's language."""
    english, chinese = names.get(code, (code, code))
    return (chinese if formats.is_chinese() and chinese else english) or code


def _named(codes: Iterable[str], names: Names) -> str:
    return _listed(named(code, names) for code in codes)


def _listed(words: Iterable[str]) -> str:
    return _(", ").join(words)


def _day(day: date) -> str:
    return date_format(day, "Y年n月j日" if formats.is_chinese() else "j M Y")


def _hour(at: time | None, otherwise: str) -> str:
    return f"{at:%H:%M}" if at else otherwise


def _words() -> dict[str, str]:
    return {
        **{code: str(called) for code, called in store_rows.CATEGORIES.items()},
        "CASH": _("cash"), "VOUCHER": _("vouchers"), "GIFT_CARD": _("gift cards"), "PREPAID_CARD": _("prepaid cards"),
        "POINTS": _("points"), "TOP_UP": _("top-ups"), "TICKET": _("tickets"), "PARKING": _("parking"),
        "SCHOOL_FEE": _("school fees"), "TELECOM_FEE": _("telecom bills"),
        "HANDWRITTEN": _("handwritten receipts"), "REPRINT": _("reprinted receipts"), "BILL": _("bills"),
    }  # fmt: skip
