"""`./run test`: all tests on throw-away servers, in two processes. A missing service ends it with a sentence."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from loyalty.local import chromium, environment, processes
from loyalty.local.environment import ROOT
from loyalty.local.home import Home
from loyalty.local.installation import Installation

# These would let a developer's own settings leak into the tests.
OURS = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "LOYALTY_HOME", "LOYALTY_ENV", "PORT"}
OURS |= {"SECRET_KEY", "LOYALTY_KEYS", "ALLOWED_HOSTS", "CLOCK_OFFSET_SECONDS"}

# Where the tests find the prepared cluster.
PREPARED = "LOYALTY_PREPARED"
# What shares the live installation goes to one of them, any other test to whichever is free.
# Tests that are named run in one alone.
TWO_PROCESSES = ["-n", "2", "--dist", "loadgroup", "--durations", "25"]


def main(arguments: list[str]) -> int:
    try:
        more = {"LOYALTY_SDK_PYTHON": str(environment.prepare_sdk()), "CHROMIUM": chromium.find_or_install()}
    except chromium.NoChromium as error:
        processes.say(f"test: {error.__doc__}")
        return 4
    processes.stop_on_signals()
    folder = Path(tempfile.mkdtemp(prefix="loyalty test "))
    home = Home(folder / "home")
    # What one process of the run has compiled, the others read.
    variables = {"PYTHONPYCACHEPREFIX": str(folder / "pycache")} | given()
    try:
        if "DATABASE_URL" not in variables:
            # A run within a run takes what was prepared for the outer one.
            prepared = Path(os.environ.get(PREPARED) or _prepare(folder / "prepared", variables))
            home.path.mkdir()
            copy_cluster(prepared, home.path)
            more[PREPARED] = str(prepared)
        home.take()
        with Installation(home, "test", given=variables | more) as installation:
            return _run(arguments, installation.environment)
    except processes.StopRequested:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, variables: dict[str, str]) -> Path:
    """A cluster migrated once, for the run's own server and for each installation that a test starts.

    Migrating takes a core for half a minute; what a new home does is tested where nothing was prepared.
    """
    first = Home(folder)
    first.take()
    with Installation(first, "test", given=variables) as installation:
        installation.migrate()
    processes.stop_on_signals()  # a server's end lets them be ignored, by the tests' processes too
    return folder


def copy_cluster(prepared: Path, home: Path) -> None:
    """With its owner, who is not ours where we are root."""
    subprocess.run(["cp", "-a", str(prepared / "postgres"), str(home / "postgres")], check=True)


def _run(arguments: list[str], variables: dict[str, str]) -> int:
    chosen = arguments or TWO_PROCESSES
    child = subprocess.Popen([sys.executable, "-m", "pytest", *chosen], cwd=ROOT, env=variables)
    try:
        return child.wait()
    except processes.StopRequested:
        child.terminate()
        child.wait()
        raise


def given() -> dict[str, str]:
    """The caller's variables without those of an installation: only TEST_… may name servers."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in OURS and not name.startswith("ALIPAYHK_")
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        if os.environ.get(f"TEST_{name}"):
            kept[name] = os.environ[f"TEST_{name}"]
    return kept
