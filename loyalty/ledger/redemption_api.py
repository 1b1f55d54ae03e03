"""Redeeming by API, for tills and counter apps: reserve, confirm, release, and how a redemption stands."""

from typing import Any, cast

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.ledger import redemption_words, redemptions
from loyalty.ledger.models import Redemption
from loyalty.ledger.redemptions import RedemptionRefused, Wish
from members import lookup
from pms import clock
from pms.models import Mall, User
from pms.staff_api import StaffView

MOST_POINTS = 10**15
UNKNOWN = {"REDEMPTION_CODE_UNKNOWN", "MEMBER_UNKNOWN"}


class ReserveFields(serializers.Serializer[Any]):
    """`member` is a card number or a wallet user ID; the same `request_key` again is the same redemption."""

    member = serializers.CharField(max_length=128)
    points = serializers.IntegerField(min_value=-MOST_POINTS, max_value=MOST_POINTS)
    payment_number = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)
    request_key = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)


class RedemptionView(StaffView):
    """What the addresses share: a refusal is 409 with its code and sentences, or 404 for what is not known."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, RedemptionRefused):
            status = 404 if exc.code in UNKNOWN else 409
            return Response(redemption_words.refused(exc), status=status)
        return super().handle_exception(exc)

    def found(self, code: str) -> Redemption:
        return redemptions.by_code(code=code, malls=Mall.objects.filter(pk=self.mall.pk))


class Reserve(RedemptionView):
    permission = "ledger.add_redemption"

    def post(self, request: Request, tag: str) -> Response:
        fields = ReserveFields(data=request.data)
        fields.is_valid(raise_exception=True)
        asked = fields.validated_data
        member = lookup.holder(asked.pop("member"), group_id=self.mall.group_id)
        if member is None:
            raise RedemptionRefused("MEMBER_UNKNOWN")
        wish = Wish(member=member, mall=self.mall, **asked)
        redemption = redemptions.reserve(wish=wish, by=_by(request), now=clock.now())
        return Response(redemption_words.told(redemption), status=201)


class Standing(RedemptionView):
    permission = "ledger.view_redemption"

    def get(self, request: Request, tag: str, code: str) -> Response:
        return Response(redemption_words.told(self.found(code)))


class Confirm(RedemptionView):
    permission = "ledger.change_redemption"

    def post(self, request: Request, tag: str, code: str) -> Response:
        confirmed = redemptions.confirm(redemption=self.found(code), by=_by(request), now=clock.now())
        return Response(redemption_words.told(confirmed))


class Release(RedemptionView):
    permission = "ledger.change_redemption"

    def post(self, request: Request, tag: str, code: str) -> Response:
        released = redemptions.release(redemption=self.found(code), by=_by(request), now=clock.now())
        return Response(redemption_words.told(released))


def _by(request: Request) -> User:
    return cast(User, request.user)
