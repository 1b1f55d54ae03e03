"""The base of the staff's JSON API: who asks, for which of their malls, with which permission, and how it is refused.

Names and passwords go by HTTP Basic; a browser's own session works too, with its CSRF token.
"""

from typing import Any, ClassVar

from django.db import OperationalError
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, NotFound, PermissionDenied
from rest_framework.parsers import JSONParser
from rest_framework.permissions import IsAdminUser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from pms import scoping
from pms.models import Mall


class Busy(APIException):
    """Somebody else holds it right now. Nothing was changed; try again."""

    status_code = 503
    default_detail = __doc__ or ""
    default_code = "busy"


class StaffView(APIView):
    """One address under a mall's tag. `permission` is what the login must have; the mall must be one of its own."""

    authentication_classes = [BasicAuthentication, SessionAuthentication]
    permission_classes = [IsAdminUser]
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer]
    permission: ClassVar[str] = ""
    mall: Mall

    def initial(self, request: Request, *arguments: Any, **words: Any) -> None:
        super().initial(request, *arguments, **words)
        if not request.user.has_perm(self.permission):
            raise PermissionDenied
        self.mall = _mall(request, words["tag"])

    def handle_exception(self, exc: Exception) -> Response:
        """Every refusal names its code; what is wrong with a field stands under `fields`."""
        failure = Busy() if isinstance(exc, OperationalError) else exc
        response = super().handle_exception(failure)
        if isinstance(failure, APIException):
            codes = failure.get_codes()
            response.data = (
                {"error": codes.upper(), "english": str(failure.detail)}
                if isinstance(codes, str)
                else {"error": "INVALID", "fields": response.data}
            )
        return response


def _mall(request: Request, tag: str) -> Mall:
    malls = scoping.malls_of(request.user).select_related("group")
    mall = malls.filter(tag=tag).first() if scoping.is_searchable(tag) else None
    if mall is None:
        raise NotFound
    return mall
