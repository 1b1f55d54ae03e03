"""The tests run on the real services, by vendor and version, with the app's own role."""

import os

import pytest
import redis
from django.db import connection

from tests import callers, live


@pytest.mark.django_db
def test_the_database_is_postgresql_15_to_18() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version(), current_setting('server_version_num')::int / 10000")
        name, major = cursor.fetchone()

    assert name.startswith("PostgreSQL ")
    assert 15 <= major <= 18


def test_the_database_keeps_what_it_has_acknowledged(live_installation: live.Installation) -> None:
    """The tests' own server does not: it is thrown away with them."""
    names = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
    question = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)

    assert callers.rows(live_installation, question) == [("on",) * 4]


def test_the_broker_is_valkey_or_redis_7_or_newer() -> None:
    server = redis.Redis.from_url(os.environ["REDIS_URL"]).info("server")

    version = server.get("valkey_version") or server["redis_version"]

    assert server.get("server_name", "redis") in ("valkey", "redis")
    assert int(version.split(".")[0]) >= 7
