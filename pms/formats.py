"""How figures, times, states and ids look on staff screens. Returns escaped HTML or plain words; reads no database."""

from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from pms import clock

# A pill has a word, a color and a sign, since color alone says nothing to one man in twelve.
SIGNS = {"good": "✓", "wait": "⋯", "bad": "✕", "warn": "!", "quiet": "–", "news": "•"}
NOTHING = "–"
# A spreadsheet runs a cell that begins with one of these; some take the full-width ones for the same.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
AGES = ((86400 * 2, 86400), (3600 * 2, 3600), (60, 60))


def money(cents: int, currency: str = "HKD") -> str:
    """`HK$1,234.50`; other currencies as their code and the smallest unit, since not all have two decimals."""
    if currency != "HKD":
        return f"{currency} {cents:,} ({_('smallest unit')})"
    sign = "−" if cents < 0 else ""
    return f"{sign}HK${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def number(value: int) -> str:
    return f"{value:,}".replace("-", "−")


def signed(value: int) -> str:
    return f"{value:+,}".replace("-", "−") if value else "0"


def points(value: int) -> str:
    return ngettext("%(points)s point", "%(points)s points", abs(value)) % {"points": number(value)}


def is_chinese() -> bool:
    return (get_language() or "").startswith("zh")


def name_of(thing: Any) -> str:
    """The name in the reader's language."""
    return str(thing.name_zh if is_chinese() and thing.name_zh else thing.name_en)


def both_names(thing: Any, *, is_big: bool = False) -> SafeString:
    """The name in the reader's language, and the other below it: counters speak both."""
    first, second = (thing.name_zh, thing.name_en) if is_chinese() else (thing.name_en, thing.name_zh)
    return two_lines(big(first) if is_big else first, second)


def pill(tone: str, word: object) -> SafeString:
    return format_html(
        '<span class="pill {}"><span aria-hidden="true">{}</span> {}</span>',
        tone,
        SIGNS[tone],
        capfirst(str(word)),
    )


def word(text: object) -> str:
    """A choice's name where it stands alone."""
    return str(capfirst(str(text)))


def moment(at: datetime | None) -> SafeString | str:
    """`21 Nov 14:32` in Hong Kong, with the year when it is another one; the exact time on hover."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at, clock.HONG_KONG)
    return _time(at, date_format(local, _short_form(local)))


def day(on: date) -> str:
    """`21 Nov`, with the year when it is another one."""
    return date_format(on, _short_form(on).removesuffix(" H:i"))


def age(at: datetime | None) -> SafeString | str:
    """`12 min`, with the exact time on hover."""
    return NOTHING if at is None else _time(at, span(clock.now() - at))


def due(at: datetime | None) -> SafeString | str:
    """A countdown, kept going by the page's script."""
    if at is None:
        return NOTHING
    left = at - clock.now()
    words = _("due now") if left <= timedelta() else _("in %(span)s") % {"span": span(left)}
    return format_html(
        '<time datetime="{}" title="{}" data-due="{}">{}</time>',
        at.isoformat(),
        exact(at),
        _("due now"),
        words,
    )


def exact(at: datetime) -> str:
    return f"{timezone.localtime(at, clock.HONG_KONG):%Y-%m-%d %H:%M:%S} HKT"


def span(length: timedelta) -> str:
    """A length of time in words, rounded down to one unit."""
    seconds = max(int(length.total_seconds()), 0)
    unit = next((unit for least, unit in AGES if seconds >= least), 1)
    count = seconds // unit
    return {86400: _("%(count)s d"), 3600: _("%(count)s h"), 60: _("%(count)s min"), 1: _("%(count)s s")}[
        unit
    ] % {"count": count}


def days(count: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", count) % {"count": count}


def identifier(text: str) -> SafeString | str:
    """An id in full, in a fixed-width face, with a button that copies it."""
    if not text:
        return NOTHING
    return format_html(
        '<span class="id"><code>{}</code><button type="button" class="copy" data-copy="{}" aria-label="{}" title="{}">'
        "</button></span>",
        text, text, _("Copy"), _("Copy"),
    )  # fmt: skip


def big(text: object) -> SafeString:
    """The figure a page is about."""
    return format_html('<span class="big">{}</span>', text)


def column(text: object, *, is_minus: bool = False) -> SafeString:
    """A figure in a list: right-aligned."""
    return format_html('<span class="n{}">{}</span>', " minus" if is_minus else "", text)


def two_lines(first: object, second: object) -> SafeString:
    return format_html('<span class="lines">{}<span class="sub">{}</span></span>', first, second)


def link(address: str | None, text: object) -> SafeString | str:
    return format_html('<a href="{}">{}</a>', address, text) if address else format_html("{}", text)


def sentence(words: str, **parts: object) -> SafeString:
    """A translated sentence with marked-up parts in its places."""
    return format_html(words.replace("%(", "{").replace(")s", "}"), **parts)


def masked_phone(phone: str) -> str:
    """`+852 •••• 5678`: enough to recognize, not enough to call."""
    return f"{phone[:4]} •••• {phone[-4:]}" if len(phone) > 8 else "••••" * bool(phone)


def masked_email(email: str) -> str:
    name, at, host = email.partition("@")
    return f"{name[:1]}•••{at}{host}" if name else ""


def _time(at: datetime, words: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), words)


def _short_form(local: date) -> str:
    year = local.year != timezone.localtime(clock.now(), clock.HONG_KONG).year
    if is_chinese():
        return "Y年n月j日 H:i" if year else "n月j日 H:i"
    return "j M Y H:i" if year else "j M H:i"
