"""The plain build's one address."""

from django.urls import path

from tests.bench.plain.views import BillNotify

urlpatterns = [path("<path:tag>/points/bill/notify", BillNotify.as_view())]
