"""Batches of payments that users picked for a manual upload, and what bill/query answers about them; wire §6.4.

The answer's fields are not published: the list is called `billList` here, its lines are worded as notices are.
Kept in memory only.
"""

import secrets
import threading
from dataclasses import dataclass
from typing import Any

from alipayhk.simulator import notices, times
from alipayhk.simulator.authorizations import Authorizations
from alipayhk.simulator.book import Book
from alipayhk.simulator.cards import PassRefused
from alipayhk.simulator.clients import Client
from alipayhk.simulator.notices import NoticeRefused

LIST = "billList"
_TEXTS = ("batchNo", "accessToken", "appId")


@dataclass(frozen=True)
class Batch:
    """What one user picked at one mall, and the token that opens it."""

    batch_no: str
    client_id: str
    user_id: str
    access_token: str
    app_id: str
    bills: tuple[Any, ...]


class Batches:
    """All batches, by number."""

    def __init__(self, authorizations: Authorizations) -> None:
        self._authorizations = authorizations
        self._lock = threading.Lock()
        self._batches: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        with self._lock:
            self._batches[batch.batch_no] = batch

    def clear(self) -> None:
        with self._lock:
            self._batches.clear()

    def user_of(self, content: dict[str, Any]) -> str:
        """Whose batch a call asks for; empty if there is none such."""
        batch = self._batches.get(str(content.get("batchNo")))
        return batch.user_id if batch else ""

    def query(self, content: dict[str, Any], client: Client) -> dict[str, Any]:
        """What a complete call gets beside its result."""
        subject = content.get("businessDistrictSubject")
        if not isinstance(subject, dict) or not _text(subject, "mallGroupLabel"):
            raise PassRefused("PARAM_ILLEGAL", "businessDistrictSubject.mallGroupLabel is required text")
        if not isinstance(subject.get("mallLabel"), str):
            raise PassRefused("PARAM_ILLEGAL", "businessDistrictSubject.mallLabel is required, may be empty")
        for name in _TEXTS:
            if not _text(content, name):
                raise PassRefused("PARAM_ILLEGAL", f"{name} is required text")
        batch = self._batches.get(content["batchNo"])
        if batch is None or (batch.client_id, batch.app_id) != (client.client_id, content["appId"]):
            raise PassRefused("PROCESS_FAIL", "no such batch")
        if not self._opens(content["accessToken"], batch):
            raise PassRefused("EXPIRED_ACCESS_TOKEN", "the access token is not valid")
        return {"businessDistrictSubject": subject, "batchNo": batch.batch_no, LIST: list(batch.bills)}

    def _opens(self, access_token: str, batch: Batch) -> bool:
        """The token that the batch was made with, or one that its user's mini-app has."""
        return access_token == batch.access_token or self._authorizations.is_live(
            access_token, user_id=batch.user_id
        )


def read_order(order: dict[str, Any], client: Client, book: Book) -> Batch:
    """A batch as `POST /control/batches` words it.

    Each bill is a notice's fields, or `{"notice": number}` for one of the book; with `exact` anything, as it is.
    """
    bills = order.get("bills")
    if not isinstance(bills, list):
        raise NoticeRefused("bills must be a list")
    user_id = str(order.get("user_id") or "")
    if not user_id:
        raise NoticeRefused("user_id is missing")
    made = bills if order.get("exact") else [_bill(one, user_id, client, book) for one in bills]
    number = f"{times.now().astimezone(times.HONG_KONG):%Y%m%d}0009006{secrets.randbelow(10**16):016d}"
    return Batch(
        batch_no=str(order.get("batch_no") or number),
        client_id=client.client_id,
        user_id=user_id,
        access_token=str(order.get("access_token") or f"28{secrets.token_hex(24)}"),
        app_id=str(order.get("app_id") or client.app_id),
        bills=tuple(made),
    )


def _bill(order: Any, user_id: str, client: Client, book: Book) -> dict[str, Any]:
    if not isinstance(order, dict):
        raise NoticeRefused("a bill must be an object")
    if "notice" not in order:
        return notices.complete("bill", {"userId": user_id} | order, client)
    notice = book.find(order["notice"]) if isinstance(order["notice"], int) else None
    if notice is None or notice.kind != "bill":
        raise NoticeRefused(f"no payment {order['notice']} in the book")
    return notice.body


def _text(content: dict[str, Any], name: str) -> bool:
    value = content.get(name)
    return isinstance(value, str) and bool(value)
