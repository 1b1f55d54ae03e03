"""The payment notice as DRF reads it."""

# ruff: noqa: N815 - AlipayHK names its fields so

from typing import Any

from rest_framework import serializers

from loyalty.earning.models import Transaction


class AmountSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField(max_length=3)
    value = serializers.IntegerField(min_value=0)


class BillSerializer(serializers.ModelSerializer[Transaction]):
    userId = serializers.CharField(max_length=128)
    billNo = serializers.CharField(source="payment_number", max_length=128)
    cnBillNo = serializers.CharField(source="mainland_number", max_length=128, required=False, default="")
    outBillNo = serializers.CharField(source="acquirer_number", max_length=128, required=False, default="")
    merchantId = serializers.CharField(source="merchant_id", max_length=128, required=False, default="")
    merchantName = serializers.CharField(source="merchant_name", max_length=256, required=False, default="")
    pmsLabel = serializers.CharField(source="store_label", max_length=128)
    orderAmount = AmountSerializer()
    payTime = serializers.DateTimeField(source="paid_at")
    pointsProvider = serializers.ChoiceField(choices=["ALIPAYHK", "ALIPAYCN"])

    class Meta:
        model = Transaction
        fields = [
            "userId", "billNo", "cnBillNo", "outBillNo", "merchantId", "merchantName",
            "pmsLabel", "orderAmount", "payTime", "pointsProvider",
        ]  # fmt: skip

    def create(self, validated_data: dict[str, Any]) -> Transaction:
        amount = validated_data.pop("orderAmount")
        del validated_data["userId"], validated_data["pointsProvider"]
        return Transaction.objects.create(
            amount_cents=amount["value"], currency=amount["currency"], **validated_data
        )
