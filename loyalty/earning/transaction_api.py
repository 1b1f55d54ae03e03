"""One transaction of a mall by any of its numbers, with the explanation of its points."""

from django.db.models import F, Q
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.earning import transaction_document
from loyalty.earning.duplicates import canonical
from loyalty.earning.models import NumberClaim, Transaction
from pms.staff_api import StaffView


class Explanation(StaffView):
    """The transaction known by the number, in this mall only; of several the one that earned."""

    permission = "earning.view_transaction"

    def get(self, request: Request, tag: str, number: str) -> Response:
        purchase = self._found(number)
        if purchase is None:
            raise NotFound
        return Response(transaction_document.explained(purchase))

    def _found(self, number: str) -> Transaction | None:
        if "\x00" in number:
            return None
        claims = NumberClaim.objects.filter(
            group_id=self.mall.group_id, kind__in=NumberClaim.Kind.values, number=canonical(number)
        )
        known = (
            Q(pk__in=claims.values("transaction_id"))
            | Q(group_id=self.mall.group_id, payment_number__iexact=number)
            | Q(group_id=self.mall.group_id, receipt_number__iexact=number)
        )
        rows = Transaction.objects.filter(known, mall=self.mall).select_related("award", "store")
        return rows.order_by(F("award__points").desc(nulls_last=True), "pk").first()
