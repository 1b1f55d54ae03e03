"""`./run test` never tests less than it should: a missing service ends it with its name."""

import subprocess

import pytest

from tests import live

SMALLEST = "tests/test_compose.py"


def test_a_missing_chromium_is_named() -> None:
    done = _run_tests(CHROMIUM="/no/such/chromium")

    assert done.returncode != 0
    assert "Chromium" in done.stderr
    assert "passed" not in done.stdout


@pytest.mark.parametrize(
    ("variable", "address", "name"),
    [
        ("TEST_DATABASE_URL", "postgresql://nobody:@127.0.0.1:1/none", "PostgreSQL"),
        ("TEST_REDIS_URL", "redis://127.0.0.1:1/0", "Valkey"),
    ],
)
def test_a_server_that_does_not_answer_is_named_and_nothing_else_is_taken(
    variable: str, address: str, name: str
) -> None:
    done = _run_tests(**{variable: address})

    assert done.returncode != 0
    assert name in done.stdout + done.stderr
    assert variable in done.stdout + done.stderr
    assert "passed" not in done.stdout


def _run_tests(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        live.run_command("test", SMALLEST),
        env=live.environment(live.ROOT / ".local", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
