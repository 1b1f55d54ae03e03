"""One running installation: the servers it needs, the environment its programs get, and its orderly end."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from loyalty.local import processes
from loyalty.local.environment import ROOT
from loyalty.local.home import Home
from loyalty.local.postgres import APP, OWNER, SETTINGS, THROWN_AWAY, Postgres
from loyalty.local.processes import Service, Supervisor
from loyalty.local.valkey import Valkey

SERVERS = ("valkey", "postgres")
RUNTIME_PREFIX = "/tmp/loyalty-"  # short on every system: a socket's path may have about 100 letters


class MigrationFailed(Exception):
    """The database could not be migrated."""


class Installation:
    """Servers on a home that the caller has taken. Use as a context: its end stops everything it started."""

    def __init__(self, home: Home, command: str, *, given: Mapping[str, str] | None = None) -> None:
        self.home, self.command = home, command
        self.environment = base_environment(home, given if given is not None else os.environ)
        self.supervisor = Supervisor(self._record)
        self.facts: dict[str, object] = {}
        self.is_empty = False
        self.runtime = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX))

    def __enter__(self) -> "Installation":
        try:
            self.start_servers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        processes.ignore_further_signals()
        self.supervisor.stop_all(last=SERVERS)
        shutil.rmtree(self.runtime, ignore_errors=True)
        self.home.give_back()

    def start_servers(self) -> None:
        # Others must be able to pass through to the server's own folder inside it, whose mode is 0700.
        self.runtime.chmod(0o711)
        self._sweep_up_after_a_kill()
        self._record(())
        if not self.environment.get("DATABASE_URL"):
            self._start_postgres()
        if not self.environment.get("REDIS_URL"):
            self._start_valkey()
        self.environment.setdefault("DATABASE_OWNER_URL", self.environment["DATABASE_URL"])
        self._record(self.supervisor.services)

    def migrate(self) -> None:
        done = subprocess.run(
            manage_command("migrate", "--no-input", "--verbosity", "0"),
            env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise MigrationFailed

    def programs_environment(self, **more: str) -> dict[str, str]:
        """For web, worker and beat: they must not hold the role that may change the ledger's tables."""
        kept = {name: text for name, text in self.environment.items() if name != "DATABASE_OWNER_URL"}
        return {**kept, **more}

    def _start_postgres(self) -> None:
        server = Postgres(
            folder=self.home.path / "postgres",
            runtime=self.runtime,
            log=self.home.logs / "postgres.log",
            settings=SETTINGS | (THROWN_AWAY if self.command == "test" else {}),
        )
        is_new = server.prepare()
        service = server.service()
        self.supervisor.start(service)
        server.wait_until_ready(service)
        if is_new:
            server.create_database()
        self.is_empty = server.is_empty()
        self.environment |= {"DATABASE_URL": server.url(APP), "DATABASE_OWNER_URL": server.url(OWNER)}
        self.facts["sockets"] = {"postgres": str(server.socket)}

    def _start_valkey(self) -> None:
        server = Valkey(runtime=self.runtime, log=self.home.logs / "valkey.log")
        service = server.service()
        self.supervisor.start(service)
        server.wait_until_ready(service)
        self.environment["REDIS_URL"] = server.url()
        self.facts["ports"] = {"valkey": server.port}

    def _sweep_up_after_a_kill(self) -> None:
        left = self.home.running().get("runtime", "")
        if left.startswith(RUNTIME_PREFIX):
            shutil.rmtree(left, ignore_errors=True)

    def _record(self, services: Iterable[Service]) -> None:
        pids = {service.name: service.process.pid for service in services if service.process}
        self.home.record(
            {
                "command": self.command,
                "pid": os.getpid(),
                "pids": pids,
                "runtime": str(self.runtime),
                **self.facts,
            }
            | {"environment": {name: self.environment.get(name) for name in _RECORDED}}
        )


_RECORDED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")


def base_environment(home: Home, given: Mapping[str, str]) -> dict[str, str]:
    """What every program of this installation gets; development makes its own secrets."""
    environment = {"LOYALTY_ENV": "development", **given}
    environment |= {
        "LOYALTY_HOME": str(home.path),
        "DJANGO_SETTINGS_MODULE": "loyalty.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    # Many programs start from the same sources: compiled once, also where nothing may be written beside them.
    environment |= {"PYTHONDONTWRITEBYTECODE": ""}
    environment.setdefault("PYTHONPYCACHEPREFIX", str(home.path / "pycache"))
    if environment["LOYALTY_ENV"] == "development":
        environment = {**home.secrets(), **environment}
    return environment


def manage_command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]
