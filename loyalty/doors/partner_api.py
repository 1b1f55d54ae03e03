"""The API of partners' tills: one purchase in, its verdict out, and the verdict again by its reference.

The key goes in the header `Authorization: Bearer`; a stranger gets a 401 and leaves nothing behind.
"""

import json
from typing import Any, cast

from django.conf import settings
from django.db import OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed, ParseError, Throttled
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.doors import door_rates, partner_document, partners, slips
from loyalty.doors.models import PartnerKey
from loyalty.doors.partners import NotTaken, OtherBody
from pms import clock

LARGEST = 64 * 1024
LONGEST_IDEMPOTENCY_KEY = 128
MESSAGES: dict[str, Promise] = {
    "KEY_INVALID": _("The key is unknown, revoked, or of another mall."),
    "TOO_MANY_REQUESTS": _("Too many requests with this key; wait a minute."),
    "BODY_TOO_LARGE": _("The body is larger than 64 KB."),
    "BODY_UNREADABLE": _("The body must be one JSON object in UTF-8, each name once."),
    "IDEMPOTENCY_KEY_MISSING": _("The header Idempotency-Key must hold 1 to 128 visible ASCII letters."),
    "IDEMPOTENCY_KEY_USED": _("This Idempotency-Key was used for another request; use a new key."),
    "NOT_FOUND": _("There is no such thing here."),
    "METHOD_NOT_ALLOWED": _("This address does not take this method."),
    "UNSUPPORTED_MEDIA_TYPE": _("The body must be application/json."),
    "BUSY": _("Somebody else holds it right now. Nothing was changed; try again."),
    "ERROR": _("The request cannot be taken."),
}
CODES = {401: "KEY_INVALID", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "UNSUPPORTED_MEDIA_TYPE",
         429: "TOO_MANY_REQUESTS"}  # fmt: skip


class BodyRefused(APIException):
    """What is wrong with the request itself, before any of its fields."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code=code)
        self.code, self.status_code = code, status


class StrictParser(BaseParser):
    """JSON with each name once, and no numbers but whole ones."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise BodyRefused("BODY_TOO_LARGE", 413)
        try:
            body = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
            _check_texts(body)
        except (ValueError, RecursionError) as error:
            raise BodyRefused("BODY_UNREADABLE", 400) from error
        if not isinstance(body, dict):
            raise BodyRefused("BODY_UNREADABLE", 400)
        return body


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, PartnerKey]:
        word, _space, key = get_authorization_header(request).decode("latin-1").partition(" ")
        tag = request.parser_context["kwargs"]["tag"]
        found = partners.keeper_of(key.strip(), tag=tag) if word.lower() == "bearer" else None
        if found is None:
            raise AuthenticationFailed
        return None, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class PartnerView(APIView):
    """One address under a mall's tag; every refusal is a code with its sentence in both languages."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [AllowAny]
    parser_classes = [StrictParser]
    renderer_classes = [JSONRenderer]

    def initial(self, request: Request, *arguments: Any, **words: Any) -> None:
        super().initial(request, *arguments, **words)
        limit = settings.PARTNER_REQUESTS_PER_MINUTE
        if door_rates.is_spent(of=f"partner/{self.key.pk}", limit=limit, now=clock.now()):
            raise Throttled(wait=60)

    @property
    def key(self) -> PartnerKey:
        """The row of the key that was shown."""
        return cast(PartnerKey, self.request.auth)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, NotTaken):
            return Response(_not_taken(exc), status=422)
        if isinstance(exc, OtherBody):
            return Response(error("IDEMPOTENCY_KEY_USED"), status=409)
        if isinstance(exc, OperationalError):
            return Response(error("BUSY"), status=503)
        response = super().handle_exception(exc)
        code = "BODY_UNREADABLE" if isinstance(exc, ParseError) else CODES.get(response.status_code, "ERROR")
        response.data = error(exc.code if isinstance(exc, BodyRefused) else code)
        return response


class Transactions(PartnerView):
    def post(self, request: Request, tag: str) -> Response:
        idempotency_key = request.headers.get("Idempotency-Key", "")
        if not _is_visible(idempotency_key):
            raise BodyRefused("IDEMPOTENCY_KEY_MISSING", 400)
        answered = partners.take(
            key=self.key,
            idempotency_key=idempotency_key,
            body=cast(dict[str, Any], request.data),
            now=clock.now(),
        )
        headers = {"Idempotent-Replayed": "true"} if answered.is_repeat else {}
        return Response(answered.document, status=201, headers=headers)


class Standing(PartnerView):
    def get(self, request: Request, tag: str, reference: str) -> Response:
        """As it stands now: a held purchase may have been decided since."""
        found = partners.request_of(reference, mall=self.key.mall) if _is_visible(reference) else None
        if found is None:
            return Response(error("NOT_FOUND"), status=404)
        return Response(partners.answer(found.transaction, found.reference))


class Description(APIView):
    """The API in the words of OpenAPI; for everybody, since it says nothing about anybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]

    def get(self, request: Request) -> Response:
        return Response(partner_document.openapi())


def error(code: str, **more: Any) -> dict[str, Any]:
    return {
        "error": {"code": code, **_both(MESSAGES[code] if code in MESSAGES else slips.FAULTS[code]), **more}
    }


def _not_taken(refused: NotTaken) -> dict[str, Any]:
    """The first fault leads; all stand under `fields`."""
    fields = [
        {"field": fault.field, "code": fault.code, **_both(slips.FAULTS[fault.code])}
        for fault in refused.faults
    ]
    return error(refused.faults[0].code, fields=fields)


def _both(sentence: Promise) -> dict[str, str]:
    said = {}
    for name, language in (("message_en", "en"), ("message_zh", "zh-hant")):
        with override(language):
            said[name] = str(sentence)
    return said


def _is_visible(text: str) -> bool:
    return 0 < len(text) <= LONGEST_IDEMPOTENCY_KEY and all("!" <= letter <= "~" for letter in text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _check_texts(found: Any) -> None:
    """Escapes can write what is no text: NUL, and halves of letters."""
    if isinstance(found, str):
        if b"\x00" in found.encode():
            raise ValueError("a text holds a NUL")
    elif isinstance(found, list):
        for one in found:
            _check_texts(one)
    elif isinstance(found, dict):
        _check_texts([*found, *found.values()])


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")
