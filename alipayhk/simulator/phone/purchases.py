"""A person's payments as AlipayHK's book has them, among them those that no mall was told of, and their refunds."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from alipayhk.simulator.book import KEPT, PICKED, Book, Notice
from alipayhk.simulator.clients import Client
from alipayhk.simulator.notices import NoticeRefused, reference

Json = dict[str, Any]


def keep(kind: str, body: Json, client: Client, book: Book) -> Notice:
    """Into the book without a word to the mall, which may not see it."""
    notice = book.open(
        kind=kind,
        client_id=client.client_id,
        user_id=str(body["userId"]),
        reference=reference(kind, body),
        body=body,
        fault="",
    )
    book.rest(notice, KEPT)
    return notice


def mark_picked(notice: Notice, book: Book) -> None:
    """The mall may read this payment now, so it will hear of its refunds."""
    if notice.state == KEPT:
        book.rest(notice, PICKED)


def cents(notice: Notice) -> int:
    """HKD cents of a payment or a refund; 0 for an amount that was sent malformed on purpose."""
    amount = notice.body.get("orderAmount") or notice.body.get("refundAmount")
    value = amount.get("value") if isinstance(amount, dict) else None
    return value if isinstance(value, int) else 0


def refunds(notices: Iterable[Notice]) -> Counter[str]:
    """Cents given back by number of the payment. Forged refunds, which malls turn away, never happened."""
    given_back: Counter[str] = Counter()
    for notice in notices:
        if notice.kind == "refund" and notice.state != "REFUSED":
            given_back[str(notice.body.get("relateBillNo"))] += cents(notice)
    return given_back


def store(client: Client, label: str) -> Json:
    """The store of this label in what the mall registered."""
    found = next((one for one in client.stores if one.get("pms_label") == label), None)
    if found is None:
        raise NoticeRefused(f"no store {label} at this mall")
    return found


def line(payment: Notice, client: Client | None, *, refunded_cents: int) -> Json:
    """One line of the list of bills; the store in both languages."""
    label = payment.body.get("pmsLabel")
    stores = client.stores if client else ()
    shop = next((one for one in stores if one.get("pms_label") == label), {})
    named = str(payment.body.get("merchantName") or label or payment.reference)
    english = str(shop.get("name_en") or named)
    return {
        "number": payment.number,
        "bill_no": payment.reference,
        "client": payment.client_id,
        "store": [english, str(shop.get("name_zh") or english)],
        "cents": cents(payment),
        "paid_at": str(payment.body.get("payTime") or payment.opened_at),
        "refunded_cents": refunded_cents,
        "state": payment.state,
    }
