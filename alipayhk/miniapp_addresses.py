"""Addresses of the mini-app's API, under a mall's tag; a tag may hold slashes."""

from django.urls import path, re_path

from alipayhk.miniapp_api import (
    Batches,
    Consent,
    Description,
    Me,
    Nothing,
    OneRedemption,
    Redemptions,
    Register,
    Setup,
    SignIn,
    Transactions,
)

urlpatterns = [
    path("openapi.json", Description.as_view()),
    path("<path:tag>/setup", Setup.as_view()),
    path("<path:tag>/sign-in", SignIn.as_view()),
    path("<path:tag>/register", Register.as_view()),
    path("<path:tag>/me/transactions", Transactions.as_view()),
    path("<path:tag>/me/consent", Consent.as_view()),
    path("<path:tag>/me", Me.as_view()),
    path("<path:tag>/batches", Batches.as_view()),
    path("<path:tag>/redemptions", Redemptions.as_view()),
    path("<path:tag>/redemptions/<str:code>", OneRedemption.as_view()),
    re_path("", Nothing.as_view()),
]
