"""What tests of staff screens share: the screens, their rows, addresses of pages."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factory.django import DjangoModelFactory

from pms.models import MallGroup, MallStaff, User
from pms.records import RecordAdmin
from tests import factories, slowness
from tests.factories import UserFactory

FACTORIES: dict[type[Model], Any] = {
    found._meta.model: found
    for found in vars(factories).values()
    if isinstance(found, type) and issubclass(found, DjangoModelFactory)
}
SCREENS = list(admin.site._registry.values())
FROZEN = [screen for screen in SCREENS if isinstance(screen, RecordAdmin)]


def name(screen: Any) -> str:
    return f"{screen.opts.app_label}_{screen.opts.model_name}"


def page_of(row: Model, kind: str = "change", *more: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk, *more])


def seen_all() -> Client:
    """A browser with a login that sees everything."""
    client = Client()
    client.force_login(UserFactory.create(is_superuser=True, username="root"))
    return client


def manager_of(group: MallGroup) -> Client:
    """Logged in as who manages all malls of the group."""
    staff = factories.MallStaffFactory.create(mall=None, group=group, role=MallStaff.Role.MANAGER)
    return logged_in(staff.user)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def seconds(client: Client, address: str) -> float:
    """Our own time and the database's, the best of five; not what other tests had of the machine meanwhile."""
    return min(_seconds(client, address) / slowness.measured() for _ in range(5))


def _seconds(client: Client, address: str) -> float:
    return busy(lambda: client.get(address).status_code == 200)


def busy(does: Callable[[], bool]) -> float:
    """What it took of our own time and of the database's; it must come out true."""
    began = time.thread_time()
    with CaptureQueriesContext(connection) as queries:
        assert does()
    return time.thread_time() - began + sum(float(query["time"]) for query in queries.captured_queries)
