"""The simulator's web page: its cards, its calls, and forms that send notices and plan faults.

Server-rendered and complete without scripts; the one script only refreshes and saves reloading.
"""

import json
from collections import deque
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from alipayhk.simulator import faults, scenarios
from alipayhk.simulator.clients import ClientRefused
from alipayhk.simulator.faults import FaultRefused
from alipayhk.simulator.gateway import Request
from alipayhk.simulator.notices import NoticeRefused, new_user
from alipayhk.simulator.page import forms, parts, words
from alipayhk.simulator.page.parts import Banner
from alipayhk.simulator.page.words import Words
from alipayhk.simulator.replies import Reply
from alipayhk.simulator.twin import Twin

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FILES = {
    "/simulator.css": "text/css; charset=UTF-8",
    "/simulator.js": "text/javascript; charset=UTF-8",
    "/favicon.svg": "image/svg+xml",
}
_FOLDER = Path(__file__).parent
_BANNERS_KEPT = 50

Fields = dict[str, str]


class Page:
    """Answers everything that is neither gateway nor control API."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._banners: deque[Banner] = deque(maxlen=_BANNERS_KEPT)
        self._actions: dict[str, Callable[[Fields], Banner]] = {
            "/send": self._send,
            "/faults": self._plan,
            "/scenarios": self._play,
            "/resend": self._resend,
        }

    def answer(self, request: Request) -> Reply:
        address = urlsplit(request.target.decode("ascii", "replace"))
        query = dict(parse_qsl(address.query))
        if request.method == "POST" and address.path in self._actions:
            return self._act(address.path, _fields(request.body))
        if request.method == "GET" and address.path in _FILES:
            return _file(address.path)
        if request.method == "GET" and address.path in ("/", "/live"):
            return self._show(address.path, query)
        return _html("<p>404</p>", status=404)

    def _show(self, path: str, query: Fields) -> Reply:
        language = words.in_language(query.get("lang", ""))
        live = parts.live(self._twin, language)
        if path == "/live":
            return _html(live)
        number = query.get("said", "")
        banner = next((one for one in self._banners if str(one.number) == number), None)
        return _html(_document(self._twin, language, live=live, banner=banner))

    def _act(self, path: str, fields: Fields) -> Reply:
        """Do what a form asks and send the browser back to the page, which says how it went."""
        try:
            banner = self._actions[path](fields)
        except (NoticeRefused, FaultRefused, ClientRefused, ValueError) as error:
            banner = self._say(good=False, title=str(error))
        query = urlencode({"lang": fields.get("lang", "en"), "said": banner.number})
        return Reply(status=303, body=b"", headers={"Location": f"/?{query}"})

    def _send(self, fields: Fields) -> Banner:
        notice = self._twin.send(_order(fields))
        seen = ", ".join(f"{one['status']} {one['code'] or one['why']}" for one in notice.attempts)
        # A forged notice has come out well when it was turned away.
        good = notice.acknowledged != (notice.fault in faults.FORGED)
        return self._say(good=good, title=f"{notice.kind} {notice.reference}", text=seen)

    def _resend(self, fields: Fields) -> Banner:
        notice = self._twin.resend(int(fields.get("number", "0")))
        last = notice.attempts[-1]
        text = f"{last['status']} {last['code'] or last['why']}"
        return self._say(good=last["code"] == "SUCCESS", title=f"{notice.kind} {notice.reference}", text=text)

    def _plan(self, fields: Fields) -> Banner:
        if fields.get("clear"):
            self._twin.plan.clear()
            return self._say(good=True, title="0")
        planned = faults.read_planned(_named(fields, "api", "fault", "code") | {"times": _times(fields)})
        self._twin.plan.add(planned)
        return self._say(good=True, title=f"{planned.api}: {planned.fault.name} × {planned.times}")

    def _play(self, fields: Fields) -> Banner:
        name = fields.get("run", "")
        if name not in scenarios.SCENARIOS:
            raise NoticeRefused(f"no scenario {name}")
        result = self._twin.play(name)
        text = json.dumps({"expected": result["expected"], "actual": result["actual"]}, indent=2)
        return self._say(good=result["ok"], title=name, text=text)

    def _say(self, *, good: bool, title: str, text: str = "") -> Banner:
        number = self._banners[-1].number + 1 if self._banners else 1
        banner = Banner(number=number, good=good, title=title, text=text)
        self._banners.append(banner)
        return banner


def _fields(body: bytes) -> Fields:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _order(fields: Fields) -> dict[str, Any]:
    """The form *Send a notice* in the words of the control API."""
    kind = fields.get("kind", "bill")
    user_id = fields.get("user_id", "").strip() or new_user()
    cents = 0 if kind == "membercard" else _cents(fields.get("amount", ""))
    amount = {"currency": "HKD", "value": cents}
    wire: dict[str, dict[str, Any]] = {
        "membercard": {"userId": user_id},
        "bill": {"userId": user_id, "orderAmount": amount, **_named(fields, "pmsLabel", "billNo")},
        "refund": {
            "userId": user_id,
            "refundAmount": amount,
            "relateBillNo": fields.get("billNo", "").strip(),
        },
    }
    order: dict[str, Any] = {"kind": kind, "fields": wire.get(kind, {}), "fault": fields.get("fault", "none")}
    return order | _named(fields, "client_id")


def _named(fields: Fields, *names: str) -> Fields:
    return {name: fields[name].strip() for name in names if fields.get(name, "").strip()}


def _cents(text: str) -> int:
    """HK$ with at most two decimals, read without floats."""
    whole, _, part = text.strip().replace(",", "").partition(".")
    if not (text.isascii() and whole.isdigit() and len(part) <= 2 and (part.isdigit() or not part)):
        raise NoticeRefused("the amount must look like 138.90")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def _times(fields: Fields) -> int | None:
    text = fields.get("times", "1")
    return None if text == "all" else int(text)


def _document(twin: Twin, language: Words, *, live: str, banner: Banner | None) -> str:
    title = escape(language("title"))
    return (
        f'<!doctype html><html lang="{language.code}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/simulator.css"><link rel="icon" href="/favicon.svg">'
        '<script src="/simulator.js" defer></script></head><body>'
        f"{parts.header(twin, language)}<main>"
        f'<div id="banner" aria-live="polite">{parts.banner(banner, language)}</div>'
        f'<div class="columns"><div id="live" data-url="/live?lang={language.code}">{live}</div>'
        f'<aside id="forms">{forms.all_forms(twin, language)}</aside></div></main></body></html>'
    )


def _html(content: str, *, status: int = 200) -> Reply:
    headers = {
        "Content-Type": "text/html; charset=UTF-8",
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Reply(status=status, body=content.encode(), headers=headers)


def _file(path: str) -> Reply:
    body = (_FOLDER / path.removeprefix("/")).read_bytes()
    headers = {
        "Content-Type": _FILES[path],
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
    }
    return Reply(status=200, body=body, headers=headers)
