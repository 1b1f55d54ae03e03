"""Children end with their parent and come back when they die; a deaf one counts as dead."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from loyalty.local.processes import Service, Supervisor
from tests import live

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_service_that_dies_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    service = _service(tmp_path)
    supervisor.start(service)
    first = _pid(service)

    os.kill(first, signal.SIGKILL)
    supervisor.watch(1.6)

    assert service.is_running()
    assert _pid(service) != first
    supervisor.stop_all(last=())


def test_a_service_without_a_sign_of_life_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    service = _service(tmp_path, life=tmp_path / "life", deaf_after=0.5)
    supervisor.start(service)
    first = _pid(service)
    os.utime(tmp_path / "life", (0, 0))

    supervisor.watch(1.4)

    assert live.alive({first}) == set()
    assert service.is_running()
    supervisor.stop_all(last=())


def test_a_stop_kills_what_ignores_it_with_its_children(tmp_path: Path) -> None:
    stubborn = "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    stubborn += "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    supervisor = Supervisor(lambda _: None)
    service = _service(tmp_path, command=[sys.executable, "-c", stubborn])
    supervisor.start(service)
    while not (below := live.descendants(_pid(service))):
        time.sleep(0.05)
    time.sleep(0.2)

    supervisor.stop(["sleeper"], by=time.monotonic() + 0.3)

    assert live.gone_within({_pid(service)} | below, 1)
    assert supervisor.services == []


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = "from pathlib import Path; import time, sys; from loyalty.local.processes import Service; "
    parent += "s = Service(name='s', command=[sys.executable, '-c', 'import time; time.sleep(60)'], "
    parent += "environment={}, folder=Path('/')); s.start(); print(s.process.pid, flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=live.ROOT
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())

    process.kill()
    process.wait()

    assert live.gone_within({child}, 2)
    process.stdout.close()


def test_the_leash_ends_its_child_when_the_pipe_closes() -> None:
    read, write = os.pipe()
    command = [sys.executable, "-m", "loyalty.local.leash", str(read), str(int(signal.SIGKILL)), *SLEEP]
    leash = subprocess.Popen(command, pass_fds=[read], cwd=live.ROOT)
    os.close(read)
    while not (below := live.descendants(leash.pid)):
        time.sleep(0.05)

    os.close(write)

    assert leash.wait(20) != 0
    assert live.gone_within(below, 5)


def test_the_leash_passes_a_stop_on() -> None:
    read, write = os.pipe()
    command = [sys.executable, "-m", "loyalty.local.leash", str(read), str(int(signal.SIGKILL)), *SLEEP]
    leash = subprocess.Popen(command, pass_fds=[read], cwd=live.ROOT)
    os.close(read)
    while not (below := live.descendants(leash.pid)):
        time.sleep(0.05)
    time.sleep(0.3)

    leash.terminate()

    assert leash.wait(20) != 0
    assert live.gone_within(below, 5)
    os.close(write)


def _service(folder: Path, **more: object) -> Service:
    return Service(**{"name": "sleeper", "command": SLEEP, "environment": {}, "folder": folder, **more})  # type: ignore[arg-type]


def _pid(service: Service) -> int:
    assert service.process is not None
    return service.process.pid
