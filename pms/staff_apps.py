"""Puts our own staff site in the place of Django's default one; its screens are loaded with the addresses.

Workers and commands show none, and start without them.
"""

from django.contrib.admin.apps import SimpleAdminConfig


class StaffAdminConfig(SimpleAdminConfig):
    default_site = "pms.staff_site.StaffSite"
