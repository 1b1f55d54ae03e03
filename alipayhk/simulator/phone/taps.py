"""What a person does on the phone: join, pay, take goods back, authorize, pick payments for a mini-app.

Everything leaves as AlipayHK would send it, through the twin; nothing here knows how a mall works.
"""

from typing import Any

from alipayhk.simulator import notices
from alipayhk.simulator.authorizations import SCOPES
from alipayhk.simulator.book import KEPT, Notice
from alipayhk.simulator.clients import Client
from alipayhk.simulator.notices import NoticeRefused
from alipayhk.simulator.phone import purchases
from alipayhk.simulator.phone.people import People, Person
from alipayhk.simulator.twin import Twin

BILL_SCOPE = "SCOPE_USER_BILL"
MOST_CENTS = 50_000_000
MOST_PICKED = 50

Json = dict[str, Any]


class Taps:
    """One function per button. An order is what the page posted."""

    def __init__(self, twin: Twin, people: People) -> None:
        self._twin, self._people = twin, people

    def make(self, order: Json) -> Json:
        person = self._people.make(name=_text(order, "name"), mobile=_text(order, "phone"))
        return {"user_id": person.user_id}

    def join(self, order: Json) -> Json:
        """The Brand Channel's authorization: AlipayHK has the mall create the member."""
        person, client = self._who(order)
        fields = {"userId": person.user_id} | ({"mobileNo": person.mobile} if person.mobile else {})
        notice = self._twin.send(_order("membercard", client, fields))
        if notice.acknowledged:
            self._people.permit(person, client.client_id, is_given=True)
        return _told(notice)

    def pay(self, order: Json) -> Json:
        """A payment at a shop. A mall that may not see it is not told, but it can be picked later."""
        person, client = self._who(order)
        store = purchases.store(client, _text(order, "store"))
        fields = {
            "userId": person.user_id,
            "orderAmount": {"currency": "HKD", "value": _cents(order, most=MOST_CENTS)},
            "pmsLabel": store["pms_label"],
        }
        return _told(
            self._send("bill", client, fields, is_told=self._people.permits(person, client.client_id))
        )

    def refund(self, order: Json) -> Json:
        """Money back for a payment, in whole or in part; never more than was paid."""
        person = self._people.need(order.get("user_id"))
        paid = self._payment(order.get("bill"), person)
        given_back = purchases.refunds(self._twin.book.listing(user_id=person.user_id))
        left = purchases.cents(paid) - given_back[paid.reference]
        fields = {
            "userId": person.user_id,
            "relateBillNo": paid.reference,
            "refundAmount": {"currency": "HKD", "value": _cents(order, most=left)},
            "pmsLabel": paid.body.get("pmsLabel"),
        }
        client = self._twin.clients.need(paid.client_id)
        return _told(self._send("refund", client, fields, is_told=paid.state != KEPT))

    def authorize(self, order: Json) -> Json:
        """The code that `my.getAuthCode` hands to a mini-app, for the scopes that the person allowed."""
        person, client = self._who(order)
        asked = order.get("scopes")
        if not isinstance(asked, list) or not asked or not all(scope in SCOPES for scope in asked):
            raise NoticeRefused(f"scopes must be some of {', '.join(SCOPES)}")
        scopes = [scope for scope in SCOPES if scope in asked]
        code = self._twin.authorizations.grant(
            client_id=client.client_id, app_id=client.app_id, user_id=person.user_id, scopes=scopes
        )
        if BILL_SCOPE in scopes:
            self._people.permit(person, client.client_id, is_given=True)
        return {"auth_code": code, "scopes": scopes}

    def withdraw(self, order: Json) -> Json:
        """The authorization ends in the wallet's settings: tokens die, and this mall is told of no further payment."""
        person, client = self._who(order)
        self._twin.authorizations.revoke(person.user_id)
        self._people.permit(person, client.client_id, is_given=False)
        return {"withdrawn": True}

    def pick(self, order: Json) -> Json:
        """The payments that were ticked on AlipayHK's bill page, as a batch that the mall may query."""
        person, client = self._who(order)
        numbers = order.get("bills")
        if not isinstance(numbers, list) or not 1 <= len(numbers) <= MOST_PICKED:
            raise NoticeRefused(f"bills must be a list of 1 to {MOST_PICKED}")
        picked = [self._payment(number, person) for number in numbers]
        batch = self._twin.make_batch(
            {
                "user_id": person.user_id,
                "client_id": client.client_id,
                "app_id": client.app_id,
                "bills": [{"notice": one.number} for one in picked],
            }
        )
        for one in picked:
            purchases.mark_picked(one, self._twin.book)
        return {"batch_no": batch.batch_no}

    def _send(self, kind: str, client: Client, fields: Json, *, is_told: bool) -> Notice:
        if is_told:
            return self._twin.send(_order(kind, client, fields))
        return purchases.keep(kind, notices.complete(kind, fields, client), client, self._twin.book)

    def _who(self, order: Json) -> tuple[Person, Client]:
        return self._people.need(order.get("user_id")), self._twin.clients.need(_text(order, "client_id"))

    def _payment(self, number: object, person: Person) -> Notice:
        notice = self._twin.book.find(number) if isinstance(number, int) else None
        if notice is None or (notice.kind, notice.user_id) != ("bill", person.user_id):
            raise NoticeRefused(f"no payment {number} of this person")
        return notice


def _order(kind: str, client: Client, fields: Json) -> Json:
    return {"kind": kind, "client_id": client.client_id, "fields": fields}


def _told(notice: Notice) -> Json:
    """What became of a notice, as far as the person with the phone would know."""
    return {"number": notice.number, "state": notice.state, "is_done": notice.acknowledged}


def _text(order: Json, name: str) -> str:
    value = order.get(name)
    if not isinstance(value, str) or not value.strip():
        raise NoticeRefused(f"{name} must be a text")
    return value


def _cents(order: Json, *, most: int) -> int:
    value = order.get("cents")
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise NoticeRefused(f"cents must be a whole number from 1 to {most}")
    return value
