"""Addresses of the ledger's staff API, under a mall's tag; a tag may hold slashes."""

from django.urls import path

from loyalty.ledger.redemption_api import Confirm, Release, Reserve, Standing

urlpatterns = [
    path("<path:tag>/redemptions", Reserve.as_view()),
    path("<path:tag>/redemptions/<str:code>", Standing.as_view()),
    path("<path:tag>/redemptions/<str:code>/confirm", Confirm.as_view()),
    path("<path:tag>/redemptions/<str:code>/release", Release.as_view()),
]
