"""`./run serve`: web, worker and beat in the foreground, each its own process, with the servers they need."""

import argparse
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from loyalty.local import processes
from loyalty.local.environment import ROOT
from loyalty.local.home import Home, HomeTaken
from loyalty.local.installation import Installation
from loyalty.local.processes import Service, say

HOME_TAKEN, PORT_TAKEN = 3, 4
# The worker shows life every 10 s; one that was silent for so long is deaf and is started again.
DEAF_AFTER = 60.0


class NotReady(Exception):
    """The web process did not become ready."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run serve", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
    port = parser.parse_args(arguments).port
    return run("serve", port=port, then=lambda installation: installation.supervisor.watch())


def run(command: str, *, port: int, then: Callable[[Installation], None], logs: bool = False) -> int:
    """Everything up, then what the caller wants with it, until a signal; a refusal changes nothing."""
    home = Home.of_environment()
    if home.is_taken():
        return _refuse_home(home)
    if is_used(port):
        say(f"{command}: port {port} is in use by another program; choose one with --port or PORT.")
        return PORT_TAKEN
    processes.stop_on_signals()
    try:
        home.take()
        with Installation(home, command, given={**os.environ, "PORT": str(port)}) as installation:
            _start_programs(installation, port, logs=logs)
            then(installation)
    except HomeTaken:
        return _refuse_home(home)
    except NotReady as error:
        say(f"{command}: {error}")
        return 1
    except processes.StopRequested:
        say("stopped")
    return 0


def _start_programs(installation: Installation, port: int, *, logs: bool) -> None:
    installation.migrate()
    address = f"http://127.0.0.1:{port}"
    installation.facts |= {"url": address, "ports": {"web": port, **_ports(installation)}}
    for service in programs(installation, logs=logs):
        installation.supervisor.start(service)
    _wait_until_ready(installation, address)
    print(f"ready {address}", flush=True)


def _ports(installation: Installation) -> Mapping[str, int]:
    ports = installation.facts.get("ports")
    return ports if isinstance(ports, dict) else {}


def programs(installation: Installation, *, logs: bool) -> list[Service]:
    """The three programs; with `logs` they write to files, for a foreground that tells something else."""
    life = installation.runtime / "worker.life"
    environment = installation.programs_environment(LOYALTY_WORKER_LIFE=str(life))
    schedule = installation.runtime / "celerybeat-schedule"
    # Celery warns root at length about pickle, which is switched off.
    quiet = ["-W", "ignore:You're running the worker with superuser privileges"]
    celery = [sys.executable, *quiet, "-m", "celery", "--quiet", "--app", "loyalty.celery"]
    commands = {
        "web": [sys.executable, "-m", "gunicorn", "-c", "python:loyalty.gunicorn"],
        "worker": [
            *celery,
            "worker",
            "--pool",
            "threads",
            "--loglevel",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
        ],
        "beat": [*celery, "beat", "--schedule", str(schedule), "--pidfile", "", "--loglevel", "WARNING"],
    }
    return [
        Service(
            name=name,
            command=command,
            environment=environment,
            folder=ROOT,
            log=_log(installation, name) if logs else None,
            life=life if name == "worker" else None,
            deaf_after=DEAF_AFTER,
        )
        for name, command in commands.items()
    ]


def _log(installation: Installation, name: str) -> Path:
    return installation.home.logs / f"{name}.log"


def _wait_until_ready(installation: Installation, address: str, seconds: int = 120) -> None:
    answer = "it did not answer"
    for _ in range(seconds * 10):
        installation.supervisor.watch(0.1)
        answer = _readiness(address) or answer
        if answer == "ready":
            return
    raise NotReady(f"{address} was not ready within {seconds} s: {answer}")


def _readiness(address: str) -> str:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
            return "ready" if answer.status == HTTPStatus.OK else ""
    except urllib.error.HTTPError as error:
        return error.read(2000).decode(errors="replace")
    except OSError:
        return ""


def _refuse_home(home: Home) -> int:
    running = home.running()
    holder = f"./run {running.get('command', '')} (process {running.get('pid', 'unknown')})"
    say(f"{home.path} is in use by {holder}.")
    return HOME_TAKEN


def is_used(port: int) -> bool:
    with socket.socket() as probe:
        # As gunicorn binds: a port in TIME_WAIT is free, one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
