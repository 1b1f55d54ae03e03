"""Puts our own staff site in the place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    default_site = "pms.staff_site.StaffSite"
