"""Addresses: health, staff pages, and the webhooks under every mall's tag."""

from django.contrib import admin
from django.urls import include, path

from loyalty import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("alipayhk.urls")),
]
