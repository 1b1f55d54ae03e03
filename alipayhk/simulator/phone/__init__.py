"""A phone with a wallet like AlipayHK's, for a browser: what people see and tap on the other side of the wire.

It drives the twin as AlipayHK's own servers would be driven, and lets a mall's mini-app talk to its mall.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from alipayhk.simulator.clients import ClientRefused
from alipayhk.simulator.gateway import Request
from alipayhk.simulator.notices import NoticeRefused
from alipayhk.simulator.page import POLICY, words
from alipayhk.simulator.phone import document, network, state
from alipayhk.simulator.phone.people import People
from alipayhk.simulator.phone.taps import Taps
from alipayhk.simulator.replies import Reply
from alipayhk.simulator.twin import Twin

_FOLDER = Path(__file__).parent
_FILES = {
    **{f"{name}.css": "text/css; charset=UTF-8" for name in ("frame", "phone")},
    **{
        f"{name}.js": "text/javascript; charset=UTF-8"
        for name in ("kit", "mini", "my", "paying", "phone", "wallet")
    },
}

Json = dict[str, Any]


class Phone:
    """Answers everything under /phone."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._people = People(twin.journal, book=twin.book, wallet=twin.wallet)
        taps = Taps(twin, self._people)
        self._taps: dict[str, Callable[[Json], Json]] = {
            "people": taps.make,
            "join": taps.join,
            "pay": taps.pay,
            "refund": taps.refund,
            "authorize": taps.authorize,
            "withdraw": taps.withdraw,
            "batch": taps.pick,
            "request": self._request,
        }

    def answer(self, request: Request) -> Reply:
        address = urlsplit(request.target.decode("ascii", "replace"))
        query, name = dict(parse_qsl(address.query)), address.path.removeprefix("/phone").strip("/")
        if request.method == "POST" and name in self._taps:
            return self._tap(name, request)
        if request.method != "GET":
            return _json({"error": "no such button"}, status=404)
        if name.startswith("miniapp/"):
            return self._package_file(name.removeprefix("miniapp/"), query)
        return self._show(name, query)

    def _show(self, name: str, query: dict[str, str]) -> Reply:
        if not name:
            return self._page(query)
        if name == "state":
            person = self._people.find(query.get("user", ""))
            if person is None:
                return _json({"error": "nobody has this user ID"}, status=404)
            return _json(state.show(self._twin, self._people, person))
        if name in _FILES:
            return _reply(200, (_FOLDER / name).read_bytes(), _FILES[name])
        return _json({"error": "not here"}, status=404)

    def _page(self, query: dict[str, str]) -> Reply:
        person = self._people.find(query.get("user", ""))
        page = document.render(
            language=words.in_language(query.get("lang", "")),
            malls=self._twin.clients.listing(),
            people=[state.show_person(one) for one in self._people.listing()],
            user_id=person.user_id if person else "",
        )
        return _reply(200, page.encode(), "text/html; charset=UTF-8")

    def _tap(self, name: str, request: Request) -> Reply:
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _json({"error": "the body must be JSON"}, status=415)
        try:
            order = json.loads(request.body)
            if not isinstance(order, dict):
                raise NoticeRefused("the body must be a JSON object")
            return _json(self._taps[name](order))
        except (NoticeRefused, ClientRefused) as refusal:
            return _json({"error": str(refusal)}, status=400)
        except ValueError:
            return _json({"error": "the body is not JSON"}, status=400)
        except network.Elsewhere:
            return _json({"error": "a mini-app may call its own mall alone"}, status=403)
        except network.Unreachable:
            return _json({"error": "the mall does not answer"}, status=502)

    def _request(self, order: Json) -> Json:
        """`my.request`: what the mini-app wants sent, and what the mall said to it, as text."""
        client = self._twin.clients.need(str(order.get("client_id") or ""))
        body, headers = order.get("body"), order.get("headers", {})
        if not isinstance(headers, dict) or not isinstance(body, str | None):
            raise NoticeRefused("headers must be an object, body a text")
        answer = network.call(
            client,
            method=str(order.get("method") or "GET").upper(),
            url=str(order.get("url") or ""),
            headers={str(name): str(value) for name, value in headers.items()},
            body=None if body is None else body.encode(),
        )
        return {
            "status": answer.status,
            "headers": answer.headers,
            "body": answer.body.decode("utf-8", "replace"),
        }

    def _package_file(self, name: str, query: dict[str, str]) -> Reply:
        kind = network.file_type(name)
        if kind is None:
            return _json({"error": "a mini-app has no such file"}, status=404)
        try:
            client = self._twin.clients.need(query.get("client"))
            answer = network.package_file(client, name)
        except ClientRefused as refusal:
            return _json({"error": str(refusal)}, status=404)
        except network.Unreachable:
            return _json({"error": "the mall does not answer"}, status=502)
        if answer.status != 200:
            return _json({"error": f"the mall answers {answer.status}"}, status=404)
        return _reply(200, answer.body, kind)


def _json(content: Json, *, status: int = 200) -> Reply:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return _reply(status, body, "application/json; charset=UTF-8")


def _reply(status: int, body: bytes, kind: str) -> Reply:
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Reply(status=status, body=body, headers=headers)
