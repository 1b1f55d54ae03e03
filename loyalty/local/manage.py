"""`./run manage …`: Django's manage.py against the servers that run on this home, else against its own."""

import os
import subprocess
import time
from typing import NoReturn

from loyalty.local import processes
from loyalty.local.home import Home, HomeTaken, Record
from loyalty.local.installation import Installation, base_environment, manage_command

# An empty database is migrated before anything else looks at it, unless that is just what is asked for.
UNMIGRATED = ("migrate", "makemigrations", "help", "version", "--help", "--version")
PATIENCE = 120.0


def main(arguments: list[str]) -> int:
    home = Home.of_environment()
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return _replace_by_manage(arguments, base_environment(home, os.environ))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        running = home.wait_for(_is_lasting, seconds=1)
        if running:
            return _replace_by_manage(arguments, base_environment(home, _joined(running)))
        try:
            home.take()
        except HomeTaken:
            continue  # by another short command, so wait for its end
        return _with_own_servers(home, arguments)
    processes.say(f"manage: {home.path} was in use by another command for {PATIENCE:.0f} s.")
    return 3


def _is_lasting(running: Record) -> bool:
    return running.get("command") in ("serve", "demo") and all(running["environment"].values())


def _joined(running: Record) -> dict[str, str]:
    """The servers that run, except where the caller names others."""
    found = dict(running["environment"])
    if os.environ.get("DATABASE_URL"):
        found.pop("DATABASE_OWNER_URL")
    return {**found, **os.environ}


def _replace_by_manage(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    command = manage_command(*arguments)
    os.execve(command[0], command, environment)


def _with_own_servers(home: Home, arguments: list[str]) -> int:
    processes.stop_on_signals()
    try:
        with Installation(home, "manage") as installation:
            if installation.is_empty and arguments[:1] and arguments[0] not in UNMIGRATED:
                installation.migrate()
            return subprocess.run(
                manage_command(*arguments), env=installation.environment, check=False
            ).returncode
    except processes.StopRequested:
        return 130
