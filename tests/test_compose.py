"""docker-compose.yml and docs/nginx.conf say what production needs. Nothing is run here: there may be no engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
NGINX = (ROOT / "docs" / "nginx.conf").read_text()
PROGRAMS = ["web", "worker", "beat"]


def test_every_part_of_the_installation_is_a_service() -> None:
    assert set(SERVICES) == {"proxy", "web", "worker", "beat", "migrate", "database", "broker"}


@pytest.mark.parametrize("name", [*PROGRAMS, "migrate"])
def test_programs_run_in_production_with_secrets_from_outside(name: str) -> None:
    environment = SERVICES[name]["environment"]

    assert environment["LOYALTY_ENV"] == "production"
    for secret in ("SECRET_KEY", "LOYALTY_KEYS", "ALLOWED_HOSTS"):
        assert environment[secret].startswith(f"${{{secret}:?")
    assert "CLOCK_OFFSET_SECONDS" not in environment
    assert "127.0.0.1" not in environment["ALIPAYHK_GATEWAY_HOSTS"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_hold_the_role_that_owns_nothing(name: str) -> None:
    environment = SERVICES[name]["environment"]

    assert environment["DATABASE_URL"].startswith("postgresql://loyalty_app:")
    assert "DATABASE_OWNER_URL" not in environment


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_wait_for_the_migration(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_only_the_migration_has_the_owner() -> None:
    assert SERVICES["migrate"]["environment"]["DATABASE_OWNER_URL"].startswith("postgresql://loyalty_owner:")
    assert SERVICES["migrate"]["command"][:3] == ["python", "manage.py", "migrate"]


def test_web_runs_the_settings_that_keep_the_signed_target() -> None:
    assert SERVICES["web"]["command"][:3] == ["gunicorn", "-c", "python:loyalty.gunicorn"]


def test_the_worker_uses_threads_and_there_is_one_beat() -> None:
    command = SERVICES["worker"]["command"]

    assert command[command.index("--pool") + 1] == "threads"
    assert "beat" in SERVICES["beat"]["command"]
    assert "deploy" not in SERVICES["beat"]


@pytest.mark.parametrize("setting", ["fsync=on", "full_page_writes=on", "synchronous_commit=on"])
def test_the_database_keeps_what_it_acknowledges(setting: str) -> None:
    assert setting in SERVICES["database"]["command"]
    assert SERVICES["database"]["volumes"][0].startswith("database:")


def test_the_broker_has_a_password_and_no_disk() -> None:
    command = SERVICES["broker"]["command"][-1]

    assert "--requirepass" in command
    assert "--save '' --appendonly no" in command
    assert "volumes" not in SERVICES["broker"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert "./docs/nginx.conf:/etc/nginx/nginx.conf:ro" in SERVICES["proxy"]["volumes"]


def test_no_secret_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    found = re.findall(r"^ +\w*(?:PASSWORD|SECRET_KEY|LOYALTY_KEYS): (.+)$", text, flags=re.MULTILINE)

    assert found
    assert all(value.startswith("${") for value in found)


@pytest.mark.parametrize(
    "directive",
    [
        "underscores_in_headers off",
        "ignore_invalid_headers on",
        "proxy_request_buffering on",
        "client_max_body_size 64k",
        "client_body_timeout 10s",
        "proxy_next_upstream off",
        "proxy_set_header X-Forwarded-Proto https",
        "proxy_set_header X-Forwarded-For $remote_addr",
        "proxy_set_header Host $http_host",
        "server_tokens off",
    ],
)
def test_the_proxy_says(directive: str) -> None:
    assert f"{directive};" in NGINX


def test_the_proxy_passes_every_target_as_it_was_sent() -> None:
    assert set(re.findall(r"proxy_pass (\S+);", NGINX)) == {"http://web$request_uri"}
    assert "rewrite" not in NGINX


def test_the_image_is_built_from_the_hashed_lock_file_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()

    assert "--require-hashes --requirement requirements.txt" in dockerfile
    assert dockerfile.rindex("USER loyalty") < dockerfile.rindex("CMD")
