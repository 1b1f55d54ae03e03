"""Addresses: health, staff pages, APIs of staff, partners and mini-apps, members' pages, every mall's webhooks."""

from django.contrib import admin
from django.urls import include, path

from loyalty import health

admin.autodiscover()
urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", include("loyalty.review.urls")),
    path("", include("loyalty.doors.page_urls")),
    path("admin/", admin.site.urls),
    path("api/staff/v1/", include("loyalty.ledger.urls")),
    path("api/staff/v1/", include("loyalty.earning.urls")),
    path("api/partner/v1/", include("loyalty.doors.urls")),
    path("api/miniapp/v1/", include("alipayhk.miniapp_addresses")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("alipayhk.urls")),
]
