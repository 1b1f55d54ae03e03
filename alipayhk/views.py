"""The three webhooks: refuse what is no message, hand genuine ones to the inbox, answer signed.

Nothing of what came in is echoed, and only verified callers get a signature, so that an answer is never a request.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, NotFound, Throttled
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from alipayhk import inbox, keyring, nudge, payloads, rates, signature, waiting, wire_time
from alipayhk.authentication import Caller, SignatureAuthentication
from alipayhk.messages import Message
from alipayhk.models import Notification
from pms import clock, visitor

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

LARGEST_BODY = 64 * 1024
CONTENT_TYPE = "application/json; charset=UTF-8"
ANSWERS: dict[str, bytes] = {"SUCCESS": payloads.SUCCESS, "PARAM_ILLEGAL": payloads.PARAM_ILLEGAL}
KEPT_HEADERS = {
    "HTTP_CLIENT_ID": "Client-Id",
    "HTTP_CLIENTID": "clientId",
    "HTTP_REQUEST_TIME": "Request-Time",
    "HTTP_SIGNATURE": "Signature",
    "HTTP_ENCRYPT": "Encrypt",
    "HTTP_TRACER_ID": "Tracer-Id",
    "HTTP_CONTENT_ENCODING": "Content-Encoding",
    "CONTENT_TYPE": "Content-Type",
}


class AnyContentNegotiation(BaseContentNegotiation):
    """We answer in JSON whatever `Accept` says: the vendor's SDK asks for everything but JSON."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser:
        return parsers[0]  # type: ignore[no-any-return]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Webhook(APIView):
    """One webhook; `kind` is what its address says a message is."""

    kind: str = ""
    authentication_classes = [SignatureAuthentication]
    permission_classes: list[type] = []
    renderer_classes: list[type[BaseRenderer]] = [JSONRenderer]
    content_negotiation_class = AnyContentNegotiation

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return refusal(request) or super().dispatch(request, *args, **kwargs)

    def post(self, request: Request, tag: str) -> HttpResponse:
        caller = cast(Caller, request.user)
        address = visitor.address(request._request)
        if self.kind == Notification.Kind.CARD and not _may_join(address):
            raise Throttled
        now = clock.now()
        received = inbox.receive(_message(self.kind, caller, request.META), now=now)
        if received.wakes:
            waiting.judge_waiting(group_id=caller.group_id, waits_for=received.wakes, now=now)
        if received.is_new:
            nudge.soon()
        return signed(caller, ANSWERS[received.answer])

    def handle_exception(  # type: ignore[override]  # DRF lets plain responses through, its stubs do not
        self, exc: Exception
    ) -> HttpResponse:
        """Constant bodies; strangers get theirs unsigned."""
        if isinstance(exc, NotFound):
            return plain(payloads.SIGNATURE_INVALID, 404)
        if isinstance(exc, Throttled):
            return plain(payloads.SYSTEM_ERROR, 429)
        if isinstance(exc, AuthenticationFailed):
            return plain(payloads.SIGNATURE_INVALID, 401, {"WWW-Authenticate": "Signature"})
        alarm.error("webhook failed: %s", type(exc).__name__, exc_info=exc)
        status = 503 if isinstance(exc, OperationalError | InterfaceError) else 500
        caller = getattr(self.request, "_user", None)
        if isinstance(caller, Caller):
            return signed(caller, payloads.SYSTEM_ERROR, status)
        return plain(payloads.SYSTEM_ERROR, status)


class BillNotify(Webhook):
    kind = Notification.Kind.BILL


class RefundNotify(Webhook):
    kind = Notification.Kind.REFUND


class CardCreate(Webhook):
    kind = Notification.Kind.CARD


def refusal(request: HttpRequest) -> HttpResponse | None:
    """What is refused before anybody is asked who they are: method, framing, size, target, host."""
    meta = request.META
    if request.method != "POST":
        return plain(b"", 405, {"Allow": "POST"})
    if "HTTP_TRANSFER_ENCODING" in meta:
        return plain(b"", 411)
    length = meta.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return plain(b"", 400)
    if len(length) > 9 or int(length) > LARGEST_BODY:
        return plain(b"", 413, {"Connection": "close"})
    return None if _is_addressed_to_us(request) else plain(b"", 400)


def _is_addressed_to_us(request: HttpRequest) -> bool:
    if not request.META.get("RAW_URI", "").startswith("/"):
        return False
    if "HTTP_HOST" not in request.META:
        return str(request.META.get("SERVER_PROTOCOL")) == "HTTP/1.0"
    try:
        return bool(request.get_host())
    except DisallowedHost:
        return False


def _may_join(address: str) -> bool:
    if rates.is_spent("new-card", address, limit=settings.ALIPAYHK_NEW_CARDS_PER_MINUTE):
        alarm.warning("too many new cards in a minute")
        return False
    rates.count("new-card", address)
    return True


def _message(kind: str, caller: Caller, meta: Mapping[str, Any]) -> Message:
    return Message(
        kind=kind,
        group_id=caller.group_id,
        mall_id=caller.mall_id,
        credential_id=caller.credential_id,
        encryption=caller.encryption,
        target=caller.target,
        body=caller.body,
        headers={name: meta[key] for key, name in KEPT_HEADERS.items() if meta.get(key)},
    )


def signed(caller: Caller, body: bytes, status: int = 200) -> HttpResponse:
    """Signed over exactly these bytes and the caller's target; nothing may touch them afterwards."""
    headers = {"Client-Id": caller.client_id}
    if caller.signing_key_id is not None and caller.signing_key_version is not None:
        moment = _response_time()
        text = _signature(caller.signing_key_id, caller.target, caller.client_id, moment, body)
        headers["Response-Time"] = moment
        headers["Signature"] = signature.header(signature=text, key_version=caller.signing_key_version)
    return plain(body, status, headers)


def _response_time() -> str:
    """Rounded down to the share interval, so that answers of one moment may carry one signature."""
    now = clock.now()
    share = settings.ALIPAYHK_SHARED_SIGNATURE_MS * 1000
    return wire_time.format_header_time(
        now.replace(microsecond=now.microsecond // share * share) if share else now
    )


@lru_cache(maxsize=4096)
def _signature(key_id: int, target: bytes, client_id: str, moment: str, body: bytes) -> str:
    return signature.sign(
        key=keyring.private_key(key_id), target=target, client_id=client_id, time=moment, body=body
    )


def plain(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    # With its length, which no middleware adds here; without it gunicorn sends the body in chunks.
    framed = {"Content-Length": str(len(body)), **(headers or {})}
    response = HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=framed)
    # What is worth a line in the log has one; Django would add another for every stranger.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
