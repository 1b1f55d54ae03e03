"""The stage of a scenario: fresh people and bills of one mall, and eyes on its cards alone."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from alipayhk.simulator import notices
from alipayhk.simulator.book import Notice
from alipayhk.simulator.calls import Ring
from alipayhk.simulator.cards import Card, Wallet
from alipayhk.simulator.clients import Client
from alipayhk.simulator.faults import Plan, Planned, read_fault
from alipayhk.simulator.sender import Sender, Sending

POLL_SECONDS = 0.05


class Unplayable(Exception):
    """The mall does not offer what this scenario needs."""


@dataclass(frozen=True)
class Verdict:
    """What should have come, and what came; equal or not."""

    expected: dict[str, Any]
    actual: dict[str, Any]


@dataclass
class Stage:
    """One scenario's view of one mall. In seconds: `patience` bounds every wait for a card, `rest` is how long
    a right card must stay right, `watch` how long a card is watched that should not move, `quiet` how long
    a mall must keep silent to have given up: longer than its quick retries, which are 2 s apart.
    """

    client: Client
    sender: Sender
    wallet: Wallet
    plan: Plan
    ring: Ring
    patience: float = 45.0
    rest: float = 0.6
    watch: float = 1.5
    quiet: float = 5.0
    seed: int = 20231121
    _users: list[str] = field(default_factory=list)

    def newcomer(self, *, mainland: bool = False) -> str:
        """A user whom the mall has not met."""
        user_id = notices.new_user(mainland=mainland)
        self._users.append(user_id)
        return user_id

    def join(self, user_id: str | None = None) -> str:
        """Let a user (a newcomer by default) authorize the mall; the mall must answer success."""
        user_id = user_id or self.newcomer()
        # An address of their own: two newcomers must never be taken for one person.
        self.send("membercard", {"userId": user_id, "userEmail": f"u{user_id}@example.com", "mobileNo": None})
        return user_id

    def member(self) -> str:
        """A newcomer who joined and whose card has come."""
        user_id = self.join()
        if self.settled(user_id, 0) is None:
            raise Unplayable("no card was created for a new member")
        return user_id

    def pay(
        self, user_id: str, cents: int, *, sending: dict[str, Any] | None = None, **fields: Any
    ) -> Notice:
        """A payment notice; `sending` goes to the sender, other words into the notice."""
        amount = {"currency": "HKD", "value": cents}
        return self.send("bill", {"userId": user_id, "orderAmount": amount, **fields}, **sending or {})

    def refund(self, payment: Notice, cents: int, **fields: Any) -> Notice:
        """A refund notice for a payment that was sent, or will be."""
        return self.refund_of(payment.user_id, payment.reference, cents, **fields)

    def refund_of(self, user_id: str, bill_number: str, cents: int, **fields: Any) -> Notice:
        amount = {"currency": "HKD", "value": cents}
        return self.send(
            "refund", {"userId": user_id, "relateBillNo": bill_number, "refundAmount": amount, **fields}
        )

    def send(self, kind: str, fields: dict[str, Any], **sending: Any) -> Notice:
        body = notices.complete(kind, fields, self.client)
        return self.sender.send(Sending(kind=kind, client=self.client, body=body, **sending))

    def store(self, *categories: str) -> str:
        """The label of a store that earns, of one of these categories where the mall has such."""
        stores = self.client.open_stores(*categories) or self.client.open_stores()
        if not stores:
            raise Unplayable("the mall registered no store that earns")
        return str(stores[0]["pms_label"])

    def fault(self, api: str, user_id: str, name: str, *, count: int = 1, **more: Any) -> None:
        """The next calls for this user meet a fault."""
        fault = read_fault({"fault": name, **more})
        self.plan.add(Planned(api=api, fault=fault, times=count, user_id=user_id))

    def card(self, user_id: str) -> Card | None:
        return next(iter(self.wallet.listing(client_id=self.client.client_id, user_id=user_id)), None)

    def shown(self, user_id: str) -> int | None:
        card = self.card(user_id)
        return card.points if card else None

    def settled(self, user_id: str, points: int) -> int | None:
        """What the card shows once it showed `points` and then stayed a while; or at the end of patience."""
        self.wait_until(lambda: self.shown(user_id) == points)
        time.sleep(self.rest)
        return self.shown(user_id)

    def unmoved(self, user_id: str, seconds: float | None = None) -> int | None:
        """What the card shows after a while in which it had time to change wrongly."""
        time.sleep(self.watch if seconds is None else seconds)
        return self.shown(user_id)

    def wait_until(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Look again and again until the condition holds or patience ends."""
        end = time.monotonic() + (self.patience if seconds is None else seconds)
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def calls(self, user_id: str, api: str) -> int:
        """How often the mall called this API for this user."""
        return sum(call.api == api for call in self.ring.listing(direction="IN", user_id=user_id))

    def clear(self) -> None:
        """Leave no fault of this scenario behind."""
        for user_id in self._users:
            self.plan.clear(user_id=user_id)


def answers(*sent: Notice) -> dict[str, int]:
    """How often each result code was answered to these notices; no answer counts as its reason."""
    codes = (attempt["code"] or attempt["why"] for notice in sent for attempt in notice.attempts)
    return dict(Counter(str(code) for code in codes))
