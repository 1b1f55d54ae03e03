"""What the APIs for other people's machines share: strict bodies, and refusals as a code with its sentence twice.

Knows no address and nobody who calls; whoever may is decided by each API's own authentication.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from rest_framework.exceptions import APIException, ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

LARGEST = 64 * 1024
MESSAGES: dict[str, Promise] = {
    "BODY_TOO_LARGE": _("The body is larger than 64 KB."),
    "BODY_UNREADABLE": _("The body must be one JSON object in UTF-8, each name once."),
    "NOT_FOUND": _("There is no such thing here."),
    "METHOD_NOT_ALLOWED": _("This address does not take this method."),
    "UNSUPPORTED_MEDIA_TYPE": _("The body must be application/json."),
    "BUSY": _("Somebody else holds it right now. Nothing was changed; try again."),
    "ERROR": _("The request cannot be taken."),
}
CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "UNSUPPORTED_MEDIA_TYPE", 429: "TOO_MANY_REQUESTS"}


class RequestRefused(APIException):
    """What is wrong with the request itself; `code` has its sentence in the messages of the API."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code=code)
        self.code, self.status_code = code, status


class AnyContentNegotiation(BaseContentNegotiation):
    """Answers are JSON whatever `Accept` says: clients of wallets ask for everything but JSON."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser:
        """The one parser, if the body is what it reads."""
        sent = (request.content_type or "").partition(";")[0].strip().lower()
        return next((one for one in parsers if one.media_type == sent), None)  # type: ignore[return-value]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class StrictParser(BaseParser):
    """JSON with each name once, and no numbers but whole ones."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise RequestRefused("BODY_TOO_LARGE", 413)
        try:
            body = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
            _check_texts(body)
        except (ValueError, RecursionError) as error:
            raise RequestRefused("BODY_UNREADABLE", 400) from error
        if not isinstance(body, dict):
            raise RequestRefused("BODY_UNREADABLE", 400)
        return body


class StrictView(APIView):
    """An address whose every refusal is `{"error": {"code", "message_en", "message_zh"}}`."""

    permission_classes = [AllowAny]
    parser_classes = [StrictParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyContentNegotiation
    metadata_class = None
    messages: ClassVar[Mapping[str, Promise]] = {}
    codes: ClassVar[Mapping[int, str]] = {}

    def error(self, code: str, **more: Any) -> dict[str, Any]:
        sentence = self.messages[code] if code in self.messages else MESSAGES[code]
        return refusal(code, sentence, **more)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, OperationalError):
            return Response(self.error("BUSY"), status=503)
        response = super().handle_exception(exc)
        code = (CODES | dict(self.codes)).get(response.status_code, "ERROR")
        if isinstance(exc, ParseError):
            code = "BODY_UNREADABLE"
        response.data = self.error(exc.code if isinstance(exc, RequestRefused) else code)
        return response


def refusal(code: str, sentence: Promise | str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, **both(sentence), **more}}


def both(sentence: Promise | str) -> dict[str, str]:
    """A sentence in English and in Traditional Chinese."""
    said = {}
    for name, language in (("message_en", "en"), ("message_zh", "zh-hant")):
        with override(language):
            said[name] = str(sentence)
    return said


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
