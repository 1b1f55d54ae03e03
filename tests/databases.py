"""Databases of the tests: one migrated template, and copies of it.

Nothing is ever flushed: the ledger refuses TRUNCATE.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connection, connections
from psycopg import sql

from loyalty.earning import entitlements, rulesets
from loyalty.local.test import PREPARED

_RUN = os.getpid()
# The processes that share a run share the template: migrating takes a core for many seconds.
TEMPLATE = f"loyalty_template_{os.getppid() if os.environ.get('PYTEST_XDIST_WORKER') else _RUN}"
TEMPLATE_LOCK = 4100
_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """One copy, with its addresses for processes: the app's role, and the owner's."""

    name: str

    @property
    def url(self) -> str:
        return _named(os.environ["DATABASE_URL"], self.name)

    @property
    def owner_url(self) -> str:
        return _named(os.environ["DATABASE_OWNER_URL"], self.name)


def make_template() -> None:
    """An empty database, migrated by the owner; without connections, as CREATE DATABASE … TEMPLATE asks.

    Made by the first process of the run that asks, while the others wait: a copy of what was prepared, if anything was.
    """
    url = os.environ["DATABASE_OWNER_URL"]
    # From a database of its own, since whoever is connected to the prepared one forbids its copy.
    with psycopg.connect(
        _named(url, "postgres") if PREPARED in os.environ else url, autocommit=True
    ) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            return
        if PREPARED in os.environ:
            names = sql.Identifier(TEMPLATE), sql.Identifier(urlsplit(url).path.strip("/"))
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        else:
            _migrate(Database(f"{TEMPLATE}_unfinished"))


def _migrate(database: Database) -> None:
    _administer("CREATE DATABASE {}", database.name)
    with owned(database):
        call_command("migrate", verbosity=0, interactive=False)
    _administer("ALTER DATABASE {} RENAME TO {}", database.name, TEMPLATE)


def empty() -> Database:
    """Without a single table, for tests of migrations."""
    name = f"loyalty_test_{_RUN}_{next(_numbers)}"
    _administer("CREATE DATABASE {}", name)
    return Database(name)


def copy() -> Database:
    name = f"loyalty_test_{_RUN}_{next(_numbers)}"
    _administer("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
    return Database(name)


def drop(name: str) -> None:
    """The server's own cleaner may be at work in it: nobody may throw that out, and it is done in a moment."""
    for pause in (0.2, 1, 5, 0):
        try:
            _administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        except psycopg.errors.InsufficientPrivilege:
            if not pause:
                raise
            time.sleep(pause)
        else:
            return


@contextmanager
def used(database: Database) -> Iterator[Database]:
    """Django's default connection, in every thread, means this database meanwhile."""
    with _default_connection(database.name):
        yield database


@contextmanager
def owned(database: Database) -> Iterator[Database]:
    """As `used`, by the owner of the tables, who migrates."""
    with _default_connection(
        database.name, role=unquote(urlsplit(os.environ["DATABASE_OWNER_URL"]).username or "")
    ):
        yield database


@contextmanager
def _default_connection(name: str, *, role: str | None = None) -> Iterator[None]:
    settings = connections.databases["default"]
    before = {"NAME": settings["NAME"], "USER": settings["USER"]}
    connection.close()
    connection.settings_dict.update(NAME=name, **({} if role is None else {"USER": role}))
    settings.update(connection.settings_dict)
    _forget_rules()
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)
        settings.update(before)
        _forget_rules()


def _forget_rules() -> None:
    """A process knows one database and keeps its frozen versions by number; another database numbers anew."""
    rulesets._published.cache_clear()
    rulesets._named.cache_clear()
    entitlements._ruleset.cache_clear()


def _administer(statement: str, *names: str) -> None:
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as admin:
        admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
