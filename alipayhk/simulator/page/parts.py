"""The parts of the page that change by themselves: cards, book and calls, as HTML. Every value is escaped."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from alipayhk.simulator import times
from alipayhk.simulator.book import KEPT, PICKED, Notice
from alipayhk.simulator.calls import Call
from alipayhk.simulator.cards import Card
from alipayhk.simulator.clients import Client
from alipayhk.simulator.page.words import Words
from alipayhk.simulator.twin import Twin

CARDS_SHOWN = 24
CALLS_SHOWN = 60
NOTICES_SHOWN = 12
STORES_SHOWN = 12
_SIGNS = {"DONE": "✓", "ACKNOWLEDGED": "✓", "FAULT": "!", "WAITING": "…", "SENDING": "…", "REFUSED": "✕"}


@dataclass(frozen=True)
class Banner:
    """What came of the last thing that a form asked for."""

    number: int
    good: bool
    title: str
    text: str = ""


def header(twin: Twin, language: Words) -> str:
    other = "en" if language.code == "zh-Hant" else "zh-Hant"
    client = twin.clients.need(None)
    mall = escape(language.pick(client.name_en, client.name_zh))
    return (
        f"<header><div><h1>{escape(language('title'))}</h1><p>{escape(language('lead'))}</p></div>"
        f'<div class="where"><span>{escape(language("mall"))} <b>{mall}</b></span>'
        f"<code>{escape(client.mall_url)}/{escape(client.tag)}</code></div>"
        f'<a class="language" href="/phone?lang={language.code}">{escape(language("phone"))}</a>'
        f'<a class="jump" href="#forms">{escape(language("send"))} ↓</a>'
        f'<a class="language" href="/?lang={other}" lang="{other}">{escape(language("other_language"))}</a>'
        "</header>"
    )


def banner(said: Banner | None, language: Words) -> str:
    if said is None:
        return ""
    state, sign = ("good", "✓") if said.good else ("bad", "✕")
    text = f"<pre>{escape(said.text)}</pre>" if said.text else ""
    verdict = language("right") if said.good else language("wrong")
    return (
        f'<section class="banner {state}"><strong>{sign} {escape(verdict)}</strong> '
        f"<span>{escape(said.title)}</span>{text}</section>"
    )


def live(twin: Twin, language: Words) -> str:
    """Everything that changes while one looks."""
    return _cards(twin, language) + _book(twin, language) + _stores(twin, language) + _calls(twin, language)


def _stores(twin: Twin, language: Words) -> str:
    """What malls had collected, the newest first; nothing while nobody collects."""
    held = twin.stores.listing()
    rows = "".join(
        f"<li><code>{escape(one.store_id)}</code><span>{escape(one.store_name or one.merchant_name)}</span>"
        f"<code>{escape(one.merchant_id)}</code><span>{escape(one.mall_label)}</span></li>"
        for one in held[: -STORES_SHOWN - 1 : -1]
    )
    if not rows:
        return ""
    title = f"{escape(language('stores_held'))} <small>{len(held):,}</small>"
    return f'<section><h2>{title}</h2><ul class="notices">{rows}</ul></section>'


def _cards(twin: Twin, language: Words) -> str:
    shown = twin.wallet.listing()
    cards = "".join(_card(card, twin.clients.get(card.client_id), language) for card in shown[:CARDS_SHOWN])
    content = (
        f'<div class="wallet">{cards}</div>'
        if cards
        else f'<p class="empty">{escape(language("no_cards"))}</p>'
    )
    return f"<section><h2>{escape(language('cards'))} <small>{len(shown)}</small></h2>{content}</section>"


def _card(card: Card, client: Client | None, language: Words) -> str:
    mall = language.pick(client.name_en, client.name_zh) if client else card.client_id
    program = client.program if client else {}
    name = language.pick(str(program.get("name_en", "")), str(program.get("name_zh", "")))
    points = "–" if card.points is None else f"{card.points:,}"
    return (
        f'<article class="card {card.status.lower()} tint-{int(card.pass_id[-3:]) % 4}" '
        f'data-pass="{escape(card.pass_id)}" data-points="{points}">'
        f'<div class="top"><div><b>{escape(mall)}</b><span>{escape(name)}</span></div>'
        f"{_pill(card.status, language)}</div>"
        f'<div class="balance"><strong>{points}</strong> {escape(language("points"))}</div>'
        f'<div class="owner"><span>{escape(_owner(card, client, language))}</span>{_curve(card)}</div>'
        f'<div class="strip">{_bars(card.pass_id)}<code>{escape(card.pass_id)}</code></div>'
        f"<footer><span>{escape(language('user'))} <code>{escape(card.user_id or card.open_id)}</code></span>"
        f"<span>{escape(language('updates'))} {card.updates} · {_clock(card.updated_at)}</span>"
        "</footer></article>"
    )


def _owner(card: Card, client: Client | None, language: Words) -> str:
    """The name on the card, if the template has a place for one."""
    placeholders = client.template.placeholders if client else {}
    key = next((key for key, source in placeholders.items() if source == "member_name"), "")
    faces = card.faces.get(language.pick("en_US", "zh_HK")) or next(iter(card.faces.values()), {})
    return str(faces.get(key) or "")


def _curve(card: Card) -> str:
    """What the card showed over its life, as a small line."""
    values = [entry["points"] or 0 for entry in card.history][-20:]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, span = 90 / (len(values) - 1), (high - low) or 1
    dots = " ".join(
        f"{5 + place * step:.0f},{25 - 20 * (value - low) / span:.0f}" for place, value in enumerate(values)
    )
    return f'<svg class="curve" viewBox="0 0 100 30" aria-hidden="true"><polyline points="{dots}"/></svg>'


def _bars(number: str) -> str:
    """A decoration in the manner of a bar code: each digit a bar and a gap."""
    place, bars = 0, []
    for digit in number:
        width = 1 + int(digit) % 3
        bars.append(f'<rect x="{place}" width="{width}" height="28"/>')
        place += width + 1 + int(digit) // 4
    box = f'viewBox="0 0 {place} 28" preserveAspectRatio="none"'
    return f'<svg class="bars" {box} aria-hidden="true">{"".join(bars)}</svg>'


def _book(twin: Twin, language: Words) -> str:
    notices = twin.book.listing()
    states = Counter(notice.state for notice in notices)
    figures = (
        ("sent", len(notices) - states[KEPT] - states[PICKED]),
        ("acknowledged", sum(notice.acknowledged for notice in notices)),
        ("waiting", states["WAITING"] + states["SENDING"]),
        ("not_acknowledged", states["REFUSED"] + states["GIVEN_UP"]),
    )
    tiles = "".join(
        f"<div><b>{value:,}</b><span>{escape(language(key))}</span></div>" for key, value in figures
    )
    rows = "".join(_notice(notice, language) for notice in notices[:NOTICES_SHOWN])
    return (
        f'<section><h2>{escape(language("book"))}</h2><div class="figures">{tiles}</div>'
        f'<ul class="notices">{rows}</ul></section>'
    )


def _notice(notice: Notice, language: Words) -> str:
    amount = (notice.body.get("orderAmount") or notice.body.get("refundAmount") or {}).get("value")
    money = f"HK${amount / 100:,.2f}" if isinstance(amount, int) else ""
    return (
        f'<li><span class="kind">{escape(language(notice.kind))}</span>'
        f"<code>{escape(notice.reference)}</code>"
        f"<span>{money}</span>{_pill(notice.state, language)}"
        f'<span class="quiet">{escape(language("attempts"))} {len(notice.attempts)}</span>'
        f'<form method="post" action="/resend"><input type="hidden" name="lang" value="{language.code}">'
        f'<input type="hidden" name="number" value="{notice.number}">'
        f'<button class="plain">{escape(language("resend"))}</button></form></li>'
    )


def _calls(twin: Twin, language: Words) -> str:
    rows = "".join(_call(call, language) for call in twin.ring.listing(limit=CALLS_SHOWN))
    if not rows:
        empty = f'<p class="empty">{escape(language("no_calls"))}</p>'
        return f"<section><h2>{escape(language('calls'))}</h2>{empty}</section>"
    return f'<section><h2>{escape(language("calls"))}</h2><div class="calls">{rows}</div></section>'


def _call(call: Call, language: Words) -> str:
    direction = call.direction.lower()
    marks = " · ".join(filter(None, (call.fault, "RSA_AES" if call.encrypted else "")))
    fault = f'<span class="fault">{escape(marks)}</span>' if marks else ""
    said = call.code or (str(call.status) if call.status else language("no_answer"))
    return (
        f'<details class="call {direction}" id="call-{call.number}"><summary>'
        f'<time>{_clock(call.at)}</time><span class="arrow">{escape(language(direction))}</span>'
        f"<b>{escape(language(call.api))}</b><code>{escape(call.user_id)}</code>{fault}"
        f'<span class="said">{escape(said)}</span>{_pill(call.outcome, language)}'
        f'<span class="took">{call.seconds * 1000:,.0f} ms</span></summary>'
        f'<div class="wire"><div><h3>{escape(language("request"))}</h3>'
        f"<pre>{escape(_pretty(call.request))}</pre></div>"
        f"<div><h3>{escape(language('answer'))} · HTTP {call.status or '–'}</h3>"
        f"<pre>{escape(_pretty(call.answer))}</pre></div></div>"
        "</details>"
    )


def _pill(state: str, language: Words) -> str:
    sign = _SIGNS.get(state, "")
    return f'<span class="pill {state.lower()}">{sign} {escape(language(state))}</span>'


def _pretty(text: str) -> str:
    try:
        content: Any = json.loads(text)
    except ValueError:
        return text
    return json.dumps(content, ensure_ascii=False, indent=2)


def _clock(moment: str) -> str:
    return times.clock(datetime.fromisoformat(moment))
