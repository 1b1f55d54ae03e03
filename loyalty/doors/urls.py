"""Addresses of the partners' API, under a mall's tag; a tag may hold slashes."""

from django.urls import path

from loyalty.doors.partner_api import Description, Standing, Transactions

urlpatterns = [
    path("openapi.json", Description.as_view()),
    path("<path:tag>/transactions", Transactions.as_view(), name="partners"),
    path("<path:tag>/transactions/<str:reference>", Standing.as_view()),
]
