"""Children that never outlive us: starting, watching, restarting and stopping them.

Every child leads a session of its own, so Ctrl-C reaches only us and a stop reaches all it started.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
RESTART_AFTER = 1.0
LAST_WORDS = 0.5  # between a hurried stop and the kill
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Held open by us alone: on systems without a parent-death signal, its end tells the leashes that we are gone.
_LEASH_READ, _LEASH_WRITE = os.pipe()


class StopRequested(BaseException):
    """Somebody asked us to stop."""


@dataclass(kw_only=True)
class Service:
    """What to start, and how to stop it: kindly with `stop`, then with `hurry`; `orphaned` when we are killed."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    stop: signal.Signals = signal.SIGTERM
    hurry: signal.Signals = signal.SIGKILL
    orphaned: signal.Signals = signal.SIGKILL
    log: Path | None = None
    stdin: str | None = None
    account: pwd.struct_passwd | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    died_at: float | None = None
    life: Path | None = None  # a file that the process touches while it does its work
    deaf_after: float = 60.0

    def start(self) -> None:
        if self.life:
            self.life.touch()
        output = open(self.log, "ab") if self.log else None
        try:
            self.process = start(self, output)
        finally:
            if output:
                output.close()
        if self.stdin is not None and self.process.stdin:
            self.process.stdin.write(self.stdin.encode())
            self.process.stdin.close()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_deaf(self) -> bool:
        """Alive but without a sign of work: killed and started again like a dead one."""
        return (
            self.life is not None
            and self.life.exists()
            and time.time() - self.life.stat().st_mtime > self.deaf_after
        )

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.is_running():
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends whatever is left of the child's whole session, its own children included."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # nothing is left of it
        self.process.wait()


def start(service: Service, output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """One child process that ends when we end, however we end."""
    parent, orphaned, on_linux = os.getpid(), int(service.orphaned), sys.platform == "linux"
    libc = ctypes.CDLL(None) if on_linux else None

    def tie_to_parent() -> None:
        if libc is None:
            return
        libc.prctl(PR_SET_PDEATHSIG, orphaned, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the parent was gone before the tie held

    command = service.command
    if not on_linux:
        leash = [sys.executable, "-m", "loyalty.local.leash", str(_LEASH_READ), str(orphaned)]
        command = [*leash, *command]
    account = service.account
    return subprocess.Popen(
        command,
        env=dict(service.environment),
        cwd=service.folder,
        stdin=subprocess.DEVNULL if service.stdin is None else subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=tie_to_parent,
        pass_fds=() if on_linux else (_LEASH_READ,),
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


class Supervisor:
    """Keeps services alive in the order they were started, and ends them in the opposite one."""

    def __init__(self, on_change: Callable[[Iterable[Service]], None]) -> None:
        self.services: list[Service] = []
        self._on_change = on_change

    def start(self, service: Service) -> None:
        self.services.append(service)
        service.start()
        self._on_change(self.services)

    def watch(self, seconds: float | None = None) -> None:
        """Start again whatever dies, for so long or until StopRequested is raised."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            self.heal()
            time.sleep(0.1)

    def heal(self) -> None:
        for service in self.services:
            if service.is_running() and not service.is_deaf():
                continue
            if service.died_at is None:
                service.died_at = time.monotonic()
                say(f"{service.name} ended ({_ending(service)}); starting it again")
                service.kill()
            elif time.monotonic() - service.died_at >= RESTART_AFTER:
                service.died_at = None
                service.start()
                self._on_change(self.services)

    def stop(self, names: Iterable[str], *, by: float) -> None:
        """Ask these services to stop at the same time; kill what has not at that moment of the monotonic clock."""
        chosen = [service for service in self.services if service.name in names]
        for service in chosen:
            service.signal(service.stop)
        if not _ended(chosen, by - LAST_WORDS):
            for service in chosen:
                service.signal(service.hurry)
            _ended(chosen, by)
        for service in chosen:
            service.kill()
            self.services.remove(service)

    def stop_all(self, *, last: Iterable[str], seconds: float = 4.6) -> None:
        """Everything within so many seconds; the servers that others need go last."""
        end = time.monotonic() + seconds
        self.stop(
            [service.name for service in self.services if service.name not in last], by=end - seconds / 2
        )
        self.stop(last, by=end)


def _ended(services: list[Service], by: float) -> bool:
    while any(service.is_running() for service in services):
        if time.monotonic() >= by:
            return False
        time.sleep(0.02)
    return True


def stop_on_signals() -> None:
    """SIGTERM, SIGINT and SIGHUP raise StopRequested once."""
    for number in _STOPS:
        signal.signal(number, _request_stop)


def ignore_further_signals() -> None:
    """While stopping, where `stop_on_signals` was said; others keep their own handling."""
    for number in _STOPS:
        if signal.getsignal(number) is _request_stop:
            signal.signal(number, signal.SIG_IGN)


def _request_stop(_number: int, _frame: object) -> None:
    ignore_further_signals()
    raise StopRequested


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _ending(service: Service) -> str:
    code = service.process.returncode if service.process else 0
    if code is None:
        return "no sign of life"
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
