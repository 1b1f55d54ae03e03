"""Addresses of earning's staff API, under a mall's tag; a tag may hold slashes."""

from django.urls import path

from loyalty.earning.transaction_api import Explanation

urlpatterns = [path("<path:tag>/transactions/<path:number>", Explanation.as_view())]
