"""The phone's one HTML page: its frame, what to try beside it, and everything its script starts from."""

import json
from html import escape
from typing import Any

from alipayhk.simulator import notices
from alipayhk.simulator.clients import Client
from alipayhk.simulator.page.words import Words
from alipayhk.simulator.phone import phrases

MALLS_SHOWN = 12
STEPS = ("person", "join", "pay", "refund", "mini", "submit")

Json = dict[str, Any]


def render(*, language: Words, malls: list[Client], people: list[Json], user_id: str) -> str:
    words = phrases.in_language(language.code)
    setup = {
        "language": language.code,
        "user_id": user_id,
        "words": words,
        "malls": [_mall(client, language) for client in malls[:MALLS_SHOWN]],
        "people": people,
        "number": notices.new_mobile().removeprefix("852-"),
    }
    return (
        f'<!doctype html><html lang="{language.code}"><head><meta charset="utf-8">'
        f"<title>{escape(words['title'])}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
        '<link rel="icon" href="/favicon.svg">'
        '<link rel="stylesheet" href="/phone/frame.css"><link rel="stylesheet" href="/phone/phone.css">'
        '<script src="/phone/my.js" defer></script><script src="/phone/phone.js" type="module"></script></head>'
        f'<body class="ph-page" data-setup="{escape(json.dumps(setup, ensure_ascii=False))}">'
        f'<div class="ph-desk">{_aside(words, language, user_id)}'
        f"{_device(words)}{_wire(words)}</div></body></html>"
    )


def _aside(words: dict[str, str], language: Words, user_id: str) -> str:
    other = "en" if language.code == "zh-Hant" else "zh-hant"
    steps = "".join(
        f'<li data-step="{step}"><span class="ph-check"></span>{escape(words[f"try_{step}"])}</li>'
        for step in STEPS
    )
    user = f"&amp;user={escape(user_id)}" if user_id else ""
    return (
        f'<aside class="ph-try"><p class="ph-links"><a href="/?lang={language.code}" data-test="to-simulator">'
        f'← {escape(words["simulator"])}</a><a href="/phone?lang={other}{user}" lang="{other}" '
        f'data-test="language">{escape(words["other_language"])}</a></p>'
        f"<h1>{escape(words['desk_title'])}</h1><p>{escape(words['desk_lead'])}</p>"
        f"<h2>{escape(words['try_title'])}</h2><ol>{steps}</ol>"
        f'<p class="ph-quiet">{escape(words["try_lock"])}</p></aside>'
    )


def _device(words: dict[str, str]) -> str:
    return (
        '<main class="ph-device"><button type="button" class="ph-side" id="ph-side" data-test="lock" '
        f'aria-label="{escape(words["lock"])}"></button><div class="ph-glass" id="ph-glass">'
        '<div class="ph-status" aria-hidden="true"><time id="ph-clock"></time><span class="ph-island"></span>'
        f'<span class="ph-signs"><i>{escape(words["simulated"])}</i><b></b></span></div>'
        '<div class="ph-stage" id="ph-stage"></div><div id="ph-pushes" role="status"></div>'
        f"<noscript><p>{escape(words['needs_script'])}</p></noscript></div></main>"
    )


def _wire(words: dict[str, str]) -> str:
    return (
        f'<aside class="ph-wire"><h2>{escape(words["wire_title"])}</h2><p>{escape(words["wire_lead"])}</p>'
        '<ol id="ph-calls" data-test="calls"></ol></aside>'
    )


def _mall(client: Client, language: Words) -> Json:
    program = client.program
    return {
        "client": client.client_id,
        "tag": client.tag,
        "url": client.mall_url,
        "name": language.pick(client.name_en, client.name_zh),
        "program": language.pick(str(program.get("name_en") or ""), str(program.get("name_zh") or "")),
        "stores": [
            {
                "label": store["pms_label"],
                "name": language.pick(str(store.get("name_en") or ""), str(store.get("name_zh") or ""))
                or str(store["pms_label"]),
            }
            for store in client.stores
            if store.get("pms_label")
        ],
    }
