"""The calls of malls as AlipayHK answers them: who calls, is it complete, do it, sign the answer.

Faults are laid over a call here; how bytes leave the socket is the server's.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alipayhk import signature
from alipayhk.simulator import authorizations, circle_stores, misbehavior, orders, replies, secrecy
from alipayhk.simulator.authorizations import Authorizations
from alipayhk.simulator.batches import Batches
from alipayhk.simulator.book import Book
from alipayhk.simulator.calls import Ring
from alipayhk.simulator.cards import PassRefused, Wallet
from alipayhk.simulator.circle_stores import CircleStores
from alipayhk.simulator.clients import Client, Registry
from alipayhk.simulator.faults import Fault, Plan
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.replies import Envelope, Reply

BASE = "/api/open/alipay/v1/ipass/pass/manage/"
DISTRICT = "/api/open/alipayhk/businessdistrict/"
# The path of this solution, and that of the site's own pages.
AUTHORIZATIONS = ("/api/open/v2/authorizations/", "/api/open/v1/alipayhk/merchant/")
LATE_ANSWER = b""


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came in. Header names are lower case; doubled headers were refused before."""

    method: str
    target: bytes
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Done:
    """What a call came to before any fault: its answer's words, and the pass it concerned."""

    code: str
    status: str
    message: str
    pass_id: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        more = {"passId": self.pass_id} if self.pass_id else {}
        return replies.result_body(self.code, self.status, self.message, **more, **self.more)


class Gateway:
    """Answers calls of all malls and notes each in the ring."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        clients: Registry,
        wallet: Wallet,
        authorizations: Authorizations,
        batches: Batches,
        stores: CircleStores,
        book: Book,
        plan: Plan,
        ring: Ring,
    ) -> None:
        self._keys, self._clients, self._wallet, self._plan, self._ring = keys, clients, wallet, plan, ring
        self._authorizations, self._batches = authorizations, batches
        self._stores, self._book = stores, book

    def answer(self, request: Request) -> Reply:
        began = time.monotonic()
        api = _named(request.target.decode("ascii", "replace"))
        client = self._caller(request)
        if client is None:
            return self._refuse_stranger(request, api, began)
        readable = self._readable(request)
        content = _read_object(readable)
        user_id = self._concerned(content)
        fault = self._plan.take(api=api, client_id=client.client_id, user_id=user_id or None)
        if fault.name == "apply_late":
            self._apply_later(api, client, content, fault.seconds)
        done = (
            self._apply(api, client, content, fault.name)
            if fault.applied
            else Done("SUCCESS", "S", "success")
        )
        reply = misbehavior.lay(fault, done.body(), self._signer(request, client))
        shown = replace(request, body=authorizations.masked(readable, content))
        masked = replace(reply, body=authorizations.masked(reply.body, done.more))
        self._note(shown, api, client, user_id, fault, done, masked, began)
        return reply

    def _caller(self, request: Request) -> Client | None:
        """The client whose key signed this very request, or None."""
        client_id, moment = request.headers.get("client-id", ""), request.headers.get("request-time", "")
        client = self._clients.get(client_id)
        if client is None or not moment or request.method != "POST":
            return None
        try:
            signature.verify(
                keys=self._clients.keys(client_id),
                signature=signature.read_header(request.headers.get("signature", "")),
                target=request.target,
                client_id=client_id,
                time=moment,
                body=request.body,
            )
        except signature.SignatureInvalid:
            return None
        return client

    def _readable(self, request: Request) -> bytes:
        """The body, decrypted if it came encrypted; one that nobody can decrypt lacks every field."""
        wrapped = secrecy.sealed_key(request.headers.get("encrypt", ""))
        if not wrapped:
            return request.body
        try:
            return secrecy.unseal(request.body, wrapped, keys=self._keys.opening())
        except secrecy.Unsealable:
            return b""

    def _concerned(self, content: dict[str, Any]) -> str:
        """The user, or the store, that a call is about, as faults may be planned for one alone."""
        named = content.get("userId") or content.get("openId") or content.get("ipayTradeNo")
        if named := named or circle_stores.store_id_in(content) or self._batches.user_of(content):
            return str(named)
        return self._authorizations.user_of(content)

    def _apply(self, api: str, client: Client, content: dict[str, Any], odd: str = "") -> Done:
        if api in ("applyToken", "bill/query", "circleStore/save", "circleStore/queryPage"):
            return self._of_district(api, client, content, odd)
        action: Callable[[Client, dict[str, Any]], str] | None = {
            "createPass": self._create,
            "updatePass": self._update,
        }.get(api)
        if action is None:
            return Done("INVALID_API", "F", "no such API")
        try:
            pass_id = action(client, content)
        except PassRefused as refusal:
            return Done(refusal.code, "F", refusal.message, refusal.pass_id)
        return Done("SUCCESS", "S", "success", pass_id if api == "createPass" else None)

    def _of_district(self, api: str, client: Client, content: dict[str, Any], odd: str) -> Done:
        try:
            if api == "applyToken":
                return Done("SUCCESS", "S", "success", more=self._authorizations.apply(content, client))
            if api == "circleStore/save":
                self._stores.save(content, client, self._book)
                return Done("SUCCESS", "S", "success")
            if api == "bill/query":
                return Done("SUCCESS", "S", "success", more=self._batches.query(content, client))
            return Done("SUCCESS", "S", "success", more=self._stores.page(content, client, odd=odd))
        except PassRefused as refusal:
            return Done(refusal.code, "F", refusal.message)

    def _create(self, client: Client, content: dict[str, Any]) -> str:
        return self._wallet.create(orders.read_create(content, client), client.template).pass_id

    def _update(self, client: Client, content: dict[str, Any]) -> str:
        change = orders.read_update(content, client)
        self._check_owner(change.pass_id, content)
        if change.faces is None:
            return self._wallet.finish(
                change.pass_id, client_id=client.client_id, status=change.status
            ).pass_id
        return self._wallet.update(
            change.pass_id, client_id=client.client_id, faces=change.faces, template=client.template
        ).pass_id

    def _check_owner(self, pass_id: str, content: dict[str, Any]) -> None:
        card = self._wallet.find(pass_id)
        named = content.get("userId") or content.get("openId")
        if card is not None and named not in (card.user_id, card.open_id):
            raise PassRefused("PASS_HAS_NOT_EXIST", "the pass belongs to another user")

    def _apply_later(self, api: str, client: Client, content: dict[str, Any], seconds: float) -> None:
        timer = threading.Timer(seconds, self._apply, args=(api, client, content))
        timer.daemon = True
        timer.start()

    def _signer(self, request: Request, client: Client) -> misbehavior.Signer:
        return misbehavior.Signer(
            envelope=Envelope(target=request.target, client_id=client.client_id), keys=self._keys
        )

    def _refuse_stranger(self, request: Request, api: str, began: float) -> Reply:
        reply = replies.unsigned(
            replies.result_body("SIGNATURE_INVALID", "F", "the signature cannot be verified")
        )
        self._ring.add(
            direction="IN",
            api=api[:40],
            client_id=request.headers.get("client-id", "")[:64],
            user_id="",
            fault="",
            status=reply.status,
            outcome="REFUSED",
            code="SIGNATURE_INVALID",
            seconds=round(time.monotonic() - began, 4),
            request=request.body,
            answer=reply.body,
            applied=False,
            tracer_id=request.headers.get("tracer-id", "")[:64],
        )
        return reply

    def _note(
        self,
        request: Request,
        api: str,
        client: Client,
        user_id: str,
        fault: Fault,
        done: Done,
        reply: Reply,
        began: float,
    ) -> None:
        succeeded = fault.applied and done.status == "S"
        self._ring.add(
            direction="IN",
            api=api[:40],
            client_id=client.client_id,
            user_id=user_id,
            fault="" if fault.name == "ok" else fault.name,
            status=0 if reply.manner in ("hang", "reset") else reply.status,
            outcome=misbehavior.outcome(fault, reply, succeeded=succeeded),
            code=misbehavior.code_in(reply) if reply.manner not in ("hang", "reset") else "",
            seconds=round(time.monotonic() - began + reply.seconds, 4),
            request=request.body,
            answer=reply.body if reply.manner not in ("hang", "reset") else LATE_ANSWER,
            applied=succeeded,
            pass_id=done.pass_id or _named_pass(request.body),
            encrypted=bool(secrecy.sealed_key(request.headers.get("encrypt", ""))),
            tracer_id=request.headers.get("tracer-id", "")[:64],
        )


def _named(target: str) -> str:
    """The call's name without the part of its path that all of its kind share."""
    for shared in (BASE, DISTRICT, *AUTHORIZATIONS):
        target = target.removeprefix(shared)
    return target


def _read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; anything else is empty, and then lacks every required field."""
    try:
        content = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _named_pass(body: bytes) -> str:
    return str(_read_object(body).get("passId", ""))[:64]
