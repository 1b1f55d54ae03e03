"""The API of partners' tills: one purchase in, its verdict out, and the verdict again by its reference.

The key goes in the header `Authorization: Bearer`; a stranger gets a 401 and leaves nothing behind.
"""

from typing import Any, cast

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.doors import partner_document, partners, slips
from loyalty.doors.models import PartnerKey
from loyalty.doors.partners import NotTaken, OtherBody
from pms import clock, request_rates
from pms.strict_api import RequestRefused, StrictView, both, refusal

LONGEST_IDEMPOTENCY_KEY = 128
MESSAGES: dict[str, Promise] = {
    "KEY_INVALID": _("The key is unknown, revoked, or of another mall."),
    "TOO_MANY_REQUESTS": _("Too many requests with this key; wait a minute."),
    "IDEMPOTENCY_KEY_MISSING": _("The header Idempotency-Key must hold 1 to 128 visible ASCII letters."),
    "IDEMPOTENCY_KEY_USED": _("This Idempotency-Key was used for another request; use a new key."),
}


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


class PartnerView(StrictView):
    """One address under a mall's tag; every refusal is a code with its sentence in both languages."""

    authentication_classes = [KeyAuthentication]
    messages = MESSAGES
    codes = {401: "KEY_INVALID"}

    def initial(self, request: Request, *arguments: Any, **words: Any) -> None:
        super().initial(request, *arguments, **words)
        limit = settings.PARTNER_REQUESTS_PER_MINUTE
        if request_rates.is_spent("partner", str(self.key.pk), limit=limit, now=clock.now()):
            raise Throttled(wait=60)

    @property
    def key(self) -> PartnerKey:
        """The row of the key that was shown."""
        return cast(PartnerKey, self.request.auth)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, NotTaken):
            return Response(_not_taken(exc), status=422)
        if isinstance(exc, OtherBody):
            return Response(self.error("IDEMPOTENCY_KEY_USED"), status=409)
        return super().handle_exception(exc)


class Transactions(PartnerView):
    def post(self, request: Request, tag: str) -> Response:
        idempotency_key = request.headers.get("Idempotency-Key", "")
        if not _is_visible(idempotency_key):
            raise RequestRefused("IDEMPOTENCY_KEY_MISSING", 400)
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
            return Response(self.error("NOT_FOUND"), status=404)
        return Response(partners.answer(found.transaction, found.reference))


class Description(APIView):
    """The API in the words of OpenAPI; for everybody, since it says nothing about anybody."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]

    def get(self, request: Request) -> Response:
        return Response(partner_document.openapi())


def _not_taken(refused: NotTaken) -> dict[str, Any]:
    """The first fault leads; all stand under `fields`."""
    fields = [
        {"field": fault.field, "code": fault.code, **both(slips.FAULTS[fault.code])}
        for fault in refused.faults
    ]
    code = refused.faults[0].code
    return refusal(code, slips.FAULTS[code], fields=fields)


def _is_visible(text: str) -> bool:
    return 0 < len(text) <= LONGEST_IDEMPOTENCY_KEY and all("!" <= letter <= "~" for letter in text)
