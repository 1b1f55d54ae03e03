"""Readiness: green only while PostgreSQL keeps what it commits and guards what must never change (B219, B220)."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import RequestFactory

from loyalty import health
from loyalty.local.postgres import OWNER, Postgres
from tests.databases import Database

GREEN = {"ready": True, "faults": []}


def ready() -> tuple[int, dict[str, Any]]:
    """As a load balancer sees it, on a new connection."""
    connection.close()
    answer = health.readyz(RequestFactory().get("/readyz"))
    return answer.status_code, json.loads(answer.content)


def order(database: Database, statement: str) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(statement)


def test_the_process_says_that_it_lives() -> None:
    answer = health.healthz(RequestFactory().get("/healthz"))

    assert (answer.status_code, json.loads(answer.content)) == (200, {"alive": True})


def test_a_migrated_and_guarded_database_is_ready(fresh_database: Database) -> None:
    assert ready() == (200, GREEN)


@pytest.mark.parametrize("value", ["off", "local"])
def test_b219_a_commit_that_may_be_lost_is_red_even_if_only_a_role_says_so(
    fresh_database: Database, value: str
) -> None:
    order(fresh_database, f"ALTER DATABASE {fresh_database.name} SET synchronous_commit = {value}")

    status, answer = ready()

    assert status == 503
    assert answer["faults"] == [f"synchronous_commit is {value}"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger_pointentry DISABLE TRIGGER ledger_pointentry_no_change",
        "ALTER TABLE ledger_pointentry ENABLE REPLICA TRIGGER ledger_pointentry_no_truncate",
        "ALTER TABLE ledger_pointentry ENABLE TRIGGER ledger_pointentry_balanced",
        "DROP TRIGGER ledger_pointentry_no_change ON ledger_pointentry",
    ],
    ids=["disabled", "replica only", "not for replicas", "dropped"],
)
def test_b220_a_ledger_without_its_guards_is_red(fresh_database: Database, statement: str) -> None:
    order(fresh_database, statement)

    status, answer = ready()

    assert status == 503
    assert answer["faults"] == ["ledger_pointentry has 2 of 3 guarding triggers"]


def test_b220_pending_migrations_are_red(fresh_database: Database) -> None:
    order(
        fresh_database,
        "DELETE FROM django_migrations WHERE app = 'alipayhk' AND name ="
        " (SELECT max(name) FROM django_migrations WHERE app = 'alipayhk')",
    )

    status, answer = ready()

    assert status == 503
    assert answer["faults"] == ["1 migrations are pending"]


def test_a_database_that_does_not_answer_is_red_without_details(fresh_database: Database) -> None:
    order(fresh_database, f"ALTER DATABASE {fresh_database.name} CONNECTION LIMIT 0")

    status, answer = ready()

    assert (status, answer["ready"]) == (503, False)
    assert answer["faults"] == ["database: OperationalError"]


@pytest.fixture
def careless_server() -> Iterator[str]:
    """Address of a PostgreSQL of this test alone that does not care whether its pages reach the disk."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        os.chmod(folder, 0o711)
        runtime = Path(folder)
        server = Postgres(folder=runtime / "cluster", runtime=runtime, log=runtime / "log")
        server.prepare()
        service = server.service()
        service.command += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        service.start()
        try:
            server.wait_until_ready(service)
            server.create_database()
            yield server.url(OWNER)
        finally:
            service.signal(service.stop)
            assert service.process is not None
            service.process.wait(10)


def test_b219_pages_that_may_be_lost_are_red(careless_server: str) -> None:
    look = "import django; django.setup(); from loyalty import health; print('\\n'.join(health.database_faults()))"

    done = subprocess.run(
        [sys.executable, "-c", look],
        env={**os.environ, "DATABASE_URL": careless_server},
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"fsync is off, not on", "full_page_writes is off, not on"} <= set(done.stdout.splitlines())
