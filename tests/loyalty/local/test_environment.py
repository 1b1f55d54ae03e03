"""A clean copy in a folder with a space, given to an ordinary user who has nothing but Python."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import live

MADE = (".git", ".venv*", ".local", ".*_cache", "__pycache__")


@pytest.fixture
def ordinary_user() -> dict[str, Any]:
    """What makes subprocess drop root; nothing where we are ordinary already."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture
def clone(ordinary_user: dict[str, Any]) -> Iterator[Path]:
    """The files of this checkout without anything made by a run, owned by that user."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty clean clone "))
    folder.chmod(0o755)
    shutil.copytree(live.ROOT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*MADE))
    if ordinary_user:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, ordinary_user["user"], ordinary_user["group"])
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def python(ordinary_user: dict[str, Any]) -> str:
    """An interpreter that this user may start; ours may live below a private folder."""
    found = (shutil.which("python3", path=f"{folder}") for folder in os.get_exec_path())
    for candidate in (*filter(None, found), "/usr/bin/python3"):
        if _can_start(candidate, ordinary_user):
            return candidate
    pytest.fail("no Python 3.11 on this machine can be started by an ordinary user")


@pytest.mark.timeout(300)
def test_a_clean_clone_serves_to_an_ordinary_user_and_two_may_begin_at_once(
    clone: Path, python: str, ordinary_user: dict[str, Any]
) -> None:
    variables = _variables(clone)
    manage = [python, "run", "manage", "check"]
    first, second = (
        subprocess.Popen(
            manage,
            cwd=clone,
            env=variables,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **ordinary_user,
        )
        for _ in range(2)
    )
    errors = first.communicate()[1] + second.communicate()[1]

    assert (first.returncode, second.returncode) == (0, 0), errors
    assert errors.count("making .venv") == 1

    port = live.free_port()
    serve = live.Background(
        [python, "run", "serve", "--port", str(port)],
        variables,
        log=clone / "serve.log",
        cwd=clone,
        **ordinary_user,
    )
    serve.wait_until_ready()
    pids = live.descendants(serve.process.pid)
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}

    assert serve.stop() == 0
    assert owners == {ordinary_user.get("user", os.geteuid())}
    assert live.names(pids) == []


def test_a_python_that_is_too_old_is_told_so_in_one_sentence() -> None:
    source = (live.ROOT / "run").read_text()
    pretended = source.replace("import sys\n", "import sys\nsys.version_info = (3, 9)\n", 1)

    done = subprocess.run([sys.executable, "-c", pretended], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("This project needs Python 3.11 or newer")
    assert len(done.stderr.splitlines()) == 1


def test_run_alone_prints_its_commands_with_a_line_each() -> None:
    done = subprocess.run(live.run_command(), capture_output=True, text=True, check=True)

    names = [line.split()[1] for line in done.stdout.splitlines()]
    assert {"demo", "serve", "simulator", "test", "check", "bench", "manage"} <= set(names)


def test_an_unknown_command_exits_2_with_a_sentence() -> None:
    done = subprocess.run(live.run_command("sevre"), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "sevre" in done.stderr


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-sdk.txt", "requirements-uv.txt"]
)
def test_lock_files_pin_and_hash_everything_and_name_no_host(name: str) -> None:
    lines = (live.ROOT / name).read_text().splitlines()

    pins = [line for line in lines if not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert not any("://" in line or "index" in line for line in lines)


def _variables(clone: Path) -> dict[str, str]:
    home = clone / "user home"
    home.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
    kept = {
        name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_", "http"))
    }
    return {**kept, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}


def _can_start(candidate: str, ordinary_user: dict[str, Any]) -> bool:
    question = [candidate, "-c", "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"]
    try:
        return (
            subprocess.run(question, cwd="/", capture_output=True, check=False, **ordinary_user).returncode
            == 0
        )
    except OSError:
        return False
