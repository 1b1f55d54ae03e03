"""The folder of one installation: its lock, its secrets, and the record of what runs (running.json)."""

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from loyalty.local.environment import ROOT

Record = dict[str, Any]


class HomeTaken(Exception):
    """Another process runs on this home."""


class Home:
    """LOYALTY_HOME; whoever holds its lock may run servers on it, and the lock ends with the holder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._guard: IO[str] | None = None

    @classmethod
    def of_environment(cls) -> "Home":
        return cls(Path(os.environ.get("LOYALTY_HOME") or ROOT / ".local"))

    @property
    def logs(self) -> Path:
        return self.path / "log"

    def is_taken(self) -> bool:
        """Whether somebody else holds it; makes nothing."""
        if not (self.path / "lock").exists():
            return False
        with open(self.path / "lock") as guard:
            return not _lock(guard)

    def take(self) -> None:
        for folder in (self.logs, self.path / "static"):
            folder.mkdir(parents=True, exist_ok=True)
        guard = open(self.path / "lock", "a")
        if not _lock(guard):
            guard.close()
            raise HomeTaken
        self._guard = guard

    def give_back(self) -> None:
        (self.path / "running.json").unlink(missing_ok=True)
        if self._guard:
            self._guard.close()

    def record(self, running: Record) -> None:
        # Holds Valkey's password: for the owner's eyes only, and never half written.
        unfinished = self.path / "running.json.new"
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(running, file, indent=1)
        unfinished.rename(self.path / "running.json")

    def running(self) -> Record:
        try:
            record: Record = json.loads((self.path / "running.json").read_text())
        except (OSError, ValueError):
            return {}
        return record

    def wait_for(self, wanted: Callable[[Record], bool], seconds: float) -> Record:
        """What the holder has recorded, once it is what the caller waits for; empty when it never comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.is_taken():
            record = self.running()
            if wanted(record):
                return record
            time.sleep(0.1)
        return {}

    def secrets(self) -> dict[str, str]:
        """The development installation's own secrets, made once."""
        return {
            "SECRET_KEY": self._secret("secret_key", lambda: secrets.token_urlsafe(48)),
            "LOYALTY_KEYS": self._secret("loyalty_keys", _fernet_key),
        }

    def _secret(self, name: str, make: Callable[[], str]) -> str:
        folder = self.path / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        unfinished = folder / f"{name}.{os.getpid()}"
        if not (folder / name).exists():
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(make())
            unfinished.rename(folder / name)
        return (folder / name).read_text().strip()


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _lock(guard: IO[str]) -> bool:
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
