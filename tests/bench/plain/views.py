"""The payment notice as a plain DRF view: the vendor's SDK checks and signs, the ORM stores."""

import hashlib
import json
import os
from typing import Any

# The SDK is installed in an environment of its own, where the type checker does not look.
from com.alipay.ams.api.tools import date_tools, signature_tool, webhook_tool  # type: ignore[import-not-found]
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.views import APIView

from alipayhk.models import Credential, CredentialKey, Notification
from pms.models import Mall
from tests.bench.plain import earning
from tests.bench.plain.serializers import BillSerializer

SUCCESS = ("SUCCESS", "S", "success")
REFUSED = ("PARAM_ILLEGAL", "F", "illegal parameters")


class BillNotify(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def post(self, request: Request, tag: str) -> HttpResponse:
        mall = get_object_or_404(Mall, tag=tag)
        credential = get_object_or_404(Credential, mall=mall, client_id=request.headers.get("Client-Id", ""))
        _check_signature(request, credential)
        body = request.body
        serializer = BillSerializer(data=request.data)
        if not serializer.is_valid():
            return _answer(request, credential, REFUSED)
        notification, is_new = Notification.objects.get_or_create(
            group=mall.group,
            kind=Notification.Kind.BILL,
            key=serializer.validated_data["payment_number"],
            is_first=True,
            defaults=_stored(request, mall, credential, body, serializer.validated_data["userId"]),
        )
        if is_new:
            earning.earn(notification, serializer)
        return _answer(request, credential, SUCCESS)


def _check_signature(request: Request, credential: Credential) -> None:
    key = CredentialKey.objects.get(credential=credential, side="ALIPAYHK", state="ACTIVE")
    headers = request.headers
    try:
        webhook_tool.check_signature(
            "POST", request.path, headers["Client-Id"], headers["Request-Time"], request.body.decode(),
            headers["Signature"], key.public_key,
        )  # fmt: skip
    except Exception as error:  # the SDK raises whatever its libraries raise
        raise AuthenticationFailed from error


def _stored(
    request: Request, mall: Mall, credential: Credential, body: bytes, user_id: str
) -> dict[str, Any]:
    return {
        "mall": mall,
        "credential": credential,
        "content_hash": hashlib.sha256(body).hexdigest(),
        "state": Notification.State.PARKED,
        "reason": "PARKED_NOT_JUDGED",
        "answer": Notification.Answer.SUCCESS,
        "raw_target": request.path.encode(),
        "raw_body": body,
        "headers": dict(request.headers),
        "user_id": user_id,
        "tracer_id": request.headers.get("Tracer-Id", ""),
        "received_at": timezone.now(),
    }


def _answer(request: Request, credential: Credential, result: tuple[str, str, str]) -> HttpResponse:
    code, status, message = result
    content = {"result": {"resultCode": code, "resultStatus": status, "resultMessage": message}}
    body = json.dumps(content, separators=(",", ":"))
    time = date_tools.get_cur_iso8601_time()
    made = signature_tool.sign(
        "POST", request.path, credential.client_id, time, body, os.environ["PRIVATE_KEY"]
    )
    headers = {
        "Client-Id": credential.client_id,
        "Response-Time": time,
        "Signature": f"algorithm=RSA256,keyVersion=1,signature={made}",
    }
    return HttpResponse(body, content_type="application/json; charset=UTF-8", headers=headers)
