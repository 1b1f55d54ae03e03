"""One simulated AlipayHK put together: keys, malls, cards, gateway, sender, and what one may ask of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alipayhk import signature
from alipayhk.simulator import batches, clients, faults, keys, notices, register, scenarios
from alipayhk.simulator.authorizations import Authorizations
from alipayhk.simulator.batches import Batch, Batches
from alipayhk.simulator.book import Book, Notice
from alipayhk.simulator.calls import Ring
from alipayhk.simulator.cards import Wallet
from alipayhk.simulator.circle_stores import CircleStores
from alipayhk.simulator.clients import Client, Registry
from alipayhk.simulator.faults import Plan
from alipayhk.simulator.gateway import Gateway
from alipayhk.simulator.journal import Journal
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.scenarios.stage import Stage
from alipayhk.simulator.sender import Sender, Sending

DEFAULT_LADDER_SCALE = 0.01


@dataclass
class Twin:
    """A running AlipayHK without its sockets."""

    home: Path
    url: str
    keys: KeyRing
    clients: Registry
    wallet: Wallet
    authorizations: Authorizations
    batches: Batches
    stores: CircleStores
    book: Book
    ring: Ring
    plan: Plan
    gateway: Gateway
    sender: Sender
    journal: Journal

    def register_client(self, fields: dict[str, Any]) -> Client:
        """One more mall, described by itself or by the document that `register_mall` reads."""
        if "register" in fields:
            url = str(fields.get("mall_url") or self.clients.need(None).mall_url)
            client = clients.from_register(fields["register"], mall_url=url)
        else:
            client = clients.read_client(fields)
        self.clients.add(client)
        self.journal.append("client", {"client": clients.to_json(client)})
        return client

    def send(self, order: dict[str, Any]) -> Notice:
        """One notice as `POST /control/send` words it: kind, fields, fault and how often."""
        kind = notices.read_kind(str(order.get("kind", "")))
        client = self.clients.need(order.get("client_id"))
        fields = order.get("fields") or {}
        if not isinstance(fields, dict):
            raise notices.NoticeRefused("fields must be an object")
        fault = str(order.get("fault") or "none")
        if fault not in faults.NOTICE_MENU:
            raise faults.FaultRefused(f"fault must be one of {', '.join(faults.NOTICE_MENU)}")
        body = fields if order.get("exact") else notices.complete(kind, fields, client)
        if fault == "refund_first":
            self._refund_first(kind, client, body, order)
            fault = "none"
        return self.sender.send(Sending(kind=kind, client=client, body=body, fault=fault, **_manner(order)))

    def _refund_first(self, kind: str, client: Client, body: dict[str, Any], order: dict[str, Any]) -> None:
        if kind != "bill":
            raise notices.NoticeRefused("refund_first belongs to kind bill")
        amount = dict(body["orderAmount"])
        amount["value"] = order.get("refund_cents", amount["value"])
        fields = {"userId": body["userId"], "relateBillNo": body["billNo"], "refundAmount": amount}
        refund = notices.complete("refund", fields | {"pmsLabel": body.get("pmsLabel")}, client)
        self.sender.send(Sending(kind="refund", client=client, body=refund))

    def resend(self, number: int) -> Notice:
        notice = self.book.find(number)
        if notice is None:
            raise notices.NoticeRefused(f"no notice {number} in the book")
        return self.sender.resend(notice)

    def make_batch(self, order: dict[str, Any]) -> Batch:
        """Payments that a user picks for a manual upload, as `POST /control/batches` words them."""
        batch = batches.read_order(order, self.clients.need(order.get("client_id")), self.book)
        self.batches.add(batch)
        return batch

    def play(self, name: str, *, client_id: str | None = None, **options: Any) -> dict[str, Any]:
        """Run a scenario by name on one mall."""
        stage = Stage(
            client=self.clients.need(client_id),
            sender=self.sender,
            wallet=self.wallet,
            plan=self.plan,
            ring=self.ring,
            **options,
        )
        return scenarios.run(name, stage)

    def public_key(self) -> str:
        return signature.public_base64(self.keys.current.public_key())

    def reset(self) -> None:
        """Forget cards, authorizations, batches, stores, book, calls and faults. Malls and keys stay."""
        self.sender.forget()
        granted, picked = self.authorizations, self.batches
        for part in (self.wallet, granted, picked, self.stores, self.book, self.ring, self.plan):
            part.clear()
        self.journal.clear()
        for client in self.clients.listing()[1:]:
            self.journal.append("client", {"client": clients.to_json(client)})

    def stop(self) -> None:
        self.sender.stop()


def open_twin(home: Path, *, url: str, mall_url: str, ladder_scale: float = DEFAULT_LADDER_SCALE) -> Twin:
    """Keys of this home, its demo mall, and everything that an earlier run wrote down."""
    home.mkdir(parents=True, exist_ok=True)
    ring_of_keys = keys.open_ring(home)
    journal = Journal(home / "journal.jsonl")
    content = register.document(ring_of_keys, gateway_url=url)
    register.write(home, content)
    registry, calls, plan = Registry(), Ring(), Plan()
    registry.add(clients.from_register(content, mall_url=mall_url))
    wallet, book, stores = Wallet(journal.append), Book(journal.append), CircleStores()
    granted = Authorizations()
    picked = Batches(granted)
    twin = Twin(
        home=home,
        url=url,
        keys=ring_of_keys,
        clients=registry,
        wallet=wallet,
        authorizations=granted,
        batches=picked,
        stores=stores,
        book=book,
        ring=calls,
        plan=plan,
        gateway=Gateway(
            keys=ring_of_keys,
            clients=registry,
            wallet=wallet,
            authorizations=granted,
            batches=picked,
            stores=stores,
            book=book,
            plan=plan,
            ring=calls,
        ),
        sender=Sender(keys=ring_of_keys, clients=registry, book=book, ring=calls, scale=ladder_scale),
        journal=journal,
    )
    _recall(twin)
    return twin


def _recall(twin: Twin) -> None:
    for event in twin.journal.read():
        if event["event"] == "card":
            twin.wallet.restore(event["card"], event["entry"])
        elif event["event"] == "notice":
            twin.book.restore(event["notice"])
        elif event["event"] == "client":
            twin.clients.add(clients.read_client(event["client"]))


def _manner(order: dict[str, Any]) -> dict[str, Any]:
    """How often and how fast, from the words of the control API."""
    names = ("count", "at_once", "seconds", "ladder_scale", "lost")
    manner = {name: order[name] for name in names if order.get(name) is not None}
    for name, value in manner.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise notices.NoticeRefused(f"{name} must be a number")
    for name in ("count", "at_once"):
        if name in manner and not 1 <= manner[name] <= 1000:
            raise notices.NoticeRefused(f"{name} must be from 1 to 1000")
    return manner
