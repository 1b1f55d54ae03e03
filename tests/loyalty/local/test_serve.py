"""`./run serve` as an operator meets it: ready, refused, stopped, killed. Nothing may be left behind."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import live

PROGRAMS = {"web", "worker", "beat", "postgres", "valkey"}


def test_serve_prints_ready_once_readyz_is_200(live_installation: live.Installation) -> None:
    status, _ = live_installation.get("/readyz")

    assert status == 200
    assert f"ready {live_installation.url}" in live_installation.serve.output().splitlines()
    assert set(live_installation.running()["pids"]) == PROGRAMS


def test_secrets_and_the_record_are_for_the_owner_alone(live_installation: live.Installation) -> None:
    home = live_installation.home

    modes = {name: (home / name).stat().st_mode & 0o777 for name in ("secrets", "running.json")}

    assert modes == {"secrets": 0o700, "running.json": 0o600}
    assert {file.stat().st_mode & 0o777 for file in (home / "secrets").iterdir()} == {0o600}


def test_a_second_serve_on_one_home_says_so_and_exits_3(live_installation: live.Installation) -> None:
    before = live_installation.running()

    second = _serve(live_installation.home, live.free_port())

    assert second.returncode == 3
    assert str(live_installation.home) in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert live_installation.running() == before


def test_a_used_port_is_named_in_one_line_and_changes_nothing(
    live_installation: live.Installation, tmp_path: Path
) -> None:
    second = _serve(tmp_path / "home", live_installation.port)

    assert second.returncode == 4
    assert str(live_installation.port) in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_manage_uses_the_servers_that_run(live_installation: live.Installation) -> None:
    code = "from django.db import connection as c; c.ensure_connection(); print(c.settings_dict['OPTIONS'])"

    done = live_installation.manage_as_typed("shell", "--no-imports", "-c", code)

    assert live_installation.running()["sockets"]["postgres"] in done.stdout


def test_manage_passes_standard_input_through(live_installation: live.Installation) -> None:
    done = live_installation.manage_as_typed(
        "shell", "--no-imports", "-c", "import sys; print(sys.stdin.read())", given="王小明"
    )

    assert done.stdout.strip() == "王小明"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_takes_less_than_5_seconds_and_leaves_no_process(
    own_installation: live.Installation, number: signal.Signals
) -> None:
    pids = live.descendants(own_installation.serve.process.pid)
    start = time.monotonic()

    status = own_installation.serve.stop(number)

    assert time.monotonic() - start < 5
    assert status == 0
    assert len(pids) >= 6
    assert live.names(pids) == []
    assert not (own_installation.home / "running.json").exists()


def test_a_killed_serve_leaves_no_process_and_starts_again(own_installation: live.Installation) -> None:
    pids = live.descendants(own_installation.serve.process.pid)

    own_installation.serve.stop(signal.SIGKILL)

    assert live.gone_within(pids, 5)
    own_installation.start()
    assert own_installation.get("/readyz")[0] == 200


def test_killed_programs_are_started_again(own_installation: live.Installation) -> None:
    names = ["web", "worker", "beat", "valkey"]
    before = {name: own_installation.pid(name) for name in names}

    for name in names:
        own_installation.kill(name)

    assert _until(lambda: all(own_installation.pid(name) != before[name] for name in names), 10)
    assert _until(lambda: _is_healthy(own_installation), 30)


def test_a_fault_in_the_configuration_ends_the_start_with_one_sentence(tmp_path: Path) -> None:
    variables = {"DATABASE_URL": "mysql://nowhere/x", "REDIS_URL": "redis://127.0.0.1:1/0"}

    done = _serve(tmp_path / "home", live.free_port(), **variables)

    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_URL: ")
    assert "Traceback" not in done.stderr


def _serve(home: Path, port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    command = live.run_command("serve", "--port", str(port))
    return subprocess.run(
        command,
        env=live.environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _is_healthy(installation: live.Installation) -> bool:
    try:
        return installation.get("/readyz")[0] == 200
    except OSError:
        return False


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
