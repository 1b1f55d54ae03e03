"""The control API under /control/: JSON in, JSON out. What tests, the demo and `manage simulate` speak to."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from alipayhk.simulator import authorizations, calls, clients, faults, scenarios
from alipayhk.simulator.clients import ClientRefused
from alipayhk.simulator.faults import FaultRefused
from alipayhk.simulator.notices import NoticeRefused
from alipayhk.simulator.twin import Twin

Json = dict[str, Any]
Query = dict[str, str]
_OPTIONS = ("patience", "rest", "watch", "quiet", "seed")


class Unknown(Exception):
    """Nothing answers to this name."""


class Control:
    """Routes requests of the control API to the twin."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._routes: dict[tuple[str, str], Callable[[Query, Json], Json]] = {
            ("GET", "cards"): self._cards,
            ("GET", "calls"): self._calls,
            ("GET", "book"): self._book,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "clients"): self._clients,
            ("POST", "clients"): self._add_client,
            ("GET", "keys"): self._keys,
            ("POST", "send"): self._send,
            ("POST", "resend"): self._resend,
            ("POST", "batches"): self._make_batch,
            ("GET", "authorizations"): self._authorizations,
            ("POST", "authorizations"): self._authorize,
            ("DELETE", "authorizations"): self._revoke,
            ("POST", "token-life"): self._set_token_life,
            ("GET", "stores"): self._stores,
            ("POST", "stores"): self._put_stores,
            ("DELETE", "stores"): self._remove_store,
            ("POST", "pages"): self._count_pages,
            ("GET", "scenarios"): self._scenarios,
            ("POST", "scenarios"): self._play,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, path: str, query: Query, body: bytes) -> tuple[int, Json]:
        """HTTP status and JSON for a request; what cannot be done is said in `error`."""
        name, _, rest = path.removeprefix("/control/").partition("/")
        route = self._routes.get((method, name))
        if route is None:
            return 404, {"error": f"no {method} /control/{name}"}
        try:
            return 200, route({**query, "id": rest}, _read(body))
        except Unknown as error:
            return 404, {"error": str(error)}
        except (NoticeRefused, FaultRefused, ClientRefused) as error:
            return 400, {"error": str(error)}

    def _cards(self, query: Query, _order: Json) -> Json:
        if query["id"]:
            card = self._twin.wallet.find(query["id"])
            if card is None:
                raise Unknown(f"no card {query['id']}")
            return asdict(card)
        cards = self._twin.wallet.listing(client_id=query.get("client_id"), user_id=query.get("user_id"))
        return {"cards": [asdict(card) for card in cards]}

    def _calls(self, query: Query, _order: Json) -> Json:
        found = self._twin.ring.listing(
            direction=query.get("direction"),
            user_id=query.get("user_id"),
            after=_number(query.get("after", "0"), "after"),
            limit=_number(query.get("limit", str(calls.KEPT)), "limit"),
        )
        return {"calls": [calls.to_json(call) for call in found], "last": self._twin.ring.last_number()}

    def _book(self, query: Query, _order: Json) -> Json:
        if query["id"]:
            notice = self._twin.book.find(_number(query["id"], "id"))
            if notice is None:
                raise Unknown(f"no notice {query['id']}")
            return asdict(notice)
        found = self._twin.book.listing(user_id=query.get("user_id"), client_id=query.get("client_id"))
        return {"notices": [asdict(notice) for notice in found]}

    def _faults(self, _query: Query, _order: Json) -> Json:
        return {
            "planned": self._twin.plan.listing(),
            "gateway": [asdict(choice) for choice in faults.GATEWAY_MENU.values()],
            "notices": [asdict(choice) for choice in faults.NOTICE_MENU.values()],
        }

    def _add_fault(self, _query: Query, order: Json) -> Json:
        self._twin.plan.add(faults.read_planned(order))
        return {"planned": self._twin.plan.listing()}

    def _clear_faults(self, query: Query, _order: Json) -> Json:
        self._twin.plan.clear(user_id=query.get("user_id"))
        return {"planned": self._twin.plan.listing()}

    def _clients(self, _query: Query, _order: Json) -> Json:
        return {"clients": [clients.to_json(client) for client in self._twin.clients.listing()]}

    def _add_client(self, _query: Query, order: Json) -> Json:
        client = self._twin.register_client(order)
        return {"client": clients.to_json(client), **self._keys({}, {})}

    def _keys(self, _query: Query, _order: Json) -> Json:
        return {"public_keys": self._twin.keys.public_keys(), "gateway_url": self._twin.url}

    def _send(self, _query: Query, order: Json) -> Json:
        return {"notice": asdict(self._twin.send(order))}

    def _resend(self, query: Query, order: Json) -> Json:
        number = _number(str(query["id"] or order.get("number", "")), "number")
        return {"notice": asdict(self._twin.resend(number))}

    def _make_batch(self, _query: Query, order: Json) -> Json:
        return {"batch": asdict(self._twin.make_batch(order))}

    def _authorizations(self, query: Query, _order: Json) -> Json:
        return {"authorizations": self._twin.authorizations.listing(user_id=query.get("user_id"))}

    def _authorize(self, _query: Query, order: Json) -> Json:
        asked = authorizations.read_order(order, self._twin.clients.need(order.get("client_id")))
        return {"authorization": {"auth_code": self._twin.authorizations.grant(**asked), **asked}}

    def _revoke(self, query: Query, _order: Json) -> Json:
        """All of a user's authorizations; with `only=access` their access tokens alone, as time would end them."""
        user_id = query.get("user_id", "")
        if not user_id:
            raise NoticeRefused("user_id is missing")
        if query.get("only") == "access":
            return {"expired": self._twin.authorizations.expire(user_id)}
        return {"revoked": self._twin.authorizations.revoke(user_id)}

    def _set_token_life(self, _query: Query, order: Json) -> Json:
        made = authorizations.read_life(order, self._twin.authorizations.life)
        self._twin.authorizations.life = made
        return {"token_life": asdict(made)}

    def _stores(self, query: Query, _order: Json) -> Json:
        found = self._twin.stores.listing(client_id=query.get("client_id"))
        return {"stores": [asdict(one) for one in found], "first_page": self._twin.stores.first_page}

    def _put_stores(self, _query: Query, order: Json) -> Json:
        """One store, or a list of them under `stores`."""
        client = self._twin.clients.need(order.get("client_id"))
        given = order.get("stores", [order])
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise NoticeRefused("stores must be a list of objects")
        return {"stores": [asdict(self._twin.stores.put(one, client)) for one in given]}

    def _remove_store(self, query: Query, _order: Json) -> Json:
        client = self._twin.clients.need(query.get("client_id"))
        return {"removed": self._twin.stores.remove(client_id=client.client_id, store_id=query["id"])}

    def _count_pages(self, _query: Query, order: Json) -> Json:
        if order.get("first_page") not in (0, 1):
            raise NoticeRefused("first_page must be 0 or 1")
        self._twin.stores.first_page = int(order["first_page"])
        return {"first_page": self._twin.stores.first_page}

    def _scenarios(self, _query: Query, _order: Json) -> Json:
        return {"scenarios": scenarios.sentences()}

    def _play(self, query: Query, order: Json) -> Json:
        name = str(query["id"] or order.get("run", ""))
        if name not in scenarios.SCENARIOS:
            raise Unknown(f"no scenario {name}")
        options = {option: order[option] for option in _OPTIONS if order.get(option) is not None}
        return self._twin.play(name, client_id=order.get("client_id"), **options)

    def _reset(self, _query: Query, _order: Json) -> Json:
        self._twin.reset()
        return {"reset": True}


def _read(body: bytes) -> Json:
    if not body:
        return {}
    try:
        content = json.loads(body)
    except ValueError as error:
        raise NoticeRefused("the body is not JSON") from error
    if not isinstance(content, dict):
        raise NoticeRefused("the body must be a JSON object")
    return content


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise NoticeRefused(f"{name} must be a number")
    return int(text)
