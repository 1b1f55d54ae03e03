"""`./run demo` as a visitor meets it: a story that ends well, and nothing left after Ctrl-C."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live

TOLD = "The story is told"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="loyalty demo "))
    yield made
    shutil.rmtree(made)


def test_the_story_is_told_and_ctrl_c_leaves_no_process(folder: Path) -> None:
    home, port, twin = folder / "home", live.free_port(), live.free_port()
    live.prepare(home)
    command = live.run_command("demo", "--port", str(port), "--simulator-port", str(twin))
    demo = live.Background(command, live.environment(home), log=folder / "demo.log")

    demo.wait_until_ready()
    _wait_for_the_end_of_the_story(demo)
    told = demo.output()
    pids = live.descendants(demo.process.pid)
    second = _second(folder / "other home", port, twin)
    start = time.monotonic()
    status = demo.stop(signal.SIGINT)

    assert TOLD in told, told
    assert f"http://127.0.0.1:{port}/admin/" in told
    assert f"http://127.0.0.1:{twin}/" in told
    assert second.returncode == 4
    assert len(second.stderr.splitlines()) == 1
    assert not (folder / "other home").exists()
    assert (status, time.monotonic() - start < 5) == (0, True)
    assert live.names(pids) == []


def _wait_for_the_end_of_the_story(demo: live.Background) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and "\nThe story " not in demo.output():
        time.sleep(0.2)


def _second(home: Path, port: int, twin: int) -> subprocess.CompletedProcess[str]:
    command = live.run_command("demo", "--port", str(port), "--simulator-port", str(twin))
    return subprocess.run(
        command, env=live.environment(home), capture_output=True, text=True, timeout=30, check=False
    )
