"""`./run demo`: an installation with the demo groups, a simulated AlipayHK, and a story that plays."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path

from loyalty.local import serve, story
from loyalty.local.environment import ROOT
from loyalty.local.home import Home
from loyalty.local.installation import Installation, manage_command
from loyalty.local.processes import Service, say

SIMULATOR_OFFER = "register_mall.json"


class DemoFailed(Exception):
    """The demo could not be prepared."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
    parser.add_argument("--simulator-port", type=int, default=9000)
    options = parser.parse_args(arguments)
    if serve.is_used(options.simulator_port) and not Home.of_environment().is_taken():
        say(f"demo: port {options.simulator_port} is in use; choose one with --simulator-port.")
        return serve.PORT_TAKEN
    return serve.run(
        "demo",
        port=options.port,
        then=lambda installation: _play(installation, options.port, options.simulator_port),
        logs=True,
    )


def _play(installation: Installation, port: int, simulator_port: int) -> None:
    address, simulator = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator_port}"
    offer = _start_simulator(installation, address, simulator_port)
    _manage(installation, "register_mall", str(offer))
    logins, password = _seed(installation)
    print(f"\nStaff      {address}/admin/   password {password}, as {', '.join(logins)}")
    print(f"AlipayHK   {simulator}/   the simulated side: cards and calls")
    print(f"Phone      {simulator}/phone   a member's wallet: join, pay, refund, open the mini-app")
    print(f"Logs       {installation.home.logs}")
    print("Ctrl-C stops everything.\n", flush=True)
    # Only prints, so it may be cut off anywhere; the children belong to this thread.
    threading.Thread(target=story.tell, args=(simulator,), daemon=True).start()
    installation.supervisor.watch()


def _start_simulator(installation: Installation, address: str, port: int) -> Path:
    home = installation.home.path / "simulator"
    home.mkdir(exist_ok=True)
    offer = home / SIMULATOR_OFFER
    offer.unlink(missing_ok=True)  # written anew at every start, so its presence means readiness
    command = [sys.executable, "-m", "alipayhk.simulator", "--port", str(port)]
    command += ["--home", str(home), "--mall-url", address]
    # It is AlipayHK: it gets neither our database nor our keys.
    variables = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    log = installation.home.logs / "simulator.log"
    installation.supervisor.start(
        Service(name="simulator", command=command, environment=variables, folder=ROOT, log=log)
    )
    end = time.monotonic() + 20
    while not (offer.exists() and story.answers(f"http://127.0.0.1:{port}")):
        if time.monotonic() > end:
            raise DemoFailed(f"the simulator did not start; see {log}.")
        installation.supervisor.watch(0.1)
    return offer


def _seed(installation: Installation) -> tuple[list[str], str]:
    """All demo groups; their logins, whose password is made once for this home."""
    file = installation.home.path / "secrets" / "demo_password"
    if not file.exists():
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(9))
    password = file.read_text()
    said = json.loads(_manage(installation, "seed_demo", "--group", "all", "--week", DEMO_PASSWORD=password))
    return said["logins"], password


def _manage(installation: Installation, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        manage_command(*arguments),
        env={**installation.environment, **variables},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise DemoFailed(
            f"{arguments[0]} failed: {(done.stderr or done.stdout).strip()}\n"
            "A home begun by an earlier version's demo cannot be continued: remove it, or name another in LOYALTY_HOME."
        )
    return done.stdout
