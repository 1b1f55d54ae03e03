"""Addresses of members' own pages, and of the staff's screens for their links."""

from django.contrib import admin
from django.urls import path

from loyalty.doors import page_screens, pages

urlpatterns = [
    path("m/<str:signed>/", pages.account, name="member-page"),
    # A message may have cut the last stroke off.
    path("m/<str:signed>", pages.account),
    path(
        "admin/member-page/<int:member_id>/<str:deed>/",
        admin.site.admin_view(page_screens.deed),
        name="member-page-deed",
    ),
]
