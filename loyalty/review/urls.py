"""Addresses of review's own screens beside the admin's lists."""

from django.contrib import admin
from django.urls import path

from loyalty.review import inquiry_desk

urlpatterns = [
    path("missing-points/", admin.site.admin_view(inquiry_desk.inquiry), name="missing-points"),
]
