"""What one person's phone shows at this moment, as JSON. The phone asks every second, so it stays small."""

from datetime import datetime
from typing import Any

from alipayhk.simulator import times
from alipayhk.simulator.calls import Call
from alipayhk.simulator.cards import Card
from alipayhk.simulator.clients import Client
from alipayhk.simulator.phone import purchases
from alipayhk.simulator.phone.people import People, Person
from alipayhk.simulator.twin import Twin

BILLS_SHOWN = 60
NOTICES_SHOWN = 40
CALLS_SHOWN = 9

Json = dict[str, Any]


def show(twin: Twin, people: People, person: Person) -> Json:
    cards = twin.wallet.listing(user_id=person.user_id)
    permitted = [one.client_id for one in twin.clients.listing() if people.permits(person, one.client_id)]
    return {
        "person": show_person(person),
        "cards": [_card(card, twin.clients.get(card.client_id)) for card in cards],
        "bills": _bills(twin, person),
        "notices": _notices(cards),
        "permitted": permitted,
        "calls": [_call(call) for call in twin.ring.listing(user_id=person.user_id, limit=CALLS_SHOWN)],
    }


def show_person(person: Person) -> Json:
    """A number is shown as a phone shows one's own: in full."""
    number = person.mobile.removeprefix("852-")
    return {
        "user_id": person.user_id,
        "name": person.name,
        "phone": f"{number[:4]} {number[4:]}" if number else "",
    }


def _card(card: Card, client: Client | None) -> Json:
    placeholders = client.template.placeholders if client else {}
    key = next((key for key, source in placeholders.items() if source == "member_name"), "")
    return {
        "pass_id": card.pass_id,
        "client": card.client_id,
        "status": card.status,
        "points": card.points,
        "names": [str(card.faces.get(locale, {}).get(key) or "") for locale in ("en_US", "zh_HK")],
        "code": _code(card),
        "updated_at": _moment(card.updated_at),
    }


def _code(card: Card) -> str:
    """The number that the card's own code carries, if the mall sent one."""
    code = card.code_info.get("$codemsg$") if isinstance(card.code_info, dict) else None
    return str(code or "")[:64]


def _bills(twin: Twin, person: Person) -> list[Json]:
    notices = twin.book.listing(user_id=person.user_id)
    given_back = purchases.refunds(notices)
    payments = [notice for notice in notices if notice.kind == "bill" and notice.state != "REFUSED"]
    return [
        purchases.line(one, twin.clients.get(one.client_id), refunded_cents=given_back[one.reference])
        for one in payments[:BILLS_SHOWN]
    ]


def _notices(cards: list[Card]) -> list[Json]:
    """What AlipayHK pushes: a card arrived, its points changed, it ended. The latest first."""
    found = [notice for card in cards for notice in _changes(card)]
    return sorted(found, key=lambda one: (one["at"], one["id"]), reverse=True)[:NOTICES_SHOWN]


def _changes(card: Card) -> list[Json]:
    shown, changes = 0, []
    for place, entry in enumerate(card.history):
        points = entry["points"] or 0
        if entry["event"] != "UPDATED" or points != shown:
            changes.append(
                {
                    "id": f"{card.pass_id}-{place:05d}",
                    "client": card.client_id,
                    "pass_id": card.pass_id,
                    "event": entry["event"],
                    "points": points,
                    "change": points - shown,
                    "at": _moment(entry["at"]),
                }
            )
        shown = points
    return changes


def _call(call: Call) -> Json:
    return {
        "number": call.number,
        "at": times.clock(datetime.fromisoformat(call.at)),
        "direction": call.direction,
        "api": call.api,
        "client": call.client_id,
        "code": call.code or (str(call.status) if call.status else ""),
        "outcome": call.outcome,
        "milliseconds": round(call.seconds * 1000),
    }


def _moment(text: str) -> str:
    return times.body_time(datetime.fromisoformat(text))
