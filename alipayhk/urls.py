"""The webhooks, under every mall's tag; a tag may hold slashes."""

from django.urls import path

from alipayhk.views import BillNotify, CardCreate, RefundNotify

urlpatterns = [
    path("<path:tag>/points/bill/notify", BillNotify.as_view()),
    path("<path:tag>/points/refund/notify", RefundNotify.as_view()),
    path("<path:tag>/points/membercard/create", CardCreate.as_view()),
]
