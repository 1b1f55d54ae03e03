"""What every test may ask for: a database, a copy of its own for races, Chromium, a whole installation."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils import translation
from pytest_django import DjangoDbBlocker

from tests import databases, live
from tests.browsing import browser, demo_mall, guest, logins, visit  # noqa: F401  (fixtures for all)
from tests.databases import Database

# What only a proxy can show needs one; `pytest_report_header` says when that part is left out.
HAS_NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") is not None
collect_ignore = [] if HAS_NGINX else ["test_proxy.py"]
NEEDED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "CHROMIUM", "LOYALTY_SDK_PYTHON")


def pytest_report_header() -> str:
    return (
        "nginx: installed" if HAS_NGINX else "nginx: not installed, so tests/test_proxy.py is not collected"
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """A missing service ends the run here, by name."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.exit(f"{', '.join(missing)} not set: start the tests with ./run test.", returncode=4)
    try:
        psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5).close()
    except psycopg.Error as error:
        pytest.exit(
            f"PostgreSQL does not answer (TEST_DATABASE_URL or the embedded one): {error}", returncode=4
        )
    try:
        redis.Redis.from_url(os.environ["REDIS_URL"], socket_connect_timeout=5).ping()
    except redis.RedisError as error:
        pytest.exit(f"Valkey does not answer (TEST_REDIS_URL or the embedded one): {error}", returncode=4)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """One round instead of a million, half a second each; installations of their own have them all."""
    PBKDF2PasswordHasher.iterations = 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """By the process that no other is the parent of: its workers are done."""
    if not hasattr(session.config, "workerinput") and os.environ.get("DATABASE_OWNER_URL"):
        databases.drop(databases.TEMPLATE)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the live installation stay in one process, so that it is started once."""
    for item in items:
        if _is_live(item):
            item.add_marker(pytest.mark.xdist_group("live"))


def _is_live(item: pytest.Item) -> bool:
    return "live_installation" in getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """A request in Chinese leaves its thread in Chinese: every test begins and ends in none."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def template_database(django_db_blocker: DjangoDbBlocker) -> None:
    """The migrated template that all databases of this run are copied from."""
    with django_db_blocker.unblock():
        databases.make_template()


@pytest.fixture(scope="session")
def django_db_setup(template_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Ordinary database tests share one copy, as the app's role, each in a transaction rolled back."""
    database = databases.copy()
    with django_db_blocker.unblock(), databases.used(database):
        yield
    databases.drop(database.name)


@pytest.fixture
def fresh_database(template_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """A database of this test alone, committed to for real and dropped: for races, processes and kills.

    Not together with `db`. Threads must close their own connections.
    """
    database = databases.copy()
    with django_db_blocker.unblock(), databases.used(database):
        yield database
    databases.drop(database.name)


@pytest.fixture(scope="module")
def unmeasured_database(template_database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Database]:
    """A database of one file's tests, whose plans no other test has swayed: what ANALYZE counts, no rollback undoes.

    Not together with `db`; what is written stays until the file's last test.
    """
    database = databases.copy()
    with django_db_blocker.unblock(), databases.used(database):
        yield database
    databases.drop(database.name)


@pytest.fixture(scope="session")
def chromium() -> Path:
    return Path(os.environ["CHROMIUM"])


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """The Python of the environment in which the vendor's SDK lives."""
    return Path(os.environ["LOYALTY_SDK_PYTHON"])


@pytest.fixture(scope="session")
def live_installation() -> Iterator[live.Installation]:
    """Web, worker, beat and servers of their own, as `./run serve` starts them; shared, so kill nothing in it."""
    installation = live.Installation(**live.BRISK)
    yield installation
    installation.remove()


@pytest.fixture(scope="session")
def live_simulator(live_installation: live.Installation) -> Iterator[live.Simulator]:
    """AlipayHK's twin with the demo mall, registered with the shared installation."""
    simulator = live_installation.with_simulator()
    yield simulator
    simulator.stop()


@pytest.fixture
def own_installation(template_database: None) -> Iterator[live.Installation]:
    """An installation of this test alone, to be killed at will; its database is a copy on the run's server."""
    database = databases.copy()
    urls = {"DATABASE_URL": database.url, "DATABASE_OWNER_URL": database.owner_url}
    installation = live.Installation(**urls, **live.BRISK)
    yield installation
    installation.remove()
    databases.drop(database.name)
