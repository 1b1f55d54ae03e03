"""`./run manage` without a running installation: servers for its own duration, on a home made once."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live

# Servers that are given are not started, nor their databases migrated: what costs most of a new home.
GIVEN = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")}
SHOW = "from django.conf import settings; print(settings.SECRET_KEY)"


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="loyalty home "))
    yield folder / "home"
    shutil.rmtree(folder)


def test_a_new_home_is_migrated_once_and_left_without_processes(home: Path) -> None:
    first, second = (_start(home, "showmigrations", "ledger", "--plan") for _ in range(2))

    outputs = [first.communicate(timeout=100)[0], second.communicate(timeout=100)[0]]

    assert (first.returncode, second.returncode) == (0, 0)
    assert all("[X]  ledger.0001_initial" in output for output in outputs)
    assert not (home / "running.json").exists()
    assert _processes_naming(home) == []


def test_secrets_are_made_once(home: Path) -> None:
    both = [_start(home, "shell", "--no-imports", "-c", SHOW, **GIVEN) for _ in range(2)]

    keys = {one.communicate(timeout=100)[0] for one in both}

    assert len(keys) == 1
    assert (home / "secrets" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_the_command_s_exit_code_is_ours(home: Path) -> None:
    command = _start(home, "shell", "--no-imports", "-c", "raise SystemExit(7)", **GIVEN)

    command.communicate(timeout=100)

    assert command.returncode == 7


def _start(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        live.run_command("manage", *arguments),
        env=live.environment(home, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _processes_naming(home: Path) -> list[Path]:
    return [folder for folder in Path("/proc").glob("[0-9]*") if str(home) in _environment(folder)]


def _environment(process: Path) -> str:
    try:
        return (process / "environ").read_text()
    except OSError:
        return ""
